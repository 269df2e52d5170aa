"""Shapley values of a grid's cells: what each cell adds to the score, averaged over the orders in which cells appear.

The game is that of Baseline Shapley: a coalition of cells is shown, every other position is the fill. All values of
every sample come from one plan, whose first query is the empty coalition and whose second is the full one.
"""

import math
from dataclasses import dataclass
from fractions import Fraction
from itertools import accumulate, combinations, pairwise
from typing import Literal, final

import numpy as np
from numpy.typing import NDArray

from samewhy_edge.arrays import Maps
from samewhy_edge.errors import InputError
from samewhy_edge.features import Chosen, Coalitions, Labels, cells, coins
from samewhy_edge.plan import Plan, axes_of

Values = NDArray[np.float64]  # (N, D), or scores (N, M) in double precision

ORDERS, PAIRS, ROUNDING, SUBSETS = 1, 2, 3, 4  # what random words are for; each has Philox keys of its own


@final
@dataclass(frozen=True, slots=True)
class Permutation:
    """Mean of what a cell adds to the score when it appears, over random orders, each walked forward and in reverse.

    Every position carries the value of its whole cell, not a part of it: values sum to f(x) - f(fill) over cells, up to
    float32. Unit: score. Exact, with a single order, for scores in which cells interact at most in pairs; otherwise
    unbiased, with errors that fall by the root of `permutations`. A cell whose showing never changes the score is 0.

    Queries: 2 + 2 * permutations * (cells - 1).

    Source: Castro, Gomez & Tejada 2009, section 3; Mitchell, Cooper, Frank & Holmes 2022 (antithetic orders).
    """

    cells: tuple[int, ...] = (7,)
    permutations: int = 4
    fill: float = 0.0

    @property
    def name(self) -> str:
        """shapley-permutation"""
        return "shapley-permutation"

    def plan(self, spatial: tuple[int, ...], seed: int, draw: int = 0) -> Coalitions:
        """Empty and full coalition, then the coalitions between them on each walk; order i is the same in any plan.

        Raises:
            InputError: no permutation, cells that do not fit or are a single one, or a negative seed.
        """
        if self.permutations < 1 or seed < 0:
            raise InputError(
                f"{self.name} with permutations={self.permutations}, seed={seed}; "
                "expected at least 1 permutation, a seed of at least 0"
            )
        labels, count = grid(self.cells, spatial)
        ranks = coins(key(seed, draw, ORDERS), (self.permutations, count)).argsort(axis=1, kind="stable")
        return Coalitions(labels, between_ends(walks(ranks)))

    def estimate(self, plan: Plan, scores: NDArray[np.float32]) -> Maps:
        """Maps (N, *S): the mean over walks."""
        coalitions = planned(plan)
        return coalitions.spread(of_pairs(coalitions.chosen, scores).mean(axis=1))

    def errors(self, plan: Plan, scores: NDArray[np.float32]) -> Maps:
        """Standard errors (N, *S) of `estimate`, from the spread over orders; NaN with a single order."""
        coalitions = planned(plan)
        values = of_pairs(coalitions.chosen, scores)
        orders = values.shape[1]
        squares = ((values - values.mean(axis=1, keepdims=True)) ** 2).sum(axis=1)
        freedom = orders - 1 if orders > 1 else math.nan
        return coalitions.spread(np.sqrt(squares / freedom / orders))


