"""Sensitivity weighted activations: Grad-CAM's map of the class that the teacher says is the teacher's.

Source: Park, Yang, Hwang & Yang 2020, arXiv 2010.15054, SWA.
"""

from dataclasses import dataclass
from typing import ClassVar, final

from torch import Tensor

from samewhy_host.compress.objectives.attribution import OfLayer, check_beta
from samewhy_host.compress.objectives.lesson import POOLED, Lesson, Scene
from samewhy_host.compress.objectives.maps import Reduction, distance, sensitivities


@final
@dataclass(frozen=True, slots=True)
class Swa:
    """`beta` weighs the distance of the maps, by the reduction that is named with it."""

    method: ClassVar[str] = "swa"

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
        return distance(*sensitivities(lesson, self.layer), self.reduction)
