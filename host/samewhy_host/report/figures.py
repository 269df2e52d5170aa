"""Every figure of the page, as PNG bytes; the one door to matplotlib.

Drawn through `Figure` objects, without pyplot. Lengths are inches of 100 CSS pixels, from the upper left
corner; a figure has twice as many pixels.
"""

import io
import math
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, final

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray
from PIL import Image

from samewhy_edge.arrays import Map, Sample
from samewhy_edge.picture import AGAINST, FOR, NEUTRAL, as_drawn, grey
from samewhy_host.report.words import NONE, known_as, milliseconds, nines, number, size

INCH, SHARP, WIDTH = 100, 2, 10.6  # CSS pixels an inch, pixels a CSS pixel, inches of a full figure
INK, SOFT, LINE = "#1f2328", "#5b636c", "#d8dee4"
MAIN, FINER, RANDOM, FLIP = "#0b5cad", "#e8f1fb", "#eeeeee", "#c2410c"
DIVERGING = LinearSegmentedColormap.from_list(
    "against-for",
    [tuple(part / 255 for part in colour) for colour in (AGAINST, NEUTRAL, FOR)],
    N=257,  # odd, so that zero has a colour of its own
)
STYLE: dict[Any, Any] = {
    **{key: value for key, value in matplotlib.rcParamsDefault.items() if not key.startswith("backend")},
    "text.parse_math": False,  # a $ in a name is a $
    "font.family": "DejaVu Sans",  # ships with matplotlib: the same letters on every machine
    "font.size": 8.5,
    "text.color": INK,
    "axes.edgecolor": LINE,
    "axes.labelcolor": SOFT,
    "axes.linewidth": 0.8,
    "xtick.color": SOFT,
    "ytick.color": INK,
    "ytick.major.size": 0,
    "xtick.major.size": 3,
}
NAMES = 1.75  # inches left of a chart, for the names of rungs
NUMBERS = 3.1  # and right of it, for its numbers: six digits and their interval
STRIP, CHANNEL = 0.5, 0.16  # height of a series over its map, and of a channel where maps tell them apart
GAP, LETTER = 0.06, 0.135  # between cells of the gallery; the height of a line above them
HEAVY = 250_000  # bytes of a figure
FINE = "tinted: finer than the explainer's own noise"
MUTE = "floor not below ceiling: a value says little on its own"


@final
@dataclass(frozen=True, slots=True)
class Dot:
    """Agreement of one rung with the reference, and with its neighbour above (None where that is the reference)."""

    rung: str
    value: float | None
    low: float | None
    high: float | None
    neighbour: float | None
    interval: str


@final
@dataclass(frozen=True, slots=True)
class Panel:
    """Agreements by one explainer and one measure, between their floor and their ceiling."""

    explainer: str
    measure: str
    floor: float | None
    ceiling: float | None
    mute: bool  # the floor reaches the ceiling
    dots: Sequence[Dot]


@final
@dataclass(frozen=True, slots=True)
class Sheet:
    """One sample of the gallery with its maps."""

    sample: Sample
    rungs: Sequence[str]
    explainers: Sequence[str]
    maps: Mapping[tuple[str, str], Map]  # by rung and explainer; *S, or *S and channels
    flipped: frozenset[str]  # rungs whose label is not the reference's
    gradients: Map | None  # of the reference


@final
@dataclass(frozen=True, slots=True)
class Cost:
    """What one rung weighs, and how long it takes."""

    rung: str
    bytes: int
    single: float | None  # milliseconds a sample
    batched: float | None


def agreements(panels: Sequence[Panel]) -> bytes:
    """The main figure: a panel an explainer, a row a rung, the numbers on the right."""
    end, row, head, foot = axis_end(panels), 0.27, 0.75, 0.42
    high, wide = row * len(panels[0].dots), WIDTH - NAMES - NUMBERS
    with page(WIDTH, (head + high + foot) * len(panels) - 0.1) as figure:
        for place, panel in enumerate(panels):
            top = head + place * (head + high + foot)
            axes = at(figure, NAMES, top, wide, high)
            draw_panel(axes, panel, end)
            draw_bound_names(figure, axes, panel, top, wide)
            write(figure, 0, top - 0.55, panel.explainer, weight="bold", size=10)
            draw_numbers(figure, panel, top + row / 2, row)
        return png(figure)


