"""What a device found by itself, as one more rung: the folder that ``samewhy verify`` wrote, brought back."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from samewhy_edge.arrays import Samples, Targets
from samewhy_edge.errors import InputError
from samewhy_edge.files import sha256
from samewhy_edge.quant import Affine
from samewhy_edge.record import load
from samewhy_edge.verify import FILE, SCHEMA
from samewhy_host.asking import Given, Question
from samewhy_host.audit import Asked
from samewhy_host.study import Extra

Row = Mapping[str, Any]


def device(
    extra: Extra,
    home: Path,
    asked: Sequence[Asked],
    questions: Mapping[str, Question],
    samples: Samples,
    targets: Targets,
) -> tuple[Asked, Affine | None]:
    """The rung, beside the one that it was to be, and how its scores are encoded.

    Raises:
        InputError: no such rung here or there, or another artifact, other samples, targets or masks than the study's.
    """
    folder, there = home / str(extra.verified), {one.name: one for one in asked}
    if extra.of not in there:
        raise InputError(f"[[rung]] {extra.name}: of = {extra.of!r}; the ladder has: {', '.join(there)}")
    row = verified(folder, extra)
    if row["sha256"] != there[extra.of].rung.artifact.sha256:
        raise InputError(
            f"{folder}: {extra.of} was verified of a file with SHA-256 {row['sha256'][:12]}, the ladder's has "
            f"{there[extra.of].rung.artifact.sha256[:12]}; bundle this run anew and verify that"
        )
    given = {name: answers(folder, extra, what, samples, targets) for name, what in questions.items()}
    record, _ = load(folder / "records" / f"{extra.of}--{next(iter(questions))}.json")
    scores = array(folder / "scores" / f"{extra.of}.npz", "scores")
    if scores.shape != there[extra.of].scores.shape:
        raise InputError(
            f"{folder}: scores of shape {scores.shape}, expected {there[extra.of].scores.shape}; another test split "
            "was bundled, bundle this run anew and verify that"
        )
    output = Affine(**row["output"]) if row["output"] else None
    return Asked(extra.name, record.rung, scores, given, extra.of), output


def verified(folder: Path, extra: Extra) -> Row:
    """What the device found of the rung.

    Raises:
        InputError: nothing, or by another version.
    """
    path = folder / FILE
    if not path.is_file():
        raise InputError(f"{path}: no such file; expected the folder that samewhy verify BUNDLE --out DIR wrote")
    table = json.loads(path.read_text())
    if table.get("schema") != SCHEMA:
        raise InputError(f"{path}: schema {table.get('schema')}, expected {SCHEMA}; verify the bundle anew")
    rows: dict[str, Row] = {row["name"]: row for row in table["rungs"]}
    if extra.of not in rows or rows[extra.of]["why_not"]:
        why = rows[extra.of]["why_not"] if extra.of in rows else f"verified are: {', '.join(rows)}"
        raise InputError(f"{path}: nothing found of {extra.of} ({why}); verify it there, or take the [[rung]] away")
    return rows[extra.of]


def answers(folder: Path, extra: Extra, what: Question, samples: Samples, targets: Targets) -> Given:
    """The device's answers to a question of the study.

    Raises:
        InputError: it was asked something else.
    """
    name = f"{extra.of}--{what.label}"
    record, _ = load(folder / "records" / f"{name}.json")
    apart = {
        "samples": record.samples != tuple(sha256(sample) for sample in samples),
        "targets": record.targets != tuple(int(target) for target in targets),
        "masks": record.plan != what.digest,
    }
    unlike = [key for key, differs in apart.items() if differs]
    if unlike:
        raise InputError(
            f"{folder}: {name} was asked with other {' and other '.join(unlike)} than this study asks; bundle this run "
            "anew and verify that"
        )
    return Given(array(folder / "answers" / f"{name}.npz", "answers"), record.seconds)


def array(path: Path, name: str) -> Any:
    """An array of a `.npz`.

    Raises:
        InputError: there is no such file.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file; bring the whole folder of samewhy verify back")
    with np.load(path) as arrays:
        return arrays[name]
