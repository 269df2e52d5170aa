"""From a study file to the artifacts of its ladder: train, compress, export, quantize, each done once and gated."""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any, final

import torch
from torch import nn

from samewhy_edge import litert
from samewhy_edge.arrays import Samples
from samewhy_edge.errors import ArtifactError, InputError
from samewhy_edge.files import sha256, write_bytes, write_json
from samewhy_edge.methods import fitting
from samewhy_edge.predictor import open_predictor
from samewhy_edge.rung import artifact
from samewhy_host import export, module_file, quantize, schemes, tensorflow_worker, train
from samewhy_host.calibration import calibrating, shown_masked
from samewhy_host.coded import coded_bytes
from samewhy_host.compress import (
    Compression,
    channels,
    low_rank,
    magnitude,
    objectives,
    random,
    rung_name,
    shared,
    simulation,
    student,
    tuning,
)
from samewhy_host.compress.objectives import (
    attribution,
    black_box,
    distil,
    e2kd,
    ewa,
    lesson,
    maps,
    matching,
    sswa,
    swa,
)
from samewhy_host.compress.objectives.lesson import Scene
from samewhy_host.compress.teachers import ANSWERS, Foreign, Remembering
from samewhy_host.compress.tuning import INPUT, REFERENCE, School, Tuning
from samewhy_host.data.dataset import Dataset, stratified
from samewhy_host.data.sources import open_dataset
from samewhy_host.manifest import Made, Manifest, Step
from samewhy_host.module_file import Recipe, load_module, load_plain, save_module, with_weights
from samewhy_host.steps import Steps
from samewhy_host.study import TRAIN, StudyFile
from samewhy_host.zoo import ZOO

GATE_SAMPLES = 500  # training samples that the int8 gate compares on; the parity gates take the first 64
TWIN, APART = "twin", 5000  # its name, and how far its seed is from the study's
ONNX, FLOAT = "model.onnx", "float.tflite"
PACKAGES = ("samewhy", "numpy", "torch", "onnx", "onnxruntime", "onnx2tf", "tensorflow", "ai-edge-litert")
PLAIN = Tuning()
CUTS = (magnitude, channels, random, shared, low_rank, student)  # code that decides what a compression makes
LESSONS = (objectives, lesson, matching, distil, black_box, maps, attribution, ewa, swa, sswa, e2kd)
Told = Callable[[str], object]


@final
@dataclass(slots=True)
class Builder:
    """A build on its way: the study, its data, and what has been made so far."""

    file: StudyFile
    folder: Path
    told: Told
    data: Dataset
    steps: Steps
    made: list[Made] = field(default_factory=list)

    @property
    def seed(self) -> int:
        """The study's seed."""
        return self.file.study.study.seed

    def add(self, name: str, file: str, source: Path, parent: str | None, gate: Path | None = None) -> Path:
        """Put a finished artifact into the run's folder and on the list, with what its gate measured."""
        place = self.folder / "artifacts" / file
        if not place.is_file() or artifact(place) != artifact(source):
            write_bytes(place, source.read_bytes())
        known = artifact(place)
        measured = json.loads(gate.read_text()) if gate else {}
        self.made.append(
            Made(name, f"artifacts/{file}", known.sha256, known.bytes, parent, measured, coded_size(place))
        )
        return place

    def parent(self) -> str | None:
        """Identity of the artifact made last."""
        return self.made[-1].sha256 if self.made else None


def coded_size(place: Path) -> int | None:
    """Of a file with its weights coded; None where the file cannot be read that way."""
    try:
        return coded_bytes(place)
    except ArtifactError:
        return None


