"""Two audited runs side by side: what is equal, what differs, and by how much.

Where both runs asked the same masks about the same samples, their maps are compared too, sample by sample.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from rich.markup import escape
from rich.table import Table

from samewhy_edge.agreement import MEASURES
from samewhy_edge.arrays import Maps
from samewhy_edge.record import Record
from samewhy_host import audit, stats
from samewhy_host.stats import tidy
from samewhy_host.tables import audit_of, cell, record_of

SCHEMA = 1
RUNG = ("artifact", "bytes", "runtime", "kernels", "machine", "accuracy", "flips", "tested")
PAIR = ("rung", "reference", "explainer", "measure")  # what names a row of agreements or of verdicts

Row = Mapping[str, Any]


def compared(first: Path, second: Path) -> dict[str, Any]:
    """All of it, as JSON takes it; in each pair of values the first run's stands first, null where it has none.

    Raises:
        InputError: a run is not audited, or a record is damaged.
    """
    one, other = audit_of(first), audit_of(second)
    return {
        "schema": SCHEMA,
        "runs": [str(first), str(second)],
        "equal": one == other,
        "study": study_rows(one["study"], other["study"]),
        "samples": one["samples"] == other["samples"],
        "rungs": rung_rows(one["rungs"], other["rungs"]),
        "explainers": explainer_rows(one["study"]["explainers"], other["study"]["explainers"]),
        "agreements": agreement_rows(one["agreements"], other["agreements"]),
        "verdicts": verdict_rows(one.get("verdicts", []), other.get("verdicts", [])),
        "maps": list(map_rows(first, second, one, other)),
    }


def study_rows(one: Row, other: Row) -> list[dict[str, Any]]:
    """Settings in which the studies differ; explainers have rows of their own."""
    keys = [key for key in sorted({*one, *other}) if key != "explainers"]
    return [{"key": key, "values": [one.get(key), other.get(key)]} for key in keys if one.get(key) != other.get(key)]


def rung_rows(one: Sequence[Row], other: Sequence[Row]) -> list[dict[str, Any]]:
    """A row for each rung of either run: what it is in both, and in which of these they differ."""
    return [
        {
            "name": name,
            "in": places(mine, theirs),
            **{key: [(mine or {}).get(key), (theirs or {}).get(key)] for key in RUNG},
            "differs": [key for key in RUNG if mine and theirs and mine.get(key) != theirs.get(key)],
        }
        for (name,), mine, theirs in matched(one, other, ("name",))
    ]


def explainer_rows(one: Sequence[Row], other: Sequence[Row]) -> list[dict[str, Any]]:
    """A row for each explainer of either run: the digests of its masks, and the settings in which they differ."""
    return [
        {
            "name": name,
            "in": places(mine, theirs),
            "plan": [(mine or {}).get("plan"), (theirs or {}).get("plan")],
            "differs": sorted(key for key in {*mine, *theirs} if mine.get(key) != theirs.get(key))
            if mine and theirs
            else [],
        }
        for (name,), mine, theirs in matched(one, other, ("name",))
    ]


def agreement_rows(one: Sequence[Row], other: Sequence[Row]) -> list[dict[str, Any]]:
    """A row for each agreement of either run: both with their intervals, and second less first.

    `apart` says that the intervals do not meet; null where one is undefined.
    """
    rows = []
    for key, mine, theirs in matched(one, other, PAIR):
        ends = [{end: (row or {}).get(end) for end in ("value", "low", "high")} for row in (mine, theirs)]
        rows.append(
            {
                **dict(zip(PAIR, key, strict=True)),
                "values": ends,
                "difference": difference(ends[0]["value"], ends[1]["value"]),
                "apart": apart(*ends),
            }
        )
    return rows


def apart(one: Row, other: Row) -> bool | None:
    """Whether two intervals have nothing in common; None where one is undefined."""
    if None in (*one.values(), *other.values()):
        return None
    return bool(one["high"] < other["low"] or other["high"] < one["low"])


def difference(one: float | None, other: float | None) -> float | None:
    """Second less first; None where one is undefined."""
    return None if one is None or other is None else tidy(other - one)


def verdict_rows(one: Sequence[Row], other: Sequence[Row]) -> list[dict[str, Any]]:
    """A row for each verdict of either run."""
    return [
        {
            **dict(zip(PAIR, key, strict=True)),
            "verdicts": [(row or {}).get("verdict") for row in (mine, theirs)],
            "losses": [(row or {}).get("loss") for row in (mine, theirs)],
        }
        for key, mine, theirs in matched(one, other, PAIR)
    ]


def matched(
    one: Sequence[Row], other: Sequence[Row], by: Sequence[str]
) -> list[tuple[tuple[Any, ...], Row | None, Row | None]]:
    """Rows of one key, in the order of the first run; what only the second has comes last."""
    mine, theirs = ({tuple(row.get(key) for key in by): row for row in rows} for rows in (one, other))
    return [(key, mine.get(key), theirs.get(key)) for key in dict.fromkeys(chain(mine, theirs))]


def places(mine: Row | None, theirs: Row | None) -> str:
    """Which run has it."""
    return "both" if mine and theirs else "first" if mine else "second"


def map_rows(first: Path, second: Path, one: Row, other: Row) -> Iterator[dict[str, Any]]:
    """A row for each rung and explainer of both runs: why their maps cannot be compared, or how they agree.

    Raises:
        InputError: a record is damaged.
    """
    settings = one["study"]
    for rung in both(one["rungs"], other["rungs"]):
        for explainer in both(settings["explainers"], other["study"]["explainers"]):
            name = f"{rung}--{explainer}.json"
            paths = [run / "records" / name for run in (first, second)]
            row = {"rung": rung, "explainer": explainer}
            missing = [which for which, path in zip(("first", "second"), paths, strict=True) if not path.is_file()]
            if missing:
                yield {**row, "why_not": f"no record in the {' and the '.join(missing)}"}
                continue
            (mine, maps), (theirs, others) = map(record_of, paths)
            why = why_not(mine, theirs)
            yield {**row, "why_not": why} if why else {**row, "why_not": None, **map_row(maps, others, settings)}


def both(one: Sequence[Row], other: Sequence[Row]) -> list[str]:
    """Names that both have."""
    return [name for (name,), mine, theirs in matched(one, other, ("name",)) if mine and theirs]


def why_not(one: Record, other: Record) -> str | None:
    """Why the maps of two records answer different questions; None where they answer the same one."""
    asked = {
        "samples": one.samples == other.samples,
        "targets": one.targets == other.targets,
        "masks": one.plan == other.plan,
        "settings": one.explainer == other.explainer,
    }
    unlike = [name for name, same in asked.items() if not same]
    return f"other {' and other '.join(unlike)}" if unlike else None


def map_row(maps: Maps, others: Maps, settings: Row) -> dict[str, Any]:
    """Whether the maps are equal bit for bit, and their mean agreement by each measure, with the audit's bootstrap."""
    rows = []
    for measure in MEASURES:
        values = audit.compare(maps, others, measure)
        mean = stats.mean(values, settings["resamples"], settings["seed"], settings["level"])
        rows.append({"measure": measure.name, **mean.row()})
    return {"equal": bool(np.array_equal(maps, others)), "agreements": rows}


