"""How long a predictor takes to answer and what it needs, as this machine sees it.

`timing` is the short form that studies keep. `benchmark` is the long one: cold start, percentiles, throughput by batch
and threads, memory, and the condition of the machine before and after.
"""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, final

import numpy as np

from samewhy_edge.address import parse_address
from samewhy_edge.arrays import Samples
from samewhy_edge.condition import condition, processors, slowed
from samewhy_edge.errors import ArtifactError, InputError
from samewhy_edge.predictor import Predictor, Subject, open_predictor

SCHEMA = 1
WARM_UP, REPEATS = 3, 20
LEAST = 30  # single queries, however long one takes
BATCHES = (1, 8, 32)
THREADED = ("litert", "onnx")  # runtimes whose address takes threads
UNKNOWN = {  # what LiteRT and ONNX Runtime do not tell from Python
    "arena": "the interpreter does not tell its arena; memory is the whole process's",
    "profile": "the interpreter offers no profile of its operators from Python",
}
Row = dict[str, Any]


@final
@dataclass(frozen=True, slots=True)
class Timing:
    """Milliseconds a sample: one at a time (median, 90th percentile), and in a batch."""

    single_p50: float
    single_p90: float
    batch: int
    batched: float


def timing(predictor: Predictor, samples: Samples, batch: int = 32) -> Timing:
    """Time single queries and a batch of them, after a warm-up."""
    single, together = _milliseconds(predictor, samples[:1]), _milliseconds(predictor, repeated(samples, batch))
    p50, p90 = np.percentile(single, [50, 90])
    return Timing(round(float(p50), 4), round(float(p90), 4), batch, round(float(np.median(together)) / batch, 4))


def benchmark(
    address: str, samples: Samples, seconds: float = 2.0, told: Callable[[str], object] = lambda _: None
) -> Row:
    """All that can be measured of an address, as JSON takes it, with units in the names.

    Each of the timings takes about `seconds`.

    Raises:
        InputError: no time.
        SamewhyError: as `open_predictor`.
    """
    if not 0 < seconds < 3600:
        raise InputError(f"--seconds {seconds}; expected more than 0 and less than an hour for each measurement")
    subject, before = open_predictor(address), condition()
    told("cold start")
    cold = coldstart(address)
    told("latency")
    single = latency(subject, samples, seconds)
    rows = list(throughput(address, samples, seconds, told))
    after = condition()
    return {
        "schema": SCHEMA,
        "address": address,
        "rung": asdict(subject.spec.rung),
        "processors": processors(),
        "seconds": seconds,
        "cold": cold,
        "latency": single,
        "throughput": rows,
        "arena_bytes": None,
        "profile": None,
        "before": asdict(before),
        "after": asdict(after),
        "slowed": slowed(before, after),
        "unread": {**UNKNOWN, **after.unread},
    }


def coldstart(address: str, batch: int = 32) -> Row:
    """Seconds and megabytes of a process that opens the address and asks for the first time.

    Raises:
        ArtifactError: the process ended without an answer.
    """
    start = time.perf_counter()
    command = [sys.executable, "-m", "samewhy_edge.coldstart", address, str(batch), repr(time.time())]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode or not done.stdout.strip():
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise ArtifactError(f"{address}: a new process could not ask it ({last}); check it with samewhy check")
    found: Row = json.loads(done.stdout.splitlines()[-1])
    return {**found, "process_s": round(time.perf_counter() - start, 6), "batch": batch}


def latency(subject: Subject, samples: Samples, seconds: float) -> Row:
    """Milliseconds of single queries after a warm-up: median, 90th and 99th percentile, the slowest."""
    taken = measured(lambda turn: subject(samples[turn % len(samples)][None]), seconds, LEAST)
    p50, p90, p99 = (round(float(value), 4) for value in np.percentile(taken, [50, 90, 99]))
    return {"p50_ms": p50, "p90_ms": p90, "p99_ms": p99, "slowest_ms": round(max(taken), 4), "queries": len(taken)}


def throughput(address: str, samples: Samples, seconds: float, told: Callable[[str], object]) -> Iterator[Row]:
    """Samples a second by batch, and by threads where the runtime takes them."""
    for threads in threads_of(address):
        subject = open_predictor(with_threads(address, threads))
        for batch in BATCHES:
            told(f"batch {batch}, {threads or 1} thread{'s' if threads and threads > 1 else ''}")
            many = repeated(samples, batch)
            taken = measured(lambda _, asked=subject, many=many: asked(many), seconds / 2, 3)  # type: ignore[misc]  # bound now
            middle = float(np.median(taken))
            yield {
                "threads": threads,
                "batch": batch,
                "samples_per_second": round(batch / middle * 1e3, 2),
                "ms_per_sample": round(middle / batch, 4),
            }


def threads_of(address: str) -> Sequence[int | None]:
    """1, 2, 4 … up to the processors; None where the runtime takes none, or the address names a number itself."""
    parsed = parse_address(address)
    if parsed.runtime not in THREADED or "threads" in parsed.options:
        return (None,)
    return tuple(2**power for power in range(16) if 2**power <= processors())


def with_threads(address: str, threads: int | None) -> str:
    """The address with that many."""
    if threads is None:
        return address
    return f"{address}{'&' if '?' in address else '?'}threads={threads}"


def measured(ask: Callable[[int], object], seconds: float, least: int) -> list[float]:
    """Milliseconds of each turn, for so many seconds and at least so many turns, after a warm-up."""
    for turn in range(WARM_UP):
        ask(turn)
    taken: list[float] = []
    end = time.perf_counter() + seconds
    while len(taken) < least or time.perf_counter() < end:
        start = time.perf_counter()
        ask(len(taken))
        taken.append((time.perf_counter() - start) * 1e3)
    return taken


def repeated(samples: Samples, count: int) -> Samples:
    """So many samples, from the first on, again and again."""
    return np.concatenate([samples] * -(-count // len(samples)))[:count]


def _milliseconds(predictor: Predictor, samples: Samples) -> list[float]:
    return measured(lambda _: predictor(samples), 0.0, REPEATS)
