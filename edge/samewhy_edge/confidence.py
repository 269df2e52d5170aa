"""Faithfulness by confidence: what is left of a probability when the sample is shown through its own map."""

from dataclasses import dataclass
from typing import Any, Literal, final

import numpy as np
from numpy.typing import NDArray

from samewhy_edge.agreement import flat
from samewhy_edge.arrays import Map
from samewhy_edge.complexity import unit
from samewhy_edge.errors import InputError
from samewhy_edge.fill import Fill
from samewhy_edge.plan import Plan
from samewhy_edge.shown import Shown


@final
@dataclass(frozen=True, slots=True)
class Confidence:
    """How the target's probability changes from y, of the sample, to o, of the sample under its map as a mask.

    The mask is the signed map stretched to [0, 1]; the background shows where it is not 1. `drop` is max(0, y - o) / y,
    undefined where y is 0. `increase` is 1 where o > y and 0 elsewhere. `gain` is max(0, o - y) / (1 - y), undefined
    where y is 1. The published averages are the means of these over samples.

    Source: Chattopadhay et al. 2018, Grad-CAM++ (drop, increase); Zhang et al. 2024, Opti-CAM (gain).
    """

    change: Literal["drop", "increase", "gain"]
    fill: Fill = 0.0

    def queries(self, shape: tuple[int, ...]) -> int:
        """The sample, and the sample under its map."""
        return 2

    def plan(self, one: Map, seed: int) -> Shown:
        """The whole sample, then its map; a flat map shows the sample again."""
        whole = np.ones((1, *one.shape), np.float32)
        return Shown(np.concatenate([whole, whole if flat(one) else unit(one)[None]]))

    def value(self, one: Map, plan: Plan, scores: NDArray[np.floating[Any]]) -> float:
        """Of the two probabilities.

        Raises:
            InputError: scores that are no probabilities.
        """
        y, o = probabilities(scores)
        if self.change == "increase":
            return float(o > y)
        if self.change == "gain":
            return max(0.0, o - y) / (1 - y) if y < 1 else float("nan")
        return max(0.0, y - o) / y if y > 0 else float("nan")


def probabilities(scores: NDArray[np.floating[Any]]) -> list[float]:
    """The scores as numbers.

    Raises:
        InputError: one outside [0, 1].
    """
    if not ((scores >= 0) & (scores <= 1)).all():
        raise InputError(f"scores of {scores.min():.4g} to {scores.max():.4g}; expected probabilities: take a softmax")
    return [float(score) for score in scores]
