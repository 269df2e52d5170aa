"""Explainers: a plan of masks, and an estimator that turns the scores under the plan into maps.

An explainer is its parameters; what it asks and how it weighs the answers is all there is to it. It knows predictors
only through the scores they gave, so one query log serves every estimator of the same plan.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from samewhy_edge.agreement import pearson
from samewhy_edge.arrays import Answers, Maps, Samples, Targets
from samewhy_edge.features import stretch
from samewhy_edge.fill import Fill, backgrounds
from samewhy_edge.hierarchy import Hierarchy
from samewhy_edge.lime import Lime
from samewhy_edge.occlusion import Occlusion
from samewhy_edge.plan import Each, Plan
from samewhy_edge.predictor import Predictor
from samewhy_edge.query import Progress, ask
from samewhy_edge.rise import Rise
from samewhy_edge.sensitivity import Hsic, Sobol
from samewhy_edge.settings import variant
from samewhy_edge.shapley import KernelShap, Permutation

Estimator = Callable[[Plan, NDArray[np.float32]], Maps]


class Estimating(Protocol):
    """What makes maps of scores."""

    def estimate(self, plan: Plan, scores: NDArray[np.float32]) -> Maps:
        """Maps (N, *shape) from one score of each query, (N, M); rows are samples, or the classes of a sample."""
        ...

    def errors(self, plan: Plan, scores: NDArray[np.float32]) -> Maps:
        """Standard errors (N, *shape) of `estimate` over other draws: 0 where nothing is drawn, NaN where unknown."""
        ...

    def halves(self, plan: Plan, scores: NDArray[np.float32]) -> tuple[Maps, Maps] | None:
        """Maps from each half of the queries alone; None where nothing is drawn or a half does not suffice."""
        ...


class Explainer(Estimating, Protocol):
    """Parameters with a plan and an estimator."""

    @property
    def name(self) -> str:
        """How records, reports and study files call it."""
        ...

    @property
    def fill(self) -> Fill:
        """What a hidden position becomes, in the units of the samples."""
        ...

    def plan(self, sample: tuple[int, ...], seed: int, draw: int = 0) -> Plan | Each:
        """The masks for samples (*S, C); draw 0 is the study's, draw 1 other masks, for the ceiling."""
        ...


@runtime_checkable
class Informed(Protocol):
    """An explainer whose estimates are better where it knows the samples."""

    def knowing(self, contrast: NDArray[np.float32]) -> Estimating:
        """Its estimates, told how much each position of the samples differs from the fill, (N, *S)."""
        ...


@runtime_checkable
class Adaptive(Protocol):
    """An explainer whose later queries depend on the scores of the earlier ones."""

    def refine(self, plan: Plan | Each, scores: NDArray[np.float32], shown: NDArray[np.bool_]) -> Each | None:
        """A longer plan for every sample, all of one length, or None when done.

        Scores (N, M) are the targets'; `shown` (N, *S, C) is where a sample is not its background. The first M queries
        stay as they are.
        """
        ...


Kind = (
    type[Occlusion]
    | type[Hierarchy]
    | type[Rise]
    | type[Permutation]
    | type[KernelShap]
    | type[Lime]
    | type[Sobol]
    | type[Hsic]
)
EXPLAINERS: Mapping[str, Kind] = {
    "occlusion": Occlusion,
    "hierarchy": Hierarchy,
    "rise": Rise,
    "shapley-permutation": Permutation,
    "shapley-kernel": KernelShap,
    "lime": Lime,
    "sobol": Sobol,
    "hsic": Hsic,
}
DEFAULTS: tuple[Explainer, ...] = (Occlusion(), Rise(estimator="informed", design="pairs"))


def explain(
    predictor: Predictor,
    samples: Samples,
    targets: Targets,
    explainer: Explainer,
    seed: int,
    progress: Progress = lambda _: None,
) -> Maps:
    """Maps (N, *S) of the targets' scores."""
    plan, answers = adapted(predictor, samples, targets, explainer, seed, progress=progress)
    return estimated(knowing(explainer, samples).estimate, plan, of_targets(answers, targets))


def knowing(explainer: Explainer, samples: Samples) -> Estimating:
    """The explainer's estimates for these samples (N, *S, C), in whose order scores must come."""
    if not isinstance(explainer, Informed):
        return explainer
    return explainer.knowing(np.abs(samples - backgrounds(explainer.fill, samples)).mean(axis=-1))


def adapted(
    predictor: Predictor,
    samples: Samples,
    targets: Targets,
    explainer: Explainer,
    seed: int,
    draw: int = 0,
    progress: Progress = lambda _: None,
    others: Sequence[Predictor] = (),
) -> tuple[Plan | Each, Answers]:
    """The whole plan and the answers (N, M, K) of the predictor that decides what is asked: the reference.

    Most explainers know their plan beforehand; an adaptive one is told the scores of the targets, round by round. Other
    rungs are then asked the same plan, so that their maps compare.
    """
    plan: Plan | Each = explainer.plan(samples.shape[1:], seed, draw)
    answers = ask(predictor, samples, plan, explainer.fill, progress, others)
    if not isinstance(explainer, Adaptive):
        return plan, answers
    shown = samples != backgrounds(explainer.fill, samples)
    while (longer := explainer.refine(plan, of_targets(answers, targets), shown)) is not None:
        rest = stretch(longer, answers.shape[1], len(longer))
        more = ask(predictor, samples, rest, explainer.fill, progress, others)
        plan, answers = longer, np.concatenate([answers, more], axis=1)
    return plan, answers


