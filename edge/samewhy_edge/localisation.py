"""Map against the ground truth: the positions that are known to hold what the target is about.

A mask is true inside. A mask that is empty or everywhere leaves nothing to find, and a flat map points nowhere: NaN. No
share of hits means much without the mask's own size, so each measure has its `chance`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import product
from typing import final

import numpy as np
from numpy.typing import NDArray

from samewhy_edge.agreement import flat, ranks, top
from samewhy_edge.arrays import Map, Maps
from samewhy_edge.errors import InputError

Mask = NDArray[np.bool_]  # the shape of the map
Masks = NDArray[np.bool_]  # (N, ...)

OPEN = 1.0  # an open disc of this radius is its own centre alone
TOLERANCE = 15 / 224  # of the longest axis: 15 pixels of an image of 224


@final
@dataclass(frozen=True, slots=True)
class Measure:
    """A measure of a map against a mask of its shape."""

    name: str
    of: Callable[[Map, Mask], float]
    chance: Callable[[Mask], float]  # mean of `of` over all orders of a map's values, none of them tied
    span: tuple[float, float]
    source: str
    convention: str
    better: str = "higher"


def localised(measure: Measure, maps: Maps, masks: Masks) -> NDArray[np.float64]:
    """The measure of every sample (N,); NaN where it is undefined.

    Raises:
        InputError: masks that are not bool, or not of the maps' shape.
    """
    if masks.dtype != np.bool_ or masks.shape != maps.shape:
        raise InputError(f"masks are {masks.dtype} of shape {masks.shape}; expected bool of the maps' {maps.shape}")
    return np.array([measure.of(one, mask) for one, mask in zip(maps, masks, strict=True)], np.float64)


def area_under_roc(one: Map, mask: Mask) -> float:
    """Chance that a position inside has a larger value than one outside; half where they tie."""
    if not decidable(one, mask):
        return float("nan")
    inside, outside = int(mask.sum()), int((~mask).sum())
    above = ranks(one.ravel())[mask.ravel()].sum() - inside * (inside + 1) / 2
    return float(above / (inside * outside))


def pointing(one: Map, mask: Mask, radius: float | None = OPEN) -> float:
    """Whether the mask meets the open disc around the largest value; the share of those that tie for largest.

    None stands for a radius of 15/224 of the longest axis, at least the position itself.
    """
    if not decidable(one, mask):
        return float("nan")
    return float(widened(mask, radius)[one == one.max()].mean())


def mass_inside(one: Map, mask: Mask) -> float:
    """Share of what is positive in the map that is inside. NaN where nothing is positive."""
    positive = np.maximum(one, 0, dtype=np.float64)
    total = positive.sum()
    return float(positive[mask].sum() / total) if decidable(one, mask) and total > 0 else float("nan")


def rank_inside(one: Map, mask: Mask) -> float:
    """Share of the mask's positions among as many largest values; tied positions share their places."""
    if not decidable(one, mask):
        return float("nan")
    return float(top(one, int(mask.sum()))[mask.ravel()].mean())


def equal_area_iou(one: Map, mask: Mask) -> float:
    """Intersection over union of the mask and as many largest values; tied positions share their places."""
    share = rank_inside(one, mask)
    return share / (2 - share)


def decidable(one: Map, mask: Mask) -> bool:
    """Whether the mask has an inside and an outside, and the map has values that differ."""
    return bool(np.isfinite(one).all() and not flat(one) and mask.any() and not mask.all())


def half(mask: Mask) -> float:
    """1/2, whatever the mask."""
    return 0.5 if mask.any() and not mask.all() else float("nan")


def area(mask: Mask) -> float:
    """Share of positions inside."""
    return float(mask.mean()) if mask.any() and not mask.all() else float("nan")


def area_within_reach(mask: Mask, radius: float | None) -> float:
    """Share of positions whose open disc meets the mask."""
    return float(widened(mask, radius).mean()) if mask.any() and not mask.all() else float("nan")


def expected_iou(mask: Mask) -> float:
    """Mean over j of j / (2 k - j), j hypergeometric: how many of k positions drawn out of n are among the mask's k."""
    n, k = mask.size, int(mask.sum())
    if not 0 < k < n:
        return float("nan")
    logs = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, n + 1)))])  # of the factorials
    j = np.arange(max(0, 2 * k - n), k + 1)
    ways = 2 * (logs[k] - logs[k - j] + logs[n - k]) - logs[j] - logs[n - 2 * k + j] - logs[n]
    return float((np.exp(ways) * j / (2 * k - j)).sum())


def widened(mask: Mask, radius: float | None) -> Mask:
    """Positions less than `radius` away from the mask."""
    reach = max(TOLERANCE * max(mask.shape), OPEN) if radius is None else radius
    edge = int(np.ceil(reach)) - 1
    padded, near = np.pad(mask, edge), np.zeros_like(mask)
    for offset in product(range(-edge, edge + 1), repeat=mask.ndim):
        if sum(step * step for step in offset) < reach * reach:
            near |= padded[
                tuple(slice(edge + step, edge + step + n) for step, n in zip(offset, mask.shape, strict=True))
            ]
    return near


LOCALISATION: tuple[Measure, ...] = (
    Measure("mask-auc", area_under_roc, half, (0, 1), "Mann & Whitney 1947; Hanley & McNeil 1982", "ties count half"),
    Measure(
        "point",
        pointing,
        area,
        (0, 1),
        "Zhang et al. 2018 (excitation backprop), pointing game",
        "no tolerance; tied maxima share the hit",
    ),
    Measure(
        "point-tolerant",
        partial(pointing, radius=None),
        partial(area_within_reach, radius=None),
        (0, 1),
        "Zhang et al. 2018 (excitation backprop), pointing game: 15 pixels",
        "open disc of 15/224 of the longest axis; tied maxima share the hit",
    ),
    Measure(
        "mass", mass_inside, area, (0, 1), "Arras, Osman & Samek 2022, relevance mass accuracy", "positive values alone"
    ),
    Measure(
        "rank",
        rank_inside,
        area,
        (0, 1),
        "Arras, Osman & Samek 2022, relevance rank accuracy",
        "ties share their places",
    ),
    Measure("iou", equal_area_iou, expected_iou, (0, 1), "Jaccard 1901", "as many largest values as the mask has"),
)
