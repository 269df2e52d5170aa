"""Sensitivity weighted activations: Grad-CAM's map of the class that the teacher says is the teacher's.

Source: Park, Yang, Hwang & Yang 2020, arXiv 2010.15054, SWA.
"""

from dataclasses import dataclass
from typing import ClassVar, final

from torch import Tensor

from samewhy_host.compress.objectives.attribution import check_beta
from samewhy_host.compress.objectives.lesson import POOLED, Lesson, Scene
from samewhy_host.compress.objectives.maps import Reduction, distance, sensitivities


@final
@dataclass(frozen=True, slots=True)
class Swa:
    """`beta` weighs the distance of the maps, by the reduction that is named with it."""

    method: ClassVar[str] = "swa"
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

    def begin(self, scene: Scene) -> "Swa":
        """Nothing is to be made ready."""
        return self

    def added(self, inputs: Tensor) -> None:
        """No samples but the batch's."""

    def loss(self, lesson: Lesson) -> Tensor:
        """On the samples as they are."""
        return self.beta * distance(*sensitivities(lesson, self.layer), self.reduction)
