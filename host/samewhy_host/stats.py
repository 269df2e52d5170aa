"""Arrays in, numbers out: means that know how many values were defined, and what may be concluded from them.

Intervals for the eye are percentile bootstraps (`mean`). What decides is an `Estimate`: Student's t on the mean after
Hall's transformation, which takes the skewness of losses near 0 out of it, in closed form, so that levels far below
1 % (many comparisons) need no millions of resamples.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from samewhy_edge.intervals import quantile, within

LEVEL = 0.95
BINS = 15  # of the calibration error
LAST_BITS = 1e-12  # by which equal values may miss their mean
CHUNK = 50  # test splits simulated at a time
Values = NDArray[np.float64]


@final
@dataclass(frozen=True, slots=True)
class Mean:
    """Mean of the defined values with its interval; None where nothing was defined."""

    value: float | None
    low: float | None
    high: float | None
    count: int  # values that were defined
    undefined: int

    def row(self) -> dict[str, Any]:
        """As tables hold it."""
        known = {"value": self.value, "low": self.low, "high": self.high}
        return {**known, "samples": self.count, "undefined": self.undefined}


def mean(values: Values, resamples: int, seed: int, level: float = LEVEL) -> Mean:
    """Mean over samples with a percentile bootstrap interval.

    Source: Efron & Tibshirani 1993, An Introduction to the Bootstrap, section 13.3.
    """
    defined = values[~np.isnan(values)]
    if not len(defined):
        return Mean(None, None, None, 0, len(values))
    draws = defined[resample(len(defined), resamples, seed)].mean(axis=1)
    low, high = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2])
    return Mean(tidy(defined.mean()), tidy(low), tidy(high), len(defined), len(values) - len(defined))


@final
@dataclass(frozen=True, slots=True)
class Sampling:
    """How means over samples get their intervals."""

    resamples: int
    seed: int
    level: float = LEVEL

    def mean(self, values: Values) -> Mean:
        """Of values (N,); infinite ones count as undefined."""
        return mean(np.where(np.isfinite(values), values, np.nan), self.resamples, self.seed, self.level)

    def moved(self, values: Values, name: str = "moved") -> dict[str, Any]:
        """The mean of paired differences with its interval."""
        found = self.mean(values)
        return {name: found.value, f"{name}_low": found.low, f"{name}_high": found.high}


def resample(count: int, resamples: int, seed: int) -> NDArray[np.int64]:
    """Places (resamples, count) drawn with replacement; equal seeds give equal bytes."""
    raw = np.random.Philox(key=np.array([seed, 3], np.uint64)).random_raw(resamples * count)
    return (raw % np.uint64(count)).astype(np.int64).reshape(resamples, count)


def tidy(value: float) -> float:
    """Six decimals: more would be noise of the last bits."""
    return round(float(value), 6)


@final
@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean over samples, and what its error is made of; all but the count NaN where there are fewer than two.

    Source: Hall 1992, On the removal of skewness by transformation, J. R. Statist. Soc. B 54, section 2 (the cubic);
    Satterthwaite 1946 for the degrees of freedom of a sum of variances.
    """

    mean: float
    spread: float  # variance of one value, between samples
    count: int
    skewness: float  # of one value
    shared: float = 0.0  # variance of the mean that all samples have in common
    rests: int | None = None  # independent differences that `shared` rests on; None where known as well as `spread`

    @property
    def error(self) -> float:
        """Standard error of the mean."""
        return math.sqrt(self.spread / self.count + self.shared) if self.count > 1 else math.nan

    @property
    def freedom(self) -> int:
        """Whole degrees of freedom, rounded down; at least 1."""
        own = self.spread / self.count
        parts = own**2 / (self.count - 1) + self.shared**2 / (self.rests or self.count - 1)
        return max(1, math.floor((own + self.shared) ** 2 / parts + 1e-9))

    @property
    def bend(self) -> float:
        """Skewness of the mean over its standard error; what is shared has none."""
        return self.skewness / math.sqrt(self.count) * (math.sqrt(self.spread / self.count) / self.error) ** 3

    def above(self, bound: float) -> float:
        """One-sided probability of a mean this large, or larger, if the truth is `bound` (or less)."""
        return self._tail(bound, 1)

    def below(self, bound: float) -> float:
        """One-sided probability of a mean this small, or smaller, if the truth is `bound` (or more)."""
        return self._tail(bound, -1)

    def _tail(self, bound: float, side: int) -> float:
        if math.isnan(self.error):
            return 1.0
        if self.error <= LAST_BITS:
            return 0.0 if (self.mean - bound) * side > LAST_BITS else 1.0
        return upper_tail(side * straightened((self.mean - bound) / self.error, self.bend), self.freedom)

    def low(self, alpha: float) -> float:
        """The smallest mean that `above` does not refuse at `alpha` (below 1/2)."""
        return self._end(alpha, 1)

    def high(self, alpha: float) -> float:
        """The largest mean that `below` does not refuse at `alpha` (below 1/2)."""
        return self._end(alpha, -1)

    def _end(self, alpha: float, side: int) -> float:
        if not self.error > LAST_BITS:
            return self.mean
        return self.mean - self.error * bent(side * reach(self.freedom, 1 - 2 * alpha), self.bend)


def estimate(values: Values, shared: float = 0.0, rests: int | None = None) -> Estimate:
    """Of values (N,), none of them NaN."""
    count = len(values)
    if count < 2:
        return Estimate(math.nan, math.nan, count, math.nan, math.nan)
    middle = float(values.mean())
    away = values - middle
    square = float((away**2).mean())
    skewness = float((away**3).mean()) / square**1.5 if square > 0 else 0.0
    return Estimate(middle, square * count / (count - 1), count, skewness, shared, rests)


