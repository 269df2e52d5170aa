"""A sweep on its way: every point an ordinary study, all with one folder of finished steps, and what they say together.

A point that a gate stops, or that fails in any other way, is a result too: it is kept with its sentence, and the other
points go on.
"""

import math
import traceback
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import numpy as np

from samewhy_edge.errors import SamewhyError
from samewhy_edge.files import write_bytes, write_json
from samewhy_host import stats
from samewhy_host.crew import Crew
from samewhy_host.report.reading import read_audit
from samewhy_host.report.sweep_page import write_sweep_report
from samewhy_host.run import Run, studied
from samewhy_host.show import Show
from samewhy_host.stats import tidy
from samewhy_host.sweep import SEED, Point, Sweep
from samewhy_host.tables import as_csv, level

SCHEMA = 1
Row = dict[str, Any]


@final
@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a point: its audit, or the sentence that stopped it."""

    point: Point
    audit: Mapping[str, Any] | None
    message: str | None = None


def swept(sweep: Sweep, folder: Path, show: Show, crew: Crew) -> Path:
    """Run every point, write ``sweep.json`` and ``sweep.csv``, draw and write ``sweep.html``."""
    outcomes = []
    for place, one in enumerate(sweep.points):
        show.line(f"point {place + 1} of {len(sweep.points)}: {one.name}")
        outcomes.append(ran(one, folder, show, crew))
    table = table_of(sweep, outcomes)
    write_json(folder / "sweep.json", table)
    write_bytes(folder / "sweep.csv", as_csv(level(list(csv_rows(table)))))
    return write_sweep_report(folder)


def ran(point: Point, folder: Path, show: Show, crew: Crew) -> Outcome:
    """A point's study in ``points/NAME``."""
    own = folder / "points" / point.name
    try:
        studied(Run(point.file, own, show, crew, folder / "steps"))
    except SamewhyError as error:
        show.line(f"{point.name} stopped: {error}")
        return Outcome(point, None, str(error))
    except Exception as error:  # a long sweep is not lost by what goes wrong at one of its points
        write_bytes(own / "error.log", traceback.format_exc().encode())
        show.line(f"{point.name} failed: {type(error).__name__}: {error}; see {own / 'error.log'}")
        return Outcome(point, None, f"{type(error).__name__}: {error}")
    return Outcome(point, read_audit(own / "audit.json"))


def table_of(sweep: Sweep, outcomes: Sequence[Outcome]) -> Row:
    """``sweep.json``: every point, and the curves that they make."""
    points = [point_row(one, sweep.reading.rung) for one in outcomes]
    audits = [one.audit["study"] for one in outcomes if one.audit]
    known = audits[0] if audits else {}
    return {
        "schema": SCHEMA,
        "study": {
            "question": sweep.points[0].file.study.study.question,
            "sha256": sweep.sha256,
            "axes": [{"key": key, "values": list(values)} for key, values in sweep.axes.items()],
            "x": sweep.reading.x,
            "rung": sweep.reading.rung,
            "accuracy_drop": sweep.reading.accuracy_drop,
            "level": sweep.points[0].file.study.audit.level,
            "margin": sweep.points[0].file.study.audit.margin,
            "measure": known["measures"][0]["name"] if known else None,
            "localisation_measure": next((one["name"] for one in known.get("localisation_measures", [])), None),
            "explainers": list(dict.fromkeys(row["name"] for one in audits for row in one["explainers"])),
            "methods": list(dict.fromkeys(row["explainer"] for one in points for row in one["whitebox"])),
        },
        "points": points,
        "curves": curves(sweep, points),
    }


def point_row(outcome: Outcome, rung: str) -> Row:
    """A point: its settings, what was measured on every rung, and which rung is followed."""
    point, audit = outcome.point, outcome.audit
    known = {"name": point.name, "settings": dict(point.settings), "study": point.file.sha256}
    nothing: Row = {"rungs": [], "comparisons": [], "whitebox": [], "localisation": []}
    stopped = {"state": "stopped", "message": outcome.message, "report": None, "rung": None, **nothing}
    if audit is None:
        return {**known, **stopped}
    names = [row["name"] for row in audit["rungs"]]
    if rung != "last" and rung not in names[1:]:
        message = f"[sweep] rung {rung!r} is not on the ladder below its reference: {', '.join(names)}"
        return {**known, **stopped, "message": message}
    return {
        **known,
        "state": "done",
        "message": None,
        "report": f"points/{point.name}/report.html",
        "rung": names[-1] if rung == "last" else rung,
        "rungs": [
            {key: row[key] for key in ("name", "bytes", "accuracy", "flips", "tested")} for row in audit["rungs"]
        ],
        "comparisons": list(comparisons(audit)),
        "whitebox": list(looked_into(audit)),
        "localisation": [*audit["localisation"], *audit.get("whitebox", {}).get("localisation", [])],
    }


