"""RISE: random masks, each weighed by the score that it leaves."""

from dataclasses import dataclass
from typing import Literal, final

import numpy as np
from numpy.typing import NDArray

from samewhy_edge.arrays import Maps
from samewhy_edge.errors import InputError
from samewhy_edge.grids import RandomGrids
from samewhy_edge.plan import Plan, axes_of, weigh


@final
@dataclass(frozen=True, slots=True)
class Rise:
    """Scores of random masks, each weighted by what its mask keeps.

    `published` is sum(score * keep) / (M * share). `centred` weighs score - mean(score) instead: the published map less
    the part that every position gets alike, which carries most of its noise. Unit: score.

    Source: Petsiuk, Das & Saenko 2018, equation 6; centring is the control variate of its mean term.
    """

    queries: int = 256
    grid: int = 7
    share: float = 0.5
    estimator: Literal["centred", "published"] = "centred"
    fill: float = 0.0

    @property
    def name(self) -> str:
        """rise-centred or rise-published"""
        return f"rise-{self.estimator}"

    def plan(self, spatial: tuple[int, ...], seed: int, draw: int = 0) -> RandomGrids:
        """Random masks; equal (seed, draw) give equal bytes.

        Raises:
            InputError: fewer than two queries, a grid that does not fit, a share outside ]0, 1[ or a negative seed.
        """
        if self.queries < 2 or self.grid < 2 or not 0 < self.share < 1 or seed < 0:
            raise InputError(
                f"rise with queries={self.queries}, grid={self.grid}, share={self.share}, seed={seed}; "
                "expected at least 2 queries, a grid of at least 2 cells, a share between 0 and 1, a seed of at least 0"
            )
        axes_of("grid", (self.grid,), spatial)
        return RandomGrids(spatial, self.queries, self.grid, self.share, (seed, draw))

    def estimate(self, plan: Plan, scores: NDArray[np.float32]) -> Maps:
        """Maps (N, *S)."""
        weights = scores.astype(np.float64)
        if self.estimator == "centred":
            weights = weights - weights.mean(axis=1, keepdims=True)
        return (weigh(plan, weights) / (len(plan) * self.share)).astype(np.float32)
