"""The picture of what each loss keeps, beside distillation on the same seeds.

``python -m benchmarks.preservation_figure ROWS.json PICTURE.png``; ROWS are what `benchmarks.preservation_students`
wrote. A dot is the mean over seeds of a loss less distillation, its line Student's 95 % interval.
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

from benchmarks.preservation_students import SEEDS
from samewhy_host import stats
from samewhy_host.report.figures import INK, LINE, MAIN, SOFT, STYLE

Row = Mapping[str, Any]
RECIPES = ("vgg-quarter", "magnitude-95", "magnitude-97", "channels-70")
LOSSES = ("labels", "kd, twice the epochs", "kd + ewa", "kd + swa", "black-box")
MEASURES = {
    "f1": "F1",
    "auc": "Grad-CAM:\nAUC on the mask",
    "cosine": "Grad-CAM: cosine\nwith the teacher",
    "occlusion": "occlusion: Spearman\nwith the teacher",
    "rise-pairs-informed": "RISE: Spearman\nwith the teacher",
}
BESIDE, LEVEL = "kd", 0.95


def apart(rows: Sequence[Row], recipe: str, loss: str, measure: str) -> tuple[float, float] | None:
    """Mean of a loss less distillation over the seeds that have both, and how far its interval reaches."""
    ours, theirs = (
        {row["seed"]: row[measure] for row in rows if row["recipe"] == recipe and row["loss"] == one}
        for one in (loss, BESIDE)
    )
    values = np.array([ours[seed] - theirs[seed] for seed in sorted(ours.keys() & theirs.keys())])
    if len(values) < 2:
        return None
    return float(values.mean()), float(stats.reach(len(values) - 1, LEVEL) * values.std(ddof=1) / np.sqrt(len(values)))


def draw(axes: Axes, rows: Sequence[Row], recipe: str, measure: str) -> None:
    """A cell: one line a loss."""
    axes.axvline(0, color=SOFT, linewidth=0.8)
    for place, loss in enumerate(LOSSES):
        found = apart(rows, recipe, loss, measure)
        if found is not None:
            colour = MAIN if loss == "black-box" else INK
            axes.errorbar(found[0], -place, xerr=found[1], fmt="o", ms=3.5, color=colour, elinewidth=1.2)
    axes.set_ylim(-len(LOSSES) + 0.5, 0.5)
    axes.set_yticks([-place for place in range(len(LOSSES))], LOSSES)
    axes.tick_params(axis="x", labelsize=7)
    axes.grid(axis="x", color=LINE, linewidth=0.5)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)


def picture(rows: Sequence[Row]) -> Figure:
    """Recipes down, measures across; a measure has one scale."""
    figure = Figure((10.6, 6.4), layout="constrained")
    grid = figure.subplots(len(RECIPES), len(MEASURES), sharex="col", sharey=True)
    for line, recipe in zip(grid, RECIPES, strict=True):
        for axes, measure in zip(line, MEASURES, strict=True):
            draw(axes, rows, recipe, measure)
        line[0].set_ylabel(recipe, color=INK)
    for axes, title in zip(grid[0], MEASURES.values(), strict=True):
        axes.set_title(title, fontsize=8.5)
    figure.supxlabel("less distillation (kd) on the same seeds; right of 0 is better", fontsize=8.5, color=SOFT)
    return figure


def main() -> None:
    """Write the picture."""
    source, place = map(Path, sys.argv[1:])
    rows = [row for row in json.loads(source.read_text())["rows"] if row["seed"] in SEEDS]
    with matplotlib.rc_context(STYLE):
        picture(rows).savefig(place, dpi=130)


if __name__ == "__main__":
    main()
