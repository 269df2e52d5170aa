"""Stochastic sensitivity weighted activations: as `swa`, with some of the teacher's channels left out at random.

Source: Park, Yang, Hwang & Yang 2020, arXiv 2010.15054, SSWA. The paper draws each channel by itself; its code, and
this, leaves out a fixed number, drawn anew for each batch, and none of the student's.
"""

from dataclasses import dataclass
from typing import ClassVar, final

import torch
from torch import Tensor

from samewhy_edge.errors import InputError
from samewhy_host.compress.objectives.attribution import OfLayer, check_beta
from samewhy_host.compress.objectives.lesson import POOLED, Lesson, Scene
from samewhy_host.compress.objectives.maps import Reduction, distance, weighted, weights


@final
@dataclass(frozen=True, slots=True)
class Sswa:
    """`dropped` is the share of the teacher's channels that a batch leaves out, rounded down."""

    method: ClassVar[str] = "sswa"

    beta: float = 100.0  # the paper's, with the reduction of its code
    reduction: Reduction = "mean-square"
    layer: str | None = POOLED
    dropped: float = 0.3

    def __post_init__(self) -> None:
        check_beta(self.method, self.beta)
        if not 0 <= self.dropped < 1:
            raise InputError(f"{self.method} dropped = {self.dropped}; expected a share from 0 to below 1")

    def begin(self, scene: Scene) -> OfLayer:
        """Of its layer."""
        return OfLayer(self.layer, self.beta, self.apart)

    def apart(self, lesson: Lesson) -> Tensor:
        """How far the student's maps are from the teacher's."""
        own = weights(lesson.student, self.layer, lesson.top, True)
        other = weights(lesson.teacher, self.layer, lesson.top, False)
        other = other * kept(other.shape[1], self.dropped).to(other.device)
        student = weighted(lesson.student.layers[self.layer][: lesson.count], own)
        teacher = weighted(lesson.teacher.layers[self.layer][: lesson.count], other)
        return distance(student, teacher.detach(), self.reduction)


def kept(channels: int, dropped: float) -> Tensor:
    """1 for channels that stay, 0 for the others, (channels,)."""
    mask = torch.ones(channels)
    mask[torch.randperm(channels)[: int(channels * dropped)]] = 0
    return mask
