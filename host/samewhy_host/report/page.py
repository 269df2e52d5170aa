"""The page of a run: reads the run's files, draws and words them; computes nothing.

The page is one file without a single outward link: figures are inlined, and the same files give the same bytes.
"""

import base64
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from samewhy_edge.files import write_bytes
from samewhy_host.report import coverage, faithful, figures, inside, words
from samewhy_host.report.figures import Cost, Dot, Panel, Sheet
from samewhy_host.report.reading import Finished, Row, read
from samewhy_host.report.viewer import viewer

HERE = Path(__file__).parent
TEMPLATE = "page.html.j2"
APART = "trained apart"  # how the figures call the twin: no rung, but a scale for them
GATE = (  # the order in which a gate's numbers stand
    "label_agreement",
    "sqnr_db",
    "max_difference",
    "torch_rounding",
    "bound",
    "bounds",
    "samples",
    "distinct_outputs",
    "input",
    "output",
    "operators",
)


def write_report(folder: Path) -> Path:
    """Write ``figures/*.png`` and ``report.html`` into the folder of an audited run.

    Raises:
        InputError: the folder holds no finished run.
        OutputError: it cannot be written.
    """
    found = read(folder)
    pictures = draw(found)
    for name, content in pictures.items():
        write_bytes(folder / "figures" / f"{name}.png", content)
    write_bytes(folder / "report.html", render(found, pictures).encode())
    return folder / "report.html"


def draw(found: Finished) -> dict[str, bytes]:
    """Every figure by name; those of agreements only where a ladder has two rungs."""
    pictures = {"costs": figures.costs(costs(found))}
    if len(found.names) > 1:
        main, *others = found.measures
        pictures["agreements"] = figures.agreements([panel(found, one, main) for one in found.explainers])
        if others:
            rows = [[panel(found, one, other) for other in others] for one in found.explainers]
            pictures["measures"] = figures.measures(rows)
    if (curves := faithful.figure(found)) is not None:
        pictures["faithfulness"] = curves
    for place in range(len(found.samples)):
        pictures[gallery_name(place)] = figures.sheet(sheet(found, place))
    return pictures


def gallery_name(place: int) -> str:
    """Of the sheet at that place of the gallery."""
    return f"gallery-{place + 1:02d}"


def panel(found: Finished, explainer: str, measure: str) -> Panel:
    """Every rung below the reference."""
    floor, ceiling = found.bounds(explainer, measure)
    dots = [dot(found, place, explainer, measure) for place in range(1, len(found.names))]
    dots += [
        Dot(APART, row["value"], row["low"], row["high"], None, words.interval(row))
        for row in [found.twin(explainer, measure)]
        if row
    ]
    return Panel(explainer, measure, floor, ceiling, found.mute(explainer, measure), dots)


def dot(found: Finished, place: int, explainer: str, measure: str) -> Dot:
    """The rung at that place of the ladder; the one below the reference has no other neighbour."""
    rung = found.names[place]
    above = found.above[rung]
    row = found.agreement(rung, found.names[0], explainer, measure)
    own = above == found.names[0]
    neighbour = None if own else found.agreement(rung, above, explainer, measure)["value"]
    return Dot(rung, row["value"], row["low"], row["high"], neighbour, words.interval(row))


def sheet(found: Finished, place: int) -> Sheet:
    """One sample of the gallery."""
    sample = found.audit["gallery"][place]
    return Sheet(
        sample=found.samples[place],
        rungs=found.names,
        explainers=found.explainers,
        maps={key: maps[place] for key, maps in found.maps.items()},
        flipped=frozenset(flips_of(found, sample)),
        gradients=None if found.gradients is None else found.gradients[place],
    )


def flips_of(found: Finished, sample: int) -> dict[str, int]:
    """Rungs that give the sample another label than the reference does, and that label."""
    return {row["name"]: row["audited_labels"][sample] for row in found.rungs if sample in row["flipped_samples"]}


