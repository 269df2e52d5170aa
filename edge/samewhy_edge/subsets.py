"""Faithfulness by removal: random sets of positions are hidden, and what the map gives to each set is held against how
much the score falls without it.

Maps are in units of score, each value what its position adds: a set is worth the sum of its values.
"""

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal, final

import numpy as np
from numpy.typing import NDArray

from samewhy_edge.agreement import pearson, spearman
from samewhy_edge.arrays import Map
from samewhy_edge.errors import InputError
from samewhy_edge.features import Chosen, Coalitions, cells, key
from samewhy_edge.fill import Fill
from samewhy_edge.plan import Plan, words
from samewhy_edge.shown import Shown

FIXED, COINS = 17, 18  # what words are for: sets of a fixed size, a coin for each feature

Values = NDArray[np.float64]


@final
@dataclass(frozen=True, slots=True)
class SensitivityN:
    """Correlation, over sets of n positions, of what the map gives to the set with how far the score falls without it.

    The mean over several n, each a share of the positions. NaN where any n has no correlation (its drops are all
    equal): means over different n do not compare.

    Source: Ancona et al. 2018, Sensitivity-n.
    """

    shares: tuple[float, ...] = (0.02, 0.05, 0.1, 0.2, 0.4, 0.8)
    draws: int = 100  # sets of each size
    fill: Fill = 0.0

    def queries(self, shape: tuple[int, ...]) -> int:
        """One for the whole sample and one a set."""
        return 1 + len(self.shares) * self.draws

    def plan(self, one: Map, seed: int) -> Shown:
        """The whole sample, then all sets of each size in turn.

        Raises:
            InputError: fewer than two draws, or shares outside ]0, 1[.
        """
        return sets_of_sizes(one.shape, self.draws, self.shares, seed)

    def value(self, one: Map, plan: Plan, scores: NDArray[np.floating[Any]]) -> float:
        """The mean over sizes."""
        return float(self.by_size(one, plan, scores).mean())

    def by_size(self, one: Map, plan: Plan, scores: NDArray[np.floating[Any]]) -> Values:
        """The correlation for each share; NaN where there is none."""
        given, fallen = (both.reshape(len(self.shares), -1) for both in worth(one, plan, scores))
        return np.array([pearson(a, b) for a, b in zip(given, fallen, strict=True)])


@final
@dataclass(frozen=True, slots=True)
class SetCorrelation:
    """Correlation, over random sets of features, of what the map gives to the set with how far the score falls.

    `coins` hides each feature with the chance `share`; `fixed` hides round(share * features) of them. Features are
    single positions, or the cells of a grid of `grid` cells an axis (fewer where the axis is shorter).

    Source: Bhatt et al. 2020, definition 3 (faithfulness: single positions, sets of a fixed size, Pearson); Xplique's
    MuFidelity (a grid of 9, coins of 0.2, Spearman).
    """

    draws: int = 200
    share: float = 0.2
    grid: int | None = 9
    sets: Literal["coins", "fixed"] = "coins"
    correlation: Literal["spearman", "pearson"] = "spearman"
    fill: Fill = 0.0

    def queries(self, shape: tuple[int, ...]) -> int:
        """One for the whole sample and one a set."""
        return 1 + self.draws

    def plan(self, one: Map, seed: int) -> Coalitions | Shown:
        """The whole sample, then the sets.

        Raises:
            InputError: fewer than two draws, a grid below 1, or a share outside ]0, 1[.
        """
        return random_sets(one.shape, self.draws, self.share, self.grid, self.sets, seed)

    def value(self, one: Map, plan: Plan, scores: NDArray[np.floating[Any]]) -> float:
        """NaN where all drops are equal, or all sets are given the same."""
        return {"spearman": spearman, "pearson": pearson}[self.correlation](*worth(one, plan, scores))


