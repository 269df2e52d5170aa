"""Do the students' int8 files keep the teacher's reasons? Asks them as black boxes, and puts all tables together.

``python -m benchmarks.preservation FOLDER`` takes the networks that ``benchmarks.preservation_students`` left in
FOLDER, on this machine or another. It converts those of `ASKED` to int8 TFLite (XNNPACK kernels), asks each file and
its seed's float teacher by occlusion and by RISE under the same masks, and prints tables. A second run goes on where
the first ended.

FOLDER gets int8.json, a row for each file.

`preservation-inside`: all students in float, by Grad-CAM; see `benchmarks.preservation_students`.
`preservation-int8`: Spearman of the int8 file's maps with the teacher's maps, and their AUC on the garment's mask.
`preservation-inside-apart`, `preservation-int8-apart`: differences between two losses on the same seeds.

What is asked was chosen before it was measured: the first 100 test canvases whose first garment the teacher says (a
logit above 0), maps of that class; the explainers are those whose masks trained the `black-box` students, drawn anew.
F1 is over the whole test split. Intervals are Student's t over seeds, of 95 %.
"""

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.preservation_students import DATA, EXPLAINERS, LOSSES, TEACHER, named, recipes
from benchmarks.tables import put
from samewhy_edge.agreement import cosine, spearman
from samewhy_edge.arrays import Maps
from samewhy_edge.explain import explain
from samewhy_edge.files import write_bytes, write_json
from samewhy_edge.localisation import area_under_roc
from samewhy_edge.predictor import Predictor, open_predictor
from samewhy_host import export, quantize, stats
from samewhy_host.calibration import calibrating
from samewhy_host.data.canvases import Canvases, canvases, f1
from samewhy_host.data.dataset import Dataset, Split
from samewhy_host.module_file import load_module
from samewhy_host.schemes import Quantize

ASKED = ("kd", "kd, twice the epochs", "kd, four times the epochs", "kd + swa", "black-box", "black-box, scores")
RECIPES = ("vgg-quarter", "magnitude-95")
SAMPLES, CALIBRATION, LEVEL = 100, 200, 0.95
KERNELS = "xnnpack"
Row = dict[str, Any]
INSIDE = ("f1", "auc", "point", "auc_teacher_pairs", "cosine", "spearman")
PAIRS = (
    ("kd + ewa", "kd"),
    ("kd + swa", "kd"),
    ("kd + swa", "kd + ewa"),
    ("kd + sswa", "kd + swa"),
    ("black-box", "kd"),
    ("black-box", "kd, twice the epochs"),
    ("black-box", "kd, four times the epochs"),
    ("black-box", "kd + swa"),
    ("black-box, scores", "kd"),
    ("black-box, scores", "kd + swa"),
)


@cache
def data(seed: int, count: int) -> Dataset:
    """The canvases of a seed."""
    return canvases(Canvases(canvases=(count, DATA.canvases[1])), "unit", seed)


def audited(seed: int, count: int, teacher: Predictor) -> Split:
    """The canvases that are asked about."""
    test = data(seed, count).test
    says = teacher(test.samples)[np.arange(len(test.labels)), test.labels] > 0
    return test.take(np.flatnonzero(says)[:SAMPLES])


def deployed(folder: Path, name: str, calibration: Split) -> Path:
    """The int8 file of a network, converted where it is not yet."""
    own = folder / "int8" / name
    place = own / "int8.tflite"
    if place.is_file():
        return place
    own.mkdir(parents=True, exist_ok=True)
    recipe, module = load_module(folder / f"{name}.pt")
    write_bytes(own / "model.onnx", export.to_onnx(recipe, module))
    quantize.to_tflite(own / "model.onnx", calibration.samples, own, Quantize())
    return place


def asked(folder: Path, name: str, row: Row) -> Row:
    """What a network's int8 file answers, beside its teacher."""
    seed = row["seed"]
    place = folder / "int8" / f"{name}.json"
    if place.is_file():
        known: Row = json.loads(place.read_text())
        return known
    count = row["canvases"]
    known_data = data(seed, count)
    teacher = open_predictor(f"torch:{folder / named(seed, TEACHER, 'labels')}.pt")
    shown = audited(seed, count, teacher)
    file = deployed(folder, name, calibrating(known_data.train, shown, CALIBRATION, seed))
    predictor, test = open_predictor(f"litert:{file}?kernels={KERNELS}"), known_data.test
    if test.present is None:
        raise ValueError("canvases without classes; expected those of samewhy_host.data.canvases")
    found = {"f1": f1(predictor(test.samples), test.present), "bytes": file.stat().st_size}
    for explainer in EXPLAINERS:
        wanted = teacher_maps(folder, seed, count, explainer.name)
        maps = explain(predictor, shown.samples, shown.labels, explainer, seed)
        found |= {f"{explainer.name} {key}": value for key, value in compared(maps, wanted, shown).items()}
    result = {**{key: row[key] for key in ("seed", "recipe", "loss", "f1_teacher")}, **found}
    write_json(place, result)
    return result


