"""Equally weighted activations: the mean over channels of squared activations is the teacher's.

Source: Park, Yang, Hwang & Yang 2020, arXiv 2010.15054, EWA; the same as Zagoruyko & Komodakis 2017, arXiv 1612.03928.
"""

from dataclasses import dataclass
from typing import ClassVar, final

from torch import Tensor

from samewhy_host.compress.objectives.attribution import OfLayer, check_beta
from samewhy_host.compress.objectives.lesson import POOLED, Lesson, Scene
from samewhy_host.compress.objectives.maps import Reduction, distance


@final
@dataclass(frozen=True, slots=True)
class Ewa:
    """`beta` weighs the distance of the maps, by the reduction that is named with it."""

    method: ClassVar[str] = "ewa"

    beta: float = 100.0  # the paper's, with the reduction of its code
    reduction: Reduction = "mean-square"
    layer: str | None = POOLED

    def __post_init__(self) -> None:
        check_beta(self.method, self.beta)

    def begin(self, scene: Scene) -> OfLayer:
        """Of its layer."""
        return OfLayer(self.layer, self.beta, self.apart)

    def apart(self, lesson: Lesson) -> Tensor:
        """How far the student's maps are from the teacher's."""
        student, teacher = (
            (one.layers[self.layer][: lesson.count] ** 2).mean(dim=1) for one in (lesson.student, lesson.teacher)
        )
        return distance(student, teacher.detach(), self.reduction)