def measures(rows: Sequence[Sequence[Panel]]) -> bytes:
    """Small multiples: a row an explainer, a column a measure."""
    end = axis_end([panel for row in rows for panel in row])
    wide, high, head, foot = (WIDTH - NAMES) / len(rows[0]), 0.17 * len(rows[0][0].dots), 0.42, 0.38
    with page(WIDTH, (head + high + foot) * len(rows)) as figure:
        for down, row in enumerate(rows):
            top = head + down * (head + high + foot)
            write(figure, 0, top - 0.06, row[0].explainer, weight="bold")
            for right, panel in enumerate(row):
                axes = at(figure, NAMES + right * wide, top, wide - 0.18, high)
                draw_panel(axes, panel, end, small=True)
                axes.set_title(known_as(panel.measure), loc="left", size=8.5, pad=4)
                axes.tick_params(labelleft=not right)
        return png(figure)


def axis_end(panels: Sequence[Panel]) -> int:
    """Nines at the right edge, beyond every value but those that round to 1."""
    values = [value for panel in panels for dot in panel.dots for value in (dot.value, dot.high, dot.neighbour)]
    return max([2, *(math.floor(nines(value)) + 1 for value in values if value is not None and value < 1)])


def draw_panel(axes: Axes, panel: Panel, end: int, small: bool = False) -> None:
    """Dots over their bounds, on an axis that is stretched towards 1."""
    drawn = [panel.floor, panel.ceiling, *(value for dot in panel.dots for value in (dot.low, dot.neighbour))]
    axes.set_xlim(min([0, *(nines(value) for value in drawn if value is not None)]) - 0.08, end + 0.08)
    axes.set_ylim(len(panel.dots) - 0.5, -0.5)
    ticks = [0.0, *([] if small else [0.5]), *(1 - 10.0**-digits for digits in range(1, end))]
    labels = [f"{tick:.6g}" if not small or place % 2 or not place else "" for place, tick in enumerate(ticks)]
    axes.set_xticks([*map(nines, ticks), end], [*labels, "1"], size=7.5)
    axes.set_yticks(range(len(panel.dots)), [dot.rung for dot in panel.dots], size=7.5 if small else 8.5)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.grid(axis="x", color=LINE, linewidth=0.5)
    axes.set_axisbelow(True)
    draw_bounds(axes, panel, end)
    for row, dot in enumerate(panel.dots):
        draw_dot(axes, row, dot, end, 4 if small else 6)


def draw_bounds(axes: Axes, panel: Panel, end: int) -> None:
    """Marks of floor and ceiling, with the ground beyond them tinted where they stand in order."""
    left, right = axes.get_xlim()
    for value, edge, tint, colour in ((panel.floor, left, RANDOM, SOFT), (panel.ceiling, right, FINER, MAIN)):
        if value is None:
            continue
        axes.axvline(nines(value, end), color=colour, linewidth=1.1, linestyle=dashes(colour), zorder=1.5)
        if not panel.mute:
            axes.axvspan(*sorted((nines(value, end), edge)), color=tint, zorder=0, linewidth=0)


def dashes(colour: str) -> Any:
    """The floor is dotted: its mark does not rest on colour alone."""
    return (0, (1, 1.5)) if colour == SOFT else "solid"