def comparisons(audit: Mapping[str, Any]) -> Iterator[Row]:
    """Every rung with the reference, by each explainer and the main measure: agreement and verdict."""
    reference = audit["study"]["reference"]
    agreed = {(row["rung"], row["reference"], row["explainer"], row["measure"]): row for row in audit["agreements"]}
    for row in audit["verdicts"]:
        if row["reference"] != reference:
            continue
        found = agreed[row["rung"], reference, row["explainer"], row["measure"]]
        yield {
            **{key: found[key] for key in ("rung", "reference", "explainer", "measure", "value", "low", "high")},
            **{key: found[key] for key in ("ceiling", "floor", "undefined")},
            **{key: row[key] for key in ("verdict", "loss")},
            "loss_low": row["low"],
            "loss_high": row["high"],
        }


def looked_into(audit: Mapping[str, Any]) -> Iterator[Row]:
    """Every torch rung with the reference, by each white-box method and the main measure; they have no verdict."""
    for row in audit.get("whitebox", {}).get("agreements", []):
        if row["measure"] == audit["study"]["measures"][0]["name"]:
            kept = ("rung", "reference", "measure", "value", "low", "high", "floor", "undefined")
            yield {"explainer": row["method"], **{key: row[key] for key in kept}}


def csv_rows(table: Row) -> Iterator[Row]:
    """A row for each point, rung below the reference and explainer or method; one alone for a point that stopped."""
    for point in table["points"]:
        known = {"name": point["name"], **point["settings"], "state": point["state"], "message": point["message"]}
        if point["state"] == "stopped":
            yield known
        rungs = {row["name"]: row for row in point["rungs"]}
        for row in (*point["comparisons"], *point["whitebox"]):
            measured = {key: rungs[row["rung"]][key] for key in ("bytes", "accuracy", "flips", "tested")}
            drop = tidy(rungs[row["reference"]]["accuracy"] - measured["accuracy"])
            found = {
                f"localisation {one['measure']}": one["value"]
                for one in point["localisation"]
                if (one["rung"], one["explainer"]) == (row["rung"], row["explainer"])
            }
            yield {**known, **row, **measured, "accuracy_drop": drop, **found}


def curves(sweep: Sweep, points: Sequence[Row]) -> list[Row]:
    """A curve for each setting of the other axes, along the axis of the figure; means are over seeds."""
    x, others = sweep.reading.x, [key for key in sweep.axes if key not in (sweep.reading.x, SEED)]
    along = ordered(sweep.axes[x])
    made: list[Row] = []
    for series in distinct([{key: point["settings"][key] for key in others} for point in points]):
        mine = [point for point in points if all(point["settings"][key] == series[key] for key in others)]
        values = [
            value_row(one, [point for point in mine if point["settings"][x] == one], sweep)
            for one in along
            if any(point["settings"][x] == one for point in mine)
        ]
        made.append({"series": series, "values": values, "breaks": breaks(values, sweep.reading.accuracy_drop)})
    return made


def ordered(values: Sequence[Any]) -> list[Any]:
    """Numbers by size, anything else as it stands in the file."""
    numeric = all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)
    return sorted(values) if numeric else list(values)


def distinct(settings: Sequence[Row]) -> list[Row]:
    """Each once, in their order."""
    return [one for place, one in enumerate(settings) if one not in settings[:place]]


def value_row(x: Any, points: Sequence[Row], sweep: Sweep) -> Row:
    """The points of one value of the axis: means over those that were finished."""
    done = [point for point in points if point["state"] == "done"]
    level = sweep.points[0].file.study.audit.level
    rungs = [{row["name"]: row for row in point["rungs"]} for point in done]
    followed = [table[point["rung"]] for table, point in zip(rungs, done, strict=True)]
    first = [point["rungs"][0]["accuracy"] for point in done]
    names = dict.fromkeys(row["explainer"] for point in done for row in (*point["comparisons"], *point["whitebox"]))
    by_name = {name: [row for point in done if (row := followed_by(point, name))] for name in names}
    lying = {name: [pair for point in done if (pair := localised_at(point, name))] for name in names}
    return {
        "x": x,
        "points": [point["name"] for point in done],
        "stopped": [point["name"] for point in points if point["state"] == "stopped"],
        "bytes": round(np.mean([row["bytes"] for row in followed])) if done else None,
        "accuracy": over_seeds([row["accuracy"] for row in followed], level, 0),
        "reference_accuracy": over_seeds(first, level, 0),
        "accuracy_drop": over_seeds([a - row["accuracy"] for a, row in zip(first, followed, strict=True)], level, -1),
        "flip_share": over_seeds([row["flips"] / row["tested"] for row in followed], level, 0),
        "explainers": {name: explained(rows, level) for name, rows in by_name.items() if rows and "verdict" in rows[0]},
        "methods": {name: inside(rows, level) for name, rows in by_name.items() if rows and "verdict" not in rows[0]},
        "localisation": {name: located(pairs, level) for name, pairs in lying.items() if pairs},
    }


