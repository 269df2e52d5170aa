"""Shapley values of features: what each adds to the score, averaged over the orders in which they appear.

The game is that of Baseline Shapley: a coalition of features is shown, every other position is the fill. All values of
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
from samewhy_edge.features import Chosen, Coalitions, Features, coalitions, coins, key, labels_of
from samewhy_edge.fill import Fill
from samewhy_edge.plan import Each, Plan, own

Values = NDArray[np.float64]  # (N, D), or scores (N, M) in double precision

ORDERS, PAIRS, ROUNDING, SUBSETS = 1, 2, 3, 4  # what random words are for; each has Philox keys of its own


@final
@dataclass(frozen=True, slots=True)
class Permutation:
    """Mean of what a feature adds to the score when it appears, over random orders, each walked forward and in reverse.

    Every position carries the value of its whole feature, not a part of it: values sum to f(x) - f(fill) over features,
    up to float32. Unit: score. Exact, with a single order, for scores in which features interact at most in pairs; else
    unbiased, with errors that fall by the root of `permutations`. A feature whose showing never changes the score is 0.

    Queries: 2 + 2 * permutations * (features - 1).

    Source: Castro, Gomez & Tejada 2009, section 3; Mitchell, Cooper, Frank & Holmes 2022 (antithetic orders).
    """

    features: Features = (7,)
    permutations: int = 4
    fill: Fill = 0.0

    @property
    def name(self) -> str:
        """shapley-permutation"""
        return "shapley-permutation"

    def plan(self, sample: tuple[int, ...], seed: int, draw: int = 0) -> Coalitions | Each:
        """Empty and full coalition, then the coalitions between them on each walk; order i is the same in any plan.

        Raises:
            InputError: no permutation, features that do not fit or are a single one, or a negative seed.
        """
        if self.permutations < 1 or seed < 0:
            raise InputError(
                f"{self.name} with permutations={self.permutations}, seed={seed}; "
                "expected at least 1 permutation, a seed of at least 0"
            )
        labels, count = labels_of(self.features, sample)
        ranks = coins(key(seed, draw, ORDERS), (self.permutations, count)).argsort(axis=1, kind="stable")
        return coalitions(labels, between_ends(walks(ranks)))

    def estimate(self, plan: Plan, scores: NDArray[np.float32]) -> Maps:
        """Maps (N, *S): the mean over walks."""
        coalitions = own(plan, Coalitions)
        return coalitions.spread(of_pairs(coalitions.chosen, scores).mean(axis=1))

    def errors(self, plan: Plan, scores: NDArray[np.float32]) -> Maps:
        """Standard errors (N, *S) of `estimate`, from the spread over orders; NaN with a single order."""
        coalitions = own(plan, Coalitions)
        values = of_pairs(coalitions.chosen, scores)
        orders = values.shape[1]
        squares = ((values - values.mean(axis=1, keepdims=True)) ** 2).sum(axis=1)
        return coalitions.spread(np.sqrt(squares / self.freedom(plan) / orders))

    def freedom(self, plan: Plan) -> float:
        """Degrees of freedom of `errors`: orders less one, NaN with a single order."""
        chosen = own(plan, Coalitions).chosen
        orders = (len(chosen) - 2) // (2 * (chosen.shape[1] - 1))
        return orders - 1 if orders > 1 else math.nan

    def halves(self, plan: Plan, scores: NDArray[np.float32]) -> tuple[Maps, Maps] | None:
        """Maps (N, *S) from every other order, the first one's and the second one's; None with a single order."""
        coalitions = own(plan, Coalitions)
        values = of_pairs(coalitions.chosen, scores)
        if values.shape[1] < 2:
            return None
        return coalitions.spread(values[:, ::2].mean(axis=1)), coalitions.spread(values[:, 1::2].mean(axis=1))


@final
@dataclass(frozen=True, slots=True)
class KernelShap:
    """Shapley values as the weighted least squares fit of an additive score to the scores of coalitions.

    Coalitions come in pairs, each with its complement. `paired` draws pairs independently, sizes k with probability
    proportional to 1 / (k (d - k)). `leverage` draws every size equally often and no pair twice, takes a size whole
    where the queries allow, and weighs by kernel weight over inclusion probability. Empty and full coalition are
    constraints: values sum to f(x) - f(fill) over features, up to float32.

    Every position carries the value of its whole feature, not a part of it. Unit: score. Exact from 2^d queries for d
    features, where both samplers ask every coalition once; and for scores in which features interact at most in pairs,
    once the coalitions determine the fit, which takes 2 d queries or more. While they do not, the fit of least norm.

    Queries: at most `queries`, one less if that is odd.

    Source: Lundberg & Lee 2017, theorem 2 (kernel); Covert & Lee 2021, `paired`; Musco & Witter 2025, `leverage`, with
    a fixed number of queries by systematic rounding where theirs is random.
    """

    features: Features = (7,)
    queries: int = 256
    sampler: Literal["paired", "leverage"] = "leverage"
    fill: Fill = 0.0

    @property
    def name(self) -> str:
        """shapley-kernel, or shapley-kernel-paired"""
        return "shapley-kernel" if self.sampler == "leverage" else "shapley-kernel-paired"

    def plan(self, sample: tuple[int, ...], seed: int, draw: int = 0) -> Coalitions | Each:
        """Empty and full coalition, then each coalition followed by its complement.

        Raises:
            InputError: fewer than four queries, features that do not fit or are a single one, or a negative seed.
        """
        if self.queries < 4 or seed < 0:
            raise InputError(
                f"{self.name} with queries={self.queries}, seed={seed}; "
                "expected at least 4 queries, a seed of at least 0"
            )
        labels, count = labels_of(self.features, sample)
        pairs = min(self.queries // 2, 2 ** (count - 1)) - 1
        draws = draw_paired if self.sampler == "paired" and 2 * pairs + 2 < 2**count else draw_leverage
        return coalitions(labels, between_ends(with_complements(draws(seed, draw, count, pairs))))

    def estimate(self, plan: Plan, scores: NDArray[np.float32]) -> Maps:
        """Maps (N, *S): the fit to all queries of the plan."""
        coalitions = own(plan, Coalitions)
        inner = coalitions.chosen[2:]
        return coalitions.spread(fit(inner, self._weights(coalitions.chosen), scores.astype(np.float64)))

    def errors(self, plan: Plan, scores: NDArray[np.float32]) -> Maps:
        """Standard errors (N, *S) of `estimate` over draws; NaN while the queries do not determine fit and spread.

        Each pair of complements is one observation; the more of its size is asked, the less chance is left in it. 0
        where every coalition is asked.

        Source: MacKinnon & White 1985, HC3; Cochran 1977, Sampling Techniques, chapter 2 (finite populations).
        """
        coalitions = own(plan, Coalitions)
        chosen = coalitions.chosen
        if len(chosen) == 2 ** chosen.shape[1]:
            return coalitions.spread(np.zeros((len(scores), chosen.shape[1])))
        return coalitions.spread(
            pair_errors(chosen[2:], self._weights(chosen), self._left(chosen), scores.astype(np.float64))
        )

    def freedom(self, plan: Plan) -> float:
        """Degrees of freedom of `errors`: of the residuals of pairs that chance chose; NaN where `errors` is."""
        chosen = own(plan, Coalitions).chosen
        if len(chosen) == 2 ** chosen.shape[1]:
            return math.inf
        spare, drawn = regression(chosen[2:], self._weights(chosen))[1], self._left(chosen) > 0
        return float(spare[drawn].sum()) if determined(chosen.shape[1], spare, drawn) else math.nan

    def halves(self, plan: Plan, scores: NDArray[np.float32]) -> tuple[Maps, Maps] | None:
        """Maps (N, *S) from every other pair, the first one's and the second one's.

        None where every coalition is asked, or where a half does not determine the fit.
        """
        coalitions = own(plan, Coalitions)
        chosen, wide = coalitions.chosen, scores.astype(np.float64)
        inner, weights, odd = chosen[2:], self._weights(chosen), np.arange(len(chosen) - 2) // 2 % 2 == 1
        parts = (~odd, odd)
        if len(chosen) == 2 ** chosen.shape[1] or not all(solvable(inner[half], weights[half]) for half in parts):
            return None
        first, second = (fit(inner[half], weights[half], wide[:, np.r_[True, True, half]]) for half in parts)
        return coalitions.spread(first), coalitions.spread(second)

    def _independent(self, chosen: Chosen) -> bool:
        return self.sampler == "paired" and len(chosen) < 2 ** chosen.shape[1]

    def _weights(self, chosen: Chosen) -> Values:
        """Weights (M - 2,) of the fit."""
        return np.ones(len(chosen) - 2) if self._independent(chosen) else leverage_weights(chosen[2:])

    def _left(self, chosen: Chosen) -> Values:
        """What share of its size was not asked, (P,): the chance that is left in each pair."""
        if self._independent(chosen):
            return np.ones(len(chosen) // 2 - 1)
        count = chosen.shape[1]
        expected = expected_pairs(count, len(chosen) // 2 - 1)
        asked = [float(some / all_pairs(count, size)) for size, some in enumerate(expected, start=1)]
        sizes = chosen[2::2].sum(axis=1).astype(np.int64)
        return np.asarray(1 - np.array(asked)[np.minimum(sizes, count - sizes) - 1])


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
    """What each feature added (N, P, D), mean of an order's two walks."""
    count = chosen.shape[1]
    appears = np.diff(in_walks(chosen.T.astype(np.float64), count))  # (D, W, D): feature by walk and step
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
    """Uniform coalitions of these sizes: the features with the smallest words of their row."""
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
        expected.append(min(all_pairs(count, size), left * share / room))
        left, room = left - expected[-1], room - share
    return expected


