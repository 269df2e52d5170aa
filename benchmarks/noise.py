"""What separate masks make of float against int8: the noise that shared masks remove.

``python -m benchmarks.noise`` prints a table and writes runs/bench/noise.json. Spearman of RISE maps, mean over
samples, for the networks in models/: float against int8 under shared masks, float against int8 under separate masks,
and float against itself under separate masks.
"""

from pathlib import Path

import numpy as np

from benchmarks.tables import MODELS, put, samples_of
from samewhy_edge.agreement import spearman
from samewhy_edge.arrays import Maps, Samples, Targets
from samewhy_edge.explain import explain
from samewhy_edge.predictor import Subject, open_predictor
from samewhy_edge.rise import Rise

SAMPLES = 50
SETTINGS = [Rise(queries, estimator=name) for queries in (256, 1024) for name in ("published", "centred")]


def agreement(a: Maps, b: Maps) -> float:
    """Mean Spearman over samples."""
    return round(float(np.mean([spearman(x, y) for x, y in zip(a, b, strict=True)])), 4)


def row(
    name: str, real: Subject, integer: Subject, samples: Samples, targets: Targets, rise: Rise
) -> dict[str, object]:
    """The three agreements of one network and one setting."""
    ours = explain(real, samples, targets, rise, seed=0)
    other = explain(real, samples, targets, rise, seed=1)
    shared = explain(integer, samples, targets, rise, seed=0)
    separate = explain(integer, samples, targets, rise, seed=1)
    return {
        "network": name,
        "estimator": rise.name,
        "queries": rise.queries,
        "float-int8 shared": agreement(ours, shared),
        "float-int8 separate": agreement(ours, separate),
        "float-float separate": agreement(ours, other),
    }


def main() -> None:
    """All networks and settings."""
    rows = []
    for name in MODELS:
        real, integer = (
            open_predictor(f"litert:{Path('models') / name / f'{kind}.tflite'}") for kind in ("float", "int8")
        )
        samples = samples_of(SAMPLES)
        targets = real(samples).argmax(axis=1)
        rows += [row(name, real, integer, samples, targets, rise) for rise in SETTINGS]
    put("noise", rows)


if __name__ == "__main__":
    main()
