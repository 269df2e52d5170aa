"""A bundle put to this machine: does each file answer here as on the workstation, and decide for the same reasons?

Every rung of the bundle is opened here. What is promised to be equal and is not breaks the verification; the rest is
reported. What was asked is kept in a journal, so that a run that was cut off asks nothing twice.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from samewhy_edge.agreement import MEASURES
from samewhy_edge.arrays import Answers, Maps, Scores
from samewhy_edge.bundle import Asked, Bundle, Bundled
from samewhy_edge.errors import ArtifactError, InputError
from samewhy_edge.explain import Explainer, again, estimated, knowing, of_targets
from samewhy_edge.files import write_json, write_npz
from samewhy_edge.journal import Memory, name_of, remembered
from samewhy_edge.layers import Layer, difference, parted
from samewhy_edge.plan import Each, Plan, digest
from samewhy_edge.predictor import Subject, open_predictor
from samewhy_edge.query import ask
from samewhy_edge.record import arrays_of, record_of, save
from samewhy_edge.rung import machine
from samewhy_edge.testing import ROUNDING, check_predictor

SCHEMA = 1
FILE = "verify.json"
CHUNK = 50  # test samples at a time
LOOSE = ("builtin",)  # kernels that give other codes on other architectures
SOFTMAX = 1  # steps by which a softmax may differ: it is no integer arithmetic
KIN = ({"samewhy-c", "tflite-micro"},)  # runtimes that promise each other's codes

Row = dict[str, Any]
Bar = Callable[[str, int], Callable[[int], object]]  # name and total give what advances it


@final
@dataclass(frozen=True, slots=True)
class Here:
    """A rung on this machine, beside the workstation's."""

    bundle: Bundle
    bundled: Bundled
    subject: Subject  # with a journal
    folder: Path  # of the results
    bar: Bar


def verify(bundle: Bundle, folder: Path, kernels: Sequence[str] = (), bar: Bar = lambda *_: lambda _: None) -> Row:
    """Verify every rung, of some kernels alone where these are named; write ``verify.json`` and the records.

    Raises:
        InputError: kernels that the bundle does not have, or masks that are not the workstation's.
        OutputError: the folder cannot be written.
    """
    wanted = [one for one in bundle.index.rungs if not kernels or one.kernels in kernels]
    if not wanted or set(kernels) - {one.kernels for one in bundle.index.rungs}:
        known = sorted({one.kernels for one in bundle.index.rungs})
        raise InputError(f"--kernels {', '.join(kernels) or 'none'}; the bundle has rungs of: {', '.join(known)}")
    return written(bundle, folder, machine(), [opened(bundle, one, folder, bar) for one in wanted])


def verify_on(bundle: Bundle, subject: Subject, folder: Path, bar: Bar = lambda *_: lambda _: None) -> Row:
    """Verify what a board holds, beside every rung of the same file; write ``verify.json`` and the records.

    Raises:
        InputError: the bundle has no such file, or masks that are not the workstation's.
        OutputError: the folder cannot be written.
    """
    held = subject.spec.rung
    wanted = [one for one in bundle.index.rungs if one.sha256 == held.artifact.sha256]
    if not wanted:
        known = ", ".join(f"{one.name} {one.sha256[:12]}" for one in bundle.index.rungs)
        raise InputError(
            f"{subject.spec.wire}: holds model {held.artifact.sha256[:12]}; the bundle has {known}; flash one of these"
        )
    return written(bundle, folder, held.machine, [verified(bundle, one, subject, folder, bar) for one in wanted])


def written(bundle: Bundle, folder: Path, where: str, rows: Sequence[Row]) -> Row:
    """``verify.json``."""
    table = {
        "schema": SCHEMA,
        "bundle": bundle.sha256,
        "study": bundle.index.study,
        "machine": where,
        "rungs": list(rows),
        "passed": all(row["passed"] for row in rows),
    }
    write_json(folder / FILE, table)
    return table


def opened(bundle: Bundle, one: Bundled, folder: Path, bar: Bar) -> Row:
    """What this machine makes of a rung; a file that cannot be opened here says why."""
    try:
        subject = open_predictor(f"litert:{bundle.model(one)}?kernels={one.kernels}")
    except ArtifactError as error:
        return {**known_of(one), "why_not": str(error), "passed": False}
    return verified(bundle, one, subject, folder, bar)


