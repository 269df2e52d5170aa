"""Maps put to predictors: each rung's own maps to itself, and the reference's maps to every rung below it.

Faithfulness is a relation between a map and the file that it speaks about. So a rung's maps are judged on that rung,
and whoever wants to explain a deployed file with the float network's maps finds here what that costs.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from samewhy_edge.arrays import Answers, Maps, Samples, Targets
from samewhy_edge.explain import Explainer, describe, described, estimated, knowing, of_targets
from samewhy_edge.faithfulness import Measure, bill, explains_again, filled, leaves, named, refilled
from samewhy_edge.files import sha256
from samewhy_edge.fill import Fill
from samewhy_edge.judge import Case, as_they_are, judge, softmax
from samewhy_edge.judgement import probabilities
from samewhy_edge.plan import Each, Plan, digest
from samewhy_edge.predictor import Predictor, Subject
from samewhy_edge.quant import Affine
from samewhy_edge.query import Progress, ask
from samewhy_host.questions import carried, fill_part, laid, plan_part

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

    def part(self, start: int, stop: int) -> "Put":
        """The same of some of the samples."""
        fill = fill_part(self.explainer.fill, start, stop)
        explainer = replace(self.explainer, fill=fill)  # type: ignore[type-var]  # explainers are dataclasses
        return replace(self, explainer=explainer, plan=plan_part(self.plan, start, stop), maps=self.maps[start:stop])


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


@final
@dataclass(frozen=True, slots=True)
class Judging:
    """Work with one rung: all the maps that are put to it."""

    court: Court
    puts: tuple[Put, ...]

    def __call__(self, subject: Subject, progress: Progress) -> dict[str, NDArray[np.float64]]:
        """``values`` (maps, measures, N); NaN where a measure is not asked or undefined."""
        known = probabilities(subject(self.court.samples))
        rows = [put_to(subject, self.court, one, as_they_are if known else softmax, progress) for one in self.puts]
        return {"values": np.array(rows).reshape(len(self.puts), len(self.court.measures), len(self.court.samples))}

    def bill(self) -> int:
        """Queries at most."""
        return sum(self.court.bill(one) for one in self.puts)

    def carried(self) -> "Judging":
        """The same without a file to read: every fill is laid out for its samples."""
        samples = self.court.samples
        measures = tuple(refilled(one, lambda fill: laid(fill, samples)) for one in self.court.measures)
        puts = (replace(one, explainer=carried(one.explainer, samples)) for one in self.puts)
        return Judging(replace(self.court, measures=measures), tuple(puts))

    def part(self, start: int, stop: int) -> "Judging":
        """The same of some of the samples."""
        court = replace(
            self.court,
            samples=self.court.samples[start:stop],
            targets=self.court.targets[start:stop],
            measures=tuple(refilled(one, lambda fill: fill_part(fill, start, stop)) for one in self.court.measures),
        )
        return Judging(court, tuple(one.part(start, stop) for one in self.puts))

    def inputs(self) -> dict[str, Any]:
        """What decides the values besides the rung, as JSON."""
        court = self.court
        return {
            "samples": sha256(court.samples),
            "targets": sha256(court.targets),
            "measures": [[one.name, identity_of(one)] for one in court.measures],
            "seed": court.seed,
            "entry": None if court.entry is None else asdict(court.entry),
            "maps": [[describe(one.explainer), digest(one.plan), sha256(one.maps), one.again] for one in self.puts],
        }


def identity_of(measure: Measure) -> list[Any]:
    """Settings of a measure, or of its parts, as JSON."""
    settings = [
        {name: described(getattr(one.how, name)) for name in one.how.__dataclass_fields__}  # type: ignore[union-attr]  # parts ask or explain again
        for one in leaves([measure])
    ]
    return [*settings, measure.scale]


def put_to(
    subject: Subject, court: Court, put: Put, probability: Callable[[Answers], Answers], progress: Progress
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
    return np.array([found.get(one.name, missing) for one in court.measures]).reshape(-1, len(court.samples))


def explained_again(predictor: Predictor, put: Put, progress: Progress, samples: Samples, targets: Targets) -> Maps:
    """Maps of other samples under the masks of the first ones."""
    answers = ask(predictor, samples, put.plan, put.explainer.fill, progress)
    return estimated(knowing(put.explainer, samples).estimate, put.plan, of_targets(answers, targets))
