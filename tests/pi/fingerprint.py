"""Digests of what must be the same bytes on every machine: plans, masks, codes, answers of integer files.

``python tests/pi/fingerprint.py FOLDER`` prints them as JSON; FOLDER holds ``NAME/int8.tflite`` and ``samples.npz``.
"""

import hashlib
import json
import sys
from pathlib import Path

import numpy as np

from samewhy_edge.explain import EXPLAINERS
from samewhy_edge.plan import Each, digest
from samewhy_edge.predictor import open_predictor
from samewhy_edge.quant import Affine
from samewhy_edge.query import ask
from samewhy_edge.rise import Rise

SHAPES = ((28, 28, 1), (100, 6))
DESIGNS = ("random", "array", "pairs", "sobol")
KERNELS = ("xnnpack", "reference")


def main() -> None:
    """Print all digests by name."""
    found = {**plans(), **codes()}
    for folder in sorted(Path(sys.argv[1]).iterdir()):
        if (folder / "int8.tflite").is_file():
            found |= answers(folder)
    print(json.dumps(found))  # noqa: T201


def plans() -> dict[str, str]:
    """Of every explainer's masks, and of their bytes."""
    explainers = [kind() for kind in EXPLAINERS.values()] + [Rise(design=one) for one in DESIGNS]  # type: ignore[arg-type]  # names of designs
    found = {}
    for shape in SHAPES:
        for place, one in enumerate(explainers):
            plan = one.plan(shape, 3)
            first = plan.plans[0] if isinstance(plan, Each) else plan
            name = f"{place} {one.name} {shape}"
            found[name] = digest(plan)
            found[f"{name} bytes"] = sha(first.keep(0, min(len(first), 40)).tobytes())
    return found


def codes() -> dict[str, str]:
    """Of values near every border of rounding."""
    values = np.random.default_rng(0).normal(0, 3, 200_000).astype(np.float32)
    steps = (np.arange(-400, 400) / 2).astype(np.float32) * np.float32(0.037)
    return {
        f"codes {kind}": sha(Affine(0.037, point, kind).encode(np.concatenate([values, steps])).tobytes())
        for kind, point in (("int8", 5), ("uint8", 128), ("int16", 0))
    }


def answers(folder: Path) -> dict[str, str]:
    """Of an integer file: its samples, and a sample under masks."""
    with np.load(folder / "samples.npz") as arrays:
        samples = arrays["samples"][:4]
    found = {}
    for kernels in KERNELS:
        subject = open_predictor(f"litert:{folder / 'int8.tflite'}?kernels={kernels}")
        asked = ask(subject, samples[:1], Rise(queries=16, grid=4).plan(subject.spec.sample, 0))
        found[f"{folder.name} {kernels}"] = sha(subject(samples).tobytes())
        found[f"{folder.name} {kernels} masked"] = sha(asked.tobytes())
    return found


def sha(content: bytes) -> str:
    """Hex digest."""
    return hashlib.sha256(content).hexdigest()


if __name__ == "__main__":
    main()
