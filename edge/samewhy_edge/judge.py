"""Measures of faithfulness put to a predictor: everything is checked, then asked, then judged."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from samewhy_edge.arrays import Answers, Map, Maps, Sample, Samples, Targets
from samewhy_edge.errors import InputError
from samewhy_edge.explain import of_targets
from samewhy_edge.faithfulness import FAITHFULNESS, Again, Asking, Joint, Measure, judged, leaves, telling
from samewhy_edge.features import Coalitions
from samewhy_edge.fill import backgrounds
from samewhy_edge.plan import Each
from samewhy_edge.predictor import Predictor
from samewhy_edge.quant import Affine
from samewhy_edge.query import Progress, ask

Values = NDArray[np.float64]  # (N,), NaN where undefined


def softmax(answers: Answers) -> Answers:
    """Probabilities from logits (..., K)."""
    wide = np.exp(answers.astype(np.float64) - answers.max(axis=-1, keepdims=True))
    return np.asarray(wide / wide.sum(axis=-1, keepdims=True), np.float32)


def as_they_are(answers: Answers) -> Answers:
    """The scores themselves."""
    return answers


@final
@dataclass(frozen=True, slots=True)
class Case:
    """Maps, and all that is needed to judge them."""

    predictor: Predictor
    samples: Samples
    targets: Targets
    maps: Maps  # (N, *S) or (N, *S, C), of the targets' scores
    seed: int
    explain: Callable[[Samples, Targets], Maps] | None = None  # what made `maps`, with the same masks
    entry: Affine | None = None  # of the input whose last bit is changed: the integer rung's, whatever the rung
    probability: Callable[[Answers], Answers] = softmax  # `as_they_are` where the predictor gives probabilities
    others: Sequence[Predictor] = ()  # more predictors of the same rung, asked at the same time


def judge(
    case: Case, measures: Sequence[Measure] | None = None, progress: Progress = lambda _: None
) -> dict[str, Values]:
    """Values (N,) of each measure by its name; all of `FAITHFULNESS` without `measures`. Parts are asked once.

    Raises:
        InputError: maps that do not fit the samples, a negative seed, two measures of one name, settings that a measure
            refuses, or nothing to explain again with where a measure has to.
    """
    chosen = FAITHFULNESS if measures is None else measures
    check(case, chosen)
    known: dict[Measure, Values] = {}
    for part in leaves(chosen):
        if isinstance(part.how, Again) and case.explain:
            known[part] = _explained_again(case, part.how, case.explain)
        elif not isinstance(part.how, Again | Joint):
            known[part] = _asked(case, part.how, part.scale, progress)
    return {one.name: _values(case, one, known) for one in chosen}


def check(case: Case, measures: Sequence[Measure]) -> None:
    """Refuse what cannot be judged, before anything is asked.

    Raises:
        InputError: saying what was found and what was expected.
    """
    wanted = case.samples.shape, case.samples.shape[:-1]
    if case.maps.shape not in wanted or len(case.targets) != len(case.samples):
        raise InputError(
            f"maps of shape {case.maps.shape} and {len(case.targets)} targets for samples of shape "
            f"{case.samples.shape}; expected a map of {wanted[1]} or {wanted[0]} and a target for each sample"
        )
    if case.seed < 0:
        raise InputError(f"seed {case.seed}; expected at least 0")
    twice = [name for name, count in Counter(one.name for one in measures).items() if count > 1]
    if twice:
        raise InputError(f"two measures named {twice[0]!r}; give one of them another name")
    for part in leaves(measures):
        _try(case, part)


def _try(case: Case, measure: Measure) -> None:
    """Make the first sample's questions."""
    how, first = measure.how, case.maps[0]
    if isinstance(how, Again):
        if case.explain is None:
            raise InputError(f"{measure.name} explains samples again; expected Case(explain=...), with the maps' masks")
        _changed(how, case, case.samples[0], case.samples[0], first)
    elif not isinstance(how, Joint):
        how.plan(first, case.seed)


def _values(case: Case, measure: Measure, known: dict[Measure, Values]) -> Values:
    how = measure.how
    if not isinstance(how, Joint):
        return known[measure]
    rows = zip(case.maps, *(_values(case, part, known) for part in how.parts), strict=True)
    return np.array([how.value(*row) if telling(row[0]) else np.nan for row in rows])


def _asked(case: Case, how: Asking, scale: str, progress: Progress) -> Values:
    plans = tuple(how.plan(one, case.seed) if telling(one) else idle(how, one.shape) for one in case.maps)
    answers = ask(case.predictor, case.samples, Each(plans), how.fill, progress, case.others)
    scores = of_targets(case.probability(answers) if scale == "probability" else answers, case.targets)
    return np.array([judged(how, *row) for row in zip(case.maps, plans, scores, strict=True)])


def _explained_again(case: Case, how: Again, explain: Callable[[Samples, Targets], Maps]) -> Values:
    rows = zip(case.samples, backgrounds(how.fill, case.samples), case.maps, strict=True)
    changed = [_changed(how, case, *row) for row in rows]
    # one of every sample at a time, in their order: an explainer may have features of each sample's own
    others = np.stack([explain(np.stack(turn), case.targets) for turn in zip(*changed, strict=True)], axis=1)
    values = [how.value(*row) if telling(row[0]) else np.nan for row in zip(case.maps, others, strict=True)]
    return np.array(values)


def _changed(how: Again, case: Case, sample: Sample, background: Sample, one: Map) -> Samples:
    again = how.changed(sample, background, one, case.entry, case.seed)
    return again if telling(one) else np.repeat(sample[None], len(again), axis=0)


def idle(how: Asking, shape: tuple[int, ...]) -> Coalitions:
    """As many queries as any map has, all of the whole sample: repeats, of which one is asked."""
    return Coalitions(np.zeros(shape, np.int64), np.ones((how.queries(shape), 1), np.float32))
