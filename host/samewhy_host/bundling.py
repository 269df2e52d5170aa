"""From a run to a bundle: what a device needs to verify the file that it will run."""

import json
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from samewhy_edge import litert
from samewhy_edge.address import parse_address
from samewhy_edge.bundle import Asked, Bundled, Index, pack
from samewhy_edge.errors import InputError
from samewhy_edge.explain import Adaptive, of_targets
from samewhy_edge.files import npz_bytes, sha256
from samewhy_edge.litert import HIDDEN, layers
from samewhy_host.run import Interview, Run, interviewed

LAYERED = 4  # audited samples whose inner tensors go along

Members = Iterator[tuple[str, bytes]]


def bundle(run: Run, path: Path) -> str:
    """Write the bundle of a run; its SHA-256. What was asked before is not asked again.

    Raises:
        InputError: the ladder has no `.tflite` file.
        OutputError: the file cannot be written.
    """
    interview = interviewed(run)
    rungs = bundled(interview)
    if not rungs:
        raise InputError(f"{run.folder}: no rung of a .tflite file on the ladder; expected one that a device can run")
    tables, files = tables_of(run.file.study.explain)
    index = index_of(run, interview, rungs, tables)
    run.show.line("bundle: collecting")
    members = dict(
        [
            *files.items(),
            *models(run, rungs),
            *found(interview, rungs),
            *deciding(interview),
            *inner(run, interview, rungs),
        ]
    )
    return pack(path, index, members)


def bundled(interview: Interview) -> list[Bundled]:
    """The rungs that a device can be: a file under kernels of the interpreter."""
    found = []
    for step, asked in zip(interview.manifest.rungs, interview.asked, strict=False):
        address = parse_address(step.address)
        if address.runtime == "litert":
            kernels = address.choice("kernels", tuple(litert.KERNELS))
            file = f"models/{address.path.name}"
            rung = asked.rung
            found.append(Bundled(asked.name, file, rung.artifact.sha256, kernels, rung.runtime, rung.machine))
    return found


def tables_of(explain: Sequence[Mapping[str, Any]]) -> tuple[list[dict[str, Any]], dict[str, bytes]]:
    """The tables of explainers, and the files that they name as members."""
    files: dict[str, bytes] = {}
    return [{name: travelling(value, files) for name, value in table.items()} for table in explain], files


def travelling(value: Any, files: dict[str, bytes]) -> Any:
    """A setting; a file of it becomes a member, known by its content."""
    if not (isinstance(value, Mapping) and isinstance(value.get("file"), str)):
        return value
    content = Path(value["file"]).read_bytes()
    name = f"files/{sha256(content)[:16]}{Path(value['file']).suffix}"
    files[name] = content
    return {**value, "file": name}


def index_of(run: Run, interview: Interview, rungs: Sequence[Bundled], tables: Sequence[Mapping[str, Any]]) -> Index:
    """What the bundle is of."""
    made, settings = interview.manifest, run.file.study.audit
    return Index(
        question=made.question,
        study=made.study,
        seed=made.seed,
        level=settings.level,
        margin=settings.margin,
        classes=interview.data.classes,
        reference=interview.asked[0].name,
        rungs=tuple(rungs),
        explainers=tuple(
            Asked(one.name, table, one.digest, len(one.plan), isinstance(one.explainer, Adaptive))
            for one, table in zip(interview.explained, tables, strict=True)
        ),
        versions={name: version(name) for name in ("samewhy", "numpy", litert.RUNTIME)},
        members={},
    )


def models(run: Run, rungs: Sequence[Bundled]) -> Members:
    """The files of the rungs."""
    for name in dict.fromkeys(one.file for one in rungs):
        yield name, (run.folder / "artifacts" / Path(name).name).read_bytes()


def found(interview: Interview, rungs: Sequence[Bundled]) -> Members:
    """The test split, and what the reference and each rung made of it."""
    test, audited = interview.data.test, interview.data.test.places(interview.manifest.audit)
    yield "test.npz", npz_bytes(samples=test.samples, labels=test.labels, audited=audited, targets=interview.targets)
    names = {interview.asked[0].name, *(one.name for one in rungs)}
    for asked in interview.asked:
        if asked.name in names:
            yield f"scores/{asked.name}.npz", npz_bytes(scores=asked.scores)
            for one in interview.explained:
                yield f"maps/{asked.name}--{one.name}.npz", npz_bytes(maps=one.maps[asked.name])


def deciding(interview: Interview) -> Members:
    """The reference's scores, for the explainers that ask by them."""
    for one in interview.explained:
        if isinstance(one.explainer, Adaptive):
            answers = interview.asked[0].given[one.name].answers
            yield f"asked/{one.name}.npz", npz_bytes(scores=of_targets(answers, interview.targets))


def inner(run: Run, interview: Interview, rungs: Sequence[Bundled]) -> Members:
    """What every operator gave, for the kernels that show it."""
    samples = interview.audited.samples[:LAYERED]
    for one in rungs:
        if one.kernels not in HIDDEN:
            known = layers(run.folder / "artifacts" / Path(one.file).name, one.kernels, samples)
            rows = [{"place": each.place, "operator": each.operator, "tensor": each.tensor} for each in known]
            yield f"layers/{one.name}.json", json.dumps(rows).encode()
            yield f"layers/{one.name}.npz", npz_bytes(**{f"{i}": each.values for i, each in enumerate(known)})
