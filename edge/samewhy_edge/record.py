"""The only thing that travels back: maps with everything that is needed to make them again.

A record is ``NAME.json`` (identity, sorted and indented, so that two runs differ line by line) beside ``NAME.npz``
(`Arrays` by name; those that there are not are left out).
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from samewhy_edge.arrays import Answers, Maps, Samples, Targets
from samewhy_edge.errors import InputError
from samewhy_edge.explain import Estimating, Explainer, describe, of_all_classes, of_targets, reliability
from samewhy_edge.files import sha256, write_json, write_npz
from samewhy_edge.plan import Each, Plan
from samewhy_edge.rung import Artifact, Rung

SCHEMA = 2


@final
@dataclass(frozen=True, slots=True)
class Record:
    """Where a set of maps came from."""

    rung: Rung
    explainer: Mapping[str, Any]  # {"name": "rise-centred", "queries": 256, ...}
    plan: str  # digest of the masks; records are comparable where it is equal
    queries: int  # per sample, as many as the plan came to
    stopped: str  # what ended the asking: "plan" (all of it was asked), "queries", "seconds" or "error"
    reliability: float | None  # mean over samples; None where nothing is drawn or no sample defines it
    seed: int
    samples: tuple[str, ...]  # SHA-256 of each sample, in the order of the maps
    targets: tuple[int, ...]
    seconds: float  # spent asking, all samples together
    versions: Mapping[str, str]
    study: str | None = None  # SHA-256 of the study file
    methods: str | None = None  # SHA-256 of the methods file
    wire: str | None = None  # how the rung was reached, where it was not in the process that asked
    answered: Mapping[str, int] | None = None  # queries by device, where several shared them
    schema: int = field(default=SCHEMA)


@final
@dataclass(frozen=True, slots=True)
class Arrays:
    """What was found for each sample; None where the explainer does not give it."""

    maps: Maps  # (N, *shape)
    errors: Maps | None = None  # standard errors of the maps
    reliability: NDArray[np.float64] | None = None  # (N,)
    class_maps: Maps | None = None  # (N, K, *shape)


def save(record: Record, arrays: Arrays, path: Path) -> None:
    """Write ``path``.json and ``path``.npz.

    Raises:
        OutputError: the folder cannot be written.
    """
    named = {name: getattr(arrays, name) for name in Arrays.__slots__}
    write_npz(path.with_name(path.name + ".npz"), **{name: one for name, one in named.items() if one is not None})
    write_json(path.with_name(path.name + ".json"), asdict(record))


def load(path: Path) -> tuple[Record, Arrays]:
    """Read what `save` wrote.

    Raises:
        InputError: a file is missing or broken, or its schema is another one.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such record; expected a .json with its .npz beside it")
    if not path.with_suffix(".npz").is_file():
        raise InputError(f"{path}: no {path.with_suffix('.npz').name} beside it; a record is both files, make it anew")
    try:
        table = json.loads(path.read_text())
    except ValueError as error:
        raise InputError(f"{path}: not readable as JSON ({error}); make the record anew") from error
    if not isinstance(table, dict) or table.get("schema") != SCHEMA:
        found = table.get("schema") if isinstance(table, dict) else None
        raise InputError(f"{path}: record schema {found}, expected {SCHEMA}; make the record anew")
    table["rung"] = Rung(**{**table["rung"], "artifact": Artifact(**table["rung"]["artifact"])})
    table["samples"], table["targets"] = tuple(table["samples"]), tuple(table["targets"])
    with np.load(path.with_suffix(".npz")) as arrays:
        return Record(**table), Arrays(**arrays)


def arrays_of(
    explainer: Estimating,
    plan: Plan | Each,
    answers: Answers,
    targets: Targets,
    maps: Maps,
    errors: Maps,
    every_class: bool = False,
) -> Arrays:
    """The targets' maps and their errors with all that goes with them, from the same answers (N, M, K).

    `explainer` knows the samples, where it wants to: `samewhy_edge.explain.knowing`.
    """
    alike = reliability(explainer, plan, of_targets(answers, targets))
    return Arrays(
        maps,
        None if np.isnan(errors).all() else errors,
        None if np.isnan(alike).all() else alike,
        of_all_classes(explainer.estimate, plan, answers) if every_class else None,
    )


def record_of(
    rung: Rung,
    explainer: Explainer,
    plan: str,
    queries: int,
    arrays: Arrays,
    seconds: float,
    seed: int,
    samples: Samples,
    targets: Targets,
    stopped: str = "plan",
    study: str | None = None,
    methods: str | None = None,
    wire: str | None = None,
    answered: Mapping[str, int] | None = None,
) -> Record:
    """The record of maps that were made with these; `plan` is its digest."""
    return Record(
        rung=rung,
        explainer=describe(explainer),
        plan=plan,
        queries=queries,
        stopped=stopped,
        reliability=None if arrays.reliability is None else round(float(np.nanmean(arrays.reliability)), 6),
        seed=seed,
        samples=tuple(sha256(sample) for sample in samples),
        targets=tuple(int(target) for target in targets),
        seconds=round(seconds, 3),
        versions={"samewhy": version("samewhy"), "numpy": np.__version__},
        study=study,
        methods=methods,
        wire=wire,
        answered=answered,
    )