@cache
def reach(freedom: int, level: float) -> float:
    """`quantile`, remembered: an audit asks for few of them, again and again."""
    return quantile(freedom, level)


def straightened(t: float, bend: float) -> float:
    """Hall's cubic: a studentised mean, with its skewness taken out."""
    return t + bend * t**2 / 3 + bend**2 * t**3 / 27 + bend / 6


def bent(t: float, bend: float) -> float:
    """The inverse of `straightened`."""
    if abs(bend) < 1e-9:
        return t
    return 3 / bend * (float(np.cbrt(1 + bend * (t - bend / 6))) - 1)


def upper_tail(t: float, freedom: int) -> float:
    """Probability that Student's t is at least `t`."""
    inside = within(math.atan(abs(t) / math.sqrt(freedom)), freedom)
    beyond = max(0.0, (1 - inside) / 2)
    return beyond if t >= 0 else 1 - beyond


def holm(chances: Sequence[float]) -> list[float]:
    """Probabilities adjusted for their number: refuse those of at most alpha, and the chance of any error is alpha.

    Holds whatever the tests have to do with each other.

    Source: Holm 1979, A simple sequentially rejective multiple test procedure, Scand. J. Statist. 6.
    """
    order = np.argsort(chances, kind="stable")
    raised = np.asarray(chances, np.float64)[order] * np.arange(len(chances), 0, -1)
    adjusted = np.empty(len(chances))
    adjusted[order] = np.minimum(1, np.maximum.accumulate(raised))
    return [float(one) for one in adjusted]


def holm_levels(chances: Sequence[float], alpha: float) -> list[float]:
    """The level at which `holm` tries each of them: alpha over how many are not smaller."""
    order = np.argsort(chances, kind="stable")
    levels = np.empty(len(chances))
    levels[order] = alpha / np.arange(len(chances), 0, -1)
    return [float(one) for one in levels]


def outlying(values: Values, groups: NDArray[np.int64], shuffles: int, seed: int) -> tuple[int, float] | None:
    """The group whose mean lies highest above all others', and the chance of one that high anywhere by dealing alone.

    Values (N,), groups (N,); NaN values are left out. None with fewer than two groups. A group's excess counts by the
    root of its size, and the largest of all groups is compared with the largest of every deal, which corrects for
    their number.

    Source: Westfall & Young 1993, Resampling-Based Multiple Testing, section 2.3 (single-step maxT).
    """
    known = ~np.isnan(values)
    names, places = np.unique(groups[known], return_inverse=True)
    if len(names) < 2:
        return None
    away = values[known] - values[known].mean()
    member = (places == np.arange(len(names))[:, None]) / np.sqrt(np.bincount(places))[:, None]  # (G, N)
    coins = np.random.Philox(key=np.array([seed, 5], np.uint64)).random_raw(shuffles * len(away))
    dealt = away[np.argsort(coins.reshape(shuffles, -1), axis=1)]
    excess = member @ away
    reached = (dealt @ member.T).max(axis=1) >= excess.max() - 1e-12
    return int(names[excess.argmax()]), float((1 + reached.sum()) / (1 + shuffles))


def probabilities(scores: NDArray[np.floating[Any]]) -> tuple[Values, bool]:
    """Softmax of scores (T, K), and whether it was taken: scores that are probabilities already stay as they are.

    An 8-bit softmax sums to 1 within half a step of 1/256 for each class.
    """
    wide = scores.astype(np.float64)
    room = max(1e-4, scores.shape[1] / 512)
    if wide.min() >= 0 and np.abs(wide.sum(axis=1) - 1).max() <= room:
        return wide, False
    powers = np.exp(wide - wide.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True), True


def calibration_error(confidence: Values, right: NDArray[np.bool_]) -> Values:
    """Expected calibration error (R,) of `right` (R, T): share of right answers against confidence (T,), bin by bin.

    15 bins of equal width, each open below and closed above.

    Source: Guo, Pleiss, Sun & Weinberger 2017, equation 3.
    """
    bins = np.clip(np.ceil(confidence * BINS).astype(np.int64) - 1, 0, BINS - 1)
    member = (bins[:, None] == np.arange(BINS)).astype(np.float64)  # (T, 15)
    return np.asarray(np.abs((right - confidence) @ member).sum(axis=1) / len(confidence))


def calibration_floor(confidence: Values, splits: int, seed: int) -> float:
    """Mean calibration error that a network with these confidences has over so many splits when it is calibrated.

    Source: Bröcker & Smith 2007, Increasing the reliability of reliability diagrams (consistency resampling).
    """
    found = []
    words = np.random.Philox(key=np.array([seed, 6], np.uint64))
    for start in range(0, splits, CHUNK):
        count = min(CHUNK, splits - start)
        uniform = words.random_raw(count * len(confidence)).reshape(count, -1) / 2.0**64
        found.append(calibration_error(confidence, uniform < confidence))
    return float(np.concatenate(found).mean())


def brier(chances: Values, labels: NDArray[np.int64]) -> Values:
    """Brier scores (T,) of probabilities (T, K): squared distance from the label's corner, in [0, 2].

    Source: Brier 1950, Verification of forecasts expressed in terms of probability, equation 2.
    """
    right = labels[:, None] == np.arange(chances.shape[1])
    return np.asarray(((chances - right) ** 2).sum(axis=1))