def build(file: StudyFile, folder: Path, told: Told, steps: Steps | None = None) -> tuple[Manifest, Dataset]:
    """Make every artifact of the study in `folder`; finished `steps`, its own without others, are used again.

    Raises:
        SamewhyError: the data, the network or a gate; what was finished before stays.
    """
    study = file.study
    module_file.importable(file.path.parent)
    data = open_dataset(study.data, file.path.parent, study.study.seed)
    builder = Builder(file, folder, told, data, steps or Steps(folder / "steps"))
    audited = data.test.take(stratified(data.test.labels, study.audit.samples, builder.seed))
    fitting(study.explainers(), audited.samples, builder.seed)  # what does not fit is told before any training
    schemes.makeable(study.quantize.scheme)
    calibration = calibrating(data.train, audited, study.data.calibration, builder.seed)
    shown = shown_masked(calibration, study.quantize.masked, study.explainers(), builder.seed)
    rungs = ladder(builder, calibration.samples, shown)
    twin = twin_of(builder)
    known = {rung.name for rung in (*rungs, *([twin] if twin else []))}
    for extra in study.rung:
        if extra.name in known:
            raise InputError(f"[[rung]] name {extra.name!r} is taken; the ladder has: {', '.join(sorted(known))}")
        known.add(extra.name)
        if extra.address:
            rungs.append(Step(extra.name, extra.address))
    made = Manifest(
        question=study.study.question,
        seed=builder.seed,
        study=file.sha256,
        data=data.provenance(),
        artifacts=tuple(builder.made),
        rungs=tuple(rungs),
        calibration=calibration.ids if study.quantize.kind.calibrated else (),
        audit=audited.ids,
        versions={name: version(name) for name in (*PACKAGES, *schemes.packages(study.quantize.scheme))},
        twin=twin,
    )
    return made, data


def ladder(builder: Builder, clean: Samples, shown: Samples) -> list[Step]:
    """Make the artifacts; the rungs from the reference down. `shown` calibrates, `clean` are the same without masks."""
    model = builder.file.study.model
    if model.float_tflite and model.int8_tflite:
        builder.add("tflite", FLOAT, given(builder, model.float_tflite), None)
        builder.add("int8", "int8.tflite", given(builder, model.int8_tflite), None)
        return tflite_rungs("int8", tuple(litert.KERNELS))
    rungs: list[Step] = []
    if model.onnx:
        onnx = builder.add("onnx", ONNX, given(builder, model.onnx), None)
    else:
        rungs, onnx = torch_rungs(builder, clean)
    quantized = convert(builder, onnx, shown)
    return [
        *rungs,
        Step("onnx", f"onnx:artifacts/{ONNX}"),
        *tflite_rungs(quantized.stem, kernels_of(builder, quantized)),
    ]


def tflite_rungs(scheme: str, kernels: Sequence[str]) -> list[Step]:
    """The float file under the default kernels, the quantized one under all of `kernels`."""
    return [
        Step("tflite", f"litert:artifacts/{FLOAT}?kernels=xnnpack"),
        *(Step(f"{scheme}-{one}", f"litert:artifacts/{scheme}.tflite?kernels={one}") for one in kernels),
    ]


def kernels_of(builder: Builder, quantized: Path) -> list[str]:
    """The kernel sets that run a file; of the others the run says why they are left out."""
    kernels, refused = quantize.runnable(quantized)
    for name, said in refused.items():
        builder.told(f"quantize: {quantized.stem}-{name} is left out, the kernels do not run the file: {said}")
    return kernels


def given(builder: Builder, name: str) -> Path:
    """A file that the study names.

    Raises:
        ArtifactError: there is no such file.
    """
    path = builder.file.beside(name)
    if not path.is_file():
        raise ArtifactError(f"{path}: no such file; [model] of {builder.file.path.name} names it")
    return path


def torch_rungs(builder: Builder, samples: Samples) -> tuple[list[Step], Path]:
    """Train (or take given weights), compress, export: the torch rungs, and the ONNX file of the last one."""
    path = builder.add("float", "float.pt", trained(builder) / "module.pt", None)
    rungs = [Step("float", f"torch:artifacts/{path.name}")]
    study, before = builder.file.study, path
    for (method, compression), how in zip(study.compressions(), study.tunings(), strict=True):
        builder.told(f"compress: {method}")
        teacher = teacher_of(builder, how, before, builder.folder / "artifacts" / "float.pt")
        done = compressed(builder, path, method, compression, how, teacher)
        name = rung_name(method)
        path = builder.add(name, f"{name}.pt", done / "module.pt", builder.parent())
        if how.remember:
            write_bytes(path.with_name(f"{name}-teacher.npz"), (done / "teacher.npz").read_bytes())
        before = path
        rungs.append(Step(name, f"torch:artifacts/{path.name}"))
    return rungs, exported(builder, path, samples[:64])


