"""RISE: masks of coarse grids, each weighed by the score that it leaves."""

from dataclasses import dataclass
from typing import Literal, final

import numpy as np
from numpy.typing import NDArray

from samewhy_edge.arrays import Maps
from samewhy_edge.errors import InputError
from samewhy_edge.grids import ArrayGrids, RandomGrids
from samewhy_edge.plan import Plan, axes_of, weigh
from samewhy_edge.surrogate import expected_maps, fit


@final
@dataclass(frozen=True, slots=True)
class Rise:
    """Scores of masks, weighed by what each mask keeps.

    `published` is sum(score * keep) / (M * share). `mask-sum` divides by what a position was kept in all instead of by
    its expectation. `centred` weighs score - mean(score): the published map less the part that every position gets
    alike, which carries most of its noise. `surrogate` is the centred map, over all masks, of a ridge regression of the
    scores; `corrected` adds the centred map of what the regression does not explain, which makes it unbiased and
    noisier. Unit: score.

    Source: Petsiuk, Das & Saenko 2018, equation 6; mask-sum as in Xplique; `samewhy_edge.grids` and
    `samewhy_edge.surrogate` for the rest.
    """

    queries: int = 256
    grid: int = 7
    share: float = 0.5
    estimator: Literal["centred", "published", "mask-sum", "surrogate", "corrected"] = "centred"
    fill: float = 0.0
    design: Literal["random", "array"] = "random"

    @property
    def name(self) -> str:
        """rise-centred, rise-array-surrogate, ..."""
        return f"rise-{'' if self.design == 'random' else 'array-'}{self.estimator}"

    def plan(self, spatial: tuple[int, ...], seed: int, draw: int = 0) -> RandomGrids | ArrayGrids:
        """Masks; equal (seed, draw) give equal bytes.

        Raises:
            InputError: fewer than two queries, a grid that does not fit, a share outside ]0, 1[ (or not a half, for an
                array), or a negative seed.
        """
        if self.queries < 2 or self.grid < 2 or not 0 < self.share < 1 or seed < 0:
            raise InputError(
                f"rise with queries={self.queries}, grid={self.grid}, share={self.share}, seed={seed}; "
                "expected at least 2 queries, a grid of at least 2 cells, a share between 0 and 1, a seed of at least 0"
            )
        axes_of("grid", (self.grid,), spatial)
        if self.design == "random":
            return RandomGrids(spatial, self.queries, self.grid, self.share, (seed, draw))
        if self.share != 0.5:
            raise InputError(
                f"rise with design=array and share={self.share}; an array keeps half, expected share = 0.5"
            )
        return ArrayGrids(spatial, self.queries, self.grid, (seed, draw))

    def estimate(self, plan: Plan, scores: NDArray[np.float32]) -> Maps:
        """Maps (N, *S).

        Raises:
            InputError: a surrogate of a plan that is not made of grids.
        """
        if self.estimator in ("surrogate", "corrected"):
            return self._surrogate(plan, scores)
        if self.estimator == "mask-sum":
            kept = weigh(plan, np.ones((1, len(plan))))
            return np.asarray(weigh(plan, scores) / np.maximum(kept, 1e-9), np.float32)
        weights = centred(scores) if self.estimator == "centred" else scores
        return np.asarray(weigh(plan, weights) / (len(plan) * self.share), np.float32)

    def _surrogate(self, plan: Plan, scores: NDArray[np.float32]) -> Maps:
        if not isinstance(plan, RandomGrids | ArrayGrids):
            raise InputError(f"rise-{self.estimator} got a plan of {type(plan).__name__}; expected one made of grids")
        fitted = fit(plan, scores)
        maps = expected_maps(plan, fitted.coefficients)
        if self.estimator == "corrected":
            maps = maps + weigh(plan, fitted.residuals) / (len(plan) * self.share)
        return np.asarray(maps, np.float32)


def centred(scores: NDArray[np.float32]) -> NDArray[np.float64]:
    """Scores less their mean over the queries."""
    return np.asarray(scores - scores.mean(axis=1, keepdims=True, dtype=np.float64))
