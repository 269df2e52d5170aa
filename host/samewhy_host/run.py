"""A run of a study in a folder: build, ask, audit, report, each standing on the finished steps of the one before."""

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from samewhy_edge import explain, hierarchy
from samewhy_edge.arrays import Samples, Targets
from samewhy_edge.explain import Adaptive, Explainer, adapted, describe, of_targets
from samewhy_edge.files import sha256, write_bytes, write_json, write_npz
from samewhy_edge.fill import Background, Fill, backgrounds
from samewhy_edge.occlusion import Occlusion
from samewhy_edge.plan import Each, Plan, digest
from samewhy_edge.predictor import Subject
from samewhy_edge.record import record_of, save
from samewhy_host import asking, audit, gradients, manifest
from samewhy_host.asking import Given, Question, Rungs
from samewhy_host.audit import Asked, Explained
from samewhy_host.build import build
from samewhy_host.data.dataset import Dataset, Split
from samewhy_host.localised import localisation_measures, localisation_rows
from samewhy_host.manifest import Manifest
from samewhy_host.module_file import load_module
from samewhy_host.report.page import write_report
from samewhy_host.report.words import verdict_lines
from samewhy_host.show import Show
from samewhy_host.steps import Steps
from samewhy_host.study import StudyFile


@final
@dataclass(frozen=True, slots=True)
class Run:
    """A study on its way through its folder."""

    file: StudyFile
    folder: Path
    show: Show

    @property
    def steps(self) -> Steps:
        """Where finished steps lie."""
        return Steps(self.folder / "steps")


@final
@dataclass(frozen=True, slots=True)
class Interview:
    """What the rungs answered, and to what."""

    manifest: Manifest
    data: Dataset
    audited: Split
    targets: Targets
    subjects: Sequence[Subject]
    asked: Sequence[Asked]
    explained: Sequence[Explained]


def built(run: Run) -> tuple[Manifest, Dataset]:
    """Make the artifacts, and write ``manifest.json``, ``calibration.txt`` and a copy of the study."""
    made, data = build(run.file, run.folder, run.show.line)
    manifest.save(made, run.folder)
    write_bytes(run.folder / "study.toml", run.file.path.read_bytes())
    write_bytes(run.folder / "calibration.txt", ("\n".join(made.calibration) + "\n").encode())
    return made, data


def interviewed(run: Run) -> Interview:
    """Ask every rung everything, and write a record for each rung and explainer."""
    made, data = built(run)
    rungs = Rungs(run.folder, made.rungs)
    subjects = asking.same_ends(rungs, data.sample, len(data.classes))
    audited = data.test.take(data.test.places(made.audit))
    scores = asking.test_scores(rungs, subjects, data.test.samples, run.steps, run.show)
    targets = scores[0][data.test.places(made.audit)].argmax(axis=1)  # a fixed class: the reference's answer
    explainers = run.file.study.explainers()
    answers, others, questions = ask_all(run, rungs, subjects, audited, explainers, targets)
    asked = [
        Asked(step.name, subject.spec.rung, score, answer)
        for step, subject, score, answer in zip(made.rungs, subjects, scores, answers, strict=True)
    ]
    explained = [
        audit.explained(
            one,
            questions[one.name].plan,
            questions[one.name].digest,
            asked,
            others[one.name],
            audited.samples,
            targets,
            made.seed,
        )
        for one in explainers
    ]
    interview = Interview(made, data, audited, targets, subjects, asked, explained)
    write_records(run, interview)
    return interview