def network(builder: Builder) -> Recipe:
    """The recipe that [model] names."""
    model = builder.file.study.model
    if model.factory:
        return Recipe(model.factory, dict(model.options), builder.data.sample)
    size = {"classes": len(builder.data.classes), "channels": builder.data.sample[-1]}
    return Recipe(ZOO[str(model.architecture)], {**size, **model.options}, builder.data.sample)


def twin_of(builder: Builder) -> Step | None:
    """The network that was trained apart from the reference, where the study wants one."""
    wanted = builder.file.study.audit.twin
    if wanted != TRAIN:
        return Step(TWIN, wanted) if wanted else None
    path = builder.add(TWIN, f"{TWIN}.pt", trained(builder, APART, "twin") / "module.pt", None)
    return Step(TWIN, f"torch:artifacts/{path.name}")


def trained(builder: Builder, apart: int = 0, name: str = "train") -> Path:
    """The step that holds the float network; `apart` is added to the study's seed."""
    study, seed = builder.file.study, builder.seed + apart
    recipe = network(builder)
    if study.model.weights:
        return adopted(builder, recipe, given(builder, study.model.weights))
    inputs = {
        "recipe": plain(recipe),
        "train": asdict(study.train),
        "seed": seed,
        "data": taught(builder.data),
    }

    def make(folder: Path) -> None:
        torch.manual_seed(seed)  # the initial weights; each epoch seeds its own chance
        module = module_file.build(recipe.factory, recipe.options)
        told = prefixed(builder.told, name)
        train.train(module, builder.data.train, study.train, seed, folder / "checkpoint.pt", told)
        save_module(folder / "module.pt", recipe, module)

    return builder.steps.once(name, inputs, [train, module_file], make)


def taught(data: Dataset) -> dict[str, Any]:
    """Of the data what training knows of it; another test split or other masks make no other network."""
    train = data.train
    known = {"samples": sha256(train.samples), "labels": sha256(train.labels), "classes": len(data.classes)}
    return known if train.present is None else {**known, "present": sha256(train.present)}


def adopted(builder: Builder, recipe: Recipe, weights: Path) -> Path:
    """The step that holds the user's own network with the user's own weights."""

    def make(folder: Path) -> None:
        module = with_weights(recipe.build(), load_plain(weights), weights)
        save_module(folder / "module.pt", recipe, module)

    inputs = {"recipe": plain(recipe), "weights": artifact(weights).sha256}
    return builder.steps.once("adopt", inputs, [module_file], make)


def teacher_of(builder: Builder, how: Tuning, before: Path, first: Path) -> Path | str:
    """The file that teaches: the network before a compression, the float one, or a module or answers that are named.

    Else the address of a black box; files are found from the study's folder.
    """
    if ":" not in how.teacher:
        return {INPUT: before, REFERENCE: first}.get(how.teacher) or taken_from(builder, how.teacher)
    runtime, _, place = how.teacher.partition(":")
    return how.teacher if place.startswith("//") else f"{runtime}:{builder.file.beside(place)}"


def opened_teacher(source: Path | str) -> nn.Module:
    """A teacher that can be asked."""
    if isinstance(source, str):
        return Foreign(open_predictor(source))
    return Remembering(source, None) if source.suffix == ANSWERS else load_module(source)[1]


def known_teacher(source: Path | str) -> str:
    """Identity of a teacher."""
    known = artifact(source) if isinstance(source, Path) else open_predictor(source).spec.rung.artifact
    return known.sha256


def taken_from(builder: Builder, name: str) -> Path:
    """A module file that the study names beside a compression.

    Raises:
        ArtifactError: there is no such file.
    """
    path = builder.file.beside(name)
    if not path.is_file():
        raise ArtifactError(f"{path}: no such file; teacher of [[compress]] in {builder.file.path.name} names it")
    return path


