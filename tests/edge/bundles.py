"""A bundle made by hand: the int8 file of models/fashion_ds_cnn, ten samples, two audited, two explainers."""

import io
import json
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from samewhy_edge.bundle import Asked, Bundled, Index, pack
from samewhy_edge.explain import Explainer, adapted, estimated, explainer_from, knowing, located, of_targets
from samewhy_edge.files import npz_bytes
from samewhy_edge.litert import layers
from samewhy_edge.plan import digest
from samewhy_edge.predictor import Subject, open_predictor
from samewhy_edge.query import ask

FILE = Path("models/fashion_ds_cnn/int8.tflite")
KERNELS = ("xnnpack", "reference")
SEED, AUDITED = 3, [1, 4]
DARK = {"method": "background", "file": "files/dark.npy"}
TABLES: tuple[dict[str, Any], ...] = (
    {"method": "occlusion", "window": 14, "stride": 14},
    {"method": "hierarchy", "queries": 9, "start": 2, "splits": 1, "fill": DARK},
)


@cache
def members() -> tuple[Index, dict[str, bytes]]:
    """What the workstation, which is this machine, put into the bundle."""
    with np.load(FILE.parent / "samples.npz") as arrays:
        samples, labels = arrays["samples"][:10], arrays["targets"][:10]
    subjects = {"float": open_predictor(f"litert:{FILE.parent / 'float.tflite'}")}
    subjects |= {f"int8-{name}": open_predictor(f"litert:{FILE}?kernels={name}") for name in KERNELS}
    audited = np.ascontiguousarray(samples[AUDITED])
    targets = subjects["float"](audited).argmax(axis=1)
    found = {
        "models/int8.tflite": FILE.read_bytes(),
        DARK["file"]: npy_bytes(np.full(samples.shape[1:], 0.1, np.float32)),
        "test.npz": npz_bytes(samples=samples, labels=labels, audited=np.array(AUDITED), targets=targets),
        **{f"scores/{name}.npz": npz_bytes(scores=subject(samples)) for name, subject in subjects.items()},
        **inner(audited),
    }
    with TemporaryDirectory() as folder:
        (Path(folder) / "files").mkdir()
        (Path(folder) / DARK["file"]).write_bytes(found[DARK["file"]])
        asked = []
        for table in TABLES:
            explainer = explainer_from(located(table, Path(folder)))
            one, maps = asked_of(table, explainer, subjects, audited, targets)
            asked.append(one)
            found |= maps
    rungs = tuple(bundled(name, subjects[f"int8-{name}"]) for name in KERNELS)
    known = {"samewhy": "0.1.0"}
    index = Index("Why?", "5" * 64, SEED, 0.95, 0.05, tuple("abcdefghij"), "float", rungs, tuple(asked), known, {})
    return index, found


def bundled(kernels: str, subject: Subject) -> Bundled:
    """The int8 file under some kernels."""
    rung = subject.spec.rung
    return Bundled(f"int8-{kernels}", "models/int8.tflite", rung.artifact.sha256, kernels, rung.runtime, rung.machine)


def asked_of(
    table: dict[str, Any], explainer: Explainer, subjects: dict[str, Subject], samples: Any, targets: Any
) -> tuple[Asked, dict[str, bytes]]:
    """An explainer, and what it found of every rung, as members."""
    plan, answers = adapted(subjects["float"], samples, targets, explainer, SEED)
    adaptive = table["method"] == "hierarchy"
    found = {f"asked/{explainer.name}.npz": npz_bytes(scores=of_targets(answers, targets))} if adaptive else {}
    for name, subject in subjects.items():
        scores = of_targets(ask(subject, samples, plan, explainer.fill), targets)
        maps = estimated(knowing(explainer, samples).estimate, plan, scores)
        found[f"maps/{name}--{explainer.name}.npz"] = npz_bytes(maps=maps)
    return Asked(explainer.name, table, digest(plan), len(plan), adaptive), found


def inner(samples: Any) -> dict[str, bytes]:
    """What every operator gave under reference kernels."""
    known = layers(FILE, "reference", samples)
    rows = [{"place": one.place, "operator": one.operator, "tensor": one.tensor} for one in known]
    arrays = npz_bytes(**{f"{i}": one.values for i, one in enumerate(known)})
    return {"layers/int8-reference.json": json.dumps(rows).encode(), "layers/int8-reference.npz": arrays}


def npy_bytes(array: NDArray[Any]) -> bytes:
    """An array as a `.npy`."""
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def write_bundle(path: Path, changed: dict[str, bytes] | None = None) -> Path:
    """The bundle; some members changed, with digests that fit."""
    index, known = members()
    pack(path, index, known | (changed or {}))
    return path