def all_pairs(count: int, size: int) -> Fraction:
    """How many pairs of sizes k and D - k there are."""
    return math.comb(count, size) * half_of_middle(count, size)


def half_of_middle(count: int, size: int) -> Fraction:
    """1, or 1/2 where complements have the size themselves."""
    return Fraction(1, 2) if 2 * size == count else Fraction(1)


def distinct(words: tuple[int, int], count: int, size: int, some: int) -> Chosen:
    """Uniform coalitions (some, D) of a size, no two of them equal or complements."""
    if some == all_pairs(count, size):
        return all_of(count, size)[:some]
    drawn, found = some, np.zeros((0, count), np.float32)
    while len(found) < some:
        drawn *= 2
        found = without_repetition(of_first_feature(first(coins(words, (drawn, count)), size), size))
    return found[:some]


def all_of(count: int, size: int) -> Chosen:
    """Every coalition of a size; of the middle size, complements mirror each other in this order."""
    members = np.array(list(combinations(range(count), size)))
    return np.asarray((members[:, :, None] == np.arange(count)).any(axis=1), np.float32)


def of_first_feature(rows: Chosen, size: int) -> Chosen:
    """Of the middle size, the one of each pair that shows the first feature; other sizes as they are."""
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


def regression(inner: Chosen, weights: Values) -> tuple[Values, Values]:
    """The fit by pairs: what each pair adds to each value, (D, P), and the part of each that the fit leaves over, (P,).

    Complements are each other's mirror in the fit, so a pair is one observation, the half of its difference.
    """
    root = np.sqrt(weights[::2])
    design = (inner[::2] - inner[::2].mean(axis=1, dtype=np.float64, keepdims=True)) * root[:, None]
    inverse = np.linalg.pinv(design, rcond=1e-10)
    return inverse * root, 1 - np.einsum("pd,dp->p", design, inverse)