def compressed(
    builder: Builder,
    parent: Path,
    method: str,
    compression: Compression,
    how: Tuning = PLAIN,
    teacher: Path | str | None = None,
) -> Path:
    """The step that holds the network after a compression and its fine-tuning; without a teacher, its parent is it."""
    study, seed = builder.file.study, builder.seed + 1000  # other batches than in training
    source = teacher or parent

    def make(folder: Path) -> None:
        explainers = study.explainers() if how.keep else ()
        scene = Scene(explainers, builder.data.sample, seed)
        school = School(builder.data.train, len(builder.data.classes), scene)
        told = prefixed(builder.told, f"compress: {method}")
        teaching = opened_teacher(source)
        if how.remember:
            teaching = kept = Remembering(folder / "teacher.npz", teaching)
            told = saving(kept, told)
        save_module(
            folder / "module.pt", *tuning.made(compression, how, load_module(parent), teaching, school, folder, told)
        )

    settings = {"method": method, **asdict(compression)}  # type: ignore[call-overload]  # compressions are dataclasses
    inputs = {
        "parent": artifact(parent).sha256,
        "how": settings,
        "seed": builder.seed,
        "data": taught(builder.data),
        "tuning": asdict(how),
        **({"teacher": known_teacher(source), "explain": [dict(one) for one in study.explain]} if how.keep else {}),
    }
    code = [train, module_file, *CUTS, *((tuning, simulation, *LESSONS) if how != PLAIN else ())]
    return builder.steps.once(method, inputs, code, make)


def saving(teacher: Remembering, told: Told) -> Told:
    """Told of an epoch, what the teacher has said is saved as well: an interrupted fine-tuning loses none of it."""

    def heard(line: str) -> None:
        teacher.save()
        told(line)

    return heard


def exported(builder: Builder, path: Path, samples: Samples) -> Path:
    """The ONNX artifact of a torch one."""
    builder.told("export: torch to ONNX")

    def make(folder: Path) -> None:
        recipe, module = load_module(path)
        content = export.to_onnx(recipe, module)
        write_bytes(folder / "model.onnx", content)
        write_json(folder / "gate.json", export.gate_onnx(module, content, samples))

    inputs = {"parent": artifact(path).sha256, "samples": sha256(samples)}
    done = builder.steps.once("export", inputs, [export], make)
    return builder.add("onnx", ONNX, done / "model.onnx", builder.parent(), done / "gate.json")


def convert(builder: Builder, onnx: Path, calibration: Samples) -> Path:
    """Make the float and the quantized TFLite artifacts of an ONNX one; the place of the quantized one."""
    how = builder.file.study.quantize
    builder.told(f"quantize: ONNX to TFLite, float and {how.scheme}")
    places = stratified(builder.data.train.labels, min(GATE_SAMPLES, len(builder.data.train.ids)), builder.seed + 1)
    samples = builder.data.train.samples[places]
    open_predictor(f"onnx:{onnx}")(samples[:1])  # a file that cannot be asked, or not with these samples, is told early

    def make(folder: Path) -> None:
        real, quantized = quantize.to_tflite(onnx, calibration, folder, how)
        write_json(folder / "gate-tflite.json", quantize.gate_float(onnx, real, samples[:64]))
        write_json(folder / "gate-quantized.json", quantize.gate_quantized(real, quantized, samples, how))

    inputs = {
        "parent": artifact(onnx).sha256,
        "how": asdict(how),
        "calibration": sha256(calibration) if how.kind.calibrated else None,
        "gate": sha256(samples),
    }
    done = builder.steps.once("quantize", inputs, [quantize, schemes, tensorflow_worker], make)
    parent = builder.parent()
    builder.add("tflite", FLOAT, done / FLOAT, parent, done / "gate-tflite.json")
    return builder.add(how.scheme, how.file, done / how.file, parent, done / "gate-quantized.json")


def plain(recipe: Recipe) -> dict[str, Any]:
    """A recipe as JSON would give it back."""
    table: dict[str, Any] = json.loads(json.dumps(asdict(recipe)))
    return table


def prefixed(told: Told, name: str) -> Told:
    """Lines of a step, with the step's name before them."""
    return lambda line: told(f"{name}: {line}")