def known_of(one: Bundled) -> Row:
    """What the bundle says of a rung."""
    return {"name": one.name, "kernels": one.kernels, "file": one.file, "sha256": one.sha256}


def verified(bundle: Bundle, one: Bundled, subject: Subject, folder: Path, bar: Bar) -> Row:
    """What a subject that is to be a rung makes of it."""
    memory = Memory.resumed(subject.spec, folder / "journal" / name_of(subject.spec))
    here = Here(bundle, one, remembered(subject, memory), folder, bar)
    promises = [asdict(check) for check in check_predictor(subject, bundle.samples[:2])]
    answers = answered(here)
    parting = parting_of(here)
    explained = [explain_here(here, asked) for asked in bundle.index.explainers]
    return {
        **known_of(one),
        "why_not": None,
        "runtime": subject.spec.rung.runtime,
        "output": None if subject.spec.output is None else asdict(subject.spec.output),
        "changed": list(changed_from(one, subject)),
        "promises": promises,
        **answers,
        "layers": parting,
        "explainers": [row for row in explained if row],
        "passed": all(promise["kept"] for promise in promises)
        and equal_enough(one, subject.spec.rung.runtime, answers["codes"], parting),
    }


def changed_from(one: Bundled, subject: Subject) -> Iterator[str]:
    """Fields in which this rung is not the workstation's."""
    here = subject.spec.rung
    told = {"runtime": one.runtime, "kernels": one.kernels, "machine": one.machine}
    yield from (name for name, value in told.items() if getattr(here, name) != value)


def answered(here: Here) -> Row:
    """Scores of the test split: the codes beside the workstation's, labels, accuracy."""
    test, subject = here.bundle.test, here.subject
    scores = scores_of(here, test["samples"])
    theirs = here.bundle.scores(here.bundled.name)
    labels, known = scores.argmax(axis=1), theirs.argmax(axis=1)
    reference = here.bundle.scores(here.bundle.index.reference).argmax(axis=1)
    write_npz(here.folder / "scores" / f"{here.bundled.name}.npz", scores=scores)
    return {
        "codes": codes_row(subject, theirs, scores),
        "tested": len(scores),
        "accuracy": share(labels == test["labels"]),
        "accuracy_there": share(known == test["labels"]),
        "flips": int((labels != known).sum()),
        "flips_from_reference": int((labels != reference).sum()),
    }


def scores_of(here: Here, samples: NDArray[np.float32]) -> Scores:
    """Scores (T, K), a chunk at a time, none asked twice."""
    advance = here.bar(f"test {here.bundled.name}", len(samples))
    rows = []
    for start in range(0, len(samples), CHUNK):
        rows.append(here.subject(samples[start : start + CHUNK]))
        advance(len(rows[-1]))
    return np.concatenate(rows)


def codes_row(subject: Subject, theirs: Scores, ours: Scores) -> Row:
    """How answers differ: in steps of an integer output, or by the largest difference of real ones."""
    if subject.spec.output is None:
        bound = ROUNDING * max(1.0, float(np.abs(theirs).max()))
        apart = float(np.abs(theirs - ours).max())
        return {"largest_difference": apart, "bound": bound, "equal": theirs.tobytes() == ours.tobytes()}
    found = difference(subject.spec.output.encode(theirs), subject.spec.output.encode(ours))
    return {**found.row(), "equal": found.differing == 0}


def share(right: NDArray[np.bool_]) -> float:
    """Of 1, to six digits."""
    return round(float(right.mean()), 6)


def parting_of(here: Here) -> Row | None:
    """The first operator whose output differs from the workstation's, and how each does; None where hidden."""
    theirs = here.bundle.layers(here.bundled.name)
    if theirs is None or here.subject.layers is None:
        return None
    samples = here.bundle.samples[: len(theirs[0].values)]
    rows = parted(*common(theirs, here.subject.layers(samples)))
    first = next((layer.name for layer, found in rows if found.differing), None)
    return {
        "samples": len(samples),
        "first_diverging": first,
        "rows": [
            {"place": layer.place, "operator": layer.operator, "tensor": layer.tensor, **found.row()}
            for layer, found in rows
        ],
    }


def common(theirs: Sequence[Layer], ours: Sequence[Layer]) -> tuple[list[Layer], list[Layer]]:
    """Layers of the operators that both tell, where each has one output; all where both tell all."""
    if len(theirs) == len(ours):
        return list(theirs), list(ours)
    mine, yours = ({one.place: one for one in side} for side in (ours, theirs))
    both = [place for place in yours if place in mine]
    return [yours[place] for place in both], [mine[place] for place in both]