def told(found: Row) -> Iterator[str | Table]:
    """What a terminal shows: a line where all is equal, a table of what is not."""
    first, second = (escape(run) for run in found["runs"])
    yield f"first   {first}\nsecond  {second}"
    if found["equal"]:
        yield "audits: equal in every number"
    yield from told_study(found)
    yield from told_rungs(found["rungs"])
    yield from told_maps(found["maps"])
    yield from told_agreements(found["agreements"])
    yield from told_verdicts(found["verdicts"])


def told_study(found: Row) -> Iterator[str | Table]:
    """Settings, samples and explainers."""
    unlike = [row for row in found["explainers"] if row["in"] != "both" or row["differs"]]
    if not found["study"] and not unlike:
        yield "study: the same"
    else:
        table = Table("study", "first", "second", box=None, pad_edge=False)
        for row in found["study"]:
            table.add_row(row["key"], *(shown(value) for value in row["values"]))
        for row in unlike:
            table.add_row(row["name"], *(["other " + ", ".join(row["differs"]), ""] if row["differs"] else only(row)))
        yield table
    yield f"audited samples: {'the same' if found['samples'] else 'others, or with other labels or targets'}"


def only(row: Row) -> list[str]:
    """Two cells that say which run has it."""
    return ["yes", "no"] if row["in"] == "first" else ["no", "yes"]


