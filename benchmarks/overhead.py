"""What the harness costs over the bare interpreter: time of an explanation over that of as many bare invocations.

``python -m benchmarks.overhead [NETWORK ...]`` prints a table and writes runs/bench/overhead.json. Both sides run in
turn in one process, same file, same batch, one thread each; the ratio is of the medians. Bare means: codes prepared
beforehand, set, invoke, get. Times are those of the processor, so that a busy machine tells no other story.
"""

import os
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from benchmarks.subjects import OWN, photos
from benchmarks.tables import put, samples_of
from samewhy_edge import blend, litert, query
from samewhy_edge.arrays import Codes, Samples, Scores
from samewhy_edge.explain import Explainer, explain
from samewhy_edge.occlusion import Occlusion
from samewhy_edge.predictor import Subject, open_predictor
from samewhy_edge.rise import Rise

QUERIES, ROUNDS, SLOW = 512, 7, 1000  # SLOW: µs of a bare query from which the harness must not be felt
BATCHES = (1, 32, 64)
NEVER = 2**62
THREADS = "OPENBLAS_NUM_THREADS"  # read when numpy is loaded


def targets(side: int, batch: int, bare: float) -> float:
    """The ratio that a case must not exceed."""
    if bare >= SLOW:
        return 1.05
    return 1.6 if batch == 1 else 1.2 if side <= 32 else 1.3


def networks() -> list[str]:
    """All with an int8 file."""
    return sorted(path.parent.name for path in Path("models").glob("*/int8.tflite"))


def samples_for(name: str, subject: Subject, count: int) -> Samples:
    """Samples of the network's own kind; noise where none lie beside it."""
    if name in OWN:
        return samples_of(count)
    if (Path("models") / name / "samples.npz").exists():
        return photos(name, count)
    low, high = subject.spec.input.span() if subject.spec.input else (0.0, 1.0)
    return np.random.default_rng(0).uniform(low, high, (count, *subject.spec.sample)).astype(np.float32)


def bare(path: Path, kernels: str, batch: int, codes: Codes | Samples) -> Callable[[], None]:
    """As many bare invocations as there are codes, in batches."""
    interpreter = litert.load(path, kernels)
    entry, exit_ = interpreter.get_input_details()[0]["index"], interpreter.get_output_details()[0]["index"]
    interpreter.resize_tensor_input(entry, (batch, *codes.shape[1:]))
    interpreter.allocate_tensors()

    def run() -> None:
        for start in range(0, len(codes), batch):
            interpreter.set_tensor(entry, codes[start : start + batch])
            interpreter.invoke()
            interpreter.get_tensor(exit_)

    return run


def seconds(work: Callable[[], Any]) -> float:
    """Of the processor."""
    start = time.process_time()
    work()
    return time.process_time() - start


def counted(subject: Subject) -> tuple[Subject, list[int]]:
    """The subject, and how many queries it is asked, batch by batch."""
    asked: list[int] = []

    def noting(door: Callable[[Any], Scores], rows: Any) -> Scores:
        asked.append(len(rows))
        return door(rows)

    coded = partial(noting, subject.coded) if subject.coded else None
    return Subject(subject.spec, partial(noting, subject.ask), coded), asked


def row(name: str, file: str, kernels: str, batch: int, explainer: Explainer, count: int, fast: bool) -> dict[str, Any]:
    """Explaining some samples against the bare invocations, in turn."""
    path = Path("models") / name / file
    subject = open_predictor(f"litert:{path}?kernels={kernels}")
    samples, classes = samples_for(name, subject, count), np.zeros(count, np.int64)
    # a batch of 1 is what a file gets that holds its batch in a constant: masks are still made for many at a time
    query.BATCH, blend.PAYS = max(batch, 32), 0 if fast else NEVER
    if isinstance(subject.ask, litert.LiteRT) and batch == 1:
        subject.ask._resizes = False
    noted, asked = counted(subject)
    explain(noted, samples, classes, explainer, 0)  # warms up too
    codes = np.repeat(samples[:1], 64 if batch == 1 else batch * max(1, 128 // batch), axis=0)
    codes = subject.spec.input.encode(codes) if subject.spec.input else codes
    explaining, asking = partial(explain, subject, samples, classes, explainer, 0), bare(path, kernels, batch, codes)
    taken = [(seconds(explaining) / sum(asked), seconds(asking) / len(codes)) for _ in range(ROUNDS)][1:]
    ours, theirs = (median(side) for side in zip(*taken, strict=True))
    wanted = targets(subject.spec.sample[0], batch, theirs * 1e6)
    return {
        "network": f"{name}/{file.partition('.')[0]}",
        "kernels": kernels,
        "explainer": f"{explainer.name} x {count}",
        "batch": batch,
        "numba": fast,
        "bare µs a query": round(theirs * 1e6, 1),
        "harness µs a query": round((ours - theirs) * 1e6, 1),
        "ratio": round(ours / theirs, 3),
        "target": wanted,
        "met": ours / theirs <= wanted,
    }


def windows(side: int) -> Occlusion:
    """Some 170 windows, whatever the size."""
    return Occlusion((side // 7,), (max(1, side // 14),))


def rows(name: str) -> list[dict[str, Any]]:
    """All cases of a network."""
    side = open_predictor(f"litert:models/{name}/int8.tflite").spec.sample[0]
    soft, many = Rise(QUERIES), Rise(256, design="pairs", estimator="informed")
    found = [row(name, "int8.tflite", "xnnpack", batch, soft, 1, fast) for batch in BATCHES for fast in both()]
    for explainer, count in ((windows(side), 1), (many, 20)):
        found += [row(name, "int8.tflite", "xnnpack", 64, explainer, count, fast) for fast in both()]
    found.append(row(name, "int8.tflite", "reference", 32, Rise(64), 1, both()[0]))
    if name in OWN:
        found.append(row(name, "float.tflite", "xnnpack", 64, soft, 1, False))
    return found


def both() -> tuple[bool, ...]:
    """With numba, where it is installed, and without."""
    return (True, False) if blend.trusted("int8") else (False,)


def main() -> None:
    """All networks, or those that are named, in a process whose linear algebra has one thread too."""
    if os.environ.get(THREADS) != "1":
        os.execve(
            sys.executable, [sys.executable, "-m", "benchmarks.overhead", *sys.argv[1:]], {**os.environ, THREADS: "1"}
        )
    put("overhead", [one for name in sys.argv[1:] or networks() for one in rows(name)])


if __name__ == "__main__":
    main()
