"""From a standard error to an interval, for few degrees of freedom too."""

import math
from statistics import NormalDist

import numpy as np

MANY = 10_000  # degrees of freedom from which the normal distribution is near enough, to 3e-4


def quantile(freedom: float, level: float = 0.95) -> float:
    """How many standard errors to each side of an estimate an interval of this level reaches, by Student's t.

    `freedom` is a whole number or infinite; NaN where it is NaN or below 1.

    Source: Abramowitz & Stegun 1964, equations 26.7.3 and 26.7.4 (two-sided probability), inverted by halving.
    """
    if not freedom >= 1:
        return math.nan
    if freedom > MANY:
        return NormalDist().inv_cdf((1 + level) / 2)
    low, high = 0.0, math.pi / 2  # of the angle whose tangent is t / sqrt(freedom)
    for _ in range(64):
        middle = (low + high) / 2
        low, high = (middle, high) if within(middle, int(freedom)) < level else (low, middle)
    return math.sqrt(freedom) * math.tan(high)


def within(angle: float, freedom: int) -> float:
    """Probability that |t| is at most sqrt(freedom) * tan(angle)."""
    odd = freedom % 2
    steps = np.arange(1, (freedom - odd) // 2)
    factors = 2 * steps / (2 * steps + 1) if odd else (2 * steps - 1) / (2 * steps)
    terms = np.cumprod(np.concatenate([[1.0], factors * math.cos(angle) ** 2]))
    if not odd:
        return float(math.sin(angle) * terms.sum())
    product = math.sin(angle) * math.cos(angle) * terms.sum() if freedom > 1 else 0.0
    return float(2 / math.pi * (angle + product))
