"""Every question of a study to every rung: scores of the test split, answers under the plans, timings.

Each is cut into pieces that a `Crew` does: rungs and samples are asked at the same time, here or elsewhere. How they
are cut depends on the study alone, so that every crew finds the same, bit for bit.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, final

import numpy as np

from samewhy_edge import (
    bench,
    blend,
    complexity,
    confidence,
    continuity,
    curves,
    explain,
    faithfulness,
    fill,
    hierarchy,
    journal,
    judge,
    litert,
    plan,
    predictor,
    quant,
    query,
    repeats,
    subsets,
)
from samewhy_edge.arrays import Answers, Samples, Scores, Targets
from samewhy_edge.errors import InputError
from samewhy_edge.explain import Explainer, describe, described
from samewhy_edge.files import sha256, write_json
from samewhy_edge.fill import Fill
from samewhy_edge.plan import Each, Plan, digest
from samewhy_edge.predictor import Subject, open_predictor
from samewhy_host import crew, judging, onnx_runtime, questions, torch_runtime
from samewhy_host.crew import Arrays, Located, Piece, Tools, found
from samewhy_host.judging import Judging, Values
from samewhy_host.manifest import Step
from samewhy_host.questions import QUERIES, TESTED, Answering, Deciding, Scoring, carried, laid, part, spans
from samewhy_host.steps import Steps

CODE = (
    blend,
    fill,
    journal,
    litert,
    plan,
    predictor,
    quant,
    query,
    repeats,
    crew,
    questions,
    onnx_runtime,
    torch_runtime,
)
JUDGING = (*CODE, judging, judge, faithfulness, curves, subsets, confidence, continuity, complexity, explain)
JUDGED = 2**16  # queries in a piece of judging: maps of one sample share many of them


@final
@dataclass(frozen=True, slots=True)
class Question:
    """A plan with its fill: what the explainers that share it ask."""

    plan: Plan | Each
    fill: Fill
    digest: str
    label: str


@final
@dataclass(frozen=True, slots=True)
class Rungs:
    """The ladder, opened from the run's folder."""

    folder: Path
    steps: tuple[Step, ...]

    def address(self, place: int) -> str:
        """What opens it from any folder."""
        address = self.steps[place].address
        runtime, _, rest = address.partition(":")
        local = (self.folder / rest.partition("?")[0]).is_file()
        return f"{runtime}:{self.folder.absolute() / rest}" if local else address

    def at(self, place: int, subject: Subject) -> Located:
        """The rung, as it was opened, for whoever asks it."""
        return Located(self.steps[place].name, self.address(place), subject.spec.rung)


@final
@dataclass(frozen=True, slots=True)
class Given:
    """Answers (N, M, K), and the seconds that they took; of the last run alone, where one before it was interrupted.

    Pieces that are asked at the same time count one after the other.
    """

    answers: Answers
    seconds: float


def question(explainer: Explainer, sample: tuple[int, ...], seed: int, draw: int = 0) -> Question:
    """What an explainer asks; `draw` 1 is for the ceiling."""
    masks = explainer.plan(sample, seed, draw)
    return Question(masks, explainer.fill, digest(masks), labelled(explainer, draw))


def same_ends(rungs: Rungs, sample: tuple[int, ...], classes: int) -> list[Subject]:
    """All rungs, opened once to see that they take the study's samples and give its classes.

    Raises:
        InputError: naming the rung, and what it takes and gives.
    """
    subjects = [open_predictor(rungs.address(place)) for place in range(len(rungs.steps))]
    for step, subject in zip(rungs.steps, subjects, strict=True):
        if subject.spec.sample != sample or subject.spec.classes != classes:
            raise InputError(
                f"rung {step.name} takes samples {subject.spec.sample} and gives {subject.spec.classes} scores; "
                f"the data has samples {sample} and {classes} classes"
            )
    return subjects


def labelled(explainer: Explainer, draw: int) -> str:
    """How bars call an explainer's questions."""
    return f"{explainer.name}{' (ceiling)' if draw else ''}"


def test_scores(rungs: Rungs, subjects: Sequence[Subject], samples: Samples, tools: Tools) -> list[Scores]:
    """Scores (T, K) of the whole test split, a rung each."""
    cut = spans(len(samples), TESTED)
    pieces = [
        scoring(rungs.at(place, subject), samples[start:stop])
        for place, subject in enumerate(subjects)
        for start, stop in cut
    ]
    given = iter(found(pieces, tools))
    return [np.concatenate([next(given)["scores"] for _ in cut]) for _ in subjects]