@cache
def teacher_maps(folder: Path, seed: int, count: int, name: str) -> Maps:
    """Of the float teacher."""
    teacher = open_predictor(f"torch:{folder / named(seed, TEACHER, 'labels')}.pt")
    shown = audited(seed, count, teacher)
    explainer = next(one for one in EXPLAINERS if one.name == name)
    return explain(teacher, shown.samples, shown.labels, explainer, seed)


def compared(maps: Maps, wanted: Maps, shown: Split) -> Mapping[str, float]:
    """Means over samples; a flat map has no ranks and is left out."""
    if shown.masks is None:
        raise ValueError("canvases without masks; expected those of samewhy_host.data.canvases")
    pairs = list(zip(maps, wanted, strict=True))
    located = [area_under_roc(one, mask) for one, mask in zip(maps, shown.masks, strict=True)]
    return {
        "spearman": float(np.nanmean([spearman(*pair) for pair in pairs])),
        "cosine": float(np.nanmean([cosine(*pair) for pair in pairs])),
        "auc": float(np.nanmean(located)),
        "flat": int(np.isnan(located).sum()),
    }


def over_seeds(values: Sequence[float | None], digits: int = 3, unit: float = 1.0) -> str:
    """A mean with its interval."""
    known = unit * np.array([value for value in values if value is not None], np.float64)
    if not len(known):
        return "–"
    if len(known) < 2:
        return f"{known[0]:.{digits}f}"
    reach = stats.reach(len(known) - 1, LEVEL) * known.std(ddof=1) / np.sqrt(len(known))
    return f"{known.mean():.{digits}f} ± {reach:.{digits}f}"


def grouped(rows: Sequence[Row]) -> dict[tuple[str, str], list[Row]]:
    """Rows by recipe and loss."""
    found: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        found.setdefault((row["recipe"], row["loss"]), []).append(row)
    return found


def table(rows: Sequence[Row], columns: Sequence[str]) -> Iterator[Row]:
    """A line for each recipe and loss."""
    for (recipe, loss), mine in grouped(rows).items():
        shown = {column: over_seeds([row[column] for row in mine]) for column in columns}
        yield {"recipe": recipe, "loss": loss, "seeds": len(mine), **shown}


def differences(rows: Sequence[Row], columns: Sequence[str]) -> Iterator[Row]:
    """A line for each recipe and pair of losses, over the seeds that have both."""
    groups = grouped(rows)
    for recipe in dict.fromkeys(row["recipe"] for row in rows):
        for one, other in PAIRS:
            ours, theirs = ({row["seed"]: row for row in groups.get((recipe, loss), [])} for loss in (one, other))
            both = sorted(ours.keys() & theirs.keys())
            if both:
                values = {key: over_seeds([less(ours[s][key], theirs[s][key]) for s in both]) for key in columns}
                yield {"recipe": recipe, "loss": f"({one}) - ({other})", "seeds": len(both), **values}


def less(one: float | None, other: float | None) -> float | None:
    """The difference, where both are defined."""
    return None if one is None or other is None else one - other


def printed(name: str, rows: Sequence[Row]) -> None:
    """A table, where it has rows."""
    if rows:
        put(name, rows)


def main() -> None:
    """All tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--recipes", nargs="+", default=list(RECIPES))
    parser.add_argument("--losses", nargs="+", default=list(ASKED))
    options = parser.parse_args()
    rows = [json.loads(one.read_text()) for one in sorted(options.folder.glob("*--*--*.json"))]
    order = [TEACHER, *recipes(1)], list(LOSSES)
    rows.sort(key=lambda row: (order[0].index(row["recipe"]), order[1].index(row["loss"]), row["seed"]))
    printed("preservation-inside", list(table(rows, INSIDE)))
    printed("preservation-inside-apart", list(differences(rows, INSIDE)))
    wanted = [row for row in rows if row["seed"] in options.seeds and row["loss"] in (*options.losses, "labels")]
    chosen = [row for row in wanted if row["recipe"] in options.recipes and row["loss"] != "labels"]
    teachers = [row for row in wanted if row["recipe"] == "teacher"]
    found = []
    for place, row in enumerate((*teachers, *chosen)):
        print(
            f"{place + 1} of {len(teachers) + len(chosen)}: {named(row['seed'], row['recipe'], row['loss'])}",
            flush=True,
        )
        found.append(asked(options.folder, named(row["seed"], row["recipe"], row["loss"]), row))
    write_json(options.folder / "int8.json", {"rows": found})
    columns = ["f1", *(f"{one.name} {key}" for one in EXPLAINERS for key in ("spearman", "auc"))]
    printed("preservation-int8", list(table(found, columns)))
    printed("preservation-int8-apart", list(differences(found, columns)))


if __name__ == "__main__":
    main()
