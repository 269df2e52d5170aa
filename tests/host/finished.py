"""The files of a finished run, made up: every number is another one, so that one in the wrong place is missed."""

import json
from collections.abc import Collection, Mapping
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from samewhy_edge.files import write_json, write_npz
from samewhy_host import manifest
from samewhy_host.audit import SCHEMA, measure_rows
from samewhy_host.manifest import Made, Manifest, Step

RUNGS = ("float", "int8-xnnpack", "board")
EXPLAINERS = ("occlusion", "rise-published")
CLASSES = ["<script>alert('cat')</script>", 'dog & "wolf"']
QUESTION = "Same <b>why</b> & same answer?"
SAMPLES, SHOWN = 5, [4, 1]
NOTHING_DRAWN = {"occlusion": 0.0}


def agreement(rung: str, other: str, explainer: str, measure: str, place: int) -> dict[str, Any]:
    """Every value is another one, so that a value in the wrong cell is missed."""
    value = 0.61 + place / 1000
    return {
        "rung": rung,
        "reference": other,
        "changed": ["artifact"],
        "explainer": explainer,
        "measure": measure,
        "value": value,
        "low": value - 0.0501,
        "high": value + 0.0502,
        "ceiling": 0.4,
        "floor": 0.5 if explainer == "rise-published" else 0.1,
        "samples": SAMPLES,
        "undefined": 0,
    }


def verdict(rung: str, other: str, explainer: str, word: str = "same", **more: Any) -> dict[str, Any]:
    """A row of the verdicts; the same within the margin unless more is said."""
    return {
        "rung": rung,
        "reference": other,
        "changed": ["artifact", "kernels"],
        "explainer": explainer,
        "measure": "spearman",
        "verdict": word,
        "reason": None,
        "beyond_noise": True,
        "loss": 0.0123,
        "low": 0.0101,
        "high": 0.0152,
        "sample_error": 0.001,
        "mask_error": 0.0,
        "p_same": 0.001,
        "p_changed": 1.0,
        "p_beyond_noise": 0.001,
        "margin": 0.05,
        "samples": SAMPLES,
        "undefined": 0,
        "silent": 0,
        "more": None,
        **more,
    }


def class_row(label: int, rung: str, place: int, explainers: tuple[str, ...]) -> dict[str, Any]:
    few = {"value": 0.7 + label / 10, "low": 0.6, "high": 0.95, "samples": 2 + label, "undefined": 0}
    return {
        "class": label,
        "rung": rung,
        "tested": 1000 + label,
        "accuracy": 0.8 - place / 10 + label / 100,
        "flips": 7 * place + label if place else 0,
        "agreements": [{"explainer": one, **few} for one in explainers] if place else [],
    }


def calibration_row(rung: str) -> dict[str, Any]:
    known = {"calibration_error": 0.0321, "calibrated": 0.0123, "bins": 15, "tested": 2000}
    return {"rung": rung, "probabilities": "softmax", **known, "brier": 0.2, "brier_low": 0.19, "brier_high": 0.21}


def resolution_row(rung: str, explainer: str) -> dict[str, Any]:
    known = {"step": 0.0039, "dead": 0.25, "levels": 12.5, "ties": 0.5, "unresolvable": 0, "samples": SAMPLES}
    return {"rung": rung, "explainer": explainer, **known}


def rung_row(place: int, name: str) -> dict[str, Any]:
    return {
        "name": name,
        "artifact": f"{place}" * 64,
        "bytes": 123_456 - place,
        "runtime": f"runtime {place}.0",
        "kernels": "plain",
        "machine": "x86_64 Test",
        "changed": ["artifact", "runtime"] if place else [],
        "accuracy": 0.9 - place / 100,
        "flips": 30 * place,
        "tested": 2000,
        "flipped_samples": [4] if name == "board" else [],
        "audited_labels": [0 if name == "board" else 1] * 5,
    }


def localisation_measure(name: str) -> dict[str, Any]:
    return {"name": name, "better": "higher", "span": [0, 1], "source": "a source", "convention": "a convention"}


def localised(rung: str, explainer: str, place: int) -> dict[str, Any]:
    value = round(0.9 - place / 100, 3)
    row = {"rung": rung, "explainer": explainer, "measure": "point", "value": value, "low": value - 0.1}
    moved = {"moved": -place / 100, "moved_low": -place / 50, "moved_high": -place / 200}
    return {**row, "high": value + 0.1, "chance": 0.172, **moved, "samples": SAMPLES, "undefined": 0}


