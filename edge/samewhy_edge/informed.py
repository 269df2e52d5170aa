"""A regression of scores on masks that knows where the sample differs from its fill, and learns from fold-over pairs.

Half the difference of a mask's score and its complement's has nothing of what is even in the cells: no constant, no
interaction of two. What remains is regressed on the masks, under a Gaussian prior for what each part adds: its standard
deviation is the root of how much the part differs from the fill, as a share of the most that any part does, and
`FLOOR`, so that nothing is taken for granted. The noise is the one under which the scores are most likely.

The map is the expectation over all masks, as in `samewhy_edge.surrogate`, which it approaches with many queries.

Source: MacKay 1992, Bayesian interpolation (evidence); Box & Wilson 1951 (fold-over).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import final

import numpy as np
from numpy.typing import NDArray

from samewhy_edge.grids import ArrayGrids, Drawn, Grids, Part
from samewhy_edge.surrogate import Floats, along, expected_maps, pooled, pooling

Contrast = NDArray[np.float32]  # (N, *S) how much each position of the samples differs from the fill

Directions = tuple[Floats, Floats]

FLOOR = 0.02  # of the prior, where the sample is its fill
HELD = 2**25  # bytes of all samples' rows up to which their directions are kept in memory
NOISES = np.logspace(-5, 3, 33)  # tried, as a share of the mean eigenvalue of what the prior expects


@final
@dataclass(frozen=True)
class Rows:
    """What is regressed: masks less what they have in common, and the scores alike."""

    features: Floats  # (R, F)
    scores: Floats  # (N, R)
    free: int  # rows that are independent of each other


@final
@dataclass(frozen=True)
class Solved:
    """The regression of one sample."""

    features: Floats  # (R, F)
    prior: Floats  # (F,)
    scores: Floats  # (R,)
    values: Floats  # (rank,) what the prior expects in each direction of the rows
    vectors: Floats  # (R, rank)
    shrink: Floats  # (rank,) what each direction keeps

    def coefficients(self) -> Floats:
        """What a part adds, (F,)."""
        turned = self.vectors @ (self.shrink / self.values * (self.vectors.T @ self.scores))
        return np.asarray(self.prior**2 * (turned @ self.features))

    def weights(self) -> Floats:
        """What a score in each row adds to the coefficients, (R, F)."""
        return np.asarray(
            (self.vectors * (self.shrink / self.values)) @ (self.vectors.T @ self.features) * self.prior**2
        )

    def left_out(self) -> Floats:
        """The residual of each row, had it been left out, (R,); NaN where nothing can do without it."""
        residuals = self.scores - self.vectors @ (self.shrink * (self.vectors.T @ self.scores))
        left = 1 - (self.vectors**2) @ self.shrink
        return np.asarray(residuals / np.where(left > 1e-9, left, np.nan))


def rows_of(plan: Grids, scores: NDArray[np.float32]) -> Rows:
    """Half-differences of fold-over pairs; where masks have no complements, what differs from the mean."""
    features, wide = pooled(plan), scores.astype(np.float64)
    if folded(plan):
        stop = len(plan) // 2 * 2
        halves = [(one[..., :stop:2] - one[..., 1:stop:2]) / 2 for one in (features.T, wide)]
        return Rows(halves[0].T, halves[1], stop // 2)
    return Rows(features - features.mean(axis=0), wide - wide.mean(axis=1, keepdims=True), len(plan) - 1)


def priors(plan: Grids, contrast: Contrast | None, count: int) -> Floats:
    """Standard deviation (N, F) of what each pooled part adds, from how much positions differ from the fill (N, *S)."""
    axes = range(len(plan.shape))
    pools = [pooling(plan.upsampling, axis) for axis in axes]
    if contrast is None:
        return np.ones((count, int(np.prod([len(pool) for pool in pools]))))
    shown = along(contrast.astype(np.float64), pools).reshape(count, -1)
    most = shown.max(axis=1, keepdims=True)
    return np.asarray(np.where(most > 0, np.sqrt(shown / np.where(most > 0, most, 1)), 1) + FLOOR)


def informed_freedom(plan: Grids) -> float:
    """Degrees of freedom of the errors: rows less one."""
    return (len(plan) // 2 if folded(plan) else len(plan) - 1) - 1.0


def folded(plan: Grids) -> bool:
    """Whether each mask is followed by its complement."""
    return isinstance(plan.plan if isinstance(plan, Part) else plan, ArrayGrids)


def solve(features: Floats, scores: Floats, prior: Floats, free: int, known: Directions | None = None) -> Solved:
    """Of one sample: scores (R,), prior (F,); `known` are its directions, where they were found before."""
    values, vectors = known or directions(features, prior)
    noise = most_likely(values, vectors.T @ scores, float(scores @ scores), free)
    return Solved(features, prior, scores, values, vectors, values / (values + noise))


def directions(features: Floats, prior: Floats) -> Directions:
    """What the prior expects in each direction of the rows (rank,), and the directions (R, rank)."""
    scaled = features * prior
    values, vectors = np.linalg.eigh(scaled @ scaled.T) if len(scaled) <= len(prior) else tall(scaled)
    solid = values > 1e-9 * max(values[-1], 1e-300)
    return values[solid], vectors[:, solid]


def tall(scaled: Floats) -> tuple[Floats, Floats]:
    """Eigenvalues and vectors of ``scaled @ scaled.T`` that are not 0, where there are more rows than columns."""
    values, right = np.linalg.eigh(scaled.T @ scaled)
    values = np.maximum(values, 1e-12 * max(values[-1], 1e-300))
    return values, scaled @ right / np.sqrt(values)


def most_likely(values: Floats, turned: Floats, total: float, free: int) -> float:
    """The noise under which scores with these components (rank,) and sum of squares are most likely."""
    noises = NOISES * max(float(values.sum()), 1e-300) / free
    rest, others = max(total - float(turned @ turned), 0.0), free - len(values)
    spread = values + noises[:, None]
    misfit = (turned**2 / spread).sum(axis=1) + rest / noises
    unlikely = free * np.log(misfit + 1e-300) + np.log(spread).sum(axis=1) + others * np.log(noises)
    return float(noises[unlikely.argmin()])


def all_solved(plan: Grids, scores: NDArray[np.float32], contrast: Contrast | None) -> tuple[Rows, list[Solved]]:
    """The regression of each sample."""
    rows, priori = rows_of(plan, scores), priors(plan, contrast, len(scores))
    found: Sequence[Directions | None] = [None] * len(scores)
    whole, places = (plan.plan, plan.places.tobytes()) if isinstance(plan, Part) else (plan, None)
    if isinstance(whole, Drawn) and rows.features.nbytes * len(scores) <= HELD:
        found = held(whole, places, None if contrast is None else contrast.tobytes(), len(scores))
    each = zip(rows.scores, priori, found, strict=True)
    return rows, [solve(rows.features, one, prior, rows.free, known) for one, prior, known in each]


@lru_cache(maxsize=12)  # a plan, the one of the ceiling, and halves in all the ways that an audit halves a plan
def held(plan: Drawn, places: bytes | None, contrast: bytes | None, count: int) -> tuple[Directions, ...]:
    """Directions of each sample, which do not depend on scores: rungs and errors want the same ones."""
    asked: Grids = plan if places is None else Part(plan, np.frombuffer(places, np.int64))
    wide = None if contrast is None else np.frombuffer(contrast, np.float32).reshape(count, *plan.shape)
    rows = rows_of(asked, np.zeros((1, len(asked)), np.float32))
    return tuple(directions(rows.features, prior) for prior in priors(asked, wide, count))


def informed_maps(plan: Grids, scores: NDArray[np.float32], contrast: Contrast | None) -> Floats:
    """The expected centred RISE map of each sample's regression, (N, *S)."""
    _, solved = all_solved(plan, scores, contrast)
    return expected_maps(plan, np.stack([one.coefficients() for one in solved]))


def informed_errors(plan: Grids, scores: NDArray[np.float32], contrast: Contrast | None) -> Floats:
    """Standard errors (N, *S), from what leaving out each row changes; the noise stays as it was found.

    Source: MacKinnon & White 1985 (HC3, which is the jackknife of a regression).
    """
    rows, found = all_solved(plan, scores, contrast)
    squares = np.zeros((len(scores), *plan.shape))
    for i, solved in enumerate(found):
        change = solved.weights() * solved.left_out()[:, None]
        for start in range(0, len(change), 64):
            squares[i] += (expected_maps(plan, change[start : start + 64]) ** 2).sum(axis=0)
    return np.asarray(np.sqrt(squares * (rows.free - 1) / max(1, rows.free)))
