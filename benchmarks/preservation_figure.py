"""The picture of what each loss keeps, beside distillation on the same seeds.

``python -m benchmarks.preservation_figure ROWS.json PICTURE.png``; ROWS are what `benchmarks.preservation_students`
wrote. A dot is the mean over seeds of a loss less distillation, its line Student's 95 % interval.
"""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.panels import Row, lines, main, panels
from benchmarks.preservation_students import SEEDS
from samewhy_host import stats
from samewhy_host.report.figures import INK, MAIN, SOFT

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


def draw(axes: Axes, recipe: str, measure: str, rows: Sequence[Row]) -> None:
    """A cell: one line a loss."""
    axes.axvline(0, color=SOFT, linewidth=0.8)
    for place, loss in enumerate(LOSSES):
        found = apart(rows, recipe, loss, measure)
        if found is not None:
            colour = MAIN if loss == "black-box" else INK
            axes.errorbar(found[0], -place, xerr=found[1], fmt="o", ms=3.5, color=colour, elinewidth=1.2)
    axes.tick_params(axis="x", labelsize=7)
    lines(axes, LOSSES)


def picture(rows: Sequence[Row]) -> Figure:
    """Recipes down, measures across; a measure has one scale."""
    known = [row for row in rows if row["seed"] in SEEDS]
    foot = f"less distillation ({BESIDE}) on the same seeds; right of 0 is better"
    recipes = {recipe: recipe for recipe in RECIPES}
    return panels((10.6, 6.4), recipes, MEASURES, lambda *cell: draw(*cell, known), foot, one_scale=True)


if __name__ == "__main__":
    main(picture)
