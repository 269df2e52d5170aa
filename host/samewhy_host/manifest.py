"""What a build leaves behind: who was made from whom, with which samples, and what the gates measured."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, final

from samewhy_edge.errors import InputError
from samewhy_edge.files import write_json

SCHEMA = 1
FILE = "manifest.json"


@final
@dataclass(frozen=True, slots=True)
class Made:
    """An artifact of the run."""

    name: str  # "float" | "pruned-magnitude" | "onnx" | "tflite" | "int8"
    file: str  # below the run's folder
    sha256: str
    bytes: int
    parent: str | None  # sha256 of the artifact that it was made from
    gate: Mapping[str, Any] = field(default_factory=dict)  # what was measured after the step that made it
    coded: int | None = None  # bytes with its weights stored by a Huffman code


@final
@dataclass(frozen=True, slots=True)
class Step:
    """A rung of the run: a name, and the address that opens it from the run's folder."""

    name: str
    address: str


@final
@dataclass(frozen=True, slots=True)
class Manifest:
    """A run's artifacts, rungs and splits."""

    question: str
    seed: int
    study: str  # sha256 of the study file
    data: Mapping[str, Any]
    artifacts: tuple[Made, ...]
    rungs: tuple[Step, ...]  # the ladder, from the reference down
    calibration: tuple[str, ...]  # ids of training samples; none where the scheme takes none
    audit: tuple[str, ...]  # ids of test samples
    versions: Mapping[str, str]
    schema: int = SCHEMA
    twin: Step | None = None  # trained apart from the reference: no rung, but a scale for them


def save(manifest: Manifest, folder: Path) -> None:
    """Write ``manifest.json``."""
    write_json(folder / FILE, asdict(manifest))


def listed(ids: Sequence[str]) -> bytes:
    """Ids as a file, one a line."""
    return "".join(f"{one}\n" for one in ids).encode()


def load(folder: Path) -> Manifest:
    """Read what `save` wrote.

    Raises:
        InputError: nothing was built there, or by another version.
    """
    path = folder / FILE
    if not path.is_file():
        raise InputError(f"{folder}: no {FILE} in it; run samewhy build with this --out first")
    table = json.loads(path.read_text())
    if table.get("schema") != SCHEMA:
        raise InputError(f"{path}: manifest schema {table.get('schema')}, expected {SCHEMA}; build it anew")
    table["artifacts"] = tuple(Made(**made) for made in table["artifacts"])
    table["rungs"] = tuple(Step(**step) for step in table["rungs"])
    table["twin"] = Step(**table["twin"]) if table.get("twin") else None
    table["calibration"], table["audit"] = tuple(table["calibration"]), tuple(table["audit"])
    return Manifest(**table)
