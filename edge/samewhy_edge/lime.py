"""LIME: the weights of a linear score that is fitted near the whole sample."""

import math
from dataclasses import dataclass
from typing import Literal, final

import numpy as np
from numpy.typing import NDArray

from samewhy_edge.arrays import Maps
from samewhy_edge.errors import InputError
from samewhy_edge.features import Chosen, Coalitions, Features, coalitions, coins, key, labels_of
from samewhy_edge.fill import Fill
from samewhy_edge.plan import Each, Plan, own

Values = NDArray[np.float64]

NEIGHBOURS = 6  # what random words are for
FAINT = 1e-6  # a fit has nothing to go by where every coalition but the whole sample weighs less


@final
@dataclass(frozen=True, slots=True)
class Lime:
    """Coefficients of a ridge regression of the scores on what is kept, in which coalitions near the sample weigh more.

    A coalition weighs exp(-D^2 / width^2), with D its distance from the whole sample: the cosine distance, 1 for the
    empty coalition, or `l2`, the root of the number of hidden features. The intercept is not penalised. Every position
    carries the coefficient of its whole feature. Unit: score.

    Queries: `queries`, of which the first is the whole sample.

    Source: Ribeiro, Singh & Guestrin 2016, section 3.4 and algorithm 1; defaults of distance, width and penalty as in
    the authors' `lime_image`, which takes the root of the kernel: its width w is a width of sqrt(2) w here.
    """

    features: Features = (7,)
    queries: int = 256
    share: float = 0.5
    distance: Literal["cosine", "l2"] = "cosine"
    width: float = 0.25
    penalty: float = 1.0
    fill: Fill = 0.0

    @property
    def name(self) -> str:
        """lime"""
        return "lime"

    def plan(self, sample: tuple[int, ...], seed: int, draw: int = 0) -> Coalitions | Each:
        """The whole sample, then independent coalitions; coalition i is the same in any plan.

        Raises:
            InputError: settings out of their range, features that do not fit or are a single one, a negative seed, or a
                width under which all coalitions weigh next to nothing.
        """
        if self.queries < 2 or not 0 < self.share < 1 or not self.width > 0 or not self.penalty >= 0 or seed < 0:
            raise InputError(
                f"lime with queries={self.queries}, share={self.share}, width={self.width}, penalty={self.penalty}, "
                f"seed={seed}; expected at least 2 queries, a share between 0 and 1, a width above 0, a penalty and a "
                "seed of at least 0"
            )
        labels, count = labels_of(self.features, sample)
        kept = coins(key(seed, draw, NEIGHBOURS), (self.queries - 1, count)) < self.share
        chosen = np.concatenate([np.ones((1, count)), kept]).astype(np.float32)
        if self._weights(chosen)[1:].max() < FAINT:
            raise InputError(
                f"lime with distance={self.distance}, width={self.width}: every coalition of {count} features weighs "
                f"less than {FAINT}; expected a wider kernel, such as {0.75 * math.sqrt(count):.2g} for l2"
            )
        return coalitions(labels, chosen)

    def estimate(self, plan: Plan, scores: NDArray[np.float32]) -> Maps:
        """Maps (N, *shape)."""
        coalitions = own(plan, Coalitions)
        return coalitions.spread(scores @ self._influence(coalitions.chosen)[0].T)

    def errors(self, plan: Plan, scores: NDArray[np.float32]) -> Maps:
        """Standard errors (N, *shape) of `estimate` over draws; NaN where a query alone decides a coefficient.

        They say nothing of what the penalty takes away.

        Source: MacKinnon & White 1985, HC3.
        """
        coalitions = own(plan, Coalitions)
        influence, design, spare = self._influence(coalitions.chosen)
        weights = self._weights(coalitions.chosen)
        centred = scores - (scores @ weights / weights.sum())[:, None]
        residuals = (centred - centred @ influence.T @ design.T)[:, 1:] / known(spare[1:])
        return coalitions.spread(np.sqrt(residuals**2 @ influence[:, 1:].T ** 2))

    def freedom(self, plan: Plan) -> float:
        """Degrees of freedom of `errors`: of as many equal residuals as the unequal ones are worth, less the fit's."""
        influence, _, spare = self._influence(own(plan, Coalitions).chosen)
        parts = influence[np.any(influence[:, 1:], axis=1), 1:] ** 2
        worth = parts.sum(axis=1) ** 2 / (parts**2).sum(axis=1)
        return float(np.median(worth) * known(spare[1:]).mean()) if len(worth) else math.nan

    def halves(self, plan: Plan, scores: NDArray[np.float32]) -> tuple[Maps, Maps] | None:
        """Maps from every other coalition, each half with the whole sample; None from fewer than two coalitions."""
        coalitions = own(plan, Coalitions)
        if len(plan) < 3:
            return None
        first, second = (np.r_[0, np.arange(start, len(plan), 2)] for start in (1, 2))
        one, other = (scores[:, half] @ self._influence(coalitions.chosen[half])[0].T for half in (first, second))
        return coalitions.spread(one), coalitions.spread(other)

    def _weights(self, chosen: Chosen) -> Values:
        """What each coalition weighs, (M,)."""
        kept = chosen.mean(axis=1, dtype=np.float64)
        far = 1 - np.sqrt(kept) if self.distance == "cosine" else np.sqrt((1 - kept) * chosen.shape[1])
        return np.asarray(np.exp(-((far / self.width) ** 2)))

    def _influence(self, chosen: Chosen) -> tuple[Values, Values, Values]:
        """What each score adds to each coefficient (D, M), the centred design (M, D), what the fit leaves over (M,)."""
        weights = self._weights(chosen)
        design = chosen - weights @ chosen / weights.sum()
        root = np.sqrt(weights)
        stretched = np.concatenate([design * root[:, None], math.sqrt(self.penalty) * np.eye(chosen.shape[1])])
        influence = np.linalg.pinv(stretched, rcond=1e-10)[:, : len(chosen)] * root
        return influence, design, 1 - weights / weights.sum() - np.einsum("md,dm->m", design, influence)


def known(spare: Values) -> Values:
    """What the fit leaves of each residual, NaN where it leaves nothing."""
    return np.where(spare > 1e-8, spare, math.nan)
