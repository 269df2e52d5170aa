"""Maps of a layer that gradients can pass through, and how far two of them are apart."""

from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import interpolate, normalize, relu

from samewhy_host.compress.objectives.lesson import Answer, Lesson

Reduction = Literal["mean-square", "norm"]


def weights(answer: Answer, layer: str | None, top: Tensor, learns: bool) -> Tensor:
    """Spatial sums of the gradient of the score of each sample's `top` class by the layer's channels: (N, C).

    Samples beyond the first `len(top)` are left out. Grad-CAM's weights, but for the division by the positions.
    """
    chosen = answer.scores[torch.arange(len(top), device=top.device), top].sum()
    (gradient,) = torch.autograd.grad(chosen, answer.layers[layer], create_graph=learns, retain_graph=True)
    return gradient[: len(top)].flatten(2).sum(dim=2)


def weighted(activations: Tensor, channels: Tensor) -> Tensor:
    """What is positive of the channels' weighted sum, (N, *S)."""
    return relu((activations * channels.view(*channels.shape, *[1] * (activations.ndim - 2))).sum(dim=1))


def sensitivities(lesson: Lesson, layer: str | None) -> tuple[Tensor, Tensor]:
    """Maps of student and teacher for the class that the teacher says, (count, *S)."""
    student = weighted(lesson.student.layers[layer][: lesson.count], weights(lesson.student, layer, lesson.top, True))
    teacher = weighted(lesson.teacher.layers[layer][: lesson.count], weights(lesson.teacher, layer, lesson.top, False))
    return student, teacher.detach()


def distance(student: Tensor, teacher: Tensor, reduction: Reduction) -> Tensor:
    """Between maps of length 1 each. `norm`: the mean over samples of the Euclidean distance. `mean-square`: the mean
    over samples and positions of the squared difference, so that the same weight weighs less the finer the maps are.
    """
    own, other = (normalize(one.flatten(1), dim=1) for one in (resized(student, teacher.shape[1:]), teacher))
    if reduction == "norm":
        lengths: Tensor = torch.linalg.vector_norm(own - other, dim=1)
        return lengths.mean()
    return ((own - other) ** 2).mean()


def resized(maps: Tensor, size: tuple[int, ...]) -> Tensor:
    """Linear interpolation, where the size is another one."""
    if tuple(maps.shape[1:]) == tuple(size):
        return maps
    mode = "bilinear" if len(size) == 2 else "linear"
    return interpolate(maps.unsqueeze(1), size=tuple(size), mode=mode, align_corners=False).squeeze(1)