def draw_dot(axes: Axes, row: int, dot: Dot, end: int, across: float) -> None:
    """Filled, with its interval, against the reference; hollow against the neighbour above."""
    if dot.neighbour is not None:
        x = nines(dot.neighbour, end)
        axes.plot(x, row, "o", ms=across, mfc="white", mec=INK, mew=0.9, zorder=3, clip_on=False)
    if dot.value is None or dot.low is None or dot.high is None:
        return
    axes.plot([nines(dot.low, end), nines(dot.high, end)], [row, row], color=MAIN, linewidth=across / 2.6, zorder=4)
    axes.plot(nines(dot.value, end), row, "o", ms=across, color=MAIN, mec="white", mew=0.5, zorder=5, clip_on=False)


def draw_bound_names(figure: Figure, axes: Axes, panel: Panel, top: float, wide: float) -> None:
    """Floor and ceiling named at their marks; the left one stands higher, so that no mark crosses a name."""
    left, right = axes.get_xlim()
    named = [
        (panel.floor, "floor: shuffled scores", SOFT),
        (panel.ceiling, "ceiling: the reference under other masks", MAIN),
    ]
    drawn = sorted((value, text, colour) for value, text, colour in named if value is not None)
    for lift, (value, text, colour) in zip((0.34, 0.14)[-len(drawn) :], drawn, strict=False):
        x = NAMES + wide * (nines(value, right) - left) / (right - left)
        late = x > NAMES + wide / 2
        pole(figure, x, top, lift + 0.06, colour)
        beside = {"ha": "right" if late else "left", "color": colour, "size": 8}
        write(figure, x + (-0.05 if late else 0.05), top - lift, f"{text}, {number(value)}", **beside)
    said, colour = (MUTE, FLIP) if panel.mute else (FINE, MAIN)
    if len(drawn) == 2:
        write(figure, NAMES + wide, top - 0.55, said, ha="right", color=colour, size=7.5)


def pole(figure: Figure, x: float, top: float, lift: float, colour: str) -> None:
    """The mark of a bound, drawn on above its panel."""
    width, height = figure.get_size_inches()
    ends = [1 - top / height, 1 - (top - lift) / height]
    line = Line2D([x / width] * 2, ends, color=colour, linewidth=0.8, linestyle=dashes(colour))
    figure.add_artist(line)


def draw_numbers(figure: Figure, panel: Panel, first: float, row: float) -> None:
    """The values as text: with the reference and its interval, with the neighbour; the heads are the legend."""
    left, right = WIDTH - NUMBERS + 0.2, WIDTH - 0.75
    write(figure, left, first - 0.28, "● with the reference", color=MAIN, size=8)
    write(figure, right, first - 0.48, "○ with the", size=8)
    write(figure, right, first - 0.32, "rung above", size=8)
    for place, dot in enumerate(panel.dots):
        y = first + place * row
        write(figure, left, y, f"{number(dot.value)} {dot.interval}", va="center")
        if place:
            write(figure, right, y, number(dot.neighbour), va="center")


def sheet(one: Sheet) -> bytes:
    """A gallery sheet: a grid of maps for images, coloured strips for series."""
    return series_sheet(one) if one.sample.ndim == 2 else image_sheet(one)


def image_sheet(one: Sheet) -> bytes:
    """The sample, and the white-box map, on the left; a column a rung, a row an explainer."""
    high, wide = one.sample.shape[:2]
    across = min(1.25, (WIDTH - 0.3) / (len(one.rungs) + 1) - GAP)
    down = across * min(1.5, max(0.4, high / wide))
    head = 0.08 + LETTER * max(len(lines(rung, across, rung in one.flipped)) for rung in one.rungs)
    below = head + down + 0.12 + 2 * LETTER
    foot = max(head + (down + GAP) * len(one.explainers), head + down if one.gradients is None else below + down)
    with page(0.3 + (across + GAP) * (len(one.rungs) + 1), foot + GAP) as figure:
        titled(show(at(figure, 0.02, head, across, down), grey(one.sample)), "sample", across)
        if one.gradients is not None:
            white_box = at(figure, 0.02, below, across, down)
            titled(show_map(white_box, one.gradients, peak(one.gradients)), "integrated gradients", across)
        for row, explainer in enumerate(one.explainers):
            draw_maps(figure, one, explainer, head + row * (down + GAP), (across, down))
        return png(figure)


