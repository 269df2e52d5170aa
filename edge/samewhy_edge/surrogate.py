"""A ridge regression of scores on masks, and the map that RISE would converge to if the regression were the model.

The linear part of what a network does with its cells is known after a few dozen queries; RISE needs thousands because
it averages over masks what a regression can divide by. The map is the exact expectation over all masks of the
regression's centred RISE map, so no chance is left in it but that of the fit.

Source: Craven & Wahba 1979 (generalized cross-validation); Owen 2013, Monte Carlo theory, chapter 8 (control variates).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import final

import numpy as np
from numpy.typing import NDArray

from samewhy_edge.features import cells
from samewhy_edge.grids import Grids, Upsampling

Floats = NDArray[np.float64]

FINE = 2  # features of the regression an axis, times the grid: finer than cells, because masks are shifted
PENALTIES = np.logspace(-4, 4, 33)  # tried by cross-validation, as a share of the mean squared singular value


@final
@dataclass(frozen=True)
class Fit:
    """A regression for every sample on the same masks."""

    coefficients: Floats  # (N, F): score a pooled feature adds when it is kept
    residuals: Floats  # (N, M): what the regression does not explain
    left: Floats  # (M, rank): the masks in the directions of the regression, each of length 1, each of mean 0
    shrink: Floats  # (N, rank): what each direction keeps of its coefficient
    right: Floats  # (rank, F): coefficients that one unit in each direction of `left` stands for


def fit(plan: Grids, scores: NDArray[np.float32]) -> Fit:
    """Ridge with an intercept, the penalty of each sample by generalized cross-validation: scores (N, M)."""
    features = pooled(plan)
    features -= features.mean(axis=0)
    centred = scores - scores.mean(axis=1, keepdims=True, dtype=np.float64)
    left, singular, right = np.linalg.svd(features, full_matrices=False)
    solid = singular > 1e-8 * singular[0]
    left, singular, right = left[:, solid], singular[solid], right[solid]
    turned = centred @ left  # (N, rank)
    shrink = cross_validated(turned, singular, centred)
    coefficients = (turned * shrink / singular) @ right
    residuals = centred - coefficients @ features.T
    return Fit(coefficients, residuals, left, shrink, right / singular[:, None])


def intercept(scores: NDArray[np.float32]) -> Fit:
    """The regression on nothing but a constant: its residuals are scores less their mean."""
    residuals = scores - scores.mean(axis=1, keepdims=True, dtype=np.float64)
    count, queries = scores.shape
    nothing = np.zeros((count, 0)), np.zeros((queries, 0)), np.zeros((count, 0)), np.zeros((0, 0))
    return Fit(nothing[0], residuals, *nothing[1:])


def left_out(fitted: Fit, units: Sequence[slice]) -> Floats:
    """Residuals (N, M) that each unit of queries would have, had it not been fitted; the penalty stays.

    NaN where the regression cannot do without the unit.

    Source: MacKinnon & White 1985 (HC3, single queries); Bell & McCaffrey 2002 (CR3, groups).
    """
    if len(units) == len(fitted.left):
        rest = 1 - 1 / len(units) - fitted.shrink @ (fitted.left**2).T
        return np.asarray(fitted.residuals / np.where(rest > 1e-9, rest, np.nan))
    found = np.empty_like(fitted.residuals)
    for same in alike(fitted.shrink):
        for unit in units:
            rows = fitted.left[unit]
            rest = np.eye(len(rows)) - (rows * fitted.shrink[same[0]]) @ rows.T - 1 / len(fitted.left)
            solvable = np.linalg.eigvalsh(rest)[0] > 1e-9
            found[same, unit] = np.linalg.solve(rest, fitted.residuals[same, unit].T).T if solvable else np.nan
    return found


def alike(shrink: Floats) -> list[NDArray[np.int64]]:
    """Samples with the same penalty, as groups of their numbers."""
    _, which = np.unique(shrink.sum(axis=1), return_inverse=True)
    return [np.flatnonzero(which == group) for group in range(int(which.max()) + 1)]


def cross_validated(turned: Floats, singular: Floats, centred: Floats) -> Floats:
    """What each direction keeps of its coefficient, (N, rank), under the penalty that predicts left-out scores best."""
    penalties = PENALTIES[:, None] * (singular**2).sum() / max(1, len(singular))
    shrink = singular**2 / (singular**2 + penalties)  # (P, rank)
    count = centred.shape[1]
    freedom = count - 1 - shrink.sum(axis=1)
    outside = (centred**2).sum(axis=1) - (turned**2).sum(axis=1)
    unexplained = outside[:, None] + turned**2 @ ((1 - shrink) ** 2).T  # (N, P)
    risk = np.where(freedom > 0, unexplained / np.maximum(freedom, 1e-9) ** 2, np.inf)
    return np.asarray(shrink[risk.argmin(axis=1)])


def expected_maps(plan: Grids, coefficients: Floats) -> Floats:
    """The regression's centred RISE map over all masks, (N, *S): share * (1 - share) * overlap, over share."""
    return np.asarray(
        (1 - plan.share) * along(coefficients.reshape(-1, *parts(plan.upsampling)), spreads(plan.upsampling))
    )


@lru_cache(maxsize=8)
def spreads(upsampling: Upsampling) -> tuple[Floats, ...]:
    """How much a position shares its cells with each fine cell, mean over all shifts: (S, parts), an axis each."""
    axes = range(len(upsampling.spatial))
    return tuple(upsampling.overlap(axis) @ pooling(upsampling, axis).T for axis in axes)


def along(values: Floats, matrices: Sequence[Floats]) -> Floats:
    """A matrix (out, in) on every axis after the first."""
    for axis, matrix in enumerate(matrices, start=1):
        values = np.moveaxis(np.tensordot(values, matrix, (axis, 1)), -1, axis)
    return values


def pooled(plan: Grids) -> Floats:
    """Masks averaged over fine cells, (M, F): upsampled to those alone."""
    upsampling, (values, shifts) = plan.upsampling, plan.drawn(0, len(plan))
    features: Floats = values.astype(np.float64)
    for axis, moved in enumerate(upsampling.moved):
        rows = (pooling(upsampling, axis) @ moved)[shifts[:, axis]]  # (M, parts, grid)
        before, behind = math.prod(features.shape[1 : axis + 1]), math.prod(features.shape[axis + 2 :])
        blocks = features.reshape(len(plan), before, upsampling.grid, behind)
        features = (rows[:, None] @ blocks).reshape(
            len(plan), *parts(upsampling)[: axis + 1], *values.shape[axis + 2 :]
        )
    return features.reshape(len(plan), -1)


def parts(upsampling: Upsampling) -> tuple[int, ...]:
    """Fine cells an axis."""
    return tuple(min(size, FINE * upsampling.grid) for size in upsampling.spatial)


def pooling(upsampling: Upsampling, axis: int) -> Floats:
    """Means over the fine cells of an axis: (parts, size)."""
    count = parts(upsampling)[axis]
    inside = cells((upsampling.spatial[axis],), (count,)) == np.arange(count)[:, None]
    return np.asarray(inside / inside.sum(axis=1, keepdims=True))