def costs(found: Finished) -> list[Cost]:
    """Sizes and timings, a rung each; None where a rung was not timed."""
    timings = [found.timings.get(row["name"], {}) for row in found.rungs]
    return [
        Cost(row["name"], row["bytes"], timing.get("single_p50"), timing.get("batched"))
        for row, timing in zip(found.rungs, timings, strict=True)
    ]


def render(found: Finished, pictures: Mapping[str, bytes]) -> str:
    """The page as text."""
    return environment().get_template(TEMPLATE).render(view(found, pictures))


def environment() -> Environment:
    """Where templates are found, with the words that they may use."""
    made = Environment(
        loader=FileSystemLoader(HERE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.filters.update(words.FILTERS)
    return made


def view(found: Finished, pictures: Mapping[str, bytes]) -> dict[str, Any]:
    """What the template names."""
    return {
        "study": found.audit["study"],
        "manifest": found.manifest,
        "rungs": found.rungs,
        "ladder": ladder(found),
        "steps": steps(found),
        "lowest": lowest(found),
        "headline": found.headline(),
        "twin": found.audit.get("twin"),
        "twin_headline": found.twin(found.headline(), found.measures[0]),
        "mute": [(one, what) for one in found.explainers for what in found.measures if found.mute(one, what)],
        "gates": {made.name: in_order(made.gate) for made in found.manifest.artifacts},
        "gallery": gallery(found),
        "series": found.samples.ndim == 3,
        "white_box": found.gradients is not None,
        "verdict_lines": words.verdict_lines(found.audit),
        "matrix": matrix(found),
        "furthest": furthest(found),
        "causes": {row["explainer"]: cause(found, row) for row in found.audit["causes"]},
        "verdicts": verdicts(found),
        "classes": classes(found),
        "moved": moved(found),
        "calibration": found.audit["calibration"],
        "resolution": found.audit["resolution"],
        "localisation": localisation(found.audit["localisation"]),
        "whitebox": inside.view(found, localisation),
        **faithful.view(found),
        "agreements": found.audit["agreements"],
        "cross_check": found.audit["cross_check"],
        "machines": list(dict.fromkeys(row["machine"] for row in found.rungs)),
        "batch": next((timing["batch"] for timing in found.timings.values()), None),
        "tested": coverage.rows(found),
        "viewer": viewer(found),
        "pictures": {name: inlined(content) for name, content in pictures.items()},
    }


def inlined(content: bytes) -> dict[str, Any]:
    """A PNG as an address, with the CSS pixels that it fills."""
    wide, high = (int.from_bytes(content[start : start + 4]) // figures.SHARP for start in (16, 20))  # IHDR
    return {"src": "data:image/png;base64," + base64.b64encode(content).decode(), "wide": wide, "high": high}


def localisation(rows: Sequence[Row]) -> list[Row]:
    """A table for each explainer: a row a measure, with what chance scores, and a cell a rung."""
    tables: list[Row] = []
    for explainer in dict.fromkeys(row["explainer"] for row in rows):
        own = [row for row in rows if row["explainer"] == explainer]
        measures = [
            {"name": name, "chance": cells[0]["chance"], "undefined": cells[0]["undefined"], "cells": cells}
            for name in dict.fromkeys(row["measure"] for row in own)
            if (cells := [row for row in own if row["measure"] == name])
        ]
        tables.append({"explainer": explainer, "measures": measures})
    return tables


def matrix(found: Finished) -> list[Row]:
    """A row a rung below the reference: the verdict by each explainer, and what they come to."""
    rows: list[Row] = []
    for rung in found.rungs[1:]:
        cells = [row for one in found.explainers if (row := found.verdict(rung["name"], one))]
        rows.append({"rung": rung["name"], "changed": rung["changed"], "cells": cells, "word": words.overall(cells)})
    return rows


def cause(found: Finished, row: Row) -> Row | str:
    """The first step that changed the reasons by an explainer; in words where there is none."""
    verdicts = [found.verdict(name, row["explainer"]) for name in found.names]
    changed = any(one and one["verdict"] == "changed" for one in verdicts)
    step: Row | None = row["step"]
    return step or ("no single step: the loss adds up" if changed else "none")


def furthest(found: Finished) -> float:
    """The loss at the right end of the verdicts' marks: no bound lies beyond it, and the margin not at the edge."""
    highs = [row["high"] for row in found.audit["verdicts"] if row["high"] is not None]
    return float(max([2 * found.audit["study"]["margin"], *highs]))


def verdicts(found: Finished) -> list[Row]:
    """Rows of the table: against the reference first, then against the rung above, each down the ladder."""
    rows: list[Row] = [dict(row) for row in found.audit["verdicts"]]
    place = found.names.index
    return sorted(rows, key=lambda row: (row["reference"] != found.names[0], place(row["rung"])))


def classes(found: Finished) -> list[Row]:
    """A row a class: what each rung makes of it, and the last rung's agreement by the headline's explainer."""
    names, headline = found.audit["study"]["classes"], found.headline()
    labels = dict.fromkeys(row["class"] for row in found.audit["classes"])
    table = {(row["class"], row["rung"]): row for row in found.audit["classes"]}
    return [
        {
            "name": names[label],
            "tested": table[label, found.names[0]]["tested"],
            "rungs": [table[label, rung] for rung in found.names],
            "agreement": next(
                (row for row in table[label, found.names[-1]]["agreements"] if row["explainer"] == headline), None
            ),
        }
        for label in labels
    ]


def moved(found: Finished) -> list[Row]:
    """By rung and explainer: the class whose maps moved most, where that is more than chance."""
    names, level = found.audit["study"]["classes"], found.audit["study"]["level"]
    return [{**row, "class": names[row["class"]]} for row in found.audit["moved"] if row["p"] <= 1 - level]


def ladder(found: Finished) -> list[Row]:
    """A row a rung, with its timing and its agreement with the reference by the first and the last explainer."""
    shown = list(dict.fromkeys([found.explainers[0], found.explainers[-1]]))
    reference = found.names[0]
    return [
        {
            **row,
            "cost": cost,
            "headline": found.agreement(row["name"], reference, found.headline()) if row["name"] != reference else None,
            "agreements": [
                found.agreement(row["name"], reference, one) if row["name"] != reference else None for one in shown
            ],
        }
        for row, cost in zip(found.rungs, costs(found), strict=True)
    ]


def steps(found: Finished) -> list[Row]:
    """A row a rung below the reference: its neighbour above, what changed, the agreement by each explainer."""
    pairs = [(found.above[row["name"]], row) for row in found.rungs[1:]]
    return [
        {
            "above": above,
            "below": below["name"],
            "changed": below["changed"],
            "headline": found.agreement(below["name"], above, found.headline()),
            "agreements": [found.agreement(below["name"], above, one) for one in found.explainers],
        }
        for above, below in pairs
    ]


def lowest(found: Finished) -> Mapping[str, float]:
    """By explainer: the agreement of the step that moved the maps most; left out where all steps are undefined."""
    columns = zip(*(step["agreements"] for step in steps(found)), strict=True)
    values = {
        column[0]["explainer"]: [row["value"] for row in column if row["value"] is not None] for column in columns
    }
    return {name: min(column) for name, column in values.items() if column}


def in_order(gate: Row) -> list[tuple[str, Any]]:
    """What a gate measured, the telling numbers first, and what this page does not know last."""
    return sorted(gate.items(), key=lambda item: (GATE.index(item[0]) if item[0] in GATE else len(GATE), item[0]))


def gallery(found: Finished) -> Sequence[Row]:
    """Words beside each sheet."""
    classes, rows = found.audit["study"]["classes"], found.audit["samples"]
    return [
        {
            "picture": gallery_name(place),
            "id": rows[sample]["id"],
            "label": classes[rows[sample]["label"]],
            "target": classes[rows[sample]["target"]],
            "flips": [f"{name} ({classes[label]})" for name, label in flips_of(found, sample).items()],
        }
        for place, sample in enumerate(found.audit["gallery"])
    ]
