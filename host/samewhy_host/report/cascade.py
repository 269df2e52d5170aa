"""The cascade of a sanity check, drawn: a panel an explainer, a column a layer."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from samewhy_host.report import figures
from samewhy_host.report.words import interval, number

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LEFT, RIGHT = 0.75, 3.45  # inches beside a panel
Row = Mapping[str, Any]


def figure(table: Row) -> bytes:
    """The cascade: a panel an explainer, a column a layer, the verdict with its numbers on the right."""
    high, head, between, foot = 1.8, 0.42, 0.45, 1.0
    wide, count = figures.WIDTH - LEFT - RIGHT, len(table["explainers"])
    with figures.page(figures.WIDTH, (head + high + between) * count + foot) as page:
        for place in range(count):
            top = head + place * (head + high + between)
            axes = figures.at(page, LEFT, top, wide, high)
            name = table["explainers"][place]["name"]
            figures.write(page, 0, top - 0.2, name, weight="bold", size=10)
            draw_panel(axes, table, place)
            draw_counts(axes, table, place)
            axes.tick_params("x", labelbottom=place == count - 1, pad=26)
            write_words(page, table, place, top)
        return figures.png(page)


def draw_panel(axes: "Axes", table: Row, place: int) -> None:
    """Curves over the layers, between floor and ceiling of the signed map."""
    steps = [step for step in table["steps"] if step["variant"] == "cascade"]
    axes.set_xlim(-0.4, len(steps) + 0.4)
    axes.set_ylim(-1.05, 1.05)
    axes.set_yticks([-1, -0.5, 0, 0.5, 1], ["−1", "−0.5", "0", "0.5", "1"], size=7.5)
    said = ["as it is", *(f"{step['operator']} {step['kind'].lower().replace('_', ' ')}" for step in steps)]
    axes.set_xticks(range(len(said)), said, size=7.5, rotation=40, ha="right", rotation_mode="anchor")
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.grid(axis="y", color=figures.LINE, linewidth=0.5)
    axes.set_axisbelow(True)
    dashes = {figures.INK: (0, (4, 3))}
    for end, colour in (("floor", figures.SOFT), ("threshold", figures.INK), ("ceiling", figures.MAIN)):
        if (value := table["verdicts"][place][end]) is not None:
            style = dashes.get(colour, figures.dashes(colour))
            axes.axhline(value, color=colour, linewidth=1.1, linestyle=style, zorder=1.5)
    draw_curve(axes, rows_of(table, place, "cascade", "spearman-absolute"), figures.SOFT, "s")
    draw_curve(axes, rows_of(table, place, "cascade", "spearman"), figures.MAIN, "o", band=True)
    alone = [
        math.nan if row["value"] is None else row["value"] for row in rows_of(table, place, "independent", "spearman")
    ]
    axes.plot(
        range(1, len(alone) + 1), alone, "o", ms=4.5, mfc="white", mec=figures.INK, mew=0.9, zorder=6, clip_on=False
    )


def draw_curve(axes: "Axes", rows: Sequence[Row], colour: str, marker: str, band: bool = False) -> None:
    """A curve that starts at the original's agreement with itself; what is undefined is a gap."""
    value, low, high = (
        np.array([1.0, *(math.nan if row[end] is None else row[end] for row in rows)])
        for end in ("value", "low", "high")
    )
    places = np.arange(len(value))
    axes.plot(places, value, marker, ls="-", lw=1.2, ms=4, color=colour, mec="white", mew=0.4, zorder=4, clip_on=False)
    if band:
        axes.fill_between(places, low, high, color=colour, alpha=0.15, linewidth=0, zorder=2)


def draw_counts(axes: "Axes", table: Row, place: int) -> None:
    """Below each step of the cascade: samples whose label is another one, and samples whose map says nothing."""
    steps = [step for step in table["steps"] if step["variant"] == "cascade"]
    lines = {"other label": [step["flips"] for step in steps], "dead": [step["dead"][place] for step in steps]}
    below: dict[str, Any] = {"transform": axes.get_xaxis_transform(), "size": 7.5, "va": "top"}
    for row, (name, counts) in enumerate(lines.items()):
        y = -0.05 - 0.085 * row
        axes.text(0.3, y, name, ha="right", color=figures.SOFT, **below)
        for step, count in enumerate(counts, start=1):
            axes.text(step, y, str(count), ha="center", color=figures.FLIP if count else figures.SOFT, **below)


def write_words(page: "Figure", table: Row, place: int, top: float) -> None:
    """The verdict and its numbers; their marks are the legend."""
    found, (control, shown) = table["verdicts"][place], table["controls"][2 * place : 2 * place + 2]
    left = figures.WIDTH - RIGHT + 0.25
    loud = {"insensitive": figures.FLIP, "sensitive": figures.MAIN, "undecided": figures.SOFT}[found["verdict"]]
    figures.write(page, left, top - 0.2, found["verdict"], weight="bold", size=10, color=loud)
    lines = (
        (f"● map {ranged(found)} at layer {found['step']} of {len(table['layers'])}", figures.MAIN),
        (f"{found['samples']} of {table['samples']} samples have a map there", figures.MAIN),
        (f"■ |map| {ranged(control['itself'])}, every layer changed", figures.SOFT),
        (f"    where the sample is not its fill {ranged(shown['itself'])}", figures.SOFT),
        (f"- - threshold {number(found['threshold'])}, halfway between", figures.INK),
        (f"— ceiling {number(found['ceiling'])} and ⋯ floor {number(found['floor'])}", figures.INK),
        ("○ map with that layer alone changed", figures.INK),
        (f"|map| with the sample’s edges {ranged(control['original'])}", figures.INK),
        (
            f"    changed {number(control['changed']['value'])}, random {number(control['random']['value'])}",
            figures.INK,
        ),
    )
    for row, (line, colour) in enumerate(lines):
        figures.write(page, left, top + 0.12 + 0.19 * row, line, size=8, color=colour)


def ranged(row: Row) -> str:
    """A value with its interval."""
    return f"{number(row['value'])} {interval(row)}".strip()


def rows_of(table: Row, place: int, variant: str, measure: str) -> list[Row]:
    """The rows of an explainer, in the order of the steps."""
    size = len(table["agreement"]) // len(table["explainers"])
    own = table["agreement"][place * size : (place + 1) * size]
    return [row for row in own if (row["variant"], row["measure"]) == (variant, measure)]