def told_rungs(rows: Sequence[Row]) -> Iterator[str | Table]:
    """Every rung that is not the same in both."""
    unlike = [row for row in rows if row["in"] != "both" or row["differs"]]
    yield f"rungs: {len(rows) - len(unlike)} of {len(rows)} the same"
    if unlike:
        table = Table("rung", "", "first", "second", box=None, pad_edge=False)
        for row in unlike:
            if row["in"] != "both":
                table.add_row(row["name"], "there", *only(row))
            for key in row["differs"]:
                table.add_row(row["name"], key, *(shown(value) for value in row[key]))
        yield table


def told_maps(rows: Sequence[Row]) -> Iterator[str | Table]:
    """Maps of both runs that are not equal, by the main measure."""
    unlike = [row for row in rows if not row.get("equal")]
    yield f"maps: {len(rows) - len(unlike)} of {len(rows)} equal bit for bit"
    if unlike:
        table = Table("rung", "explainer", MEASURES[0].name, box=None, pad_edge=False)
        for row in unlike:
            table.add_row(row["rung"], row["explainer"], row["why_not"] or with_interval(row["agreements"][0]))
        yield table


def told_agreements(rows: Sequence[Row]) -> Iterator[str | Table]:
    """Agreements that differ, by the main measure; the others are in the file."""
    unlike = [row for row in rows if row["values"][0] != row["values"][1]]
    yield f"agreements: {len(rows) - len(unlike)} of {len(rows)} equal"
    main = [row for row in unlike if row["measure"] == MEASURES[0].name]
    if main:
        table = Table("rung", "against", "explainer", "first", "second", "change", "", box=None, pad_edge=False)
        for row in main:
            names = (row[key] for key in PAIR[:3])
            values = (with_interval(value) for value in row["values"])
            table.add_row(*names, *values, signed(row["difference"]), "apart" if row["apart"] else "")
        yield table
    if len(main) < len(unlike):
        yield f"{len(unlike) - len(main)} more by other measures than {MEASURES[0].name}; --out FILE.json has them all"


def told_verdicts(rows: Sequence[Row]) -> Iterator[str | Table]:
    """Verdicts that are not the same."""
    unlike = [row for row in rows if row["verdicts"][0] != row["verdicts"][1]]
    if rows:
        yield f"verdicts: {len(rows) - len(unlike)} of {len(rows)} the same"
    if unlike:
        table = Table("rung", "against", "explainer", "first", "second", box=None, pad_edge=False)
        for row in unlike:
            table.add_row(*(row[key] for key in PAIR[:3]), *(word or "none" for word in row["verdicts"]))
        yield table


def with_interval(row: Row) -> str:
    """A value with its interval."""
    if row["value"] is None:
        return "undefined"
    ends = "" if row["low"] is None else rf" \[{row['low']:.3f}, {row['high']:.3f}]"
    return f"{row['value']:.3f}{ends}"


def signed(value: float | None) -> str:
    """A difference; nothing where it is undefined."""
    return "" if value is None else f"{value:+.3f}"


def shown(value: Any) -> str:
    """A setting or a number in a cell; of a digest, the beginning."""
    if isinstance(value, str) and len(value) == 64:
        return value[:12]
    if isinstance(value, int | float) and not isinstance(value, bool):
        return f"{value:,}" if isinstance(value, int) else f"{value:.6g}"
    return "none" if value is None else escape(str(cell(value)))