def again(explainer: Explainer, samples: Samples, scores: NDArray[np.float32], seed: int, draw: int = 0) -> Plan | Each:
    """The plan that an explainer comes to by these scores (N, M) of the targets, with nobody asked."""
    plan: Plan | Each = explainer.plan(samples.shape[1:], seed, draw)
    shown = samples != backgrounds(explainer.fill, samples)
    while isinstance(explainer, Adaptive) and len(plan) < scores.shape[1]:
        longer = explainer.refine(plan, scores[:, : len(plan)], shown)
        if longer is None:
            return plan
        plan = longer
    return plan


def estimated(estimator: Estimator, plan: Plan | Each, scores: NDArray[np.float32]) -> Maps:
    """Maps (N, *shape) of an explainer's `estimate` or `errors`, where samples may have plans of their own."""
    if not isinstance(plan, Each):
        return estimator(plan, scores)
    rows = [estimator(one, scores[i : i + 1]) for i, one in enumerate(plan.plans)]
    return np.concatenate(rows)


def of_all_classes(estimator: Estimator, plan: Plan | Each, answers: Answers) -> Maps:
    """Maps (N, K, *shape) of every class, from the same answers (N, M, K)."""
    classes = [estimated(estimator, plan, answers[:, :, k]) for k in range(answers.shape[2])]
    return np.stack(classes, axis=1)


def reliability(explainer: Estimating, plan: Plan | Each, scores: NDArray[np.float32]) -> NDArray[np.float64]:
    """Correlation (N,) that two maps of this many queries would have, foretold from the map's own two halves.

    1 is a map without noise, 0 is noise alone. NaN where nothing is drawn, or a half is flat.

    Source: Spearman 1910, Brown 1910: r = 2 h / (1 + h) for a correlation h of the halves.
    """
    if isinstance(plan, Each):
        rows = [reliability(explainer, one, scores[i : i + 1]) for i, one in enumerate(plan.plans)]
        return np.concatenate(rows)
    both = explainer.halves(plan, scores)
    halves = [pearson(*pair) for pair in zip(*both, strict=True)] if both else [math.nan] * len(scores)
    return np.array([2 * half / (1 + half) if half > -1 else math.nan for half in halves])


def of_targets(answers: NDArray[np.float32], targets: Targets) -> NDArray[np.float32]:
    """Scores (N, M) of each sample's own target, out of answers (N, M, K)."""
    return answers[np.arange(len(targets)), :, targets]


def shuffled(plan: Plan | Each, scores: NDArray[np.float32], seed: int) -> NDArray[np.float32]:
    """Scores (N, M) dealt to the wrong masks: what the estimator makes of them is a random map of its own kind.

    Queries that hide nothing keep their score. Each sample is dealt anew.
    """
    plans = plan.plans if isinstance(plan, Each) else (plan,)
    hidden = [np.flatnonzero(hides(one)) for one in plans] * (len(scores) // len(plans))
    ends = np.cumsum([len(places) for places in hidden])
    coins = np.random.Philox(key=np.array([seed, 2], np.uint64)).random_raw(int(ends[-1]))
    dealt = scores.copy()
    for row, places, drawn in zip(range(len(scores)), hidden, np.split(coins, ends[:-1]), strict=True):
        dealt[row, places] = scores[row, places[np.argsort(drawn)]]
    return dealt


def hides(plan: Plan) -> NDArray[np.bool_]:
    """Whether each query hides anything at all, (M,)."""
    starts = range(0, len(plan), 64)
    return np.concatenate(
        [plan.keep(i, min(i + 64, len(plan))).reshape(-1, np.prod(plan.shape)).min(axis=1) < 1 for i in starts]
    )


def describe(explainer: Explainer) -> dict[str, Any]:
    """Name and parameters, as records hold them."""
    fields = {name: described(getattr(explainer, name)) for name in explainer.__dataclass_fields__}  # type: ignore[attr-defined]  # explainers are dataclasses
    return {"name": explainer.name, **fields}


def described(value: Any) -> Any:
    """A setting of an explainer as JSON; a file by its name and digest, not by where it lies."""
    if not hasattr(value, "method"):
        return value
    return {"method": value.method, **(value.identity() if hasattr(value, "identity") else asdict(value))}


def explainer_from(table: Mapping[str, Any]) -> Explainer:
    """An explainer from ``{"method": "rise", "queries": 256, ...}``, as study files hold it.

    Raises:
        InputError: no method, an unknown one, or a parameter that it does not have.
    """
    explainer: Explainer = variant(EXPLAINERS, table, "explain")
    return explainer


def located(table: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """The table with the files of its fill and features found from `folder`, where the file that names them lies."""
    return {name: _found_from(folder, value) for name, value in table.items()}


def _found_from(folder: Path, value: Any) -> Any:
    if isinstance(value, Mapping) and isinstance(value.get("file"), str):
        return {**value, "file": str(folder / value["file"])}
    return value
