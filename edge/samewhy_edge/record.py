"""The only thing that travels back: maps with everything that is needed to make them again.

A record is ``NAME.json`` (identity, sorted and indented, so that two runs differ line by line) beside ``NAME.npz``
(``maps`` of shape (N, *S), float32).
"""

import json
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any, final

import numpy as np

from samewhy_edge.arrays import Maps, Samples, Targets
from samewhy_edge.errors import InputError
from samewhy_edge.explain import Explainer, describe, explain
from samewhy_edge.files import sha256, write_json, write_npz
from samewhy_edge.plan import digest
from samewhy_edge.predictor import Subject
from samewhy_edge.query import Progress
from samewhy_edge.rung import Artifact, Rung

SCHEMA = 1


@final
@dataclass(frozen=True, slots=True)
class Record:
    """Where a set of maps came from."""

    rung: Rung
    explainer: Mapping[str, Any]  # {"name": "rise-centred", "queries": 256, ...}
    plan: str  # digest of the masks; records are comparable where it is equal
    queries: int  # per sample
    seed: int
    samples: tuple[str, ...]  # SHA-256 of each sample, in the order of the maps
    targets: tuple[int, ...]
    seconds: float  # spent asking, all samples together
    versions: Mapping[str, str]
    study: str | None = None  # SHA-256 of the study file
    schema: int = field(default=SCHEMA)


def save(record: Record, maps: Maps, path: Path) -> None:
    """Write ``path``.json and ``path``.npz.

    Raises:
        OutputError: the folder cannot be written.
    """
    write_npz(path.with_name(path.name + ".npz"), maps=maps)
    write_json(path.with_name(path.name + ".json"), asdict(record))


def load(path: Path) -> tuple[Record, Maps]:
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
        maps: Maps = arrays["maps"]
    return Record(**table), maps


def record_of(
    subject: Subject,
    samples: Samples,
    targets: Targets,
    explainer: Explainer,
    seed: int = 0,
    progress: Progress = lambda _: None,
) -> tuple[Record, Maps]:
    """Explain the targets' scores, and the record of it."""
    start = time.perf_counter()
    maps = explain(subject, samples, targets, explainer, seed, progress)
    seconds = round(time.perf_counter() - start, 3)
    plan = explainer.plan(samples.shape[1:-1], seed)
    return (
        Record(
            rung=subject.spec.rung,
            explainer=describe(explainer),
            plan=digest(plan),
            queries=len(plan),
            seed=seed,
            samples=tuple(sha256(sample) for sample in samples),
            targets=tuple(int(target) for target in targets),
            seconds=seconds,
            versions={"samewhy": version("samewhy"), "numpy": np.__version__},
        ),
        maps,
    )
