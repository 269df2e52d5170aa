"""The figure of a sweep, along one axis of settings: accuracy above, agreement by each explainer and white-box method
below, and beside it how well its maps lie on the truth, where the data knows it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import PercentFormatter

from samewhy_host.report.figures import FLIP, INK, LINE, MAIN, SOFT, WIDTH, at, page, png, write
from samewhy_host.report.words import known_as, listed, plain

Row = Mapping[str, Any]
COLOURS = (MAIN, "#a05a00", "#1f7a4d", "#7b4fa3", "#8a2846", "#4b5a68")  # of curves, in their order
LEFT, RIGHT, HEAD, HIGH, FOOT, BETWEEN = 0.75, 2.2, 0.56, 1.75, 0.5, 0.65  # inches around and of a panel
APART = 0.09  # between the marks of curves at one value
CROSS, DASHED = "X", (0, (4, 3))


@final
@dataclass(frozen=True, slots=True)
class Pen:
    """How one curve is drawn."""

    colour: str
    aside: float  # how far its marks stand beside those of the other curves
    joined: bool  # whether its values have an order, so that a line leads from one to the next


def pens(table: Row, axis: Sequence[Any]) -> list[Pen]:
    """One for each curve."""
    count, joined = len(table["curves"]), is_ordered(axis)
    return [Pen(COLOURS[i % len(COLOURS)], APART * (i - (count - 1) / 2), joined) for i in range(count)]


@final
@dataclass(frozen=True, slots=True)
class Frame:
    """Where a panel lies: inches from the left and from the top, and its width."""

    left: float
    top: float
    wide: float


def sweep_figure(table: Row) -> bytes:
    """Marks say the verdict, lines where something broke."""
    axis, study = values_of(table), table["study"]
    names = [None, *study["explainers"], *study["methods"]]
    columns = 2 if study["localisation_measure"] else 1
    wide = (WIDTH - LEFT - RIGHT - BETWEEN * (columns - 1)) / columns
    with page(WIDTH, (HEAD + HIGH + FOOT) * len(names) + 0.2) as figure:
        for place, name in enumerate(names):
            frame = Frame(LEFT, HEAD + place * (HEAD + HIGH + FOOT), wide)
            axes = panel(figure, frame, axis)
            for curve, pen in zip(table["curves"], pens(table, axis), strict=True):
                draw_curve(axes, curve, pen, axis, name)
            draw_breaks(axes, table, axis, name)
            axes.set_ylim(top=min(1.02, axes.get_ylim()[1]))
            title(figure, frame, table, name)
            if name and columns == 2:
                beside(figure, Frame(LEFT + wide + BETWEEN, frame.top, wide), table, axis, name)
            if place < 2:
                legend(figure.axes[-1], table, name)
        write(figure, LEFT, figure.get_size_inches()[1] - 0.05, table["study"]["x"], color=SOFT, size=8)
        return png(figure)


def draw_curve(axes: Axes, curve: Row, pen: Pen, axis: Sequence[Any], name: str | None) -> None:
    """Accuracy, or agreement by an explainer or a method."""
    rows = [(axis.index(one["x"]) + pen.aside, one) for one in curve["values"] if one["points"]]
    if name is None:
        draw_accuracy(axes, rows, pen)
    else:
        draw_agreement(axes, rows, pen, name)


def beside(figure: Figure, frame: Frame, table: Row, axis: Sequence[Any], name: str) -> None:
    """How well the same maps lie on the truth: the rung's, the reference's, dashed, and chance, dotted."""
    axes = panel(figure, frame, axis)
    for curve, pen in zip(table["curves"], pens(table, axis), strict=True):
        known = [(axis.index(one["x"]) + pen.aside, one["localisation"].get(name)) for one in curve["values"]]
        rows = [(x, row) for x, row in known if row]
        for key, style in (("reference", "--"), ("chance", ":")):
            ends = apart([(x, row[key]) for x, row in rows if row[key] is not None])
            axes.plot(*ends, f"{style if pen.joined else ''}_", color=SOFT, linewidth=0.9, ms=11)
        draw_marks(axes, [(x, row, "s", pen.colour) for x, row in rows], pen)
    axes.set_ylim(top=min(1.02, axes.get_ylim()[1]))
    said = f"on the truth ({table['study']['localisation_measure']}); dashed: the reference"
    write(figure, frame.left, frame.top - 0.16, said, color=SOFT, size=8)


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


def panel(figure: Figure, frame: Frame, axis: Sequence[Any]) -> Axes:
    """Axes on which values stand at equal distances, whatever lies between them."""
    axes = at(figure, frame.left, frame.top, frame.wide, HIGH)
    axes.set_xlim(-0.5, len(axis) - 0.5)
    axes.set_xticks(range(len(axis)), [plain(value) for value in axis], size=7.5)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color=LINE, linewidth=0.5)
    axes.set_axisbelow(True)
    return axes


def title(figure: Figure, frame: Frame, table: Row, name: str | None) -> None:
    """What the panel shows."""
    study = table["study"]
    rung = "the last rung" if study["rung"] == "last" else study["rung"]
    followed = "the last torch rung" if name in study["methods"] else rung
    agreement = f"agreement ({known_as(study['measure'] or '')}) of {followed}"
    write(figure, frame.left, frame.top - 0.34, name or "accuracy", weight="bold", size=10)
    said = agreement if name else f"of {rung}; grey: the reference"
    write(figure, frame.left, frame.top - 0.16, said, color=SOFT, size=8)


def draw_accuracy(axes: Axes, rows: Sequence[tuple[float, Row]], pen: Pen) -> None:
    """Accuracy of the rung that is followed, and of its reference, dashed."""
    axes.yaxis.set_major_formatter(PercentFormatter(1, symbol=" %"))
    reference = [(x, one["reference_accuracy"]["value"]) for x, one in rows]
    axes.plot(*apart(reference), "--_" if pen.joined else "_", color=SOFT, linewidth=1, ms=11)
    draw_marks(axes, [(x, one["accuracy"], "o", pen.colour) for x, one in rows], pen)


def draw_agreement(axes: Axes, rows: Sequence[tuple[float, Row]], pen: Pen, name: str) -> None:
    """Agreement by one explainer or method above its floor, dotted, and, of an explainer, below its ceiling, thin."""
    known = [(x, one["explainers"].get(name) or one["methods"].get(name)) for x, one in rows]
    own = [(x, row) for x, row in known if row]
    for key, style in (("ceiling", "-"), ("floor", ":")):
        ends = apart([(x, row[key]) for x, row in own if row.get(key) is not None])
        axes.plot(*ends, f"{style if pen.joined else ''}_", color=pen.colour, alpha=0.5, linewidth=0.9, ms=11)
    draw_marks(axes, [(x, row, *mark_of(row, pen.colour)) for x, row in own], pen)


def draw_marks(axes: Axes, rows: Sequence[tuple[float, Row, str, str]], pen: Pen) -> None:
    """Values with their intervals: place, row, marker and its face."""
    known = [one for one in rows if one[1]["value"] is not None]
    if pen.joined:
        axes.plot(*apart([(x, row["value"]) for x, row, *_ in known]), color=pen.colour, linewidth=1.2)
    for x, row, mark, face in known:
        if row["low"] is not None:
            axes.plot([x, x], [row["low"], row["high"]], color=pen.colour, linewidth=1.6, alpha=0.7)
        edge, across = (FLIP, 7.5) if mark == CROSS else (pen.colour, 5.5)
        axes.plot(x, row["value"], mark, ms=across, mfc=face, mec=edge, mew=1, clip_on=False)


def apart(pairs: Sequence[tuple[float, float]]) -> tuple[list[float], list[float]]:
    """Places and values."""
    return [x for x, _ in pairs], [y for _, y in pairs]


def mark_of(row: Row, colour: str) -> tuple[str, str]:
    """Marker and its face: filled where every seed says same, a cross where most say changed, else hollow.

    White-box methods have no verdict, and a square.
    """
    if "verdicts" not in row:
        return "s", colour
    verdicts = row["verdicts"]
    if 2 * verdicts.get("changed", 0) > sum(verdicts.values()):
        return CROSS, FLIP
    return "o", colour if set(verdicts) == {"same"} else "white"


def draw_breaks(axes: Axes, table: Row, axis: Sequence[Any], explainer: str | None) -> None:
    """Where accuracy, and the reasons of this panel, break first; and where no point was finished."""
    several, up = len(table["curves"]) > 1, axes.get_xaxis_transform()
    for curve, pen in zip(table["curves"], pens(table, axis), strict=True):
        found = curve["breaks"]
        for value in found["stopped"]:
            x = axis.index(value) + pen.aside
            axes.text(x, 0.04, "stopped", rotation=90, color=FLIP, size=7, ha="center", transform=up)
        if pen.joined:
            for value in found["accuracy"][:1]:
                colour = pen.colour if several else INK
                axes.axvline(axis.index(value), color=colour, linewidth=0.9, linestyle=DASHED, zorder=0.5)
            for value in found["reasons"].get(explainer, [])[:1]:
                axes.axvline(axis.index(value), color=FLIP, linewidth=0.9, zorder=0.6)


def legend(axes: Axes, table: Row, explainer: str | None) -> None:
    """Right of the panel: curves and the accuracy's break beside the first, marks beside the second."""
    handles = curve_keys(table) if explainer is None else verdict_keys(table)
    if is_ordered(values_of(table)):
        lower = f"accuracy {plain(100 * table['study']['accuracy_drop'])} % lower"
        style: dict[str, Any] = {"color": INK, "linestyle": DASHED, "label": lower}
        changed: dict[str, Any] = {"color": FLIP, "label": "first changed"}
        handles.append(Line2D([], [], linewidth=0.9, **(changed if explainer else style)))
    if handles:
        axes.legend(handles=handles, loc="upper left", bbox_to_anchor=(1.02, 1.04), frameon=False, fontsize=7.5)


