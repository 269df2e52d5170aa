"""Average drop, coherency, complexity and ADCC of class activation maps: corrected, and as they were once published.

`published` is what the code of a study of distillation computed that compared a wide residual network with a student by
these measures: it is kept so that its table can be made again, and read. Its complexity is a largest column sum, which
follows the size of the map's grid, not the map; its drop is of the largest logit, whatever class that is of; its ADCC,
made of the two, may exceed 1, which no harmonic mean of shares does.

Source: Poppi, Cornia, Baraldi & Cucchiara 2021, arXiv 2104.10252, equations 2 to 5; for `published` the notebook of
github.com/vaibhavchhabra25/XML.
"""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from samewhy_edge.agreement import pearson
from samewhy_edge.arrays import Map, Samples, Scores

Mode = Literal["corrected", "published"]


def spread(one: Map) -> NDArray[np.float64]:
    """The map in [0, 1], from its least to its largest value; zeros where it is flat."""
    low, high = float(one.min()), float(one.max())
    values: NDArray[np.float64] = one.astype(np.float64) - low
    return values / (high - low) if high > low else np.zeros_like(values)


def complexity(one: Map, mode: Mode = "corrected") -> float:
    """Of a map (H, W) in [0, 1]: the mean of its values, in [0, 1]; as published, the largest sum of a column."""
    if mode == "published":
        return float(np.abs(one).sum(axis=0).max())
    return float(np.abs(one).mean())


def drop(before: Scores, after: Scores, target: int, mode: Mode = "corrected") -> float:
    """What showing the explained part alone costs, as a share, in [0, 1], from scores (K,): of the target's
    probability; as published, of the largest score. NaN where there was nothing to lose.
    """
    if mode == "published":
        had, has = float(before.max()), float(after.max())
    else:
        had, has = float(softmax(before)[target]), float(softmax(after)[target])
    return max(0.0, had - has) / had if had > 0 else float("nan")


def coherency(one: Map, other: Map) -> float:
    """Correlation of a map with that of the explained part alone, moved to [0, 1]. NaN where one is flat."""
    return (pearson(one, other) + 1) / 2


def adcc(coherent: float, complex_: float, dropped: float) -> float:
    """Harmonic mean of coherency, 1 - complexity and 1 - drop; 0 where one of them is 0. With a complexity above 1, as
    published, it may be anything.
    """
    parts = (coherent, 1 - complex_, 1 - dropped)
    if any(part == 0 for part in parts):
        return 0.0
    return 3 / sum(1 / part for part in parts)


def softmax(scores: Scores) -> NDArray[np.float64]:
    """Probabilities (K,)."""
    shifted = np.exp(scores.astype(np.float64) - float(scores.max()))
    return np.asarray(shifted / shifted.sum())


def shown_alone(samples: Samples, maps: NDArray[np.float64], mode: Mode = "corrected") -> Samples:
    """Samples (N, H, W, C) under maps (N, H, W) in [0, 1]; as published, each sample is spread to [0, 1] first."""
    base = np.stack([spread(one) for one in samples]) if mode == "published" else samples
    return np.asarray(base * maps[..., None], np.float32)