def draw_maps(figure: Figure, one: Sheet, explainer: str, top: float, cell: tuple[float, float]) -> None:
    """A row of maps on one symmetric scale, so that rungs compare."""
    drawn = {rung: as_drawn(one.maps[rung, explainer], one.sample.ndim) for rung in one.rungs}
    bound = peak(*drawn.values())
    for column, rung in enumerate(one.rungs):
        left = 0.3 + (column + 1) * (cell[0] + GAP)
        axes = show_map(at(figure, left, top, *cell), drawn[rung], bound)
        outline(axes, rung in one.flipped)
        if explainer == one.explainers[0]:
            titled(axes, rung, cell[0], rung in one.flipped)
        if not column:
            write(figure, left - 0.07, top + cell[1] / 2, explainer, rotation=90, ha="right", va="center", size=8)


def series_sheet(one: Sheet) -> bytes:
    """A row a rung, a column an explainer: the series drawn over its map; the white-box map beside the reference's."""
    columns = len(one.explainers) + (one.gradients is not None)
    channels = max(maps.shape[1] if maps.ndim == 2 else 1 for maps in one.maps.values())
    down = max(STRIP, CHANNEL * channels)
    across = (WIDTH - NAMES) / columns - GAP
    with page(WIDTH, 0.25 + (down + GAP) * len(one.rungs)) as figure:
        for row, rung in enumerate(one.rungs):
            top = 0.25 + row * (down + GAP)
            flipped = rung in one.flipped
            write(figure, 0, top + down / 2, f"{rung}\nflip" if flipped else rung, va="center", **loud(flipped))
            for column, explainer in enumerate(one.explainers):
                bound = peak(*(one.maps[other, explainer] for other in one.rungs))
                axes = at(figure, NAMES + column * (across + GAP), top, across, down)
                outline(strip(axes, one.maps[rung, explainer], bound, one.sample), flipped)
        draw_series_heads(figure, one, across, down)
        return png(figure)


def draw_series_heads(figure: Figure, one: Sheet, across: float, down: float) -> None:
    """Names above the columns, and the white-box strip in its own."""
    heads = [*one.explainers, *([] if one.gradients is None else ["integrated gradients"])]
    for column, head in enumerate(heads):
        write(figure, NAMES + column * (across + GAP), 0.17, head, size=8)
    if one.gradients is not None:
        axes = at(figure, NAMES + (len(heads) - 1) * (across + GAP), 0.25, across, down)
        strip(axes, one.gradients, peak(one.gradients), one.sample)


def strip(axes: Axes, one: Map, bound: float, sample: Sample) -> Axes:
    """A series (T, C) over its map, (T,) or with a row a channel (T, C)."""
    show_map(axes, as_drawn(one, 2), bound)
    low, high = float(sample.min()), float(sample.max())
    heights = 0.4 - 0.8 * (sample - low) / ((high - low) or 1)  # rows count downwards, from -0.5 to 0.5
    rows = np.arange(sample.shape[-1]) if one.ndim == 2 else 0  # each channel over its own row, if it has one
    axes.plot(np.arange(len(sample)), heights + rows, color=INK, linewidth=0.7)
    return axes


def show_map(axes: Axes, one: NDArray[np.floating[Any]], bound: float) -> Axes:
    """A map from blue over white at zero to red."""
    return show(axes, one, cmap=DIVERGING, vmin=-bound, vmax=bound)


def show(axes: Axes, pixels: Any, **scale: Any) -> Axes:
    """Pixels as they are, filling the cell."""
    axes.imshow(pixels, aspect="auto", interpolation="nearest", **scale)
    axes.set_xticks([])
    axes.set_yticks([])
    return axes


def peak(*maps: NDArray[np.floating[Any]]) -> float:
    """Largest absolute value; 1 where all are zero or undefined."""
    return float(np.nanmax([np.abs(np.nan_to_num(one)).max() for one in maps])) or 1.0


