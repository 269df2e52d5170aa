"""A run of a study in a folder: build, ask, audit, report, each standing on the finished steps of the one before."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, final

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from samewhy_edge.arrays import Targets
from samewhy_edge.explain import Adaptive, Explainer, again, of_targets
from samewhy_edge.files import write_bytes, write_json, write_npz
from samewhy_edge.plan import Each, Plan, digest
from samewhy_edge.predictor import Subject
from samewhy_edge.quant import Affine
from samewhy_edge.record import record_of, save
from samewhy_host import asking, audit, faithful, manifest, transfer
from samewhy_host.asking import Given, Question, Rungs
from samewhy_host.audit import Asked, Explained
from samewhy_host.build import build
from samewhy_host.crew import Crew, Located, Threads, Tools, found
from samewhy_host.cross_check import cross_checked, read
from samewhy_host.data.dataset import Dataset, Split
from samewhy_host.devices import device
from samewhy_host.faithful import Judgements, gathered, judgings
from samewhy_host.judging import Court
from samewhy_host.localised import localisation_measures, localisation_rows
from samewhy_host.manifest import Manifest
from samewhy_host.module_file import load_module
from samewhy_host.report.page import write_report
from samewhy_host.report.words import verdict_lines
from samewhy_host.show import Show
from samewhy_host.stats import Sampling
from samewhy_host.steps import Steps
from samewhy_host.study import StudyFile


@final
@dataclass(frozen=True, slots=True)
class Run:
    """A study on its way through its folder."""

    file: StudyFile
    folder: Path
    show: Show
    crew: Crew = field(default_factory=Threads)
    shared: Path | None = None  # where steps lie that several runs have in common

    @property
    def steps(self) -> Steps:
        """Where finished steps lie."""
        return Steps(self.shared or self.folder / "steps")

    @property
    def tools(self) -> Tools:
        """What the rungs are asked by."""
        return Tools(self.steps, self.crew, self.show)


@final
@dataclass(frozen=True, slots=True)
class Interview:
    """What the rungs answered, and to what."""

    manifest: Manifest
    data: Dataset
    audited: Split
    targets: Targets
    subjects: Sequence[Subject]  # the rungs that can be asked here, first
    asked: Sequence[Asked]  # those, then devices that were asked elsewhere
    explained: Sequence[Explained]
    outputs: Sequence[Affine | None]  # of all that were asked
    twin: Asked | None = None  # a network that was trained apart; no rung


def built(run: Run) -> tuple[Manifest, Dataset]:
    """Make the artifacts, and write ``manifest.json``, ``calibration.txt`` and a copy of the study."""
    made, data = build(run.file, run.folder, run.show.line, run.steps)
    manifest.save(made, run.folder)
    write_bytes(run.folder / "study.toml", run.file.content)
    write_bytes(run.folder / "calibration.txt", manifest.listed(made.calibration))
    return made, data


def interviewed(run: Run) -> Interview:
    """Ask every rung everything, and write a record for each rung and explainer."""
    made, data = built(run)
    rungs = Rungs(run.folder, (*made.rungs, made.twin) if made.twin else made.rungs)
    subjects = asking.same_ends(rungs, data.sample, len(data.classes))
    audited = data.test.take(data.test.places(made.audit))
    scores = asking.test_scores(rungs, subjects, data.test.samples, run.tools)
    targets = scores[0][data.test.places(made.audit)].argmax(axis=1)  # a fixed class: the reference's answer
    explainers = run.file.study.explainers()
    answers, others, questions = ask_all(run, rungs, subjects, audited, explainers, targets)
    asked = [
        Asked(step.name, subject.spec.rung, score, answer)
        for step, subject, score, answer in zip(rungs.steps, subjects, scores, answers, strict=True)
    ]
    twin = asked.pop() if made.twin else None
    subjects = subjects[: len(asked)]
    known = (run.file.path.parent, list(asked), questions, audited.samples, targets)
    devices = [device(extra, *known) for extra in run.file.study.rung if extra.verified]
    asked += [one for one, _ in devices]
    with threadpool_limits(1, "blas"):  # thousands of small matrices, where threads would wait for each other
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
                twin,
            )
            for one in explainers
        ]
    outputs = [subject.spec.output for subject in subjects] + [output for _, output in devices]
    interview = Interview(made, data, audited.about(targets), targets, subjects, asked, explained, outputs, twin)
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
    decided = reference_asked(run, rungs.at(0, subjects[0]), audited, explainers, targets)

    def question(one: Explainer, draw: int) -> Question:
        known = decided.get((one.name, draw))
        return known[0] if known else asking.question(one, sample, seed, draw)

    shared, others = ({one.name: question(one, draw) for one in explainers} for draw in (0, 1))
    wanted = [(place, what) for place in range(len(subjects)) for what in shared.values()]
    wanted += [(0, what) for what in others.values()]
    by_key = {(0, what.digest, what.fill): given for what, given in decided.values()}
    unique = {(place, what.digest, what.fill): (place, what) for place, what in wanted}
    asked = {key: one for key, one in unique.items() if key not in by_key}
    given = asking.answers(rungs, subjects, list(asked.values()), audited.samples, run.tools)
    by_key |= dict(zip(asked, given, strict=True))
    answers = [
        {name: by_key[place, what.digest, what.fill] for name, what in shared.items()} for place in range(len(subjects))
    ]
    moved = {name: (what.plan, by_key[0, what.digest, what.fill]) for name, what in others.items()}
    return answers, moved, shared


def reference_asked(
    run: Run, reference: Located, audited: Split, explainers: Sequence[Explainer], targets: Targets
) -> dict[tuple[str, int], tuple[Question, Given]]:
    """By adaptive explainer and draw: what the reference's scores made it ask, and the reference's answers."""
    samples, seed = audited.samples, run.file.study.study.seed
    adaptive = [(one, draw) for one in explainers if isinstance(one, Adaptive) for draw in (0, 1)]
    if adaptive:
        run.show.line(
            f"{reference.name} decides what is asked: {', '.join(dict.fromkeys(one.name for one, _ in adaptive))}"
        )
    pieces = [asking.deciding(reference, samples, targets, one, seed, draw) for one, draw in adaptive]
    known = {}
    for (one, draw), arrays in zip(adaptive, found(pieces, run.tools), strict=True):
        given = asking.joined([arrays])
        plan = again(one, samples, of_targets(given.answers, targets), seed, draw)
        known[one.name, draw] = Question(plan, one.fill, digest(plan), asking.labelled(one, draw)), given
    return known


def write_records(run: Run, interview: Interview) -> None:
    """``records/RUNG--EXPLAINER.json`` and ``.npz``."""
    samples, targets, made = interview.audited.samples, interview.targets, interview.manifest
    names = [one.name for one in interview.asked]
    wires = {name: one.spec.wire for name, one in zip(names, interview.subjects, strict=False)}  # devices are not asked
    for one in interview.explained:
        for asked in interview.asked:
            arrays, seconds = one.arrays[asked.name], asked.given[one.name].seconds
            known = (asked.rung, one.explainer, one.digest, len(one.plan), arrays, seconds, made.seed, samples, targets)
            record = record_of(*known, study=made.study, wire=wires.get(asked.name))
            save(record, arrays, run.folder / "records" / f"{asked.name}--{one.name}")


def audited(run: Run) -> dict[str, Any]:
    """Compare the rungs; write ``audit.json``, ``gallery.npz`` for the report's pictures, and ``timings.json``."""
    interview = interviewed(run)
    settings, made = run.file.study.audit, interview.manifest
    run.show.line("audit: comparing maps")
    places = interview.data.test.places(made.audit)
    coded = {one.sha256: one.coded for one in made.artifacts}
    rows = audit.rung_rows(interview.asked, interview.data.test, places, coded)
    shown = audit.gallery(interview.asked, interview.explained[0], rows, settings.gallery)
    checked = cross_check(run, interview, shown)
    judged = judgements(run, interview)
    sampling = Sampling(settings.resamples, made.seed, settings.level)
    verdicts = audit.verdict_rows(interview.asked, interview.explained, settings.margin, settings.level)
    table = {
        "schema": audit.SCHEMA,
        "study": {
            **asked_for(run, interview),
            "faithfulness_measures": faithful.measure_rows(judged.measures, interview.data.sample[:-1]),
            "shape_measures": faithful.shape_measures(),
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
        **trials(interview, judged, sampling),
        **white_boxes(run, interview, sampling),
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


def asked_for(run: Run, interview: Interview) -> dict[str, Any]:
    """What the study wanted to know, and by what."""
    settings, made = run.file.study.audit, interview.manifest
    return {
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
    }


def payers(run: Run, interview: Interview, places: NDArray[np.int64]) -> dict[str, Any]:
    """Who pays, how sure of itself each rung is, and whether its answers are fine enough for its maps."""
    settings, seed = run.file.study.audit, interview.manifest.seed
    known, test = (interview.asked, interview.explained), interview.data.test
    return {
        "classes": audit.class_rows(*known, test, places, settings.level),
        "moved": audit.moved_rows(*known, test.labels[places], settings.resamples, seed),
        "calibration": audit.calibration_rows(interview.asked, test, settings.resamples, seed, settings.level),
        "resolution": audit.resolution_rows(
            *known, interview.outputs, interview.audited.samples, places, interview.targets
        ),
    }


def judgements(run: Run, interview: Interview) -> Judgements:
    """What every rung says of its own maps and of the reference's, and the reference of maps that know nothing."""
    entry = next((subject.spec.input for subject in interview.subjects if subject.spec.input), None)
    measures = run.file.study.faithfulness.chosen(entry)
    court = Court(interview.audited.samples, interview.targets, measures, interview.manifest.seed, entry)
    names, explainers = askable(interview), [one.name for one in interview.explained]
    rungs = Rungs(run.folder, interview.manifest.rungs)
    works = judgings(names, interview.explained, court)
    return gathered(names, explainers, measures, asking.judged(rungs, interview.subjects, works, run.tools))


def askable(interview: Interview) -> list[str]:
    """Names of the rungs that can be asked here."""
    return [one.name for one in interview.asked[: len(interview.subjects)]]


def trials(interview: Interview, judged: Judgements, sampling: Sampling) -> dict[str, Any]:
    """What maps were put to: their rungs, each other's rungs, and a network that was trained apart."""
    names, explainers = askable(interview), [one.name for one in interview.explained]
    return {
        "faithfulness": faithful.faithfulness_rows(names, explainers, judged, sampling),
        "cross": faithful.lent_rows(names, explainers, judged, sampling),
        "shape": faithful.shape_rows(
            [one.name for one in interview.asked], {one.name: one.maps for one in interview.explained}, sampling
        ),
        "twin": audit.twin_row(interview.twin, interview.asked[0], interview.explained, interview.data.test, sampling),
    }


def white_boxes(run: Run, interview: Interview, sampling: Sampling) -> dict[str, Any]:
    """What white-box maps say of the torch rungs, beside the explainers; nothing where the study asks for none."""
    methods, made = run.file.study.white_boxes(), interview.manifest
    if not methods:
        return {}
    run.show.line(f"white box: {', '.join(one.name for one in methods)}")
    found = transfer.networks(Rungs(run.folder, made.rungs), interview.subjects)
    twin = transfer.opened(Rungs(run.folder, (made.twin,))) if made.twin else []
    known = (interview.audited.samples, interview.targets, run.steps)
    seen = transfer.looked_into(methods, found, twin, *known)
    transfer.write_maps(run.folder / "whitebox", seen)
    return {"whitebox": transfer.table(seen, interview.explained, interview.audited.masks, sampling)}


def measured(run: Run, interview: Interview) -> dict[str, dict[str, float]]:
    """Milliseconds a sample of each rung, on this machine."""
    rungs = Rungs(run.folder, interview.manifest.rungs)
    return asking.timings(rungs, interview.subjects, interview.audited.samples, run.tools.steps)


def cross_check(run: Run, interview: Interview, shown: Sequence[int]) -> dict[str, Any] | None:
    """Captum beside us on the torch reference; its integrated gradients go into the records. None without torch.

    Raises:
        ContractError: Captum's occlusion is not ours.
    """
    step = interview.manifest.rungs[0]
    if not step.address.startswith("torch:"):
        return None
    reference = interview.subjects[0], load_module(run.folder / step.address.partition(":")[2])[1]
    explainers = [one.explainer for one in interview.explained]
    samples, targets = interview.audited.samples, interview.targets
    done = cross_checked(run.steps, reference, explainers, samples, targets, shown)
    write_bytes(run.folder / "records" / f"{step.name}--integrated-gradients.npz", (done / "maps.npz").read_bytes())
    return read(done)


def reported(run: Run) -> Path:
    """Draw the figures and write ``report.html`` from the files of the run; computes nothing."""
    run.show.line("report: drawing")
    return write_report(run.folder)


def studied(run: Run) -> Path:
    """All steps, from the study file to the page."""
    audited(run)
    return reported(run)
