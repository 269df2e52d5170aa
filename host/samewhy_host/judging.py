"""Maps put to predictors: each rung's own maps to itself, and the reference's maps to every rung below it.

Faithfulness is a relation between a map and the file that it speaks about. So a rung's maps are judged on that rung,
and whoever wants to explain a deployed file with the float network's maps finds here what that costs.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import final

import numpy as np
from numpy.typing import NDArray

from samewhy_edge.arrays import Maps, Samples, Targets
from samewhy_edge.explain import Explainer, estimated, knowing, of_targets
from samewhy_edge.faithfulness import Measure, bill, explains_again, filled, named
from samewhy_edge.fill import Fill
from samewhy_edge.judge import Case, as_they_are, judge, softmax
from samewhy_edge.judgement import probabilities
from samewhy_edge.plan import Each, Plan
from samewhy_edge.predictor import Predictor, Subject
from samewhy_edge.quant import Affine
from samewhy_edge.query import Progress, ask

Values = NDArray[np.float64]  # (measures, N), NaN where undefined
DEFAULT = ("deletion", "insertion", "mu-fidelity")


@final
@dataclass(frozen=True, slots=True)
class Faithfulness:
    """The study's table: what maps are put to the test by."""

    measures: tuple[str, ...] = DEFAULT  # names, or "all"
    fill: Fill | None = None  # what hidden positions become; each measure's own without it

    def chosen(self, entry: Affine | None) -> tuple[Measure, ...]:
        """The measures; without an integer input on the ladder (`entry`), there is no last bit of it to change.

        Raises:
            InputError: an unknown name.
        """
        known = [one for one in named(self.measures) if entry or one.name != "max-sensitivity"]
        return tuple(known if self.fill is None else [filled(one, self.fill) for one in known])


@final
@dataclass(frozen=True, slots=True)
class Put:
    """Maps that are put to a rung, and how they were made."""

    explainer: Explainer
    plan: Plan | Each
    maps: Maps
    again: bool = True  # whether measures that make new maps are asked: not of maps that another rung made


@final
@dataclass(frozen=True, slots=True)
class Court:
    """What is the same for all rungs and maps."""

    samples: Samples
    targets: Targets
    measures: tuple[Measure, ...]
    seed: int
    entry: Affine | None = None  # of the ladder's integer input

    def of(self, put: Put) -> tuple[Measure, ...]:
        """The measures that these maps are put to."""
        return tuple(one for one in self.measures if put.again or not explains_again(one))

    def bill(self, put: Put) -> int:
        """Queries at most, of all samples."""
        return len(self.samples) * bill(self.of(put), put.maps.shape[1:], len(put.plan))


def put_to(subject: Subject, court: Court, maps: Sequence[Put], progress: Progress = lambda _: None) -> list[Values]:
    """Values (measures, N) of each of the maps on one rung; NaN where a measure is not asked or undefined."""
    probability = as_they_are if probabilities(subject(court.samples)) else softmax
    return [put_one(subject, court, one, probability, progress) for one in maps]


def put_one(
    subject: Subject,
    court: Court,
    put: Put,
    probability: Callable[[NDArray[np.float32]], NDArray[np.float32]],
    progress: Progress,
) -> Values:
    """Values (measures, N) of the maps of one explainer."""
    case = Case(
        subject,
        court.samples,
        court.targets,
        put.maps,
        court.seed,
        explain=partial(explained_again, subject, put, progress),
        entry=court.entry,
        probability=probability,
    )
    found = judge(case, court.of(put), progress)
    missing = np.full(len(court.samples), np.nan)
    return np.array([found.get(one.name, missing) for one in court.measures])


def explained_again(predictor: Predictor, put: Put, progress: Progress, samples: Samples, targets: Targets) -> Maps:
    """Maps of other samples under the masks of the first ones."""
    answers = ask(predictor, samples, put.plan, put.explainer.fill, progress)
    return estimated(knowing(put.explainer, samples).estimate, put.plan, of_targets(answers, targets))
