"""Explainers: a plan of masks, and an estimator that turns the scores under the plan into maps.

An explainer is its parameters; what it asks and how it weighs the answers is all there is to it. It knows predictors
only through the scores they gave, so one query log serves every estimator of the same plan.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, Protocol, final

import numpy as np
from numpy.typing import NDArray

from samewhy_edge.arrays import Maps, Samples, Targets
from samewhy_edge.errors import InputError
from samewhy_edge.plan import Plan, RandomGrids, Windows, axes_of
from samewhy_edge.predictor import Predictor
from samewhy_edge.query import Progress, ask
from samewhy_edge.settings import variant


class Explainer(Protocol):
    """Parameters with a plan and an estimator."""

    @property
    def name(self) -> str:
        """How records, reports and study files call it."""
        ...

    @property
    def fill(self) -> float:
        """What a hidden position becomes, in the units of the samples."""
        ...

    def plan(self, spatial: tuple[int, ...], seed: int, draw: int = 0) -> Plan:
        """The masks; draw 0 is the study's, draw 1 the other masks that the ceiling is measured with."""
        ...

    def estimate(self, plan: Plan, scores: NDArray[np.float32]) -> Maps:
        """Maps (N, *S) from the target's scores (N, M) under the plan."""
        ...


@final
@dataclass(frozen=True, slots=True)
class Occlusion:
    """How much the score falls when a window is filled, averaged over the windows that cover a position.

    Unit: score. Deterministic; other masks are the same windows moved by half a stride (with a stride of 1 there are no
    others).

    Source: Zeiler & Fergus 2014, section 4.2; averaging and cut-off last window as in Captum 0.9.
    """

    window: tuple[int, ...] = (4,)
    stride: tuple[int, ...] = (2,)
    fill: float = 0.0

    @property
    def name(self) -> str:
        """occlusion"""
        return "occlusion"

    def plan(self, spatial: tuple[int, ...], seed: int, draw: int = 0) -> Windows:
        """Every window position; the seed plays no part.

        Raises:
            InputError: a window that does not fit, or a stride that leaves positions uncovered.
        """
        window, stride = axes_of("window", self.window, spatial), axes_of("stride", self.stride, spatial)
        if any(step > size for step, size in zip(stride, window, strict=True)):
            raise InputError(
                f"stride {list(stride)} is larger than window {list(window)}; positions would stay uncovered"
            )
        return Windows(spatial, window, stride, tuple(draw * step // 2 for step in stride))

    def estimate(self, plan: Plan, scores: NDArray[np.float32]) -> Maps:
        """Maps (N, *S); the first query of the plan is the whole sample."""
        drops = scores[:, :1] - scores
        covered = weigh(plan, np.ones((1, len(plan))), hidden=True)
        return (weigh(plan, drops, hidden=True) / covered).astype(np.float32)


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


EXPLAINERS: Mapping[str, type[Occlusion] | type[Rise]] = {"occlusion": Occlusion, "rise": Rise}
DEFAULTS: tuple[Explainer, ...] = (Occlusion(), Rise())


def weigh(plan: Plan, weights: NDArray[Any], hidden: bool = False) -> NDArray[np.float64]:
    """Sum over queries of weight * keep (or weight * (1 - keep)): (N, M) to (N, *S), a batch of masks at a time."""
    total = np.zeros((len(weights), *plan.spatial))
    for start in range(0, len(plan), 64):
        stop = min(start + 64, len(plan))
        keep = plan.keep(start, stop)
        total += np.tensordot(weights[:, start:stop].astype(np.float64), 1 - keep if hidden else keep, axes=1)
    return total


def explain(
    predictor: Predictor,
    samples: Samples,
    targets: Targets,
    explainer: Explainer,
    seed: int,
    progress: Progress = lambda _: None,
) -> Maps:
    """Maps (N, *S) of the targets' scores."""
    plan = explainer.plan(samples.shape[1:-1], seed)
    answers = ask(predictor, samples, plan, explainer.fill, progress)
    return explainer.estimate(plan, of_targets(answers, targets))


def of_targets(answers: NDArray[np.float32], targets: Targets) -> NDArray[np.float32]:
    """Scores (N, M) of each sample's own target, out of answers (N, M, K)."""
    return answers[np.arange(len(targets)), :, targets]


def shuffled(plan: Plan, scores: NDArray[np.float32], seed: int) -> NDArray[np.float32]:
    """Scores (N, M) dealt to the wrong masks: what the estimator makes of them is a random map of its own kind.

    Queries that hide nothing keep their score. Each sample is dealt anew.
    """
    hides = np.concatenate(
        [
            plan.keep(i, min(i + 64, len(plan))).reshape(-1, np.prod(plan.spatial)).min(axis=1) < 1
            for i in range(0, len(plan), 64)
        ]
    )
    places = np.flatnonzero(hides)
    coins = np.random.Philox(key=np.array([seed, 2], np.uint64)).random_raw(len(scores) * len(places))
    dealt = scores.copy()
    order = places[np.argsort(coins.reshape(len(scores), -1), axis=1)]
    dealt[:, places] = np.take_along_axis(scores, order, axis=1)
    return dealt


def describe(explainer: Explainer) -> dict[str, Any]:
    """Name and parameters, as records hold them."""
    return {"name": explainer.name, **asdict(explainer)}  # type: ignore[call-overload]  # explainers are dataclasses


def explainer_from(table: Mapping[str, Any]) -> Explainer:
    """An explainer from ``{"method": "rise", "queries": 256, ...}``, as study files hold it.

    Raises:
        InputError: no method, an unknown one, or a parameter that it does not have.
    """
    explainer: Explainer = variant(EXPLAINERS, table, "explain")
    return explainer
