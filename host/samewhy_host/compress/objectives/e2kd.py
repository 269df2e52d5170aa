"""Explanation-enhanced distillation: Grad-CAM's maps point the same way as the teacher's, at the size of the sample.

Source: Parchami-Araghi, Böhle, Rao & Schiele 2024, arXiv 2402.03119.
"""

from dataclasses import dataclass
from typing import ClassVar, final

from torch import Tensor
from torch.nn.functional import cosine_similarity

from samewhy_host.compress.objectives.attribution import OfLayer, check_beta
from samewhy_host.compress.objectives.lesson import POOLED, Lesson, Scene
from samewhy_host.compress.objectives.maps import resized, sensitivities


@final
@dataclass(frozen=True, slots=True)
class E2kd:
    """`beta` weighs 1 - cosine of the maps; the paper's lambda."""

    method: ClassVar[str] = "e2kd"

    beta: float = 5.0
    layer: str | None = POOLED

    def __post_init__(self) -> None:
        check_beta(self.method, self.beta)

    def begin(self, scene: Scene) -> OfLayer:
        """Of its layer."""
        return OfLayer(self.layer, self.beta, self.apart)

    def apart(self, lesson: Lesson) -> Tensor:
        """How far the student's maps are from the teacher's."""
        student, teacher = (resized(one, lesson.size).flatten(1) for one in sensitivities(lesson, self.layer))
        return (1 - cosine_similarity(student, teacher, dim=1)).mean()