def followed_by(point: Row, name: str) -> Row | None:
    """The comparison of the rung that is followed; by a white-box method, of the last above it that torch runs."""
    ladder = [row["name"] for row in point["rungs"]]
    above = ladder[: ladder.index(point["rung"]) + 1]
    own = [row for row in (*point["comparisons"], *point["whitebox"]) if row["explainer"] == name]
    return next((row for rung in reversed(above) for row in own if row["rung"] == rung), None)


def localised_at(point: Row, name: str) -> tuple[Row, Row] | None:
    """How well maps lie on the truth, by the first measure: the reference's, and those of the rung that is followed."""
    followed, own = followed_by(point, name), [row for row in point["localisation"] if row["explainer"] == name]
    if not followed or not own:
        return None
    first, last = (next(row for row in own if row["rung"] == followed[key]) for key in ("reference", "rung"))
    return first, last


def located(pairs: Sequence[tuple[Row, Row]], level: float) -> Row:
    """Localisation of one explainer or method over seeds, or of the only one with its interval over samples."""
    rows = [row for _, row in pairs]
    return {
        **mean_of(rows, level, 0),
        "reference": over_seeds([row["value"] for row, _ in pairs], level, 0)["value"],
        "chance": over_seeds([row["chance"] for row in rows], level, 0)["value"],
    }


def explained(rows: Sequence[Row], level: float) -> Row:
    """Agreement of one explainer: over seeds, or of the only one with its interval over samples."""
    verdicts = [row["verdict"] for row in rows]
    bounds = {key: over_seeds([row[key] for row in rows], level, -1)["value"] for key in ("ceiling", "floor", "loss")}
    counts = {one: verdicts.count(one) for one in sorted(set(verdicts))}
    return {**mean_of(rows, level, -1), **bounds, "verdicts": counts}


def inside(rows: Sequence[Row], level: float) -> Row:
    """Agreement of one white-box method: over seeds, or of the only one with its interval over samples."""
    return {**mean_of(rows, level, -1), "floor": over_seeds([row["floor"] for row in rows], level, -1)["value"]}


def mean_of(rows: Sequence[Row], level: float, least: float) -> Row:
    """Mean over seeds with its interval; of the only one, the interval over samples."""
    mean = over_seeds([row["value"] for row in rows], level, least)
    return mean | {"low": rows[0]["low"], "high": rows[0]["high"]} if len(rows) == 1 else mean


def over_seeds(values: Sequence[float | None], level: float, least: float) -> Row:
    """Mean with its interval by Student's t, within [least, 1]; no interval for one value, nothing for none."""
    known = np.array([value for value in values if value is not None], np.float64)
    if not len(known):
        return {"value": None, "low": None, "high": None, "count": 0}
    mean = float(known.mean())
    found: Row = {"value": tidy(mean), "low": None, "high": None, "count": len(known)}
    if len(known) > 1:
        reach = stats.reach(len(known) - 1, level) * float(known.std(ddof=1)) / math.sqrt(len(known))
        found |= {"low": tidy(max(least, mean - reach)), "high": tidy(min(1.0, mean + reach))}
    return found


def breaks(values: Sequence[Row], drop: float) -> Row:
    """Where accuracy, and the reasons by each explainer, are lost, and where no point was finished: values of x."""
    names = dict.fromkeys(name for value in values for name in value["explainers"])
    lost = [value["x"] for value in values if (value["accuracy_drop"]["value"] or 0.0) > drop]
    return {
        "accuracy": lost,
        "reasons": {name: [value["x"] for value in values if is_changed(value, name)] for name in names},
        "stopped": [value["x"] for value in values if not value["points"]],
    }


def is_changed(value: Row, explainer: str) -> bool:
    """Whether the verdict is *changed* for more than half of the seeds that were finished."""
    found: Mapping[str, int] = value["explainers"].get(explainer, {"verdicts": {}})["verdicts"]
    return 2 * found.get("changed", 0) > sum(found.values())
