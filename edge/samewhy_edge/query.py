"""The one place that asks a predictor under masks, and bounds the memory of it."""

import math
from collections.abc import Callable

import numpy as np

from samewhy_edge.arrays import Answers, Keep, Sample, Samples
from samewhy_edge.plan import Plan
from samewhy_edge.predictor import Predictor

Progress = Callable[[int], object]  # told the number of queries just answered

BATCH = 64  # queries at a time
ROOM = 8 * 2**20  # float32 values of one blended batch at most: 32 MiB


def ask(
    predictor: Predictor, samples: Samples, plan: Plan, fill: float = 0.0, progress: Progress = lambda _: None
) -> Answers:
    """Scores (N, M, K) of every sample under every mask of the plan.

    Masks are made once a batch and shared by all samples; memory does not grow with the number of masks.
    """
    size = batch_size(len(plan), samples[0].size)
    rows = []
    for start in range(0, len(plan), size):
        keep = plan.keep(start, min(start + size, len(plan)))
        rows.append(np.stack([predictor(blend(sample, keep, fill)) for sample in samples]))
        progress(len(keep) * len(samples))
    return np.concatenate(rows, axis=1)


def batch_size(queries: int, values: int) -> int:
    """Near-equal batches within the bounds, so that an interpreter is resized once."""
    most = max(1, min(BATCH, ROOM // values))
    return math.ceil(queries / math.ceil(queries / most))


def blend(sample: Sample, keep: Keep, fill: float) -> Samples:
    """The sample where kept, the fill elsewhere; exact where keep is 0 or 1. Shape (M, *S, C)."""
    shown = keep[..., None]
    blended = shown * sample
    return blended if fill == 0 else blended + (1 - shown) * np.float32(fill)
