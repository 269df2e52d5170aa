"""How long a predictor takes to answer, as this machine sees it."""

import time
from dataclasses import dataclass
from typing import final

import numpy as np

from samewhy_edge.arrays import Samples
from samewhy_edge.predictor import Predictor

WARM_UP, REPEATS = 3, 20


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
    one = samples[:1]
    many = np.concatenate([samples] * -(-batch // len(samples)))[:batch]
    single, together = _milliseconds(predictor, one), _milliseconds(predictor, many)
    p50, p90 = np.percentile(single, [50, 90])
    return Timing(round(float(p50), 4), round(float(p90), 4), batch, round(float(np.median(together)) / batch, 4))


def _milliseconds(predictor: Predictor, samples: Samples) -> list[float]:
    for _ in range(WARM_UP):
        predictor(samples)
    taken = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        predictor(samples)
        taken.append((time.perf_counter() - start) * 1e3)
    return taken