def ask_all(
    run: Run,
    rungs: Rungs,
    subjects: Sequence[Subject],
    audited: Split,
    explainers: Sequence[Explainer],
    targets: Targets,
) -> tuple[list[dict[str, Given]], dict[str, tuple[Plan | Each, Given]], dict[str, Question]]:
    """By rung and explainer name: answers to the shared masks; by explainer: the reference's to other masks; the masks.

    Explainers of one plan and one fill, such as two estimators of RISE, are served by the same answers. Where scores
    decide what is asked, the reference's do, and the other rungs are asked what it was asked.
    """
    sample, seed = audited.samples.shape[1:], run.file.study.study.seed
    decided = {
        (one.name, draw): reference_asked(run, rungs, subjects[0], audited, one, targets, draw)
        for one in explainers
        if isinstance(one, Adaptive)
        for draw in (0, 1)
    }

    def question(one: Explainer, draw: int) -> Question:
        known = decided.get((one.name, draw))
        return known[0] if known else asking.question(one, sample, seed, draw)

    shared, others = ({one.name: question(one, draw) for one in explainers} for draw in (0, 1))
    wanted = [(place, what) for place in range(len(subjects)) for what in shared.values()]
    wanted += [(0, what) for what in others.values()]
    by_key = {(0, what.digest, what.fill): given for what, given in decided.values()}
    unique = {(place, what.digest, what.fill): (place, what) for place, what in wanted}
    asked = {key: one for key, one in unique.items() if key not in by_key}
    given = asking.answers(rungs, subjects, list(asked.values()), audited.samples, run.steps, run.show)
    by_key |= dict(zip(asked, given, strict=True))
    answers = [
        {name: by_key[place, what.digest, what.fill] for name, what in shared.items()} for place in range(len(subjects))
    ]
    moved = {name: (what.plan, by_key[0, what.digest, what.fill]) for name, what in others.items()}
    return answers, moved, shared


def reference_asked(
    run: Run, rungs: Rungs, reference: Subject, audited: Split, explainer: Explainer, targets: Targets, draw: int
) -> tuple[Question, Given]:
    """What the reference's scores made the explainer ask, and the reference's answers."""
    samples, seed = audited.samples, run.file.study.study.seed
    label = f"{explainer.name}{' (ceiling)' if draw else ''}"
    run.show.line(f"{label}: {rungs.steps[0].name} decides what is asked")

    def make(folder: Path) -> None:
        start = time.perf_counter()
        with asking.journalled(rungs.open(0), folder) as subject:
            _, answers = adapted(subject, samples, targets, explainer, seed, draw)
            write_npz(folder / "answers.npz", answers=answers, seconds=np.array(time.perf_counter() - start))

    inputs = {
        "rung": asdict(reference.spec.rung),
        "samples": sha256(samples),
        "targets": sha256(targets),
        "explainer": describe(explainer),
        "seed": seed,
        "draw": draw,
    }
    done = run.steps.once(f"decide-{rungs.steps[0].name}", inputs, (*asking.CODE, explain, hierarchy), make)
    answers, seconds = asking.load(done / "answers.npz", "answers", "seconds")
    plan = again(explainer, samples, of_targets(answers, targets), seed, draw)
    return Question(plan, explainer.fill, digest(plan), label), Given(answers, float(seconds))


def again(explainer: Explainer, samples: Samples, scores: NDArray[np.float32], seed: int, draw: int) -> Plan | Each:
    """The plan that an explainer comes to by these scores (N, M) of the targets."""
    plan = explainer.plan(samples.shape[1:], seed, draw)
    shown = samples != backgrounds(explainer.fill, samples)
    while isinstance(explainer, Adaptive) and len(plan) < scores.shape[1]:
        longer = explainer.refine(plan, scores[:, : len(plan)], shown)
        if longer is None:
            return plan
        plan = longer
    return plan


def write_records(run: Run, interview: Interview) -> None:
    """``records/RUNG--EXPLAINER.json`` and ``.npz``."""
    samples, targets, made = interview.audited.samples, interview.targets, interview.manifest
    for one in interview.explained:
        for asked, subject in zip(interview.asked, interview.subjects, strict=True):
            arrays, seconds = one.arrays[asked.name], asked.given[one.name].seconds
            known = (asked.rung, one.explainer, one.digest, len(one.plan), arrays, seconds, made.seed, samples, targets)
            record = record_of(*known, study=made.study, wire=subject.spec.wire)
            save(record, arrays, run.folder / "records" / f"{asked.name}--{one.name}")