def curve_keys(table: Row) -> list[Line2D]:
    """A key a curve, where there are several."""
    if len(table["curves"]) < 2:
        return []
    return [
        Line2D(
            [], [], color=pen.colour, marker="o", ms=5, ls="-" if pen.joined else "", label=series_name(curve["series"])
        )
        for curve, pen in zip(table["curves"], pens(table, values_of(table)), strict=True)
    ]


def verdict_keys(table: Row) -> list[Line2D]:
    """What the marks mean, of those that stand in the figure."""
    kinds: dict[str, Any] = {"color": "none", "mec": INK, "ms": 5.5}
    keys = [
        Line2D([], [], marker="o", mfc=INK, label="same", **kinds),
        Line2D([], [], marker="o", mfc="white", label="undecided", **kinds),
        Line2D([], [], color="none", marker=CROSS, mfc=FLIP, mec=FLIP, ms=7, label="changed"),
    ]
    if table["study"]["methods"] or table["study"]["localisation_measure"]:
        keys.append(Line2D([], [], marker="s", mfc=INK, label="no verdict", **kinds))
    return [
        *keys,
        Line2D([], [], color=INK, alpha=0.45, linewidth=0.9, label="ceiling"),
        Line2D([], [], color=INK, alpha=0.45, linewidth=0.9, linestyle=":", label="floor"),
    ]


def series_name(series: Row) -> str:
    """What a curve is of."""
    return listed([f"{key.rpartition('.')[2]} {plain(value)}" for key, value in series.items()]) if series else "all"