def audit_table(rungs: tuple[str, ...], explainers: tuple[str, ...]) -> dict[str, Any]:
    pairs = [(rung, rungs[0]) for rung in rungs[1:]] + list(zip(rungs[2:], rungs[1:], strict=False))
    keys = [(*pair, one, row["name"]) for one in explainers for pair in pairs for row in measure_rows()]
    return {
        "schema": SCHEMA,
        "study": {
            "question": QUESTION,
            "seed": 7,
            "sha256": "5" * 64,
            "data": "tiny",
            "classes": CLASSES,
            "reference": rungs[0],
            "samples": SAMPLES,
            "resamples": 1000,
            "level": 0.95,
            "margin": 0.05,
            "explainers": [{"name": one, "fill": 0.0, "queries": 99, "plan": "c" * 64} for one in explainers],
            "measures": measure_rows(),
            "localisation_measures": [localisation_measure("point")],
        },
        "rungs": [rung_row(place, name) for place, name in enumerate(rungs)],
        "verdicts": [verdict(*pair, one) for one in explainers for pair in pairs],
        "causes": [{"explainer": one, "step": None} for one in explainers],
        "classes": [class_row(k, name, place, explainers) for k in (0, 1) for place, name in enumerate(rungs)],
        "moved": [{"rung": one, "explainer": explainers[0], "class": 0, "p": 0.5} for one in rungs[1:]],
        "calibration": [calibration_row(name) for name in rungs],
        "resolution": [resolution_row(name, one) for name in rungs for one in explainers],
        "localisation": [localised(name, one, place) for one in explainers for place, name in enumerate(rungs)],
        "agreements": [agreement(*key, place) for place, key in enumerate(keys)],
        "samples": [{"id": f"test/<{place}>", "label": place % 2, "target": 1} for place in range(SAMPLES)],
        "gallery": SHOWN,
        "cross_check": {"occlusion": {"bound": 1e-6, "max_difference": 3.5e-7, "samples": 2}},
    }


def made_by(rungs: tuple[str, ...]) -> Manifest:
    gate = {"label_agreement": 0.987, "sqnr_db": 31.4, "input": {"scale": 0.5, "zero_point": -3}, "novel": 4.25}
    return Manifest(
        question=QUESTION,
        seed=7,
        study="5" * 64,
        data={"name": "tiny", "sample": [6, 6, 1], "test": {"count": 2000, "sha256": "d" * 64, "labels": "e" * 64}},
        artifacts=(
            Made("int8", "artifacts/int8.tflite", "f" * 64, 99, None, gate),
            Made("board", "artifacts/board.tflite", "2" * 64, 98, None, {"output": {"scale": 0.0039, "zero_point": 0}}),
        ),
        rungs=tuple(Step(name, f"litert:{name}.tflite") for name in rungs),
        calibration=("train/1",),
        audit=tuple(f"test/<{place}>" for place in range(SAMPLES)),
        versions={"samewhy": "0.1.0"},
    )


def run_folder(
    folder: Path,
    spatial: tuple[int, ...] = (6, 6),
    channels: int = 1,
    rungs: tuple[str, ...] = RUNGS,
    explainers: tuple[str, ...] = EXPLAINERS,
    gradients: bool = True,
    errors: Mapping[str, float] = NOTHING_DRAWN,
    telling: Collection[str] = (),
) -> Path:
    """The files of a finished run, as the audit leaves them.

    `errors` are standard errors by explainer, unknown for the others; maps of the explainers in `telling` tell channels
    apart.
    """
    rng = np.random.default_rng(3)
    write_json(folder / "audit.json", audit_table(rungs, explainers))
    write_json(
        folder / "timings.json", {name: {"batch": 32, "batched": 0.0123, "single_p50": 4.56} for name in rungs[1:]}
    )
    manifest.save(made_by(rungs), folder)
    write_npz(folder / "gallery.npz", samples=rng.random((len(SHOWN), *spatial, channels)).astype(np.float32))
    for rung, one in product(rungs, explainers):
        shape = (SAMPLES, *spatial, *([channels] if one in telling else []))
        known = {"errors": np.full(shape, errors[one], np.float32)} if one in errors else {}
        maps = rng.normal(size=shape).astype(np.float32)
        write_npz(folder / "records" / f"{rung}--{one}.npz", maps=maps, **known)
    if gradients:
        maps = rng.normal(size=(len(SHOWN), *spatial)).astype(np.float32)
        write_npz(folder / "records" / f"{rungs[0]}--integrated-gradients.npz", maps=maps, samples=np.array(SHOWN))
    return folder


def edit(folder: Path, change: Any) -> Path:
    table = json.loads((folder / "audit.json").read_text())
    change(table)
    write_json(folder / "audit.json", table)
    return folder