def audited(run: Run) -> dict[str, Any]:
    """Compare the rungs; write ``audit.json``, ``gallery.npz`` for the report's pictures, and ``timings.json``."""
    interview = interviewed(run)
    settings, made = run.file.study.audit, interview.manifest
    run.show.line("audit: comparing maps")
    places = interview.data.test.places(made.audit)
    rows = audit.rung_rows(interview.asked, interview.data.test, places)
    shown = audit.gallery(interview.asked, interview.explained[0], rows, settings.gallery)
    checked = cross_check(run, interview, shown)
    verdicts = audit.verdict_rows(interview.asked, interview.explained, settings.margin, settings.level)
    table = {
        "schema": audit.SCHEMA,
        "study": {
            "question": made.question,
            "seed": made.seed,
            "sha256": made.study,
            "data": made.data["name"],
            "classes": made.data["classes"],
            "reference": interview.asked[0].name,
            "samples": len(made.audit),
            "resamples": settings.resamples,
            "level": settings.level,
            "margin": settings.margin,
            "explainers": audit.explainer_rows(interview.explained),
            "measures": audit.measure_rows(),
            "localisation_measures": localisation_measures(interview.audited.masks),
        },
        "rungs": rows,
        "verdicts": verdicts,
        "causes": audit.cause_rows(interview.asked, interview.explained, verdicts),
        "agreements": audit.agreement_rows(
            interview.asked, interview.explained, settings.resamples, made.seed, settings.level
        ),
        **payers(run, interview, places),
        "localisation": localisation_rows(
            [one.name for one in interview.asked],
            interview.explained,
            interview.audited.masks,
            settings.resamples,
            made.seed,
            settings.level,
        ),
        "samples": audit.sample_rows(interview.audited, interview.targets),
        "gallery": shown,
        "cross_check": checked,
    }
    write_npz(run.folder / "gallery.npz", samples=interview.audited.samples[shown])
    write_json(run.folder / "timings.json", measured(run, interview))
    write_json(run.folder / "audit.json", table)
    for said in verdict_lines(table):
        run.show.line(said)
    return table


def payers(run: Run, interview: Interview, places: NDArray[np.int64]) -> dict[str, Any]:
    """Who pays, how sure of itself each rung is, and whether its answers are fine enough for its maps."""
    settings, seed = run.file.study.audit, interview.manifest.seed
    known, test = (interview.asked, interview.explained), interview.data.test
    outputs = [subject.spec.output for subject in interview.subjects]
    return {
        "classes": audit.class_rows(*known, test, places, settings.level),
        "moved": audit.moved_rows(*known, test.labels[places], settings.resamples, seed),
        "calibration": audit.calibration_rows(interview.asked, test, settings.resamples, seed, settings.level),
        "resolution": audit.resolution_rows(*known, outputs, interview.audited.samples, places, interview.targets),
    }


def measured(run: Run, interview: Interview) -> dict[str, dict[str, float]]:
    """Milliseconds a sample of each rung, on this machine."""
    rungs = Rungs(run.folder, interview.manifest.rungs)
    return asking.timings(rungs, interview.subjects, interview.audited.samples, run.steps)


def cross_check(run: Run, interview: Interview, shown: Sequence[int]) -> dict[str, Any] | None:
    """Captum beside us on the torch reference; its integrated gradients go into the records. None without torch.

    Raises:
        ContractError: Captum's occlusion is not ours.
    """
    step = interview.manifest.rungs[0]
    if not step.address.startswith("torch:"):
        return None
    _, module = load_module(run.folder / step.address.partition(":")[2])
    samples, targets = interview.audited.samples, interview.targets
    first = interview.explained[0].explainer.fill
    places = to_check(first, samples, shown)
    maps = gradients.integrated_gradients(module, samples[places], targets[places], first)
    drawn = maps[[places.index(sample) for sample in shown]]
    write_npz(run.folder / "records" / f"{step.name}--integrated-gradients.npz", maps=drawn, samples=np.array(shown))
    occlusions = (one.explainer for one in interview.explained if isinstance(one.explainer, Occlusion))
    ours = next((one for one in occlusions if one.convention == "captum"), None)
    if ours is None:
        return {"occlusion": None}
    places = to_check(ours.fill, samples, shown)
    apart = gradients.occlusion_difference(interview.subjects[0], samples[places], targets[places], ours)
    return {"occlusion": {"max_difference": apart, "bound": gradients.BOUND, "samples": len(places)}}


def to_check(fill: Fill, samples: Samples, shown: Sequence[int]) -> list[int]:
    """The samples of the gallery; all of them, in their order, where each has a background of its own."""
    own = isinstance(fill, Background) and np.load(fill.file, mmap_mode="r").ndim == samples.ndim
    return list(range(len(samples))) if own else list(shown)


def reported(run: Run) -> Path:
    """Draw the figures and write ``report.html`` from the files of the run; computes nothing."""
    run.show.line("report: drawing")
    return write_report(run.folder)


def studied(run: Run) -> Path:
    """All steps, from the study file to the page."""
    audited(run)
    return reported(run)