@final
@dataclass(frozen=True, slots=True)
class Infidelity:
    """Mean squared difference of what the map gives to a random set from how far the score falls without it.

    The perturbation is sample - background on the set and 0 elsewhere. A map in units of score has the factor
    sample - background in it already, so its product with the perturbation is the sum of its values. `scaled`
    multiplies the map by beta = sum(given * fallen) / sum(given ** 2) first, the factor that fits best: for maps
    without a unit. Unit: score squared.

    Source: Yeh et al. 2019, definition 2.1; beta as in Captum 0.9 `metrics/_core/infidelity.py`.
    """

    draws: int = 200
    share: float = 0.2
    grid: int | None = 9
    sets: Literal["coins", "fixed"] = "coins"
    scaled: bool = False
    fill: Fill = 0.0

    def queries(self, shape: tuple[int, ...]) -> int:
        """One for the whole sample and one a set."""
        return 1 + self.draws

    def plan(self, one: Map, seed: int) -> Coalitions | Shown:
        """The whole sample, then the sets.

        Raises:
            InputError: fewer than two draws, a grid below 1, or a share outside ]0, 1[.
        """
        return random_sets(one.shape, self.draws, self.share, self.grid, self.sets, seed)

    def value(self, one: Map, plan: Plan, scores: NDArray[np.floating[Any]]) -> float:
        """NaN where it is scaled and the map gives nothing to any set."""
        given, fallen = worth(one, plan, scores)
        return float(((self.beta(given, fallen) * given - fallen) ** 2).mean())

    def beta(self, given: Values, fallen: Values) -> float:
        """What the map is multiplied by."""
        if not self.scaled:
            return 1.0
        size = float(given @ given)
        return float(given @ fallen) / size if size > 0 else math.nan


def worth(one: Map, plan: Plan, scores: NDArray[np.floating[Any]]) -> tuple[Values, Values]:
    """What the map gives to the set that each query hides, and how far the score falls; the first query hides none."""
    wide, given = one.astype(np.float64), np.empty(len(plan))
    for start in range(0, len(plan), 64):
        stop = min(start + 64, len(plan))
        hidden = (1 - plan.keep(start, stop)).reshape(stop - start, -1)
        given[start:stop] = hidden.astype(np.float64) @ wide.ravel()
    return given[1:], scores[0].astype(np.float64) - scores[1:].astype(np.float64)


@lru_cache(4)
def sets_of_sizes(shape: tuple[int, ...], draws: int, shares: tuple[float, ...], seed: int) -> Shown:
    """The whole sample, then sets of single positions: `draws` of each share in turn.

    One object for all maps of a shape, so that they are asked under shared masks.

    Raises:
        InputError: fewer than two draws, or shares outside ]0, 1[.
    """
    expect(draws, shares)
    count = math.prod(shape)
    return of_positions(shape, whole_first([drawn(draws, count, size_of(share, count), seed) for share in shares]))


@lru_cache(4)
def random_sets(
    shape: tuple[int, ...], draws: int, share: float, grid: int | None, sets: Literal["coins", "fixed"], seed: int
) -> Coalitions | Shown:
    """The whole sample, then sets of cells or of single positions. One object for all maps of a shape.

    Raises:
        InputError: fewer than two draws, a grid below 1, or a share outside ]0, 1[.
    """
    expect(draws, (share,), 1 if grid is None else grid)
    parts = shape if grid is None else tuple(min(grid, size) for size in shape)
    count = math.prod(parts)
    made = tossed(draws, count, share, seed) if sets == "coins" else drawn(draws, count, size_of(share, count), seed)
    chosen = whole_first([made])
    return of_positions(shape, chosen) if grid is None else Coalitions(cells(shape, parts), chosen)


def size_of(share: float, count: int) -> int:
    """A share of `count` features, rounded, neither none nor all of them."""
    return max(1, min(count - 1, round(share * count)))


def whole_first(chosen: list[Chosen]) -> Chosen:
    """The whole sample, then what is given."""
    return np.concatenate([np.ones_like(chosen[0][:1]), *chosen])


def of_positions(shape: tuple[int, ...], chosen: Chosen) -> Shown:
    """Sets of single positions: the masks themselves, which need no labels. Few of them repeat."""
    return Shown(chosen.reshape(-1, *shape))


def drawn(draws: int, features: int, size: int, seed: int) -> Chosen:
    """Sets of `size` features, each as likely as any: (draws, features), 0 where a set hides."""
    chance = words(key(seed, 0, FIXED, size), 0, draws, features)
    chosen = np.ones((draws, features), np.float32)
    np.put_along_axis(chosen, np.argpartition(chance, size, axis=1)[:, :size], 0, axis=1)
    return chosen


def tossed(draws: int, features: int, share: float, seed: int) -> Chosen:
    """A coin for each feature: (draws, features), 0 with the chance `share`."""
    chance = words(key(seed, 0, COINS), 0, draws, features) >> np.uint64(11)
    return np.asarray(chance >= np.uint64(round(share * 2**53)), np.float32)


def expect(draws: int, shares: tuple[float, ...], grid: int = 1) -> None:
    """Refuse settings that draw nothing to compare.

    Raises:
        InputError: saying what was found and what was expected.
    """
    if draws < 2 or grid < 1 or not shares or not all(0 < share < 1 for share in shares):
        raise InputError(
            f"random sets with draws={draws}, shares={list(shares)}, grid={grid}; expected at least 2 draws, shares "
            "between 0 and 1, and a grid of at least 1 cell an axis"
        )
