"""What a device needs, laid out flat: ONNX, float and quantized TFLite, samples, manifest, calibration list, card."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from samewhy_edge.errors import InputError
from samewhy_edge.files import write_bytes, write_npz
from samewhy_host import asking, manifest
from samewhy_host.asking import Rungs
from samewhy_host.build import FLOAT, ONNX
from samewhy_host.data.dataset import Dataset, stratified
from samewhy_host.manifest import Manifest
from samewhy_host.run import Run, built


def files_of(run: Run) -> tuple[str, str, str]:
    """What is laid out of the artifacts."""
    return ONNX, FLOAT, run.file.study.quantize.file


def released(run: Run, folder: Path) -> None:
    """Build the study in the run's folder, and lay out in `folder` what is worth keeping.

    Raises:
        InputError: the study names files made elsewhere; there is nothing to release.
    """
    model = run.file.study.model
    if not (model.architecture or model.factory):
        raise InputError(
            "release lays out what a study builds; [model] names files made elsewhere, name a network instead"
        )
    made, data = built(run)
    for name in files_of(run):
        write_bytes(folder / name, (run.folder / "artifacts" / name).read_bytes())
    manifest.save(flat(made), folder)
    shown = data.test.take(stratified(data.test.labels, len(data.classes), made.seed))
    write_npz(folder / "samples.npz", samples=shown.samples, targets=shown.labels)
    write_bytes(folder / "calibration.txt", manifest.listed(made.calibration))
    write_bytes(folder / "card.md", card(run, made, data, folder.name).encode())


def flat(made: Manifest) -> Manifest:
    """The manifest for files that lie side by side; rungs of files that are not released go."""
    artifacts = tuple(replace(one, file=Path(one.file).name) for one in made.artifacts)
    rungs = tuple(replace(one, address=one.address.replace("artifacts/", "")) for one in made.rungs)
    return replace(made, artifacts=artifacts, rungs=tuple(one for one in rungs if not one.address.startswith("torch:")))


def accuracies(run: Run, made: Manifest, data: Dataset) -> list[tuple[str, float]]:
    """Share of right answers on the test split, a rung each."""
    rungs = Rungs(run.folder, made.rungs)
    subjects = asking.same_ends(rungs, data.sample, len(data.classes))
    scores = asking.test_scores(rungs, subjects, data.test.samples, run.tools)
    return [
        (rung.name, float((one.argmax(axis=1) == data.test.labels).mean()))
        for rung, one in zip(made.rungs, scores, strict=True)
    ]


def card(run: Run, made: Manifest, data: Dataset, name: str) -> str:
    """The model's card: what it is, what was measured, how it is made again."""
    study = run.file.study
    files = {Path(one.file).name: one for one in made.artifacts}
    scheme, gate = study.quantize.scheme, files[study.quantize.file].gate
    sizes = "\n".join(f"| `{file}` | {files[file].bytes:,} | `{files[file].sha256}` |" for file in files_of(run))
    measured = "\n".join(f"| {rung} | {share:.2%} |" for rung, share in accuracies(run, made, data))
    shape = " × ".join(map(str, data.sample))
    return f"""# {name}

{study.model.architecture or study.model.factory} for {data.name}: {shape} float32 in, {len(data.classes)} logits out.

| | |
|---|---|
| classes | {", ".join(data.classes)} |
| input | `{study.data.values}`: bytes become {UNITS[study.data.values]}; channels last for TFLite, first for ONNX |
{ends_of(scheme, gate)}
| data | {data.name}, {len(data.train.ids):,} training and {len(data.test.ids):,} test samples |
| calibration | {len(made.calibration)} training samples, listed in `calibration.txt` |
| made by | `samewhy release models/{name}/recipe.toml --out models/{name}` |
| licence | Apache-2.0 for the weights; the data's licence is on its own card |

| file | bytes | SHA-256 |
|---|---:|---|
{sizes}

Accuracy on the test split, measured when the card was written:

| rung | accuracy |
|---|---:|
{measured}

Gates: |ONNX - torch| ≤ {files[ONNX].gate["max_difference"]:.2g}, |TFLite float - ONNX| ≤
{files[FLOAT].gate["max_difference"]:.2g}, {scheme} labels equal float's on {gate["label_agreement"]:.1%} of
training samples that did not calibrate, {gate["sqnr_db"]:.1f} dB signal to quantization noise.

Known limits: trained on {len(data.train.ids):,} samples of one data set, without tests on other cameras or backgrounds.
It is a subject for studies, not a product.
"""


def ends_of(scheme: str, gate: Mapping[str, Any]) -> str:
    """Rows of the card: how the quantized file's ends are encoded."""
    if "input" not in gate:
        return f"| {scheme} input and output | float32; logits |"
    entry, exit_ = (
        f"scale {end['scale']:.10g}, zero point {end['zero_point']}" for end in (gate["input"], gate["output"])
    )
    return f"| {scheme} input | {entry} |\n| {scheme} output | logits, {exit_} |"


UNITS = {"unit": "[0, 1]", "byte": "[0, 255]", "signed": "[-1, 1]"}
