"""Explanation-enhanced distillation: Grad-CAM's maps point the same way as the teacher's, at the size of the sample.

Source: Parchami-Araghi, Böhle, Rao & Schiele 2024, arXiv 2402.03119.
"""

from dataclasses import dataclass
from typing import ClassVar, final

from torch import Tensor
from torch.nn.functional import cosine_similarity

from samewhy_host.compress.objectives.attribution import check_beta
from samewhy_host.compress.objectives.lesson import POOLED, Lesson, Scene
from samewhy_host.compress.objectives.maps import resized, sensitivities


@final
@dataclass(frozen=True, slots=True)
class E2kd:
    """`beta` weighs 1 - cosine of the maps; the paper's lambda."""

    method: ClassVar[str] = "e2kd"
    labels: ClassVar[float] = 1.0

    beta: float = 5.0
    layer: str | None = POOLED

    def __post_init__(self) -> None:
        check_beta(self.method, self.beta)

    @property
    def layers(self) -> tuple[str | None, ...]:
        """One."""
        return (self.layer,)

    def begin(self, scene: Scene) -> "E2kd":
        """Nothing is to be made ready."""
        return self

    def added(self, inputs: Tensor) -> None:
        """No samples but the batch's."""

    def loss(self, lesson: Lesson) -> Tensor:
        """On the samples as they are."""
        student, teacher = (resized(one, lesson.size).flatten(1) for one in sensitivities(lesson, self.layer))
        return self.beta * (1 - cosine_similarity(student, teacher, dim=1)).mean()
