"""Faithfulness by order: positions are hidden or shown a few at a time, in the order of the map."""

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal, final

import numpy as np
from numpy.typing import NDArray

from samewhy_edge.arrays import Map
from samewhy_edge.errors import InputError
from samewhy_edge.features import Chosen, Coalitions, Labels, key
from samewhy_edge.fill import Fill
from samewhy_edge.plan import Plan, words

STEPS = 32  # of a curve whose step is not said
TIES = 16  # what the words that order tied positions are for


@final
@dataclass(frozen=True, slots=True)
class Curve:
    """Mean height of the score while positions change places with their background, largest map values first.

    The curve has both ends and ceil(positions / step) steps of equal width. Tied positions are in a random order of the
    seed's.

    Source: Petsiuk, Das & Saenko 2018, causal metrics, as in the authors' `evaluation.py`.
    """

    way: Literal["deletion", "insertion"]
    step: int | None = None  # positions at a time; None is 1/32 of them
    fill: Fill = 0.0  # what takes the place of a position, or is there before it

    def queries(self, shape: tuple[int, ...]) -> int:
        """One a step, and one before the first."""
        return 1 + steps(shape, self.step)

    def plan(self, one: Map, seed: int) -> Coalitions:
        """The samples of the curve, from its start to its end.

        Raises:
            InputError: a step below 1.
        """
        labels = steps_of(-one, at_a_time(one.size, self.step), seed)
        return Coalitions(labels, staircase(steps(one.shape, self.step), self.way))

    def value(self, one: Map, plan: Plan, scores: NDArray[np.floating[Any]]) -> float:
        """Area under the curve of scores (M,), over its width."""
        return area_under(scores)


@final
@dataclass(frozen=True, slots=True)
class Monotonicity:
    """Share of steps on which the score does not fall while positions are shown, smallest |map| first.

    The first query is the background alone; tied positions are in a random order of the seed's.

    Source: Arya et al. 2019, monotonicity; a share of the steps instead of all or nothing.
    """

    step: int | None = None  # positions at a time; None is 1/32 of them
    fill: Fill = 0.0

    def queries(self, shape: tuple[int, ...]) -> int:
        """One a step, and one before the first."""
        return 1 + steps(shape, self.step)

    def plan(self, one: Map, seed: int) -> Coalitions:
        """From the background to the sample.

        Raises:
            InputError: a step below 1.
        """
        return Curve("insertion", self.step).plan(-np.abs(one), seed)

    def value(self, one: Map, plan: Plan, scores: NDArray[np.floating[Any]]) -> float:
        """Of scores (M,)."""
        return float((np.diff(scores) >= 0).mean())


@lru_cache(4)
def staircase(count: int, way: Literal["deletion", "insertion"]) -> Chosen:
    """What each of count + 1 queries keeps of the positions of each step."""
    changed = np.arange(count + 1)[:, None] > np.arange(count)
    return np.asarray(changed if way == "insertion" else ~changed, np.float32)


def area_under(scores: NDArray[np.floating[Any]]) -> float:
    """Trapezoids over steps of equal width, over the whole width."""
    wide = scores.astype(np.float64)
    return float((wide.sum() - (wide[0] + wide[-1]) / 2) / (len(wide) - 1))


def steps(shape: tuple[int, ...], step: int | None) -> int:
    """ceil(positions / step)."""
    positions = math.prod(shape)
    return math.ceil(positions / at_a_time(positions, step))


def at_a_time(positions: int, step: int | None) -> int:
    """The step, or 1/32 of the positions, rounded up.

    Raises:
        InputError: a step below 1.
    """
    if step is not None and step < 1:
        raise InputError(f"a curve with step={step}; expected a number of positions of at least 1")
    return step or math.ceil(positions / STEPS)


def steps_of(order: Map, step: int, seed: int) -> Labels:
    """On which step each position changes, smallest `order` first; ties in the seed's random order."""
    chance = words(key(seed, 0, TIES), 0, 1, order.size)[0]
    places = np.lexsort((chance, order.ravel()))
    labels = np.empty(order.size, np.int64)
    labels[places] = np.arange(order.size) // step
    return labels.reshape(order.shape)
