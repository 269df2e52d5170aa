"""The files that an audit leaves, made by hand: three rungs, two explainers, three samples, every number known."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from samewhy_edge.files import write_json
from samewhy_edge.record import Arrays, Record, save
from samewhy_edge.rung import Artifact, Rung
from samewhy_host.audit import SCHEMA, measure_rows

RUNGS = ("float", "pruned", "int8")
EXPLAINERS = ("occlusion", "rise")
TRIALS = ("one", "two")  # measures of what maps are put to
SAMPLES = 3
STUDY = "5" * 64
UP, DOWN, FLAT = [0.0, 1, 2, 3], [3.0, 2, 1, 0], [1.0, 1, 1, 1]
MAPS = {"float": [UP, UP, UP], "pruned": [UP, DOWN, FLAT], "int8": [DOWN, DOWN, UP]}
AGREEMENTS = {("pruned", "float"): 0.9, ("int8", "float"): 0.8, ("int8", "pruned"): 0.95}  # of occlusion, by spearman
VERDICTS = {("pruned", "float"): "same", ("int8", "float"): "changed", ("int8", "pruned"): "undecided"}
ACCURACY = {"float": 0.9005, "pruned": 0.9105, "int8": 0.8985}

Table = dict[str, Any]


def rung_row(place: int, name: str) -> Table:
    return {
        "name": name,
        "artifact": f"{place}" * 64,
        "bytes": 4000 - 1000 * place,
        "runtime": "runtime 1.0",
        "kernels": "plain",
        "machine": "x86_64 Test",
        "changed": ["artifact", "runtime"] if place else [],
        "accuracy": ACCURACY[name],
        "flips": 30 * place,
        "tested": 2000,
        "flipped_samples": [2] if name == "int8" else [],
        "audited_labels": [0, 1, 0] if name == "int8" else [0, 1, 1],
    }


def agreement_rows(rungs: Sequence[str]) -> list[Table]:
    """Values fall by 0.1 from one explainer to the next, and by 0.01 from one measure to the next."""
    rows = []
    for (rung, reference), value in AGREEMENTS.items():
        for e, explainer in enumerate(EXPLAINERS):
            for m, measure in enumerate(measure_rows()):
                known = round(value - 0.1 * e - 0.01 * m, 6)
                ends = {"low": round(known - 0.05, 6), "high": round(known + 0.04, 6)}
                names = {"rung": rung, "reference": reference, "explainer": explainer, "measure": measure["name"]}
                rows.append({**names, "changed": ["artifact"], "value": known, **ends, "samples": 3, "undefined": 0})
    return [row for row in rows if row["rung"] in rungs]


def verdict_rows(rungs: Sequence[str]) -> list[Table]:
    return [
        {
            "rung": rung,
            "reference": reference,
            "explainer": explainer,
            "measure": "spearman",
            "verdict": word,
            "loss": 0.03,
            "low": 0.01,
            "high": 0.06,
        }
        for (rung, reference), word in VERDICTS.items()
        for explainer in EXPLAINERS
        if rung in rungs
    ]


def tried_rows(rungs: Sequence[str]) -> list[Table]:
    """What maps were put to: every value is another one."""
    names = [(rung, explainer, measure) for rung in rungs for explainer in EXPLAINERS for measure in TRIALS]
    return [tried_row(*each, 0.5 + place / 100) for place, each in enumerate(names)]


def tried_row(rung: str, explainer: str, measure: str, value: float) -> Table:
    ends = {"low": value - 0.1, "high": value + 0.1, "cost": value / 10, "cost_low": 0.0, "cost_high": value / 5}
    return {"rung": rung, "explainer": explainer, "measure": measure, "value": value, **ends}


def explainer_row(place: int, name: str) -> Table:
    known = {"reliability": None, "relative_error": 0.0} if name == "occlusion" else {"reliability": 0.9}
    return {"name": name, "fill": 0.0, "queries": 16, "plan": f"{place}" * 64, "relative_error": 0.04, **known}


def audit_table(rungs: Sequence[str] = RUNGS) -> Table:
    return {
        "schema": SCHEMA,
        "study": {
            "question": "The same reasons?",
            "seed": 7,
            "sha256": STUDY,
            "classes": ["cat", "dog"],
            "reference": rungs[0],
            "samples": SAMPLES,
            "resamples": 100,
            "level": 0.95,
            "explainers": [explainer_row(place, name) for place, name in enumerate(EXPLAINERS)],
            "measures": measure_rows(),
            "localisation_measures": [{"name": name} for name in TRIALS],
            "faithfulness_measures": [{"name": name} for name in TRIALS],
        },
        "rungs": [rung_row(place, name) for place, name in enumerate(rungs)],
        "agreements": agreement_rows(rungs),
        "verdicts": verdict_rows(rungs),
        "localisation": tried_rows(rungs),
        "faithfulness": tried_rows(rungs),
        "cross": tried_rows(rungs),
        "calibration": [
            {"rung": name, "calibration_error": 0.02, "brier": 0.1, "brier_low": 0.08, "brier_high": 0.13}
            for name in rungs
        ],
        "resolution": [
            {"rung": rung, "explainer": name, "dead": 0.25, "unresolvable": place}
            for place, rung in enumerate(rungs)
            for name in EXPLAINERS
        ],
        "samples": [{"id": f"test/{place}", "label": place % 2, "target": 1} for place in range(SAMPLES)],
        "gallery": [0, 1],
        "cross_check": None,
    }


def write_run(folder: Path, table: Table | None = None, maps: Mapping[str, Any] = MAPS, **identity: Any) -> Path:
    """A run's folder. `identity` changes what its records say of themselves."""
    known = audit_table() if table is None else table
    write_json(folder / "audit.json", known)
    write_json(folder / "timings.json", {row["name"]: {"single_p50": 0.5} for row in known["rungs"]})
    for rung in known["rungs"]:
        for explainer in known["study"]["explainers"]:
            path = folder / "records" / f"{rung['name']}--{explainer['name']}"
            save(record(rung, explainer, **identity), Arrays(np.array(maps[rung["name"]], np.float32)), path)
    return folder


def record(rung_of: Table, made_by: Table, **identity: Any) -> Record:
    known: Table = {
        "rung": Rung(
            Artifact(rung_of["artifact"], rung_of["bytes"]), rung_of["runtime"], rung_of["kernels"], rung_of["machine"]
        ),
        "explainer": {"name": made_by["name"], "fill": made_by["fill"]},
        "plan": made_by["plan"],
        "queries": made_by["queries"],
        "stopped": "plan",
        "reliability": None,
        "seed": 7,
        "samples": ("a" * 64, "b" * 64, "c" * 64),
        "targets": (1, 1, 1),
        "seconds": 0.1,
        "versions": {},
        "study": STUDY,
    }
    return Record(**(known | identity))