def scoring(rung: Located, samples: Samples) -> Piece:
    """A piece of the test split to a rung."""
    work, inputs = Scoring(samples), {"samples": sha256(samples)}
    return Piece(f"test-{rung.name}", f"test {rung.name}", len(samples), rung, work, inputs, CODE)


def answers(
    rungs: Rungs, subjects: Sequence[Subject], asked: Sequence[tuple[int, Question]], samples: Samples, tools: Tools
) -> list[Given]:
    """What each (rung, question) gave."""
    whole = [Answering(samples, what.plan, laid(what.fill, samples)) for _, what in asked]
    cut = [spans(len(samples), QUERIES // len(what.plan)) for _, what in asked]
    pieces = [
        answering(rungs.at(place, subjects[place]), what, part(one, *span), span)
        for (place, what), one, row in zip(asked, whole, cut, strict=True)
        for span in row
    ]
    given = iter(found(pieces, tools))
    return [joined([next(given) for _ in row]) for row in cut]


def answering(rung: Located, what: Question, work: Answering, span: tuple[int, int]) -> Piece:
    """A question about some of the samples to a rung; `span` is which."""
    inputs = {"samples": sha256(work.samples), "of": span, "plan": what.digest, "fill": described(what.fill)}
    queries = len(what.plan) * len(work.samples)
    return Piece(f"ask-{rung.name}", f"{what.label} {rung.name}", queries, rung, work, inputs, CODE)


def deciding(rung: Located, samples: Samples, targets: Targets, explainer: Explainer, seed: int, draw: int) -> Piece:
    """All that an adaptive explainer asks of the reference; rounds of all samples go together."""
    work = Deciding(samples, targets, carried(explainer, samples), seed, draw)
    inputs = {
        "samples": sha256(samples),
        "targets": sha256(targets),
        "explainer": describe(explainer),
        "seed": seed,
        "draw": draw,
    }
    label, code = f"{labelled(explainer, draw)} {rung.name}", (*CODE, explain, hierarchy)
    return Piece(f"decide-{rung.name}", label, 0, rung, work, inputs, code)


def judged(rungs: Rungs, subjects: Sequence[Subject], works: Sequence[Judging], tools: Tools) -> list[Values]:
    """What each rung found of the maps that were put to it: (maps, measures, N)."""
    count = len(works[0].court.samples)
    cut = [spans(count, JUDGED * count // max(1, work.bill())) for work in works]
    pieces = [
        judging_of(rungs.at(place, subjects[place]), carried.part(*span), work.inputs(), span)
        for place, (work, row) in enumerate(zip(works, cut, strict=True))
        for carried in [work.carried()]
        for span in row
    ]
    given = iter(found(pieces, tools))
    return [np.concatenate([next(given)["values"] for _ in row], axis=-1) for row in cut]


def judging_of(rung: Located, work: Judging, inputs: Mapping[str, Any], span: tuple[int, int]) -> Piece:
    """Maps of some of the samples, put to a rung; `span` is which."""
    known = {**inputs, "of": span}
    return Piece(f"judge-{rung.name}", f"faithfulness {rung.name}", work.bill(), rung, work, known, JUDGING)


def joined(parts: Sequence[Arrays]) -> Given:
    """Answers of all samples, from those of some each."""
    return Given(np.concatenate([one["answers"] for one in parts]), float(sum(one["seconds"] for one in parts)))


def timings(rungs: Rungs, subjects: Sequence[Subject], samples: Samples, steps: Steps) -> dict[str, dict[str, float]]:
    """Milliseconds a sample on this machine, one rung after the other."""
    table: dict[str, dict[str, float]] = {}
    for step, subject in zip(rungs.steps, subjects, strict=True):

        def make(folder: Path, subject: Subject = subject) -> None:
            write_json(folder / "timing.json", asdict(bench.timing(subject, samples)))

        folder = steps.once(f"time-{step.name}", {"rung": asdict(subject.spec.rung)}, (*CODE, bench), make)
        table[step.name] = json.loads((folder / "timing.json").read_text())
    return table
