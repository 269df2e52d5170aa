"""The tables of an audited run as files that any program reads: CSV, and Parquet where it is asked for.

``tables/NAME.csv`` is a table of ``audit.json``; ``tables/samples.csv`` holds the agreement of every single sample,
from the records.
"""

import csv
import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any
from zipfile import BadZipFile, is_zipfile

from samewhy_edge.agreement import MEASURES
from samewhy_edge.arrays import Maps
from samewhy_edge.errors import ExtraError, InputError
from samewhy_edge.files import write_bytes
from samewhy_edge.record import Record, load
from samewhy_host.audit import compare
from samewhy_host.neighbours import above_of
from samewhy_host.report.reading import read_audit
from samewhy_host.stats import tidy

FOLDER = "tables"
PARQUET = "pyarrow"  # not a dependency
LEADING = (
    "id",
    "name",
    "rung",
    "reference",
    "method",
    "explainer",
    "measure",
    "class",
)  # columns that say what a row is of

Row = Mapping[str, Any]


def write_tables(run: Path, parquet: bool = False) -> list[Path]:
    """Write ``tables/`` of a run that has been audited; the files.

    Raises:
        ExtraError: Parquet is asked for and pyarrow does not load; found before any work is done.
        InputError: the run is not audited, or its records are not those of its audit.
        OutputError: the folder cannot be written.
    """
    write = parquet_writer() if parquet else None
    audit = audit_of(run)
    written = []
    for name, rows in tables_of(audit, run).items():
        written.append(run / FOLDER / f"{name}.csv")
        write_bytes(written[-1], as_csv(rows))
        if write:
            written.append(run / FOLDER / f"{name}.parquet")
            write_bytes(written[-1], write(rows))
    return written


def audit_of(run: Path) -> Row:
    """The table in ``audit.json`` of a run's folder.

    Raises:
        InputError: there is none, it is of another version, or it is damaged.
    """
    path = run / "audit.json"
    try:
        return read_audit(path)
    except ValueError as error:
        raise InputError(f"{path}: not readable as JSON ({error}); audit it anew") from error


def tables_of(audit: Row, run: Path) -> dict[str, list[dict[str, Any]]]:
    """Rows of each table by its name: all lists of rows that the audit has, with one row a sample and comparison."""
    inner = {f"whitebox-{name}": rows for name, rows in audit.get("whitebox", {}).items()}
    found = {name: rows for name, rows in {**audit, **inner}.items() if is_table(rows)}
    return {name: level(rows) for name, rows in found.items()} | {"samples": level(list(sample_rows(audit, run)))}


def is_table(value: Any) -> bool:
    """Whether this is a list of rows."""
    return isinstance(value, list) and bool(value) and all(isinstance(row, Mapping) for row in value)


def level(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Every row with every column, None where it has no value; first the columns that say what the row is of."""
    found = dict.fromkeys(name for row in rows for name in row)
    columns = [*(name for name in LEADING if name in found), *(name for name in found if name not in LEADING)]
    return [{name: cell(row.get(name)) for name in columns} for row in rows]


def cell(value: Any) -> Any:
    """What fits one cell: names joined by spaces, anything else that is nested as JSON."""
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        return " ".join(value)
    return json.dumps(value, sort_keys=True) if isinstance(value, list | Mapping) else value


def sample_rows(audit: Row, run: Path) -> Iterator[dict[str, Any]]:
    """A row for each explainer, pair of rungs, measure and audited sample.

    Raises:
        InputError: a record is missing, damaged, or not one of this audit.
    """
    answers = {rung["name"]: rung["audited_labels"] for rung in audit["rungs"]}
    for explainer in (row["name"] for row in audit["study"]["explainers"]):
        maps = {name: maps_of(audit, run, name, explainer) for name in answers}
        for below, above in pairs(audit["rungs"]):
            for measure in MEASURES:
                values = compare(maps[above], maps[below], measure)
                for sample, answer, value in zip(audit["samples"], answers[below], values, strict=True):
                    yield {
                        **sample,
                        "answer": answer,
                        "rung": below,
                        "reference": above,
                        "explainer": explainer,
                        "measure": measure.name,
                        "value": None if value != value else tidy(value),
                    }


def pairs(rungs: Sequence[Row]) -> list[tuple[str, str]]:
    """Every rung with the reference, then with its neighbour above where that is another one."""
    (first, *_), above = [row["name"] for row in rungs], above_of(rungs)
    return [(name, first) for name in above] + [(name, other) for name, other in above.items() if other != first]


def maps_of(audit: Row, run: Path, rung: str, explainer: str) -> Maps:
    """Maps of the audited samples (N, *shape).

    Raises:
        InputError: no record, a damaged one, or one of another study, plan or number of samples.
    """
    path = run / "records" / f"{rung}--{explainer}.json"
    record, maps = record_of(path)
    plan = next(row["plan"] for row in audit["study"]["explainers"] if row["name"] == explainer)
    found = (record.study, record.plan, len(maps))
    expected = (audit["study"]["sha256"], plan, len(audit["samples"]))
    if found != expected:
        raise InputError(
            f"{path}: {told(*found)}; audit.json expects {told(*expected)}; it is of another audit, audit it anew"
        )
    return maps


def told(study: str | None, plan: str, samples: int) -> str:
    """What a record says of its audit, in words."""
    return f"study {str(study)[:12]}, plan {plan[:12]}, {samples} samples"


def record_of(path: Path) -> tuple[Record, Maps]:
    """A record and its maps.

    Raises:
        InputError: a file of it is missing, damaged, or of another version.
    """
    arrays = path.with_suffix(".npz")
    if arrays.is_file() and not is_zipfile(arrays):  # numpy would leave it open
        raise InputError(f"{arrays}: damaged (no .npz); audit the run anew")
    try:
        record, found = load(path)
    except (KeyError, TypeError, ValueError, OSError, EOFError, BadZipFile) as error:
        raise InputError(f"{path}: damaged ({error}); audit the run anew") from error
    return record, found.maps


def as_csv(rows: Sequence[Row]) -> bytes:
    """Comma separated, a header line, UTF-8; an undefined value is an empty cell."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]) if rows else [], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def parquet_writer() -> Callable[[Sequence[Row]], bytes]:
    """What makes Parquet of the same rows, with types; an undefined value is null.

    Raises:
        ExtraError: pyarrow is not installed, or not for this numpy.
    """
    try:
        arrow, parquet = import_module(PARQUET), import_module(f"{PARQUET}.parquet")
    except ImportError as error:
        raise ExtraError(
            f"Parquet needs {PARQUET}, which does not load here ({error}); install it with: "
            f"pip install '{PARQUET}<22' (the newest need numpy 2), or take CSV alone"
        ) from error

    def write(rows: Sequence[Row]) -> bytes:
        buffer = io.BytesIO()
        parquet.write_table(arrow.Table.from_pylist(list(rows)), buffer)
        return buffer.getvalue()

    return write