def pair_errors(inner: Chosen, weights: Values, left: Values, scores: Values) -> Values:
    """Standard errors (N, D) of `fit`, by a sandwich of the pairs' residuals; `left` is the chance left in each."""
    influence, spare = regression(inner, weights)
    drawn = left > 0
    if not determined(inner.shape[1], spare, drawn):
        return np.full((len(scores), inner.shape[1]), math.nan)
    shown = inner[::2].mean(axis=1, dtype=np.float64)
    gains = (scores[:, 2::2] - scores[:, 3::2]) / 2 - (scores[:, 1:2] - scores[:, :1]) * (shown - 0.5)
    residuals = gains - gains @ influence.T @ (inner[::2] - shown[:, None]).T
    squares = (residuals[:, drawn] / spare[drawn]) ** 2
    return np.asarray(np.sqrt(squares @ (influence[:, drawn] ** 2 * left[drawn]).T))


def determined(count: int, spare: Values, drawn: NDArray[np.bool_]) -> bool:
    """Whether pairs determine a fit and its spread: a pair that alone decides something leaves nothing to see."""
    rank = len(spare) - spare.sum()
    return bool(rank > count - 1.5) and bool(spare[drawn].min(initial=1) > 1e-8)


def solvable(inner: Chosen, weights: Values) -> bool:
    """Whether pairs determine a fit."""
    spare = regression(inner, weights)[1]
    return determined(inner.shape[1], spare, np.zeros(len(spare), np.bool_))