@final
@dataclass(frozen=True, slots=True)
class KernelShap:
    """Shapley values as the weighted least squares fit of an additive score to the scores of coalitions.

    Coalitions come in pairs, each with its complement. `paired` draws pairs independently, sizes k with probability
    proportional to 1 / (k (d - k)). `leverage` draws every size equally often and no pair twice, takes a size whole
    where the queries allow, and weighs by kernel weight over inclusion probability. Empty and full coalition are
    constraints: values sum to f(x) - f(fill) over cells, up to float32.

    Every position carries the value of its whole cell, not a part of it. Unit: score. Exact from 2^d queries for d
    cells, where both samplers ask every coalition once; and for scores in which cells interact at most in pairs, once
    the coalitions determine the fit, which takes 2 d queries or more. While they do not, the fit of least norm.

    Queries: at most `queries`, one less if that is odd.

    Source: Lundberg & Lee 2017, theorem 2 (kernel); Covert & Lee 2021, `paired`; Musco & Witter 2025, `leverage`, with
    a fixed number of queries by systematic rounding where theirs is random.
    """

    cells: tuple[int, ...] = (7,)
    queries: int = 256
    sampler: Literal["paired", "leverage"] = "leverage"
    fill: float = 0.0

    @property
    def name(self) -> str:
        """shapley-kernel, or shapley-kernel-paired"""
        return "shapley-kernel" if self.sampler == "leverage" else "shapley-kernel-paired"

    def plan(self, spatial: tuple[int, ...], seed: int, draw: int = 0) -> Coalitions:
        """Empty and full coalition, then each coalition followed by its complement.

        Raises:
            InputError: fewer than four queries, cells that do not fit or are a single one, or a negative seed.
        """
        if self.queries < 4 or seed < 0:
            raise InputError(
                f"{self.name} with queries={self.queries}, seed={seed}; "
                "expected at least 4 queries, a seed of at least 0"
            )
        labels, count = grid(self.cells, spatial)
        pairs = min(self.queries // 2, 2 ** (count - 1)) - 1
        draws = draw_paired if self.sampler == "paired" and 2 * pairs + 2 < 2**count else draw_leverage
        return Coalitions(labels, between_ends(with_complements(draws(seed, draw, count, pairs))))

    def estimate(self, plan: Plan, scores: NDArray[np.float32]) -> Maps:
        """Maps (N, *S): the fit to all queries of the plan."""
        coalitions = planned(plan)
        inner, count = coalitions.chosen[2:], coalitions.chosen.shape[1]
        independent = self.sampler == "paired" and len(plan) < 2**count
        weights = np.ones(len(inner)) if independent else leverage_weights(inner)
        return coalitions.spread(fit(inner, weights, scores.astype(np.float64)))


def key(seed: int, draw: int, purpose: int, size: int = 0) -> tuple[int, int]:
    """A Philox key; no two of (draw, purpose, size) share words."""
    return seed, purpose << 56 | size << 32 | draw


def grid(count: tuple[int, ...], spatial: tuple[int, ...]) -> tuple[Labels, int]:
    """The cell of each position, and the number of cells.

    Raises:
        InputError: cells that do not fit the spatial axes, or a single one.
    """
    full = axes_of("cells", count, spatial)
    if math.prod(full) < 2:
        raise InputError(f"cells {list(count)} make a single cell; expected at least 2 cells to share the score among")
    return cells(spatial, full), math.prod(full)


def planned(plan: Plan) -> Coalitions:
    """The plan as coalitions.

    Raises:
        InputError: a plan of another explainer.
    """
    if not isinstance(plan, Coalitions):
        raise InputError(f"a plan of {type(plan).__name__}; expected Coalitions, from the explainer's own plan()")
    return plan


def between_ends(inner: Chosen) -> Chosen:
    """The empty and the full coalition, then the others."""
    ends = np.zeros((2, inner.shape[1]), np.float32)
    ends[1] = 1
    return np.concatenate([ends, inner])


def walks(ranks: NDArray[np.int64]) -> Chosen:
    """From orders as ranks (P, D) the coalitions of sizes 1 to D - 1 on each way, forward then in reverse."""
    count = ranks.shape[1]
    both = np.stack([ranks, count - 1 - ranks], axis=1)[:, :, None]  # (P, 2, 1, D)
    shown = both < np.arange(1, count)[:, None]
    return np.asarray(shown.reshape(-1, count), np.float32)


def of_pairs(chosen: Chosen, scores: NDArray[np.float32]) -> Values:
    """What each cell added (N, P, D), mean of an order's two walks."""
    count = chosen.shape[1]
    appears = np.diff(in_walks(chosen.T.astype(np.float64), count))  # (D, W, D): cell by walk and step
    gains = np.diff(in_walks(scores.astype(np.float64), count))  # (N, W, D): by walk and step
    added = np.einsum("nws,dws->nwd", gains, appears)
    return np.asarray((added[:, 0::2] + added[:, 1::2]) / 2)


def in_walks(queries: Values, count: int) -> Values:
    """Values by query (A, M) as values by walk (A, W, D + 1), each from the empty coalition to the full one."""
    inner = queries[:, 2:].reshape(len(queries), -1, count - 1)
    empty, full = (np.broadcast_to(queries[:, end, None, None], (*inner.shape[:2], 1)) for end in (0, 1))
    return np.concatenate([empty, inner, full], axis=2)


def draw_paired(seed: int, draw: int, count: int, pairs: int) -> Chosen:
    """One coalition (pairs, D) of each pair; coalition i is the same however many there are."""
    words = coins(key(seed, draw, PAIRS), (pairs, 1 + count))
    sizes = np.arange(1, count)
    below = np.cumsum(1 / (sizes * (count - sizes)))
    drawn = 1 + np.searchsorted(below[:-1] / below[-1], words[:, 0], side="right")
    return first(words[:, 1:], drawn[:, None])


def first(words: Values, sizes: NDArray[np.int64] | int) -> Chosen:
    """Uniform coalitions of these sizes: the cells with the smallest words of their row."""
    ranks = words.argsort(axis=1, kind="stable").argsort(axis=1, kind="stable")
    return np.asarray(ranks < sizes, np.float32)


def with_complements(halves: Chosen) -> Chosen:
    """Each coalition, then its complement: (2 P, D)."""
    return np.asarray(np.stack([halves, 1 - halves], axis=1).reshape(-1, halves.shape[1]))


def draw_leverage(seed: int, draw: int, count: int, pairs: int) -> Chosen:
    """One coalition (pairs, D), of the smaller size, of each pair; none twice."""
    offset = Fraction(float(coins(key(seed, draw, ROUNDING), (1, 1))[0, 0]))
    ends = [0, *(math.floor(offset + end) for end in accumulate(expected_pairs(count, pairs)))]
    wanted = [stop - start for start, stop in pairwise(ends)]
    return np.concatenate(
        [distinct(key(seed, draw, SUBSETS, size), count, size, some) for size, some in enumerate(wanted, start=1)]
    )


def expected_pairs(count: int, pairs: int) -> list[Fraction]:
    """How many pairs of sizes k and D - k to take, for k = 1 to D // 2: equal by size, all of a size at most.

    The leverage of a coalition is 1 / C(D, k), so each size has leverage 1 in all; the middle size of an even D is one
    size, the others are two.

    Source: Musco & Witter 2025, section 3.
    """
    left, room, expected = Fraction(pairs), Fraction(count - 1, 2), []
    for size in range(1, count // 2 + 1):
        share = half_of_middle(count, size)
        expected.append(min(math.comb(count, size) * share, left * share / room))
        left, room = left - expected[-1], room - share
    return expected


def half_of_middle(count: int, size: int) -> Fraction:
    """1, or 1/2 where complements have the size themselves."""
    return Fraction(1, 2) if 2 * size == count else Fraction(1)


def distinct(words: tuple[int, int], count: int, size: int, some: int) -> Chosen:
    """Uniform coalitions (some, D) of a size, no two of them equal or complements."""
    if some == math.comb(count, size) * half_of_middle(count, size):
        return all_of(count, size)[:some]
    drawn, found = some, np.zeros((0, count), np.float32)
    while len(found) < some:
        drawn *= 2
        found = without_repetition(of_first_cell(first(coins(words, (drawn, count)), size), size))
    return found[:some]


def all_of(count: int, size: int) -> Chosen:
    """Every coalition of a size; of the middle size, complements mirror each other in this order."""
    members = np.array(list(combinations(range(count), size)))
    return np.asarray((members[:, :, None] == np.arange(count)).any(axis=1), np.float32)


def of_first_cell(rows: Chosen, size: int) -> Chosen:
    """Of the middle size, the one of each pair that shows the first cell; other sizes as they are."""
    turned = (2 * size == rows.shape[1]) & (rows[:, :1] == 0)
    return np.asarray(np.where(turned, 1 - rows, rows), np.float32)


def without_repetition(rows: Chosen) -> Chosen:
    """The first of equal rows, in the order given."""
    return rows[np.sort(np.unique(rows, axis=0, return_index=True)[1])]


def leverage_weights(inner: Chosen) -> NDArray[np.float64]:
    """Kernel weight over inclusion probability, up to a factor: 1 / (k (D - k)) over the expected number of size k."""
    count = inner.shape[1]
    expected = expected_pairs(count, len(inner) // 2)
    of_size = [
        half_of_middle(count, size) / some / (size * (count - size)) for size, some in enumerate(expected, start=1)
    ]
    sizes = inner.sum(axis=1).astype(np.int64)
    return np.asarray(np.array(of_size, np.float64)[np.minimum(sizes, count - sizes) - 1])


def fit(inner: Chosen, weights: NDArray[np.float64], scores: Values) -> Values:
    """Values (N, D) that minimise the weighted squares and sum to full - empty; scores are empty, full, inner.

    The constraint is met by an equal share each; the rest is fitted among values that sum to 0.

    Source: Lundberg & Lee 2017, theorem 2; Musco & Witter 2025, section 3.
    """
    empty, gain = scores[:, :1], scores[:, 1:2] - scores[:, :1]
    shown = inner.mean(axis=1, dtype=np.float64)
    root = np.sqrt(weights)
    rest = (scores[:, 2:] - empty - gain * shown) * root
    design = (inner - shown[:, None]) * root[:, None]
    return np.asarray(gain / inner.shape[1] + np.linalg.lstsq(design, rest.T, rcond=1e-10)[0].T)
