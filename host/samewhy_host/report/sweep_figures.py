"""The figure of a sweep: accuracy above, agreement by each explainer below, along one axis of settings."""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter

from samewhy_host.report.figures import FLIP, INK, LINE, MAIN, SOFT, WIDTH, at, page, png, write
from samewhy_host.report.words import known_as, listed, percent, plain

Row = Mapping[str, Any]
COLOURS = (MAIN, "#a05a00", "#1f7a4d", "#7b4fa3", "#8a2846", "#4b5a68")  # of curves, in their order
LEFT, RIGHT, HEAD, HIGH, FOOT = 0.75, 2.2, 0.42, 1.75, 0.5  # inches around and of a panel
APART = 0.09  # between the marks of curves at one value
MARKS = {"same": "o", "undecided": "o", "changed": "X"}


def sweep_figure(table: Row) -> bytes:
    """A panel for accuracy and one for each explainer; marks say the verdict, lines where something broke."""
    curves, axis = table["curves"], values_of(table)
    names = table["study"]["explainers"]
    with page(WIDTH, (HEAD + HIGH + FOOT) * (1 + len(names)) + 0.2) as figure:
        for place, name in enumerate([None, *names]):
            top = HEAD + place * (HEAD + HIGH + FOOT)
            axes = panel(figure, top, axis)
            for number, curve in enumerate(curves):
                draw_curve(axes, curve, axis, number, len(curves), name)
            draw_breaks(axes, table, axis, name)
            axes.set_ylim(top=min(1.02, axes.get_ylim()[1]))
            title(figure, top, table, name)
            if place < 2:
                legend(axes, table, name)
        write(figure, LEFT, figure.get_size_inches()[1] - 0.05, table["study"]["x"], color=SOFT, size=8)
        return png(figure)


def values_of(table: Row) -> list[Any]:
    """The axis: every value of the curves, in their order."""
    found: list[Any] = []
    for curve in table["curves"]:
        found += [one["x"] for one in curve["values"] if one["x"] not in found]
    order = next(axis["values"] for axis in table["study"]["axes"] if axis["key"] == table["study"]["x"])
    return sorted(found) if is_ordered(found) else [value for value in order if value in found]


def is_ordered(values: Sequence[Any]) -> bool:
    """Whether the values are numbers, so that there is a first one at which something breaks."""
    return all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)


def panel(figure: Figure, top: float, axis: Sequence[Any]) -> Axes:
    """Axes on which values stand at equal distances, whatever lies between them."""
    axes = at(figure, LEFT, top, WIDTH - LEFT - RIGHT, HIGH)
    axes.set_xlim(-0.5, len(axis) - 0.5)
    axes.set_xticks(range(len(axis)), [plain(value) for value in axis], size=7.5)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color=LINE, linewidth=0.5)
    axes.set_axisbelow(True)
    return axes


def title(figure: Figure, top: float, table: Row, explainer: str | None) -> None:
    """What the panel shows."""
    rung = "the last rung" if table["study"]["rung"] == "last" else table["study"]["rung"]
    agreement = f"agreement ({known_as(table['study']['measure'] or '')}) of {rung} with the reference"
    write(figure, LEFT, top - 0.2, explainer or "accuracy", weight="bold", size=10)
    said = agreement if explainer else f"of {rung}; dashed: the reference"
    write(figure, WIDTH - RIGHT, top - 0.2, said, color=SOFT, size=8, ha="right")


def draw_curve(axes: Axes, curve: Row, axis: Sequence[Any], number: int, count: int, explainer: str | None) -> None:
    """One curve on one panel, moved aside a little so that the marks of several do not hide each other."""
    colour, aside = COLOURS[number % len(COLOURS)], APART * (number - (count - 1) / 2)
    drawn = [(axis.index(one["x"]) + aside, one) for one in curve["values"] if one["points"]]
    joined = "-" if is_ordered(axis) else ""
    if explainer is None:
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: percent(value, 0)))
        reference = [(x, one["reference_accuracy"]["value"]) for x, one in drawn]
        axes.plot([x for x, _ in reference], [y for _, y in reference], "--_", color=SOFT, linewidth=1, ms=11)
        rows = [(x, one["accuracy"], "o", colour) for x, one in drawn]
    else:
        own = [(x, one["explainers"][explainer]) for x, one in drawn if explainer in one["explainers"]]
        draw_bounds(axes, own, colour, bool(joined))
        rows = [(x, row, *mark_of(row, colour)) for x, row in own]
    known = [row for row in rows if row[1]["value"] is not None]
    axes.plot([x for x, *_ in known], [row["value"] for _, row, *_ in known], joined, color=colour, linewidth=1.2)
    for x, row, mark, face in known:
        draw_mark(axes, x, row, mark, face, colour)


