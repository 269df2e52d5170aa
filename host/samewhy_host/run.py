"""A run of a study in a folder: build, ask, audit, report, each standing on the finished steps of the one before."""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, final

import numpy as np

from samewhy_edge.arrays import Targets
from samewhy_edge.explain import Explainer, describe
from samewhy_edge.files import sha256, write_bytes, write_json, write_npz
from samewhy_edge.occlusion import Occlusion
from samewhy_edge.plan import Plan
from samewhy_edge.predictor import Subject
from samewhy_edge.record import Record, save
from samewhy_host import asking, audit, gradients, manifest, stats
from samewhy_host.asking import Given, Question, Rungs
from samewhy_host.audit import Asked, Explained
from samewhy_host.build import build
from samewhy_host.data.dataset import Dataset, Split
from samewhy_host.manifest import Manifest
from samewhy_host.module_file import load_module
from samewhy_host.report.page import write_report
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
    answers, others, questions = ask_all(run, rungs, subjects, audited, explainers)
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
            targets,
            made.seed,
        )
        for one in explainers
    ]
    interview = Interview(made, data, audited, targets, subjects, asked, explained)
    write_records(run, interview)
    return interview


def ask_all(
    run: Run, rungs: Rungs, subjects: Sequence[Subject], audited: Split, explainers: Sequence[Explainer]
) -> tuple[list[dict[str, Given]], dict[str, tuple[Plan, Given]], dict[str, Question]]:
    """By rung and explainer name: answers to the shared masks; by explainer: the reference's to other masks; the masks.

    Explainers of one plan and one fill, such as two estimators of RISE, are served by the same answers.
    """
    spatial, seed = audited.samples.shape[1:-1], run.file.study.study.seed
    shared = {one.name: asking.question(one, spatial, seed) for one in explainers}
    others = {one.name: asking.question(one, spatial, seed, draw=1) for one in explainers}
    wanted = [(place, what) for place in range(len(subjects)) for what in shared.values()]
    wanted += [(0, what) for what in others.values()]
    unique = {(place, what.digest, what.fill): (place, what) for place, what in wanted}
    given = asking.answers(rungs, subjects, list(unique.values()), audited.samples, run.steps, run.show)
    by_key = dict(zip(unique, given, strict=True))
    answers = [
        {name: by_key[place, what.digest, what.fill] for name, what in shared.items()} for place in range(len(subjects))
    ]
    moved = {name: (what.plan, by_key[0, what.digest, what.fill]) for name, what in others.items()}
    return answers, moved, shared


def write_records(run: Run, interview: Interview) -> None:
    """``records/RUNG--EXPLAINER.json`` and ``.npz``."""
    identities = tuple(sha256(sample) for sample in interview.audited.samples)
    for one in interview.explained:
        for asked in interview.asked:
            record = Record(
                rung=asked.rung,
                explainer=describe(one.explainer),
                plan=one.digest,
                queries=len(one.plan),
                seed=interview.manifest.seed,
                samples=identities,
                targets=tuple(int(target) for target in interview.targets),
                seconds=round(float(asked.given[one.name].seconds), 3),
                versions={"samewhy": version("samewhy"), "numpy": np.__version__},
                study=interview.manifest.study,
            )
            save(record, one.maps[asked.name], run.folder / "records" / f"{asked.name}--{one.name}")


def audited(run: Run) -> dict[str, Any]:
    """Compare the rungs; write ``audit.json``, ``gallery.npz`` for the report's pictures, and ``timings.json``."""
    interview = interviewed(run)
    settings, made = run.file.study.audit, interview.manifest
    run.show.line("audit: comparing maps")
    places = interview.data.test.places(made.audit)
    rows = audit.rung_rows(interview.asked, interview.data.test, places)
    shown = audit.gallery(interview.asked, interview.explained[0], rows, settings.gallery)
    checked = cross_check(run, interview, shown)
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
            "level": stats.LEVEL,
            "explainers": audit.explainer_rows(interview.explained),
            "measures": audit.measure_rows(),
        },
        "rungs": rows,
        "agreements": audit.agreement_rows(interview.asked, interview.explained, settings.resamples, made.seed),
        "samples": audit.sample_rows(interview.audited, interview.targets),
        "gallery": shown,
        "cross_check": checked,
    }
    write_npz(run.folder / "gallery.npz", samples=interview.audited.samples[shown])
    write_json(run.folder / "timings.json", measured(run, interview))
    write_json(run.folder / "audit.json", table)
    return table


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
    samples, targets = interview.audited.samples[shown], interview.targets[shown]
    fill = interview.explained[0].explainer.fill
    maps = gradients.integrated_gradients(module, samples, targets, fill)
    write_npz(run.folder / "records" / f"{step.name}--integrated-gradients.npz", maps=maps, samples=np.array(shown))
    ours = next((one for one in interview.explained if isinstance(one.explainer, Occlusion)), None)
    if ours is None or not isinstance(ours.explainer, Occlusion):
        return {"occlusion": None}
    apart = gradients.occlusion_difference(interview.subjects[0], samples, targets, ours.explainer)
    return {"occlusion": {"max_difference": apart, "bound": gradients.BOUND, "samples": len(shown)}}


def reported(run: Run) -> Path:
    """Draw the figures and write ``report.html`` from the files of the run; computes nothing."""
    run.show.line("report: drawing")
    return write_report(run.folder)


def studied(run: Run) -> Path:
    """All steps, from the study file to the page."""
    audited(run)
    return reported(run)
