"""Global sensitivity of the score to features: how much of what masks change in it is due to each. Never negative.

The numbers behind the masks are scrambled Sobol' sequences, which fill the space of masks more evenly than chance.
"""

import math
from dataclasses import dataclass
from typing import Literal, final

import numpy as np
from numpy.typing import NDArray

from samewhy_edge.arrays import Maps
from samewhy_edge.errors import InputError
from samewhy_edge.features import Chosen, Coalitions, Features, coalitions, key, labels_of
from samewhy_edge.fill import Fill
from samewhy_edge.lowdiscrepancy import directions, scrambled
from samewhy_edge.plan import Each, Plan, own

Values = NDArray[np.float64]

DESIGN, MASKS = 7, 9  # what random words are for; 8 is the scramble of a sequence
DIGITS, ALIKE = 16, 4  # places of a row's number by which dimensions are told apart, and by which they must be
ROWS = 256  # of a kernel matrix at a time, so that memory does not grow with its square
PAIRED = 2048  # queries at most whose distances to each other give the width of a kernel


@final
@dataclass(frozen=True, slots=True)
class Sobol:
    """Total-order Sobol' indices: the share of the score's variance that goes with a feature, alone or together.

    Masks are real numbers, uniform in [0, 1] for each feature, and shade into the fill. Indices of features that
    interact count the interaction once each, so they sum to 1 or more, up to the errors. No unit, no sign. NaN where
    the score has no variance.

    Queries: rows * (features + 2), a row at a time: the base mask, another one, then for each feature the base with the
    feature from the other. Any number of whole rows is a plan of fewer rows.

    Source: Fel, Cadene, Chalvidal, Cord, Vigouroux & Serre 2021, section 3; Jansen 1999 (estimator). The variance is
    that of both masks of all rows.
    """

    features: Features = (8,)
    rows: int = 32
    fill: Fill = 0.0

    @property
    def name(self) -> str:
        """sobol"""
        return "sobol"

    def plan(self, sample: tuple[int, ...], seed: int, draw: int = 0) -> Coalitions | Each:
        """Rows of features + 2 queries; row i is the same in any plan of these features.

        Raises:
            InputError: fewer than two rows, features that do not fit, are a single one or too many, or a negative seed.
        """
        if self.rows < 2 or seed < 0:
            raise InputError(
                f"sobol with rows={self.rows}, seed={seed}; expected at least 2 rows, a seed of at least 0"
            )
        labels, count = labels_of(self.features, sample)
        points = uniform(key(seed, draw, DESIGN), self.rows, 2 * count)
        return coalitions(labels, rows_of(points[:, :count], points[:, count + opposed(count)]))

    def estimate(self, plan: Plan, scores: NDArray[np.float32]) -> Maps:
        """Maps (N, *shape)."""
        coalitions = own(plan, Coalitions)
        return coalitions.spread(total_order(*by_row(coalitions.chosen, scores)))

    def errors(self, plan: Plan, scores: NDArray[np.float32]) -> Maps:
        """Standard errors (N, *shape) of `estimate` over draws, by leaving out each row in turn.

        They take rows for independent. Rows of a sequence are not: they keep out of each other's way, which makes maps
        better than these errors say where features hardly interact.

        Source: Efron & Stein 1981 (jackknife).
        """
        coalitions = own(plan, Coalitions)
        return coalitions.spread(spread_of(total_order_without(*by_row(coalitions.chosen, scores))))

    def freedom(self, plan: Plan) -> float:
        """Degrees of freedom of `errors`: rows less one."""
        chosen = own(plan, Coalitions).chosen
        return len(chosen) / (chosen.shape[1] + 2) - 1

    def halves(self, plan: Plan, scores: NDArray[np.float32]) -> tuple[Maps, Maps] | None:
        """Maps from the first and the second half of the rows, each even in itself; None from fewer than four rows.

        Every other row would not do: alternate rows of a sequence lie in one half of its first dimension.
        """
        coalitions = own(plan, Coalitions)
        base, other, mixed = by_row(coalitions.chosen, scores)
        half = base.shape[1] // 2
        if half < 2:
            return None
        first, second = (total_order(base[:, part], other[:, part], mixed[:, part]) for part in in_two(base.shape[1]))
        return coalitions.spread(first), coalitions.spread(second)


