"""What the harness costs over the bare interpreter: time of an explanation over that of the same bare invocations.

``python -m benchmarks.overhead`` prints a table and writes runs/bench/overhead.json. Both sides run in turn in one
process, same file, same batch, one thread; the ratio is of the medians. Bare means: codes prepared beforehand, set,
invoke, get.
"""

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from benchmarks.tables import MODELS, put, samples_of
from samewhy_edge import litert
from samewhy_edge.arrays import Sample
from samewhy_edge.explain import explain
from samewhy_edge.predictor import Subject, open_predictor
from samewhy_edge.query import batch_size
from samewhy_edge.rise import Rise

QUERIES, ROUNDS = 512, 7


def bare(path: Path, batch: int, codes: np.ndarray, kernels: str) -> Callable[[], None]:
    """QUERIES bare invocations in batches."""
    interpreter = litert.load(path, kernels)
    entry, exit_ = interpreter.get_input_details()[0]["index"], interpreter.get_output_details()[0]["index"]
    interpreter.resize_tensor_input(entry, (batch, *codes.shape[1:]))
    interpreter.allocate_tensors()

    def run() -> None:
        for start in range(0, QUERIES, batch):
            interpreter.set_tensor(entry, codes[start : start + batch])
            interpreter.invoke()
            interpreter.get_tensor(exit_)

    return run


def seconds(work: Callable[[], Any]) -> float:
    """How long it takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def row(name: str, file: str, kernels: str, sample: Sample) -> dict[str, object]:
    """Explaining one sample against the bare invocations, in turn."""
    path = Path("models") / name / file
    subject = open_predictor(f"litert:{path}?kernels={kernels}")
    rise = Rise(QUERIES)
    batch = batch_size(QUERIES, sample.size)
    explaining = partial(explain, subject, sample[None], np.zeros(1, np.int64), rise, 0)
    asking = bare(path, batch, codes_of(subject, sample), kernels)
    taken = [(seconds(explaining), seconds(asking)) for _ in range(ROUNDS)][1:]
    ours, theirs = (median(side) for side in zip(*taken, strict=True))
    return {
        "network": name,
        "file": file,
        "kernels": kernels,
        "batch": batch,
        "bare µs a query": round(theirs / QUERIES * 1e6, 1),
        "ratio": round(ours / theirs, 3),
    }


def codes_of(subject: Subject, sample: Sample) -> np.ndarray:
    """QUERIES copies of the sample as the input tensor holds them."""
    copies = np.repeat(sample[None], QUERIES, axis=0)
    return subject.spec.input.encode(copies) if subject.spec.input else copies


def main() -> None:
    """Both networks, both files, the fastest and the slowest kernels."""
    sample = samples_of(1)[0]
    cases = [(file, kernels) for file in ("float.tflite", "int8.tflite") for kernels in ("xnnpack", "reference")]
    put("overhead", [row(name, *case, sample) for name in MODELS for case in cases])


if __name__ == "__main__":
    main()
