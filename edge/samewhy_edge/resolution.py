"""Whether a rung's answers are fine enough for its map: a map that is flat because the output has coarse steps says
nothing about importance.

An int8 output answers in steps. Where a masked sample moves the score by less than half a step the query is dead, and
where all are, the map is zero everywhere.
"""

from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from samewhy_edge.agreement import flat
from samewhy_edge.arrays import Map
from samewhy_edge.plan import Plan
from samewhy_edge.quant import Affine


@final
@dataclass(frozen=True, slots=True)
class Resolution:
    """How finely one sample's answers and map are resolved."""

    step: float  # of the output, in units of score; NaN where unknown
    dead: float  # share of queries that answer exactly as the whole sample does; NaN where nothing is hidden
    levels: int  # distinct answers
    ties: float  # share of positions beyond the first of each value of the map: 0 where no two are equal
    resolvable: bool  # False: no importance can be read from the map, which is not an importance of zero


def resolution(
    one: Map,
    scores: NDArray[np.floating[Any]],
    whole: float,
    output: Affine | None = None,
    hides: NDArray[np.bool_] | None = None,
) -> Resolution:
    """Of a map, the scores (M,) that it was made of and the score of the whole sample.

    `hides` (M,) tells the queries that hide something; without it every query counts. With `output` None the scores are
    those of real numbers, or no longer the tensor's own (a softmax was taken since).
    """
    asked = scores if hides is None else scores[hides]
    levels = len(np.unique(scores))
    fine = bool(np.isfinite(one).all()) and not flat(one) and levels > 1
    return Resolution(step_of(scores, output), dead_share(asked, whole), levels, tied_share(one), fine)


def step_of(scores: NDArray[np.floating[Any]], output: Affine | None = None) -> float:
    """The output tensor's step, or else the smallest difference between two answers. NaN where all are equal."""
    if output:
        return output.scale
    apart = np.diff(np.unique(scores.astype(np.float64)))
    return float(apart.min()) if len(apart) else float("nan")


def dead_share(scores: NDArray[np.floating[Any]], whole: float) -> float:
    """Share of scores that equal the whole sample's exactly. NaN where there are none."""
    return float((scores == whole).mean()) if len(scores) else float("nan")


def tied_share(one: Map) -> float:
    """1 - distinct values over positions."""
    return 1 - len(np.unique(one)) / one.size


def hiding(plan: Plan, shown: NDArray[np.bool_] | None = None) -> NDArray[np.bool_]:
    """Which queries hide any of the positions `shown`, all without it: (M,).

    `shown` has the shape of a mask. Where it is false a sample equals its background, and hiding it changes nothing.
    """
    places = np.ones(plan.shape, np.bool_) if shown is None else shown
    batches = (plan.keep(start, min(start + 64, len(plan))) for start in range(0, len(plan), 64))
    return np.concatenate([(keep[:, places] < 1).any(axis=1) for keep in batches])