def equal_enough(one: Bundled, runtime: str, codes: Mapping[str, Any], parting: Mapping[str, Any] | None) -> bool:
    """Whether what is promised to be the same on every machine is: codes of all kernels but the loose ones.

    A softmax is no integer arithmetic and may be a step away, real numbers as far as another order of sums takes them.
    Another runtime, such as tflite-runtime where the workstation had LiteRT, promises nothing, unless they are kin.
    """
    there, here = one.runtime.split()[0], runtime.split()[0]
    if codes["equal"] or one.kernels in LOOSE or (there != here and {there, here} not in KIN):
        return True
    if "bound" in codes:
        return bool(codes["largest_difference"] <= codes["bound"])
    last = parting["rows"][-1]["operator"] if parting and parting["rows"] else ""
    return bool(last == "SOFTMAX" and codes.get("largest", SOFTMAX + 1) <= SOFTMAX)


def explain_here(here: Here, asked: Asked) -> Row:
    """Ask what the workstation asked, write the record and the answers; how the maps agree."""
    explainer, samples, targets = here.bundle.explainer(asked), here.bundle.samples, here.bundle.targets
    plan = plan_of(here.bundle, asked, explainer)
    advance = here.bar(f"{asked.name} {here.bundled.name}", len(plan) * len(samples))
    answers = ask(here.subject, samples, plan, explainer.fill, advance)
    maps = keep(here, asked, explainer, plan, answers)
    others = {
        "reference": here.bundle.maps(here.bundle.index.reference, asked.name),
        "workstation": here.bundle.maps(here.bundled.name, asked.name),
    }
    rows = [
        agreement_row(against, other, maps, place)
        for against, other in others.items()
        for place in range(len(MEASURES))
    ]
    return {"name": asked.name, "plan": asked.plan, "queries": len(plan), "agreements": rows, "samples": len(targets)}


def plan_of(bundle: Bundle, asked: Asked, explainer: Explainer) -> Plan | Each:
    """The masks of the workstation, made here.

    Raises:
        InputError: they are others.
    """
    deciding, samples, seed = bundle.deciding(asked), bundle.samples, bundle.index.seed
    plan = explainer.plan(samples.shape[1:], seed) if deciding is None else again(explainer, samples, deciding, seed)
    if digest(plan) != asked.plan:
        raise InputError(
            f"masks of {asked.name} have the digest {digest(plan)[:12]} here and {asked.plan[:12]} in the bundle; "
            "expected the same bytes, from the version of samewhy that made the bundle "
            f"({bundle.index.versions.get('samewhy', 'unknown')})"
        )
    return plan


def keep(here: Here, asked: Asked, explainer: Explainer, plan: Plan | Each, answers: Answers) -> Maps:
    """The record of this rung, with all answers beside it for the audit on the host; the maps."""
    told, targets = knowing(explainer, here.bundle.samples), here.bundle.targets
    maps, errors = (estimated(one, plan, of_targets(answers, targets)) for one in (told.estimate, told.errors))
    arrays = arrays_of(told, plan, answers, targets, maps, errors)
    known = (here.subject.spec.rung, explainer, asked.plan, len(plan), arrays, 0.0, here.bundle.index.seed)
    record = record_of(*known, here.bundle.samples, targets, study=here.bundle.index.study)
    save(record, arrays, here.folder / "records" / f"{here.bundled.name}--{asked.name}")
    write_npz(here.folder / "answers" / f"{here.bundled.name}--{asked.name}.npz", answers=answers)
    return maps


def agreement_row(against: str, theirs: Maps, ours: Maps, place: int) -> Row:
    """Mean agreement of two sets of maps by a measure; undefined samples are counted, never taken as 0."""
    measure = MEASURES[place]
    values = np.array([measure.of(a, b) for a, b in zip(theirs, ours, strict=True)], np.float64)
    defined = values[~np.isnan(values)]
    return {
        "against": against,
        "measure": measure.name,
        "value": round(float(defined.mean()), 6) if len(defined) else None,
        "lowest": round(float(defined.min()), 6) if len(defined) else None,
        "samples": len(defined),
        "undefined": len(values) - len(defined),
        "equal": theirs.tobytes() == ours.tobytes(),
    }
