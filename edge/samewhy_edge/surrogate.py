"""A ridge regression of scores on masks, and the map that RISE would converge to if the regression were the model.

The linear part of what a network does with its cells is known after a few dozen queries; RISE needs thousands because
it averages over masks what a regression can divide by. The map is the exact expectation over all masks of the
regression's centred RISE map, so no chance is left in it but that of the fit.

Source: Craven & Wahba 1979 (generalized cross-validation); Owen 2013, Monte Carlo theory, chapter 8 (control variates).
"""

import string
from dataclasses import dataclass
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
    return Fit(coefficients, centred - coefficients @ features.T)


def cross_validated(turned: Floats, singular: Floats, centred: Floats) -> Floats:
    """What each direction keeps of its coefficient, (N, rank), under the penalty that predicts left-out scores best."""
    penalties = PENALTIES[:, None] * (singular**2).mean()
    shrink = singular**2 / (singular**2 + penalties)  # (P, rank)
    count = centred.shape[1]
    freedom = count - 1 - shrink.sum(axis=1)
    outside = (centred**2).sum(axis=1) - (turned**2).sum(axis=1)
    unexplained = outside[:, None] + turned**2 @ ((1 - shrink) ** 2).T  # (N, P)
    risk = np.where(freedom > 0, unexplained / np.maximum(freedom, 1e-9) ** 2, np.inf)
    return np.asarray(shrink[risk.argmin(axis=1)])


def expected_maps(plan: Grids, coefficients: Floats) -> Floats:
    """The regression's centred RISE map over all masks, (N, *S): share * (1 - share) * overlap, over share."""
    upsampling = plan.upsampling
    maps = coefficients.reshape(-1, *parts(upsampling))
    for axis in range(len(upsampling.spatial)):
        spread = upsampling.overlap(axis) @ pooling(upsampling, axis).T  # (S, parts)
        maps = np.moveaxis(np.tensordot(maps, spread, (axis + 1, 1)), -1, axis + 1)
    return np.asarray((1 - plan.share) * maps)


def pooled(plan: Grids) -> Floats:
    """Masks averaged over fine cells, (M, F), a batch of masks at a time."""
    upsampling = plan.upsampling
    inner = string.ascii_lowercase[: len(upsampling.spatial)]
    pools = [pooling(upsampling, axis) for axis in range(len(inner))]
    rule = (
        f"z{inner},{','.join(outer + one for outer, one in zip(inner.upper(), inner, strict=True))}->z{inner.upper()}"
    )
    starts = range(0, len(plan), 64)
    rows = [np.einsum(rule, plan.keep(start, min(start + 64, len(plan))), *pools, optimize=True) for start in starts]
    features: Floats = np.concatenate(rows).reshape(len(plan), -1)
    return features


def parts(upsampling: Upsampling) -> tuple[int, ...]:
    """Fine cells an axis."""
    return tuple(min(size, FINE * upsampling.grid) for size in upsampling.spatial)


def pooling(upsampling: Upsampling, axis: int) -> Floats:
    """Means over the fine cells of an axis: (parts, size)."""
    count = parts(upsampling)[axis]
    inside = cells((upsampling.spatial[axis],), (count,)) == np.arange(count)[:, None]
    return np.asarray(inside / inside.sum(axis=1, keepdims=True))