@final
@dataclass(frozen=True, slots=True)
class Hsic:
    """Dependence of the score on whether a feature is kept: the Hilbert-Schmidt independence criterion of the two.

    tr(K H L H) / (M - 1)^2 for M masks that keep each feature with probability 1/2, with K = 3/2 - (m - m')^2 of the
    feature's own mask, L a Gaussian of the scores, and H the centring matrix. 0 for features without influence, up to
    the errors; no unit, no sign. The width of the Gaussian is the median distance of two scores, or with ``width =
    "outputs"`` the size of the median score, which means something for probabilities alone; where that is 0, the
    median distance of scores from their mean, or else the mean one.

    Source: Novello, Fel & Vigouroux 2022, sections 3 and 4; Gretton et al. 2005, definition 2 (normalisation).
    """

    features: Features = (8,)
    queries: int = 512
    width: Literal["distances", "outputs"] = "distances"
    fill: Fill = 0.0

    @property
    def name(self) -> str:
        """hsic"""
        return "hsic"

    def plan(self, sample: tuple[int, ...], seed: int, draw: int = 0) -> Coalitions | Each:
        """Masks of 0 and 1; mask i is the same in any plan of these features.

        Raises:
            InputError: fewer than two queries, features that do not fit, are a single one or too many, features that no
                two of these queries tell apart, or a negative seed.
        """
        if self.queries < 2 or seed < 0:
            raise InputError(
                f"hsic with queries={self.queries}, seed={seed}; expected at least 2 queries, a seed of at least 0"
            )
        labels, count = labels_of(self.features, sample)
        chosen = (uniform(key(seed, draw, MASKS), self.queries, count) < 0.5).astype(np.float32)
        refuse_confounded(chosen)
        return coalitions(labels, chosen)

    def estimate(self, plan: Plan, scores: NDArray[np.float32]) -> Maps:
        """Maps (N, *shape)."""
        coalitions = own(plan, Coalitions)
        return coalitions.spread(dependence(coalitions.chosen, scores, self.width))

    def errors(self, plan: Plan, scores: NDArray[np.float32]) -> Maps:
        """Standard errors (N, *shape) of `estimate` over draws, by leaving out each query in turn, the width as it is.

        They take queries for independent, which those of a sequence are not.

        Source: Efron & Stein 1981 (jackknife).
        """
        coalitions = own(plan, Coalitions)
        rows = (dependence_without(coalitions.chosen, one, self.width) for one in scores.astype(np.float64))
        return coalitions.spread(np.stack([spread_of(one[None])[0] for one in rows]))

    def freedom(self, plan: Plan) -> float:
        """Degrees of freedom of `errors`: queries less one."""
        return len(plan) - 1

    def halves(self, plan: Plan, scores: NDArray[np.float32]) -> tuple[Maps, Maps] | None:
        """Maps from the first and the second half of the queries, each even in itself; None from fewer than four."""
        coalitions = own(plan, Coalitions)
        if len(plan) < 4:
            return None
        first, second = (dependence(coalitions.chosen[part], scores[:, part], self.width) for part in in_two(len(plan)))
        return coalitions.spread(first), coalitions.spread(second)


def uniform(key: tuple[int, int], count: int, width: int) -> Values:
    """Uniform numbers in [0, 1), exact in float32: (count, width), evenly spread over the cube."""
    return np.asarray((scrambled(key, 0, count, width) >> np.uint64(40)) / 2.0**24)


def opposed(count: int) -> NDArray[np.int64]:
    """Which of the second D dimensions of a sequence goes with each of the first D, (D,).

    The first digits of two dimensions may go together for many rows, scrambled or not. A feature whose two numbers did
    would hardly be moved in these rows, or always. So dimensions are matched by how differently their digits begin.
    """
    digits = (directions(2 * count, DIGITS) >> np.uint64(63)).astype(np.int64)
    one, two = np.lexsort(digits[:count].T[::-1]), np.lexsort(1 - digits[count:].T[::-1])
    alike = np.flatnonzero((digits[one, 1:ALIKE] == digits[count + two, 1:ALIKE]).all(axis=1))
    for far, near in enumerate(alike):  # where the two orders meet; the first in order have room to spare
        two[[far, near]] = two[[near, far]]
    found = np.empty(count, np.int64)
    found[one] = two
    return found


def rows_of(base: Values, other: Values) -> Chosen:
    """Masks (R * (D + 2), D) from points (R, D) each: the base, the other, the base with one feature of the other."""
    own = np.eye(base.shape[1], dtype=np.bool_)
    mixed = np.where(own, other[:, None], base[:, None])  # (R, D, D)
    block = np.concatenate([base[:, None], other[:, None], mixed], axis=1)
    return np.asarray(block.reshape(-1, base.shape[1]), np.float32)


def by_row(chosen: Chosen, scores: NDArray[np.float32]) -> tuple[Values, Values, Values]:
    """Scores (N, M) as those of the base (N, R), of the other (N, R) and of the mixed masks (N, R, D)."""
    block = scores.reshape(len(scores), -1, chosen.shape[1] + 2).astype(np.float64)
    return block[:, :, 0], block[:, :, 1], block[:, :, 2:]


