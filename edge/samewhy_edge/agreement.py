"""Map against map. What a reader must know of a measure is data beside it; undefined is NaN, never 0."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from samewhy_edge.arrays import Map


@final
@dataclass(frozen=True, slots=True)
class Measure:
    """A measure of agreement between two maps of one shape."""

    name: str
    of: Callable[[Map, Map], float]
    span: tuple[float, float]
    source: str
    better: str = "higher"


def spearman(a: Map, b: Map) -> float:
    """Rank correlation; ties share their mean rank. NaN where a map is flat."""
    return pearson(ranks(a.ravel()), ranks(b.ravel()))


def pearson(a: NDArray[np.floating[Any]], b: NDArray[np.floating[Any]]) -> float:
    """Linear correlation. NaN where a map is flat."""
    u, v = (x.ravel().astype(np.float64) - x.mean(dtype=np.float64) for x in (a, b))
    if flat(a) or flat(b):
        return float("nan")
    return float(u @ v / np.sqrt((u @ u) * (v @ v)))


def cosine(a: Map, b: Map) -> float:
    """Cosine of the angle between the maps. NaN where a map is zero everywhere."""
    u, v = a.ravel().astype(np.float64), b.ravel().astype(np.float64)
    norm = np.sqrt((u @ u) * (v @ v))
    return float(u @ v / norm) if norm > 0 else float("nan")


def top_overlap(a: Map, b: Map, share: float = 0.1) -> float:
    """Share of the top tenth of positions that both maps have; tied positions share their places. NaN where flat."""
    if flat(a) or flat(b):
        return float("nan")
    count = max(1, round(share * a.size))
    return float(np.minimum(top(a, count), top(b, count)).sum() / count)


def ssim(a: Map, b: Map) -> float:
    """Mean structural similarity: flat windows of 7 (or the largest odd size that fits), the maps' pooled range.

    NaN where both maps hold one value alone, or are smaller than 3 positions along an axis.
    """
    u, v = a.astype(np.float64), b.astype(np.float64)
    span = max(u.max(), v.max()) - min(u.min(), v.min())
    size = min(7, *((n - 1) // 2 * 2 + 1 for n in u.shape))
    if span == 0 or size < 3:
        return float("nan")
    count = size**u.ndim
    mu, mv = _means(u, size), _means(v, size)
    sample = count / (count - 1)  # unbiased covariance, as in scikit-image
    uu, vv, uv = (sample * (_means(p, size) - m) for p, m in ((u * u, mu * mu), (v * v, mv * mv), (u * v, mu * mv)))
    c1, c2 = (0.01 * span) ** 2, (0.03 * span) ** 2
    return float((((2 * mu * mv + c1) * (2 * uv + c2)) / ((mu**2 + mv**2 + c1) * (uu + vv + c2))).mean())


MEASURES: tuple[Measure, ...] = (
    Measure("spearman", spearman, (-1, 1), "Spearman 1904; ties share their mean rank"),
    Measure("pearson", pearson, (-1, 1), "Pearson 1895"),
    Measure("cosine", cosine, (-1, 1), "cosine of the angle between the flattened maps"),
    Measure("top-overlap", top_overlap, (0, 1), "intersection of the top 10 % of positions over their number"),
    Measure("ssim", ssim, (-1, 1), "Wang et al. 2004, equation 13, flat 7 x 7 windows"),
)


def ranks(values: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """Ranks from 1; ties share their mean rank."""
    _, place, count = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(count)
    return np.asarray((last - (count - 1) / 2)[place.ravel()], np.float64)


def top(values: Map, count: int) -> NDArray[np.float64]:
    """How far each position is among the `count` largest: 1, 0, or a share where positions tie at the border."""
    flat_values = values.ravel()
    border = np.partition(flat_values, -count)[-count]
    above, at = flat_values > border, flat_values == border
    return np.asarray(above + at * ((count - above.sum()) / at.sum()))


def flat(a: NDArray[np.floating[Any]]) -> bool:
    """Whether all values are the same: such a map ranks nothing."""
    return bool(a.max() == a.min())


def _means(a: NDArray[np.float64], size: int) -> NDArray[np.float64]:
    """Means of all windows of `size` that lie within the map."""
    for axis in range(a.ndim):
        a = sliding_window_view(a, size, axis=axis).mean(axis=-1)
    return a
