"""What a network is taught beside its labels while it is fine-tuned, one objective a file.

All compare the student with a teacher: the network as it was before it was compressed, unless the study names another.
Their losses are added; the labels' own loss is weighed by what each objective leaves of it.
"""

from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

import torch
from torch import Tensor, nn

from samewhy_edge.settings import variant
from samewhy_host import train
from samewhy_host.compress.objectives.black_box import BlackBox
from samewhy_host.compress.objectives.distil import Distil
from samewhy_host.compress.objectives.e2kd import E2kd
from samewhy_host.compress.objectives.ewa import Ewa
from samewhy_host.compress.objectives.lesson import Lesson, Objective, Part, Scene, answer
from samewhy_host.compress.objectives.sswa import Sswa
from samewhy_host.compress.objectives.swa import Swa

Kind = type[Distil] | type[BlackBox] | type[Ewa] | type[Swa] | type[Sswa] | type[E2kd]
OBJECTIVES: Mapping[str, Kind] = {
    "distil": Distil,
    "black-box": BlackBox,
    "ewa": Ewa,
    "swa": Swa,
    "sswa": Sswa,
    "e2kd": E2kd,
}


def objectives_from(tables: Sequence[Mapping[str, Any]]) -> list[Objective]:
    """The objectives of ``[[compress.keep]]`` tables, in their order.

    Raises:
        InputError: an unknown method or parameter.
    """
    return [variant(OBJECTIVES, table, "compress.keep") for table in tables]


def taught_by(teacher: nn.Module, objectives: Sequence[Objective], scene: Scene, smoothing: float) -> train.Lesson:
    """The lesson of these objectives; the teacher, in evaluation mode, learns nothing.

    Raises:
        InputError: an objective that does not fit the samples or the network.
    """
    parts = [one.begin(scene) for one in objectives]
    layers = list(dict.fromkeys(layer for part in parts for layer in part.layers))
    teacher.requires_grad_(False).eval()

    def lesson(module: nn.Module, inputs: Tensor, labels: Tensor) -> Tensor:
        return loss_of(module, teacher, parts, layers, inputs, labels, smoothing)

    return lesson


def loss_of(
    student: nn.Module,
    teacher: nn.Module,
    parts: Sequence[Part],
    layers: Sequence[str | None],
    inputs: Tensor,
    labels: Tensor,
    smoothing: float,
) -> Tensor:
    """All losses of a batch; samples that objectives add are answered together with it."""
    everything, owned = gathered(parts, inputs)
    answers = answer(student, everything, layers, True), answer(teacher, everything, layers, False)
    known = train.label_loss(answers[0].scores[: len(inputs)], labels, smoothing) * prod(one.labels for one in parts)
    size = tuple(inputs.shape[2:])
    for part, own in zip(parts, owned, strict=True):
        known = known + part.loss(Lesson(len(inputs), own, labels, size, *answers))
    return known


def gathered(parts: Sequence[Part], inputs: Tensor) -> tuple[Tensor, list[slice]]:
    """The batch with what each objective adds to it, and where that lies."""
    tensors, owned, end = [inputs], [], len(inputs)
    for part in parts:
        more = part.added(inputs)
        count = 0 if more is None else len(more)
        owned.append(slice(end, end + count))
        end += count
        if more is not None:
            tensors.append(more)
    return torch.cat(tensors) if len(tensors) > 1 else inputs, owned