def total_order(base: Values, other: Values, mixed: Values) -> Values:
    """Total-order indices (N, D) from scores of base (N, R), other (N, R) and mixed masks (N, R, D).

    Source: Jansen 1999, the mean of squared changes over twice the variance.
    """
    changes = ((base[:, :, None] - mixed) ** 2).mean(axis=1) / 2
    variance = np.concatenate([base, other], axis=1).var(axis=1, ddof=1)
    return np.asarray(changes / or_nan(variance)[:, None])


def total_order_without(base: Values, other: Values, mixed: Values) -> Values:
    """Total-order indices without each row in turn, (N, R, D)."""
    rows = base.shape[1]
    squares = (base[:, :, None] - mixed) ** 2
    changes = (squares.sum(axis=1, keepdims=True) - squares) / (2 * (rows - 1))
    middle = (base + other).mean(axis=1, keepdims=True) / 2
    one, two = base - middle, other - middle
    own = one**2 + two**2
    left = own.sum(axis=1, keepdims=True) - own - (one + two) ** 2 / (2 * rows - 2)
    return np.asarray(changes / or_nan(left / (2 * rows - 3))[:, :, None])


def dependence(chosen: Chosen, scores: NDArray[np.float32], width: str) -> Values:
    """HSIC (N, D) of each feature's masks (M, D) and the scores (N, M)."""
    kept = centred(chosen)
    found = [(kept * products(one, width, kept)).sum(axis=0) for one in scores.astype(np.float64)]
    return np.asarray(np.stack(found) / (2 * (len(chosen) - 1) ** 2))


def dependence_without(chosen: Chosen, scores: Values, width: str) -> Values:
    """HSIC of one sample without each query in turn, (M, D), from sums over all queries."""
    kept = centred(chosen)
    both = products(scores, width, np.concatenate([kept, np.ones((len(kept), 1))], axis=1))
    near, near_all = both[:, :-1], both[:, -1:]  # sums over the kernel's rows: of what is kept, and of all
    shift = kept / (len(kept) - 1)  # what centring without the query adds to the others
    whole = (kept * near).sum(axis=0) - 2 * kept * near + kept**2
    crossed = (kept * near_all).sum(axis=0) - kept * near_all - near + kept
    alone = near_all.sum() - 2 * near_all + 1
    return np.asarray((whole + 2 * shift * crossed + shift**2 * alone) / (2 * (len(kept) - 2) ** 2))


def centred(chosen: Chosen) -> Values:
    """Masks as -1 and 1 less their mean: the feature's kernel, centred, is half the product of two of these."""
    signs = 2 * chosen.astype(np.float64) - 1
    return np.asarray(signs - signs.mean(axis=0))


def products(scores: Values, rule: str, columns: Values) -> Values:
    """The Gaussian kernel of scores (M,) times `columns` (M, A), some rows of the kernel at a time."""
    scaled = scores / width_of(scores, rule)
    starts = range(0, len(scaled), ROWS)
    parts = (np.exp(-0.5 * (scaled[start : start + ROWS, None] - scaled) ** 2) @ columns for start in starts)
    return np.concatenate(list(parts))


def width_of(scores: Values, rule: str) -> float:
    """The first of the rule's widths that is above 0; 1 for equal scores, where any width gives the same."""
    off = np.abs(scores - scores.mean())
    first = abs(np.median(scores)) if rule == "outputs" else median_distance(scores[:PAIRED])
    return next((float(one) for one in (first, np.median(off), off.mean()) if one > 0), 1.0)


def median_distance(scores: Values) -> float:
    """The median distance of two scores."""
    one, two = np.triu_indices(len(scores), 1)
    return float(np.median(np.abs(scores[one] - scores[two])))


def refuse_confounded(chosen: Chosen) -> None:
    """Refuse masks under which two features are always kept alike, or always one without the other.

    Raises:
        InputError: naming how many, and what to do.
    """
    turned = np.where(chosen[0] > 0, 1 - chosen, chosen)  # so that opposites are alike
    apart = len(np.unique(turned, axis=1).T)
    if apart < chosen.shape[1]:
        raise InputError(
            f"hsic with queries={len(chosen)}: {chosen.shape[1]} features, of which these queries tell {apart} apart; "
            "ask more queries or use fewer features"
        )


def spread_of(without: Values) -> Values:
    """Standard errors (N, D) from estimates without each part in turn, (N, R, D)."""
    parts = without.shape[1]
    return np.asarray(np.sqrt((parts - 1) * without.var(axis=1)))


def in_two(count: int) -> tuple[slice, slice]:
    """The first and the second half."""
    return slice(0, count // 2), slice(count // 2, count)


def or_nan(variance: Values) -> Values:
    """The variance, NaN where there is none."""
    return np.where(variance > 0, variance, math.nan)
