"""Arrays in, numbers out: means that know how many values were defined, and bootstrap intervals over samples."""

from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

LEVEL = 0.95


@final
@dataclass(frozen=True, slots=True)
class Mean:
    """Mean of the defined values with its interval; None where nothing was defined."""

    value: float | None
    low: float | None
    high: float | None
    count: int  # values that were defined
    undefined: int


def mean(values: NDArray[np.float64], resamples: int, seed: int) -> Mean:
    """Mean over samples with a 95 % percentile bootstrap interval.

    Source: Efron & Tibshirani 1993, An Introduction to the Bootstrap, section 13.3.
    """
    defined = values[~np.isnan(values)]
    if not len(defined):
        return Mean(None, None, None, 0, len(values))
    draws = defined[resample(len(defined), resamples, seed)].mean(axis=1)
    low, high = np.quantile(draws, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Mean(tidy(defined.mean()), tidy(low), tidy(high), len(defined), len(values) - len(defined))


def resample(count: int, resamples: int, seed: int) -> NDArray[np.int64]:
    """Places (resamples, count) drawn with replacement; equal seeds give equal bytes."""
    raw = np.random.Philox(key=np.array([seed, 3], np.uint64)).random_raw(resamples * count)
    return (raw % np.uint64(count)).astype(np.int64).reshape(resamples, count)


def tidy(value: float) -> float:
    """Six decimals: more would be noise of the last bits."""
    return round(float(value), 6)
