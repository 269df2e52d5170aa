"""The page of a sweep: reads ``sweep.json``, draws and words it; computes nothing."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from samewhy_edge.files import write_bytes
from samewhy_host.report.page import environment, inlined
from samewhy_host.report.reading import present
from samewhy_host.report.sweep_figures import is_ordered, series_name, sweep_figure, values_of
from samewhy_host.report.words import listed, percent, plain

Row = Mapping[str, Any]
TEMPLATE = "sweep.html.j2"


def write_sweep_report(folder: Path) -> Path:
    """Write ``sweep.png`` and ``sweep.html`` beside ``sweep.json``.

    Raises:
        InputError: there is none.
        OutputError: the folder cannot be written.
    """
    table: Row = json.loads(present(folder / "sweep.json").read_text())
    picture = sweep_figure(table)
    write_bytes(folder / "sweep.png", picture)
    write_bytes(folder / "sweep.html", render(table, picture).encode())
    return folder / "sweep.html"


def render(table: Row, picture: bytes) -> str:
    """The page as text."""
    named = {
        "study": table["study"],
        "points": table["points"],
        "stopped": [point for point in table["points"] if point["state"] == "stopped"],
        "keys": [axis["key"] for axis in table["study"]["axes"]],
        "picture": inlined(picture),
        "lines": list(lines(table)),
    }
    return environment().get_template(TEMPLATE).render(named)


def lines(table: Row) -> Iterator[str]:
    """The answer in sentences: for each curve, where accuracy and reasons break."""
    study, numbers = table["study"], is_ordered(values_of(table))
    for curve in table["curves"]:
        found = curve["breaks"]
        of = f"With {series_name(curve['series'])}: " if curve["series"] else ""
        by = {name: where(study, places, numbers) for name, places in found["reasons"].items()}
        reasons = "; ".join(f"by {name} the reasons are changed {place}" for name, place in by.items())
        stopped = f"; no point was finished {where(study, found['stopped'], False)}" if found["stopped"] else ""
        drop = (
            f"{'accuracy' if of else 'Accuracy'} is more than {percent(study['accuracy_drop'])} below the reference’s"
        )
        yield f"{of}{drop} {where(study, found['accuracy'], numbers)}; {reasons}{stopped}."


def where(study: Row, places: list[Any], numbers: bool) -> str:
    """``from 0.9 on``, or the values themselves where they have no order; ``at no value``."""
    if not places:
        return "at no value"
    return f"first at {study['x']} {plain(places[0])}" if numbers else f"at {listed([plain(one) for one in places])}"
