"""The picture of what complexity and ADCC measure, as published and corrected, and of maps that know nothing.

``python -m benchmarks.distilled_cams_figure ROWS.json PICTURE.png``; ROWS are what `benchmarks.distilled_cams` wrote.
Small dots are seeds, large ones their means; a line at the complexity of maps of uniform noise on the same grid.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from samewhy_host.report.figures import FLIP, INK, LINE, MAIN, SOFT, STYLE

Row = Mapping[str, Any]
MODES = {"published": FLIP, "corrected": MAIN}
MEASURES = {"complexity": "complexity: lower is better", "adcc": "ADCC: higher is better, at most 1"}
NOISE = "complexity of noise"


def draw(axes: Axes, rows: Sequence[Row], mode: str, measure: str) -> None:
    """A cell: a line a network."""
    networks = list(dict.fromkeys(row["network"] for row in rows))
    for place, network in enumerate(networks):
        mine = [row for row in rows if (row["network"], row["measures"]) == (network, mode)]
        values = [row[measure] for row in mine]
        axes.plot(values, [-place] * len(values), "o", ms=3, color=MODES[mode], alpha=0.45)
        axes.plot(np.mean(values), -place, "o", ms=7, color=MODES[mode])
        if measure == "complexity":
            axes.plot(np.mean([row[NOISE] for row in mine]), -place, "|", ms=13, mew=1.6, color=INK)
    if measure == "adcc":
        axes.axvline(1, color=SOFT, linewidth=0.8, linestyle="--")
    axes.set_xlim(left=0)
    axes.set_ylim(-len(networks) + 0.5, 0.5)
    axes.set_yticks([-place for place in range(len(networks))], networks)
    axes.grid(axis="x", color=LINE, linewidth=0.5)
    axes.spines[["top", "right", "left"]].set_visible(False)


def picture(rows: Sequence[Row]) -> Figure:
    """Ways to measure down, measures across."""
    figure = Figure((10.6, 4.4), layout="constrained")
    grid = figure.subplots(len(MODES), len(MEASURES), sharey=True)
    for line, mode in zip(grid, MODES, strict=True):
        for axes, measure in zip(line, MEASURES, strict=True):
            draw(axes, rows, mode, measure)
        line[0].set_ylabel(f"as {mode}" if mode == "published" else mode, color=INK)
    for axes, said in zip(grid[0], MEASURES.values(), strict=True):
        axes.set_title(said, fontsize=8.5)
    figure.supxlabel("upright mark: maps of noise on the same grid; dashed: the largest ADCC", fontsize=8.5, color=SOFT)
    return figure


def main() -> None:
    """Write the picture."""
    source, place = map(Path, sys.argv[1:])
    with matplotlib.rc_context(STYLE):
        picture(json.loads(source.read_text())["rows"]).savefig(place, dpi=130)


if __name__ == "__main__":
    main()