def draw_bounds(axes: Axes, rows: Sequence[tuple[float, Row]], colour: str, joined: bool) -> None:
    """Ceiling, thin, and floor, dotted, of each value."""
    for key, style in (("ceiling", "-"), ("floor", ":")) if joined else (("ceiling", ""), ("floor", "")):
        known = [(x, row[key]) for x, row in rows if row[key] is not None]
        axes.plot([x for x, _ in known], [y for _, y in known], style, color=colour, alpha=0.45, linewidth=0.9)
        axes.plot([x for x, _ in known], [y for _, y in known], "_", color=colour, alpha=0.7, ms=11)


def mark_of(row: Row, colour: str) -> tuple[str, str]:
    """Marker and its face: filled where every seed says same, a cross where most say changed, else hollow."""
    verdicts = row["verdicts"]
    if 2 * verdicts.get("changed", 0) > sum(verdicts.values()):
        return MARKS["changed"], FLIP
    return (MARKS["same"], colour) if set(verdicts) == {"same"} else (MARKS["undecided"], "white")


def draw_mark(axes: Axes, x: float, row: Row, mark: str, face: str, colour: str) -> None:
    """A value with its interval."""
    if row["low"] is not None:
        axes.plot([x, x], [row["low"], row["high"]], color=colour, linewidth=1.6, alpha=0.7)
    axes.plot(x, row["value"], mark, ms=7 if mark == "X" else 5.5, mfc=face, mec=FLIP if mark == "X" else colour, mew=1)


def draw_breaks(axes: Axes, table: Row, axis: Sequence[Any], explainer: str | None) -> None:
    """Where accuracy, and the reasons of this panel, break first; and where no point was finished."""
    for number, curve in enumerate(table["curves"]):
        found = curve["breaks"]
        for value in found["stopped"]:
            x = axis.index(value) + APART * (number - (len(table["curves"]) - 1) / 2)
            axes.text(
                x, 0.04, "stopped", rotation=90, color=FLIP, size=7, ha="center", transform=axes.get_xaxis_transform()
            )
        if not is_ordered(axis):
            continue
        colour = COLOURS[number % len(COLOURS)] if len(table["curves"]) > 1 else INK
        for value in found["accuracy"][:1]:
            axes.axvline(axis.index(value), color=colour, linewidth=0.9, linestyle=(0, (4, 3)), zorder=0.5)
        for value in found["reasons"].get(explainer, [])[:1]:
            axes.axvline(axis.index(value), color=FLIP, linewidth=0.9, zorder=0.6)


def legend(axes: Axes, table: Row, explainer: str | None) -> None:
    """Right of the panel: curves and the accuracy's break beside the first, marks beside the others."""
    handles = curve_keys(table) if explainer is None else verdict_keys()
    if is_ordered(values_of(table)):
        drop = table["study"]["accuracy_drop"]
        dashed = Line2D(
            [], [], color=INK, linewidth=0.9, linestyle=(0, (4, 3)), label=f"accuracy {plain(100 * drop)} % lower"
        )
        handles.append(
            dashed if explainer is None else Line2D([], [], color=FLIP, linewidth=0.9, label="first changed")
        )
    if handles:
        axes.legend(handles=handles, loc="upper left", bbox_to_anchor=(1.02, 1.04), frameon=False, fontsize=7.5)


def curve_keys(table: Row) -> list[Line2D]:
    """A key a curve, where there are several."""
    if len(table["curves"]) < 2:
        return []
    return [
        Line2D([], [], color=COLOURS[number % len(COLOURS)], marker="o", ms=5, label=series_name(curve["series"]))
        for number, curve in enumerate(table["curves"])
    ]


def verdict_keys() -> list[Line2D]:
    """What the marks mean."""
    kinds: dict[str, Any] = {"color": "none", "mec": INK, "ms": 5.5}
    return [
        Line2D([], [], marker="o", mfc=INK, label="same", **kinds),
        Line2D([], [], marker="o", mfc="white", label="undecided", **kinds),
        Line2D([], [], color="none", marker="X", mfc=FLIP, mec=FLIP, ms=7, label="changed"),
        Line2D([], [], color=INK, alpha=0.45, linewidth=0.9, label="ceiling"),
        Line2D([], [], color=INK, alpha=0.45, linewidth=0.9, linestyle=":", label="floor"),
    ]


def series_name(series: Row) -> str:
    """What a curve is of."""
    return listed([f"{key.rpartition('.')[2]} {plain(value)}" for key, value in series.items()]) if series else "all"
