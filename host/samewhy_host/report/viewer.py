"""What the page's viewer draws: samples, maps and standard errors of the gallery, as whole numbers in base64.

A map is held as its difference from the reference's, so that a difference of a millionth keeps its digits beside a
map of thousands.
"""

import base64
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from samewhy_edge.picture import AGAINST, FOR, NEUTRAL, stretched
from samewhy_host.report import words
from samewhy_host.report.reading import Finished, Row

LAST, UNDEFINED = 32767, -32768  # the largest code, and the code of what is NaN
WITHIN = 2  # standard errors; what lies within may be the masks' chance
ALIKE = 1e-3  # of two steps of an output that are one, one of them rounded


def viewer(found: Finished) -> Row:
    """Everything that the viewer needs, as JSON holds it."""
    return {
        "shape": list(found.samples.shape[1:]),
        "colours": {"against": AGAINST, "neutral": NEUTRAL, "for": FOR},
        "undefined": UNDEFINED,
        "within": WITHIN,
        "rungs": [{"name": row["name"], "changed": row["changed"]} for row in found.rungs],
        "explainers": [explainer_row(found, name) for name in found.explainers],
        "samples": [sample_row(found, place) for place in range(len(found.samples))],
    }


def explainer_row(found: Finished, name: str) -> Row:
    """How sure its maps are, and what was found on each rung."""
    kind = noise(found, name)
    return {
        "name": name,
        "noise": kind,
        "steps": [output_step(found, rung, name) if kind == "fixed" else None for rung in found.names],
        "said": [words.judged(found.verdict(rung, name)) for rung in found.names],
    }


def noise(found: Finished, explainer: str) -> str:
    """Whether its standard errors are ``unknown``, all 0 (``fixed``: nothing is drawn) or those of ``drawn`` masks."""
    errors = [found.errors[rung, explainer] for rung in found.names]
    known = [one for one in errors if one is not None]
    if len(known) < len(errors):
        return "unknown"
    return "drawn" if any(np.any(one != 0) for one in known) else "fixed"


def output_step(found: Finished, rung: str, explainer: str) -> float | None:
    """By how much the rung's scores change at least; None where they are those of real numbers.

    The audit's step is the smallest difference that was seen wherever it is not the one of the output tensor.
    """
    file = next(row["artifact"] for row in found.rungs if row["name"] == rung)
    gates = [made.gate or {} for made in found.manifest.artifacts if made.sha256 == file]
    scales = [float(gate["output"]["scale"]) for gate in gates if gate.get("output")]
    seen = [row["step"] for row in found.audit["resolution"] if (row["rung"], row["explainer"]) == (rung, explainer)]
    return next((one for one in scales for step in seen if step and abs(step / one - 1) < ALIKE), None)


def sample_row(found: Finished, place: int) -> Row:
    """One sample of the gallery: what it is, and its maps by explainer and rung."""
    classes, sample = found.audit["study"]["classes"], found.audit["gallery"][place]
    row = found.audit["samples"][sample]
    return {
        "id": row["id"],
        "label": classes[row["label"]],
        "target": classes[row["target"]],
        "answers": [classes[rung["audited_labels"][sample]] for rung in found.rungs],
        "flipped": [sample in rung["flipped_samples"] for rung in found.rungs],
        "pixels": as_text(stretched(found.samples[place])),
        "maps": [maps_of(found, place, name) for name in found.explainers],
        "errors": [errors_of(found, place, name) for name in found.explainers],
    }


def maps_of(found: Finished, place: int, explainer: str) -> Sequence[Row]:
    """The reference's map, then each rung's difference from it."""
    first, *others = (found.maps[rung, explainer][place].astype(np.float64) for rung in found.names)
    return [packed(first), *(packed(one - first) for one in others)]


def errors_of(found: Finished, place: int, explainer: str) -> Sequence[Row] | None:
    """Of each rung's map; None where they tell nothing."""
    if noise(found, explainer) != "drawn":
        return None
    errors = (found.errors[rung, explainer] for rung in found.names)
    return [packed(one[place].astype(np.float64)) for one in errors if one is not None]


def packed(values: NDArray[np.float64]) -> Row:
    """Codes of two bytes, little-endian, and the unit that they count; what is not finite is `UNDEFINED`."""
    known = np.isfinite(values)
    unit = float(np.abs(values[known]).max(initial=0)) / LAST or 1.0
    codes = np.where(known, np.rint(np.where(known, values, 0) / unit), UNDEFINED)
    return {"unit": unit, "codes": as_text(codes.astype("<i2"))}


def as_text(values: NDArray[Any]) -> str:
    """The bytes in base64."""
    return base64.b64encode(np.ascontiguousarray(values).tobytes()).decode()
