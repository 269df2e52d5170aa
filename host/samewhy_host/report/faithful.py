"""Faithfulness on the page: every rung's own maps, and the reference's maps in their place, as one curve a measure."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from samewhy_host.report import figures
from samewhy_host.report.reading import Finished, Row

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LEFT, ACROSS = 1.5, 4  # inches left of the panels, panels in a line
HIGH, HEAD, BETWEEN, FOOT = 1.05, 0.75, 0.55, 0.5  # inches of a panel, above all, between lines, below


def view(found: Finished) -> Mapping[str, Any]:
    """What the sections name; empty tables where a run has none."""
    audit = found.audit
    return {
        "faithfulness": tables(found, audit.get("faithfulness", [])),
        "lent": lent(found),
        "shape": tables(found, audit.get("shape", [])),
        "faithfulness_measures": audit["study"].get("faithfulness_measures", []),
        "shape_measures": audit["study"].get("shape_measures", []),
    }


def tables(found: Finished, rows: Sequence[Row]) -> list[Row]:
    """A table an explainer: a row a measure, a cell a rung."""
    cells = {(row["explainer"], row["measure"], row["rung"]): row for row in rows}
    measures = dict.fromkeys(row["measure"] for row in rows)
    names = list(dict.fromkeys(row["rung"] for row in rows))  # devices are not asked again
    return [
        {
            "explainer": explainer,
            "rungs": names,
            "measures": [
                {"name": name, "cells": [cells[explainer, name, rung] for rung in names]} for name in measures
            ],
        }
        for explainer in found.explainers
        if rows
    ]


def lent(found: Finished) -> list[Row]:
    """A table an explainer: a row a rung below the reference, a cell a measure, and what they say together."""
    rows = found.audit.get("cross", [])
    cells = {(row["explainer"], row["rung"], row["measure"]): row for row in rows}
    measures = list(dict.fromkeys(row["measure"] for row in rows))
    return [
        {
            "explainer": explainer,
            "measures": measures,
            "rungs": [
                {"name": rung, "cells": [cells[explainer, rung, measure] for measure in measures]}
                for rung in dict.fromkeys(row["rung"] for row in rows)
            ],
        }
        for explainer in found.explainers
        if rows
    ]


def figure(found: Finished) -> bytes | None:
    """Own and lent maps on every rung, a block an explainer, a panel a measure; None where nothing was lent."""
    measures = list(dict.fromkeys(row["measure"] for row in found.audit.get("cross", [])))
    if not measures:
        return None
    lines = list(batched(measures, ACROSS))
    block = len(lines) * (HIGH + BETWEEN)
    with figures.page(figures.WIDTH, HEAD + block * len(found.explainers) + FOOT) as page:
        legend(page)
        for place, explainer in enumerate(found.explainers):
            top = HEAD + place * block
            figures.write(page, 0, top + HIGH / 2, explainer, weight="bold", va="center", size=9)
            for row, line in enumerate(lines):
                last = place == len(found.explainers) - 1 and row == len(lines) - 1
                draw_line(page, found, explainer, line, top + row * (HIGH + BETWEEN), last)
        return figures.png(page)


def draw_line(page: "Figure", found: Finished, explainer: str, measures: Sequence[str], top: float, last: bool) -> None:
    """Panels beside each other, rungs named under the last ones."""
    wide = (figures.WIDTH - LEFT) / ACROSS
    for column, measure in enumerate(measures):
        axes = figures.at(page, LEFT + column * wide, top, wide - 0.45, HIGH)
        draw(axes, found, explainer, measure)
        axes.set_title(titled(found, measure), loc="left", size=8, pad=5)
        rungs = list(dict.fromkeys(row["rung"] for row in found.audit["faithfulness"]))
        axes.set_xticks(
            range(len(rungs)), rungs if last else [], size=7.5, rotation=40, ha="right", rotation_mode="anchor"
        )


def batched(names: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    """Lines of at most so many."""
    return (names[start : start + size] for start in range(0, len(names), size))


def legend(page: "Figure") -> None:
    """What the marks are, above all panels."""
    said = (
        ("● the rung’s own maps", figures.MAIN),
        ("○ the reference’s maps, with the interval of the difference", figures.FLIP),
        ("⋯ maps that know nothing, on the reference", figures.SOFT),
        ("↑↓ better", figures.INK),
    )
    for text, colour, x in zip(*zip(*said, strict=True), (0.0, 1.9, 5.75, 8.9), strict=True):
        figures.write(page, x, 0.2, text, color=colour, size=8.5)


def titled(found: Finished, measure: str) -> str:
    """A measure with an arrow in the direction that is better."""
    rows = found.audit["study"].get("faithfulness_measures", [])
    better = next((row["better"] for row in rows if row["name"] == measure), "higher")
    return f"{measure} {'↑' if better == 'higher' else '↓'}"


def draw(axes: "Axes", found: Finished, explainer: str, measure: str) -> None:
    """Two curves down the ladder, which meet at the reference, and the floor."""
    own = [row for row in found.audit["faithfulness"] if (row["explainer"], row["measure"]) == (explainer, measure)]
    lent = [row for row in found.audit["cross"] if (row["explainer"], row["measure"]) == (explainer, measure)]
    own = sorted(own, key=lambda row: found.names.index(row["rung"]))
    places = np.arange(len(own))
    values = as_numbers([row["value"] for row in own])
    others = as_numbers([own[0]["value"], *(row["lent"] for row in lent)])
    away = as_numbers([0.0, *(None if row["cost_low"] is None else row["cost_high"] - row["cost_low"] for row in lent)])
    axes.errorbar(places + 0.08, others, away / 2, fmt="o--", color=figures.FLIP, mfc="white", ms=4.5, lw=0.9, zorder=3)
    axes.plot(places, values, "o-", color=figures.MAIN, ms=4, lw=1.2, zorder=4)
    if (floor := own[0]["floor"]) is not None:
        axes.axhline(floor, color=figures.SOFT, lw=1.1, ls=figures.dashes(figures.SOFT), zorder=2)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color=figures.LINE, linewidth=0.5)
    axes.margins(x=0.08, y=0.12)
    axes.tick_params("y", labelsize=7.5)


def as_numbers(values: Sequence[float | None]) -> "np.ndarray[Any, np.dtype[np.float64]]":
    """What is undefined is a gap."""
    return np.array([np.nan if value is None else value for value in values], np.float64)
