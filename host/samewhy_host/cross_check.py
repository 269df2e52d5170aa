"""Captum beside us on the torch reference of a study: our occlusion must be its own, and its gradients are drawn.

One step, done once for a network, its samples and the way they are covered.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from samewhy_edge import occlusion, plan
from samewhy_edge.arrays import Samples, Targets
from samewhy_edge.explain import Explainer, describe, described
from samewhy_edge.files import sha256, write_json, write_npz
from samewhy_edge.fill import Background, Fill
from samewhy_edge.occlusion import Occlusion
from samewhy_edge.predictor import Subject
from samewhy_host import gradients, torch_runtime
from samewhy_host.steps import Steps

CODE = (gradients, occlusion, plan, torch_runtime)  # what decides our maps, and Captum's


def cross_checked(
    steps: Steps,
    reference: tuple[Subject, nn.Module],
    explainers: Sequence[Explainer],
    samples: Samples,
    targets: Targets,
    shown: Sequence[int],
) -> Path:
    """A folder with ``maps.npz``, integrated gradients of the samples that are `shown`, and ``check.json``.

    Raises:
        ContractError: Captum's occlusion is not ours.
    """
    subject, module = reference
    fill, ours = explainers[0].fill, of_captum(explainers)
    of_fill, of_ours = to_check(fill, samples, shown), to_check(ours.fill, samples, shown) if ours else []

    def make(folder: Path) -> None:
        maps = gradients.integrated_gradients(module, samples[of_fill], targets[of_fill], fill)
        drawn = maps[[of_fill.index(sample) for sample in shown]]
        write_npz(folder / "maps.npz", maps=drawn, samples=np.array(shown))
        write_json(folder / "check.json", {"occlusion": compared(subject, ours, samples[of_ours], targets[of_ours])})

    inputs = {
        "artifact": subject.spec.rung.artifact.sha256,
        "fill": described(fill),
        "occlusion": None if ours is None else describe(ours),
        "samples": [sha256(samples[places]) for places in (of_fill, of_ours)],
        "targets": [sha256(targets[places]) for places in (of_fill, of_ours)],
        "shown": list(shown),
    }
    return steps.once("captum", inputs, CODE, make)


def compared(
    subject: Subject, ours: Occlusion | None, samples: Samples, targets: Targets
) -> dict[str, float | int] | None:
    """The largest difference to Captum's maps; None where the study has no occlusion of its convention."""
    if ours is None:
        return None
    apart = gradients.occlusion_difference(subject, samples, targets, ours)
    return {"max_difference": apart, "bound": gradients.BOUND, "samples": len(samples)}


def of_captum(explainers: Sequence[Explainer]) -> Occlusion | None:
    """The first occlusion that follows Captum's convention."""
    occlusions = (one for one in explainers if isinstance(one, Occlusion))
    return next((one for one in occlusions if one.convention == "captum"), None)


def to_check(fill: Fill, samples: Samples, shown: Sequence[int]) -> list[int]:
    """The samples of the gallery; all of them, in their order, where each has a background of its own."""
    own = isinstance(fill, Background) and np.load(fill.file, mmap_mode="r").ndim == samples.ndim
    return list(range(len(samples))) if own else list(shown)


def read(folder: Path) -> dict[str, Any]:
    """What was checked."""
    found: dict[str, Any] = json.loads((folder / "check.json").read_text())
    return found
