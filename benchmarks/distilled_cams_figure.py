"""The picture of what complexity and ADCC measure, as published and corrected, and of maps that know nothing.

``python -m benchmarks.distilled_cams_figure ROWS.json PICTURE.png``; ROWS are what `benchmarks.distilled_cams` wrote.
Small dots are seeds, large ones their means; a line at the complexity of maps of uniform noise on the same grid.
"""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.panels import Row, lines, main, panels
from samewhy_host.report.figures import FLIP, INK, MAIN, SOFT

MODES = {"published": "as published", "corrected": "corrected"}
COLOURS = {"published": FLIP, "corrected": MAIN}
MEASURES = {"complexity": "complexity: lower is better", "adcc": "ADCC: higher is better, at most 1"}
NOISE = "complexity of noise"


def draw(axes: Axes, mode: str, measure: str, rows: Sequence[Row]) -> None:
    """A cell: a line a network."""
    networks = list(dict.fromkeys(row["network"] for row in rows))
    for place, network in enumerate(networks):
        mine = [row for row in rows if (row["network"], row["measures"]) == (network, mode)]
        values = [row[measure] for row in mine]
        axes.plot(values, [-place] * len(values), "o", ms=3, color=COLOURS[mode], alpha=0.45)
        axes.plot(np.mean(values), -place, "o", ms=7, color=COLOURS[mode])
        if measure == "complexity":
            axes.plot(np.mean([row[NOISE] for row in mine]), -place, "|", ms=13, mew=1.6, color=INK)
    if measure == "adcc":
        axes.axvline(1, color=SOFT, linewidth=0.8, linestyle="--")
    axes.set_xlim(left=0)
    lines(axes, networks)


def picture(rows: Sequence[Row]) -> Figure:
    """Ways to measure down, measures across."""
    foot = "upright mark: maps of noise on the same grid; dashed: the largest ADCC"
    return panels((10.6, 4.4), MODES, MEASURES, lambda *cell: draw(*cell, rows), foot)


if __name__ == "__main__":
    main(picture)
