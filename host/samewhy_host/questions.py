"""What a study does with a rung: work for a `Crew`. Imports nothing heavy, so that any worker can do it."""

import math
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TypeVar, final

import numpy as np

from samewhy_edge.arrays import Samples, Targets
from samewhy_edge.explain import Explainer, adapted
from samewhy_edge.fill import Fill, backgrounds
from samewhy_edge.plan import Each, Plan
from samewhy_edge.predictor import Subject
from samewhy_edge.query import Progress, ask
from samewhy_host.crew import Arrays

FillT = TypeVar("FillT")
BATCH = 250  # samples at a time, where nothing is hidden
TESTED = 4 * BATCH  # samples in a piece of the test split
QUERIES = 2**14  # in a piece of questions, unless a single sample has more


@final
@dataclass(frozen=True, slots=True, eq=False)
class Laid:
    """What a fill comes to, for samples (N, *S, C): made where the file that it may name can be read."""

    filled: Samples

    def backgrounds(self, samples: Samples) -> Samples:
        """Those, (N, *S, C)."""
        return self.filled


@final
@dataclass(frozen=True, slots=True, eq=False)
class Scoring:
    """Scores (N, K) of samples (N, *S, C) as they are."""

    samples: Samples

    def __call__(self, subject: Subject, progress: Progress, /) -> Arrays:
        """`scores`."""
        rows = []
        for start in range(0, len(self.samples), BATCH):
            rows.append(subject(self.samples[start : start + BATCH]))
            progress(len(rows[-1]))
        return {"scores": np.concatenate(rows)}


@final
@dataclass(frozen=True, slots=True, eq=False)
class Answering:
    """Answers (N, M, K) of samples (N, *S, C) under the masks of a plan."""

    samples: Samples
    plan: Plan | Each
    fill: float | Laid

    def __call__(self, subject: Subject, progress: Progress, /) -> Arrays:
        """`answers`."""
        return {"answers": ask(subject, self.samples, self.plan, self.fill, progress)}


@final
@dataclass(frozen=True, slots=True, eq=False)
class Deciding:
    """Answers (N, M, K) to what an adaptive explainer asks, round by round, about all samples of a study."""

    samples: Samples
    targets: Targets
    explainer: Explainer
    seed: int
    draw: int

    def __call__(self, subject: Subject, progress: Progress, /) -> Arrays:
        """`answers`."""
        known = (self.samples, self.targets, self.explainer, self.seed, self.draw)
        return {"answers": adapted(subject, *known, progress)[1]}


def carried(explainer: Explainer, samples: Samples) -> Explainer:
    """The explainer for these samples, with its fill laid out: it needs no file any more."""
    return replace(explainer, fill=laid(explainer.fill, samples))  # type: ignore[type-var]  # explainers are dataclasses


def laid(fill: Fill, samples: Samples) -> float | Laid:
    """A number as it is, any other fill as what it comes to.

    Raises:
        InputError: a fill that does not fit the samples.
    """
    return fill if isinstance(fill, float | int) else Laid(backgrounds(fill, samples))


def part(whole: Answering, start: int, stop: int) -> Answering:
    """The same of some samples, with the plans and backgrounds that are theirs."""
    return Answering(whole.samples[start:stop], plan_part(whole.plan, start, stop), fill_part(whole.fill, start, stop))


def plan_part(plan: Plan | Each, start: int, stop: int) -> Plan | Each:
    """The plan of some of the samples."""
    return Each(plan.plans[start:stop]) if isinstance(plan, Each) else plan


def fill_part(fill: FillT, start: int, stop: int) -> FillT | Laid:
    """The fill of some of the samples."""
    return Laid(fill.filled[start:stop]) if isinstance(fill, Laid) else fill


def spans(samples: int, most: int) -> list[tuple[int, int]]:
    """From and to of near-equal parts of so many samples, none with more than `most`, or one."""
    count = max(1, math.ceil(samples / max(1, most)))
    return list(pairwise(samples * i // count for i in range(count + 1)))
