"""Explainers: a plan of masks, and an estimator that turns the scores under the plan into maps.

An explainer is its parameters; what it asks and how it weighs the answers is all there is to it. It knows predictors
only through the scores they gave, so one query log serves every estimator of the same plan.
"""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from samewhy_edge.arrays import Maps, Samples, Targets
from samewhy_edge.occlusion import Occlusion
from samewhy_edge.plan import Plan
from samewhy_edge.predictor import Predictor
from samewhy_edge.query import Progress, ask
from samewhy_edge.rise import Rise
from samewhy_edge.settings import variant
from samewhy_edge.shapley import KernelShap, Permutation


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


EXPLAINERS: Mapping[str, type[Occlusion] | type[Rise] | type[Permutation] | type[KernelShap]] = {
    "occlusion": Occlusion,
    "rise": Rise,
    "shapley-permutation": Permutation,
    "shapley-kernel": KernelShap,
}
DEFAULTS: tuple[Explainer, ...] = (Occlusion(), Rise(estimator="surrogate", design="array"))


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
