"""Equally weighted activations: the mean over channels of squared activations is the teacher's.

Source: Park, Yang, Hwang & Yang 2020, arXiv 2010.15054, EWA; the same as Zagoruyko & Komodakis 2017, arXiv 1612.03928.
"""

from dataclasses import dataclass
from typing import ClassVar, final

from torch import Tensor

from samewhy_host.compress.objectives.attribution import check_beta
from samewhy_host.compress.objectives.lesson import POOLED, Lesson, Scene
from samewhy_host.compress.objectives.maps import Reduction, distance


@final
@dataclass(frozen=True, slots=True)
class Ewa:
    """`beta` weighs the distance of the maps, by the reduction that is named with it."""

    method: ClassVar[str] = "ewa"
    labels: ClassVar[float] = 1.0

    beta: float = 100.0  # the paper's, with the reduction of its code
    reduction: Reduction = "mean-square"
    layer: str | None = POOLED

    def __post_init__(self) -> None:
        check_beta(self.method, self.beta)

    @property
    def layers(self) -> tuple[str | None, ...]:
        """One."""
        return (self.layer,)

    def begin(self, scene: Scene) -> "Ewa":
        """Nothing is to be made ready."""
        return self

    def added(self, inputs: Tensor) -> None:
        """No samples but the batch's."""

    def loss(self, lesson: Lesson) -> Tensor:
        """On the samples as they are."""
        student, teacher = (
            (one.layers[self.layer][: lesson.count] ** 2).mean(dim=1) for one in (lesson.student, lesson.teacher)
        )
        return self.beta * distance(student, teacher.detach(), self.reduction)
