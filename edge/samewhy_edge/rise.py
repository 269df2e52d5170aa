"""RISE: masks of coarse grids, each weighed by the score that it leaves."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, final

import numpy as np
from numpy.typing import NDArray

from samewhy_edge.arrays import Keep, Maps
from samewhy_edge.errors import InputError
from samewhy_edge.fill import Fill
from samewhy_edge.grids import BORDERS, ArrayGrids, Border, Convention, Drawn, Part, RandomGrids, SobolGrids, halves
from samewhy_edge.informed import Contrast, informed_errors, informed_freedom, informed_maps
from samewhy_edge.lowdiscrepancy import DIMENSIONS
from samewhy_edge.plan import Plan, axes_of, weigh
from samewhy_edge.surrogate import Fit, Floats, expected_maps, fit, intercept, left_out

Estimator = Literal["centred", "published", "mask-sum", "surrogate", "corrected", "informed"]
Change = Callable[[slice, Keep], Floats]  # what leaving a unit out changes in the maps, up to a constant: (N, *S)

ESTIMATORS: dict[Convention, Estimator] = {"rise": "centred", "xplique": "mask-sum", "torchray": "published"}
EPSILON = {"xplique": 1e-4}  # that a library adds to the sum of the masks


@final
@dataclass(frozen=True, slots=True)
class Rise:
    """Scores of masks, weighed by what each mask keeps.

    `published` is sum(score * keep) / (M * share). `mask-sum` divides by what a position was kept in all instead of by
    its expectation. `centred`, the default, weighs score - mean(score): the published map less the part that every
    position gets alike, which carries most of its noise. `surrogate` is the centred map, over all masks, of a ridge
    regression of the scores; `corrected` adds the centred map of what the regression does not explain, which makes it
    unbiased and noisier; `informed` is a surrogate whose regression knows where the sample differs from its fill. Unit:
    score.

    A `convention` other than `rise` is what a library does, and fixes estimator and border: `xplique` divides by the
    sum of the masks + 1e-4; `torchray` divides by M alone, and explains probabilities where the predictor gives them.
    See `samewhy_edge.grids.Upsampling` for their masks. Xplique moves all masks of a batch alike; here each mask moves.

    Source: Petsiuk, Das & Saenko 2018, equation 6; mask-sum as in Xplique; `samewhy_edge.grids`,
    `samewhy_edge.surrogate` and `samewhy_edge.informed` for the rest.
    """

    queries: int = 256
    grid: int = 7
    share: float = 0.5
    estimator: Estimator | None = None  # None: the convention's own
    fill: Fill = 0.0
    design: Literal["random", "array", "pairs", "sobol"] = "random"  # pairs: an array with a shift for each pair
    convention: Convention = "rise"
    border: Border | None = None  # None: the convention's own

    @property
    def name(self) -> str:
        """rise-centred, rise-array-surrogate, rise-clamp-sobol-published, rise-xplique, ..."""
        own = self.convention == "rise"
        border = self.border if own and self.border not in (None, BORDERS["rise"]) else None
        design = None if self.design == "random" else self.design
        said = ["rise", None if own else self.convention, border, design, self.weighing if own else None]
        return "-".join(part for part in said if part)

    @property
    def weighing(self) -> Estimator:
        """The estimator, where none is said the convention's."""
        return self.estimator or ESTIMATORS[self.convention]

    def plan(self, sample: tuple[int, ...], seed: int, draw: int = 0) -> Drawn:
        """Masks; equal (seed, draw) give equal bytes.

        Raises:
            InputError: fewer than two queries, a grid that does not fit (or has more cells than a sequence has
                dimensions), a share outside ]0, 1[ (or not a half, for an array), a negative seed, or settings that
                contradict the convention.
        """
        if self.queries < 2 or self.grid < 2 or not 0 < self.share < 1 or seed < 0:
            raise InputError(
                f"rise with queries={self.queries}, grid={self.grid}, share={self.share}, seed={seed}; "
                "expected at least 2 queries, a grid of at least 2 cells, a share between 0 and 1, a seed of at least 0"
            )
        self._check_convention()
        axes_of("grid", (self.grid,), sample[:-1])
        return self._drawn(sample[:-1], (seed, draw))

    def _drawn(self, spatial: tuple[int, ...], key: tuple[int, int]) -> Drawn:
        geometry = (key, self.border or BORDERS[self.convention], self.convention)
        if self.design == "random":
            return RandomGrids(spatial, self.queries, self.grid, self.share, *geometry)
        if self.design == "sobol":
            return self._fitting(SobolGrids(spatial, self.queries, self.grid, self.share, *geometry))
        if self.share != 0.5:
            raise InputError(
                f"rise with design={self.design} and share={self.share}; an array keeps half, expected share = 0.5"
            )
        return ArrayGrids(spatial, self.queries, self.grid, *geometry, "block" if self.design == "array" else "pair")

    def _check_convention(self) -> None:
        fixed = {"border": BORDERS[self.convention], "estimator": ESTIMATORS[self.convention]}
        said = {"border": self.border, "estimator": self.estimator}
        for name, value in fixed.items():
            if self.convention != "rise" and said[name] not in (None, value):
                raise InputError(
                    f"rise with convention={self.convention} and {name}={said[name]}; the convention has "
                    f"{name} = {value}, expected that or none, or convention = rise"
                )

    def _fitting(self, plan: SobolGrids) -> SobolGrids:
        if plan.dimensions > DIMENSIONS:
            raise InputError(
                f"rise with design=sobol and grid={self.grid}; {plan.dimensions} cells and shifts, expected at most "
                f"{DIMENSIONS}; use a smaller grid, or design = random or array"
            )
        return plan

    def knowing(self, contrast: Contrast) -> "Rise | Knowing":
        """The same, told how much each position of the samples differs from the fill, (N, *S)."""
        return Knowing(self, contrast) if self.weighing == "informed" else self

    def estimate(self, plan: Plan, scores: NDArray[np.float32]) -> Maps:
        """Maps (N, *S); an `informed` one that is told nothing of the samples expects as much of every part.

        Raises:
            InputError: a surrogate of a plan that is not made of grids.
        """
        if self.weighing == "informed":
            return np.asarray(informed_maps(self._grids(plan), scores, None), np.float32)
        if self.weighing in ("surrogate", "corrected"):
            return self._surrogate(plan, scores)
        if self.weighing == "mask-sum":
            return np.asarray(weigh(plan, scores) / self._kept(plan), np.float32)
        weights = centred(scores) if self.weighing == "centred" else scores
        return np.asarray(weigh(plan, weights) / (len(plan) * self._over), np.float32)

    @property
    def _over(self) -> float:
        """What maps are divided by, besides M."""
        return 1.0 if self.convention == "torchray" else self.share

    def _kept(self, plan: Plan) -> Floats:
        """What each position was kept in all, (1, *S)."""
        kept = weigh(plan, np.ones((1, len(plan))))
        return kept + EPSILON[self.convention] if self.convention in EPSILON else np.maximum(kept, 1e-9)

    def _surrogate(self, plan: Plan, scores: NDArray[np.float32]) -> Maps:
        grids = self._grids(plan)
        fitted = fit(grids, scores)
        maps = expected_maps(grids, fitted.coefficients)
        if self.weighing == "corrected":
            maps = maps + weigh(plan, fitted.residuals) / (len(plan) * self.share)
        return np.asarray(maps, np.float32)

    def _grids(self, plan: Plan) -> Drawn | Part:
        if not isinstance(plan, Drawn | Part):
            raise InputError(f"{self.name} got a plan of {type(plan).__name__}; expected one made of grids")
        return plan

    def _whole(self, plan: Plan) -> Drawn:
        grids = self._grids(plan)
        if isinstance(grids, Part):
            raise InputError(f"{self.name} got a part of a plan; expected a plan of its own plan()")
        return grids

    def errors(self, plan: Plan, scores: NDArray[np.float32]) -> Maps:
        """Standard errors (N, *S) of `estimate` over other draws of the masks, by the jackknife.

        Left out are single masks, or whole blocks of an array or a sequence (the rest of a block goes with the block
        before it). NaN with fewer than two whole blocks, of which nothing tells the error. For intervals take
        Student's t with `freedom`; with two or three blocks of an array, which may happen to share a shift, even those
        come out too narrow now and then.

        What is covered is the chance of the draw, around the map that all draws have in the mean. For a `surrogate`
        that is not the map of all masks: the penalty shrinks it, and what is not linear in the cells is missing. The
        penalty is taken as it was found.

        Source: Efron & Stein 1981; MacKinnon & White 1985 (HC3, the same for regressions).
        """
        grids = self._whole(plan)
        if self.weighing == "informed":
            return np.asarray(informed_errors(grids, scores, None), np.float32)
        parts = units(grids)
        if len(parts) < 2:
            return np.full((len(scores), *plan.shape), np.nan, np.float32)
        squares = np.zeros((len(scores), *plan.shape))
        change = self._change(grids, scores, parts)
        for unit, keep in with_masks(grids, parts):
            squares += change(unit, keep) ** 2
        return np.asarray(np.sqrt(squares * (len(parts) - 1) / len(parts)), np.float32)

    def freedom(self, plan: Plan) -> float:
        """Degrees of freedom of `errors`: independent draws less one, NaN where there are no errors."""
        if self.weighing == "informed":
            return informed_freedom(self._whole(plan))
        parts = units(self._whole(plan))
        return len(parts) - 1.0 if len(parts) > 1 else math.nan

    def halves(self, plan: Plan, scores: NDArray[np.float32]) -> tuple[Maps, Maps] | None:
        """Maps of the even and of the odd masks, or blocks, or pairs of a single block; None where too few for both."""
        return of_halves(self, self._whole(plan), scores)

    def _change(self, plan: Drawn, scores: NDArray[np.float32], parts: list[slice]) -> Change:
        if self.weighing == "published":
            return self._of_published(plan, scores)
        if self.weighing == "mask-sum":
            return self._of_ratio(plan, scores)
        fitted = intercept(scores) if self.weighing == "centred" else fit(plan, scores)
        outside = left_out(fitted, parts)
        kinds = {"centred": [self._of_residuals], "surrogate": [self._of_fit]}
        changes = [kind(plan, fitted, outside) for kind in kinds.get(self.weighing, [self._of_fit, self._of_residuals])]
        return lambda unit, keep: np.asarray(sum(change(unit, keep) for change in changes))

    def _of_published(self, plan: Drawn, scores: NDArray[np.float32]) -> Change:
        total = weigh(plan, scores)
        return lambda unit, keep: (
            (over(scores[:, unit], keep) - total * (len(keep) / len(plan))) / ((len(plan) - len(keep)) * self._over)
        )

    def _of_ratio(self, plan: Drawn, scores: NDArray[np.float32]) -> Change:
        kept = self._kept(plan)
        maps = weigh(plan, scores) / kept
        least = EPSILON.get(self.convention, 0.0) + 1e-6

        def change(unit: slice, keep: Keep) -> Floats:
            shown = keep.sum(axis=0, dtype=np.float64)
            rest = kept - shown
            safe = np.where(rest > least, rest, np.nan)  # kept in this unit alone: no other draw to go by
            return np.asarray((over(scores[:, unit], keep) - maps * shown) / safe)

        return change

    def _of_fit(self, plan: Drawn, fitted: Fit, outside: Floats) -> Change:
        """Of the expected map of a regression, from the residuals that each unit has when it is left out."""
        seen = expected_maps(plan, fitted.right)
        return lambda unit, _: np.tensordot(moved(fitted, outside, unit), seen, axes=1)

    def _of_residuals(self, plan: Drawn, fitted: Fit, outside: Floats) -> Change:
        """Of the centred map of what a regression leaves, whose coefficients move with the unit."""
        shown = weigh(plan, np.ones((1, len(plan)))) / len(plan)
        maps = weigh(plan, fitted.residuals) / len(plan)
        seen = weigh(plan, fitted.left.T)

        def change(unit: slice, keep: Keep) -> Floats:
            own = over(outside[:, unit], keep - shown) - np.tensordot(moved(fitted, outside, unit), seen, axes=1)
            return np.asarray((own - maps * len(keep)) / ((len(plan) - len(keep)) * self.share))

        return change