def outline(axes: Axes, flipped: bool) -> None:
    """A strong border where the label flipped."""
    axes.spines[:].set(color=FLIP if flipped else LINE, linewidth=2.4 if flipped else 0.8)


def titled(axes: Axes, text: str, across: float, flipped: bool = False) -> None:
    """A title that keeps to its cell."""
    axes.set_title("\n".join(lines(text, across, flipped)), size=8, pad=4, **loud(flipped))


def lines(text: str, across: float, flipped: bool) -> list[str]:
    """The text as it fits over a cell, with the word where the label flipped; bold letters are wider."""
    wrapped = textwrap.wrap(text, max(6, int(across * (14 if flipped else 15))))
    return [*wrapped, "flip"] if flipped else wrapped


def loud(flipped: bool) -> dict[str, Any]:
    """How a flip is lettered."""
    return {"color": FLIP, "weight": "bold"} if flipped else {"color": INK}


def costs(rows: Sequence[Cost]) -> bytes:
    """Bytes, milliseconds one at a time, milliseconds in batches: a bar a rung."""
    columns: tuple[tuple[str, list[float | None], Callable[[float], str]], ...] = (
        ("file size", [row.bytes for row in rows], lambda value: size(int(value))),
        ("ms a sample, one at a time", [row.single for row in rows], milliseconds),
        ("ms a sample, batched", [row.batched for row in rows], milliseconds),
    )
    wide, high = (WIDTH - NAMES) / len(columns), 0.23 * len(rows)
    with page(WIDTH, 0.35 + high) as figure:
        for place, (title, values, say) in enumerate(columns):
            axes = at(figure, NAMES + place * wide, 0.3, wide - 0.95, high)
            draw_bars(axes, values, say)
            axes.set_yticks(range(len(rows)), [row.rung for row in rows])
            axes.tick_params(labelleft=not place)
            axes.set_title(title, loc="left", size=8.5, pad=4)
        return png(figure)


def draw_bars(axes: Axes, values: Sequence[float | None], say: Callable[[float], str]) -> None:
    """Bars from zero, each with its value."""
    lengths = [value or 0.0 for value in values]
    axes.barh(range(len(values)), lengths, height=0.62, color=MAIN, alpha=0.8)
    axes.set_xlim(0, max(lengths) or 1)
    axes.set_ylim(len(values) - 0.5, -0.5)
    axes.set_xticks([])
    axes.spines[["top", "right", "bottom"]].set_visible(False)
    for row, (length, value) in enumerate(zip(lengths, values, strict=True)):
        said = NONE if value is None else say(value)
        axes.annotate(said, (length, row), (4, 0), textcoords="offset points", va="center", annotation_clip=False)


@contextmanager
def page(wide: float, high: float) -> Iterator[Figure]:
    """A white figure in the house style, whatever the user's matplotlibrc says."""
    with matplotlib.rc_context(STYLE):
        yield Figure(figsize=(wide, high), dpi=INCH * SHARP, facecolor="white")


def at(figure: Figure, left: float, top: float, wide: float, high: float) -> Axes:
    """Axes in that box."""
    width, height = figure.get_size_inches()
    return figure.add_axes((left / width, 1 - (top + high) / height, wide / width, high / height))


def write(figure: Figure, x: float, y: float, text: str, **style: Any) -> None:
    """Text at that place."""
    width, height = figure.get_size_inches()
    figure.text(x / width, 1 - y / height, text, **style)


def png(figure: Figure) -> bytes:
    """The figure's pixels; in 256 colours where true colour would weigh more than a page of them can bear."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    image = Image.open(buffer).convert("RGB")
    content = encoded(image)
    return content if len(content) <= HEAVY else encoded(image.quantize(256, dither=Image.Dither.NONE))


def encoded(image: Image.Image) -> bytes:
    """A PNG without metadata: equal pixels give equal bytes."""
    buffer = io.BytesIO()
    image.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()
