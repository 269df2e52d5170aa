"""Pictures of a study: panels in a grid, what is compared down and measures across, drawn from a file of rows."""

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from samewhy_host.report.figures import INK, LINE, SOFT, STYLE

Row = Mapping[str, Any]


def lines(axes: Axes, names: Sequence[str]) -> None:
    """A panel with a line for each name; place i is at -i."""
    axes.set_ylim(-len(names) + 0.5, 0.5)
    axes.set_yticks([-place for place in range(len(names))], names)
    axes.grid(axis="x", color=LINE, linewidth=0.5)
    axes.spines[["top", "right", "left"]].set_visible(False)


def panels(
    size: tuple[float, float],
    down: Mapping[str, str],
    across: Mapping[str, str],
    draw: Callable[[Axes, str, str], None],
    foot: str,
    one_scale: bool = False,
) -> Figure:
    """All panels; `down` and `across` are keys, which `draw` is given, and what is written beside them.

    With `one_scale` a measure has one scale down all its panels.
    """
    figure = Figure(size, layout="constrained")
    grid = figure.subplots(len(down), len(across), sharex="col" if one_scale else "none", sharey=True, squeeze=False)
    for line, (key, said) in zip(grid, down.items(), strict=True):
        for axes, measure in zip(line, across, strict=True):
            draw(axes, key, measure)
        line[0].set_ylabel(said, color=INK)
    for axes, title in zip(grid[0], across.values(), strict=True):
        axes.set_title(title, fontsize=8.5)
    figure.supxlabel(foot, fontsize=8.5, color=SOFT)
    return figure


def main(picture: Callable[[Sequence[Row]], Figure]) -> None:
    """Draw the rows of the file that the command line names first into the one that it names second."""
    source, place = map(Path, sys.argv[1:])
    with matplotlib.rc_context(STYLE):
        picture(json.loads(source.read_text())["rows"]).savefig(place, dpi=130)