@final
@dataclass(frozen=True)
class Knowing:
    """An `informed` RISE with what it knows of the samples."""

    rise: Rise
    contrast: Contrast

    def estimate(self, plan: Plan, scores: NDArray[np.float32]) -> Maps:
        """Maps (N, *S)."""
        return np.asarray(informed_maps(self.rise._grids(plan), scores, self.contrast), np.float32)

    def errors(self, plan: Plan, scores: NDArray[np.float32]) -> Maps:
        """Standard errors (N, *S)."""
        return np.asarray(informed_errors(self.rise._whole(plan), scores, self.contrast), np.float32)

    def halves(self, plan: Plan, scores: NDArray[np.float32]) -> tuple[Maps, Maps] | None:
        """Maps of two halves of the queries; None where too few for both."""
        return of_halves(self, self.rise._whole(plan), scores)


def of_halves(rise: Rise | Knowing, plan: Drawn, scores: NDArray[np.float32]) -> tuple[Maps, Maps] | None:
    """Maps of two halves of the plan; None where too few for both."""
    both = halves(plan)
    if both is None:
        return None
    even, odd = (rise.estimate(part, scores[:, part.places]) for part in both)
    return even, odd


def moved(fitted: Fit, outside: Floats, unit: slice) -> Floats:
    """What the unit adds to the coefficient of each direction, (N, rank)."""
    return np.asarray(fitted.shrink * (outside[:, unit] @ fitted.left[unit]))


def units(plan: Drawn) -> list[slice]:
    """Queries that are drawn together; what is left over of a block goes with the block before it."""
    starts = range(0, len(plan) - plan.block + 1, plan.block)
    return [slice(start, start + plan.block if start != starts[-1] else len(plan)) for start in starts]


def with_masks(plan: Drawn, parts: list[slice]) -> Iterator[tuple[slice, Keep]]:
    """Units with their masks (k, *S), a batch of masks at a time."""
    several = max(1, 64 // plan.block)
    for batch in (parts[first : first + several] for first in range(0, len(parts), several)):
        keep = plan.keep(batch[0].start, batch[-1].stop)
        for unit in batch:
            yield unit, keep[unit.start - batch[0].start : unit.stop - batch[0].start]


def over(weights: NDArray[np.floating[Any]], keep: Keep) -> Floats:
    """Sum of weight * keep over queries: (N, k) and (k, *S) to (N, *S)."""
    return np.asarray(np.tensordot(weights.astype(np.float64), keep, axes=1))


def centred(scores: NDArray[np.float32]) -> NDArray[np.float64]:
    """Scores less their mean over the queries."""
    return np.asarray(scores - scores.mean(axis=1, keepdims=True, dtype=np.float64))
