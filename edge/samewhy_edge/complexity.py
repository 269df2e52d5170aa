"""The shape of a map, with no predictor: whether few positions or many have a say.

Maps of several resolutions compare where a measure stays the same when every position is split into equal ones; each
row says whether it does.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from samewhy_edge.agreement import flat
from samewhy_edge.arrays import Map


@final
@dataclass(frozen=True, slots=True)
class Measure:
    """A measure of one map."""

    name: str
    of: Callable[[Map], float]
    span: tuple[float, float]
    source: str
    convention: str
    better: str = "higher"


def gini(one: Map) -> float:
    """Gini index of |map|: 0 where all are equal, (n - 1) / n where one of n has all. NaN where all are zero."""
    sizes = np.sort(np.abs(one.ravel().astype(np.float64)))
    n, total = sizes.size, sizes.sum()
    if not (np.isfinite(total) and total > 0):
        return float("nan")
    return float((2 * np.arange(1, n + 1) - n - 1) @ sizes / (n * total))


def entropy(one: Map) -> float:
    """Entropy of |map| over its sum, in nats. NaN where all are zero."""
    sizes = np.abs(one.ravel().astype(np.float64))
    total = sizes.sum()
    if not (np.isfinite(total) and total > 0):
        return float("nan")
    shares = sizes[sizes > 0] / total
    return max(0.0, float(-(shares * np.log(shares)).sum()))


def entropy_share(one: Map) -> float:
    """Entropy over that of a map whose values are all equal. NaN for a single position."""
    return entropy(one) / float(np.log(one.size)) if one.size > 1 else float("nan")


def concentration(one: Map) -> float:
    """How far, in nats, the entropy is below that of a map whose values are all equal."""
    return float(np.log(one.size)) - entropy(one)


def unit(one: Map) -> Map:
    """The map stretched to [0, 1]. NaN everywhere where it is flat: nothing says which end it is at."""
    wide = one.astype(np.float64)
    low, high = wide.min(), wide.max()
    return np.asarray((wide - low) / (high - low) if high > low else np.full_like(wide, np.nan), np.float32)


def mean_size(shown: Map) -> float:
    """Mean |value|, of a map in [0, 1]."""
    return float(np.abs(shown).mean(dtype=np.float64))


def largest_column(shown: Map) -> float:
    """The largest sum of |values| of a column, which grows with the number of rows: a published mistake.

    What ``numpy.linalg.norm(map, ord=1)`` is of a matrix; of a series it is the sum. NaN of more axes.
    """
    sums = np.abs(shown).sum(axis=0, dtype=np.float64)
    return float(sums.max()) if shown.ndim < 3 else float("nan")


def of_unit(measure: Callable[[Map], float]) -> Callable[[Map], float]:
    """The measure of the map stretched to [0, 1]; NaN where the map is flat."""
    return lambda one: float("nan") if flat(one) else measure(unit(one))


complexity = of_unit(mean_size)
complexity_published = of_unit(largest_column)

INF = float("inf")
SAME, GROWS = "same when positions are split", "grows when positions are split"

SHAPE: tuple[Measure, ...] = (
    Measure(
        "complexity", complexity, (0, 1), "Poppi et al. 2021, complexity", f"of the map in [0, 1]; {SAME}", "lower"
    ),
    Measure(
        "complexity-published",
        complexity_published,
        (0, INF),
        "numpy.linalg.norm(map, ord=1), as in a public notebook",
        f"largest column sum of the map in [0, 1]; {GROWS}",
        "lower",
    ),
    Measure("gini", gini, (0, 1), "Hurley & Rickard 2009, Gini index", f"of |map|; {SAME}"),
    Measure("entropy", entropy, (0, INF), "Bhatt et al. 2020, complexity", f"nats, of |map|; {GROWS}", "lower"),
    Measure("entropy-share", entropy_share, (0, 1), "Shannon 1948, relative entropy", f"of |map|; {GROWS}", "lower"),
    Measure("concentration", concentration, (0, INF), "Theil 1967, index T", f"nats, of |map|; {SAME}"),
)


def harmonic(parts: NDArray[np.float64]) -> float:
    """Harmonic mean; 0 where a part is 0, NaN where one is."""
    if np.isnan(parts).any():
        return float("nan")
    if (parts == 0).any():
        return 0.0
    total = float((1 / parts).sum())
    return len(parts) / total if total else float("nan")
