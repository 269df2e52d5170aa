"""Distillation: the student's scores are those of its teacher, softened.

Source: Hinton, Vinyals & Dean 2015, arXiv 1503.02531.
"""

from dataclasses import dataclass
from typing import ClassVar, final

from torch import Tensor

from samewhy_host.compress.objectives.lesson import Lesson, Scene
from samewhy_host.compress.objectives.matching import Match, apart, check_share, match_of


@final
@dataclass(frozen=True, slots=True)
class Distil:
    """`alpha` of the loss is the teacher's, the rest the labels'."""

    method: ClassVar[str] = "distil"
    layers: ClassVar[tuple[str | None, ...]] = ()

    alpha: float = 0.9
    temperature: float = 4.0
    match: Match | None = None  # None: softmax, or sigmoid where classes do not exclude each other

    def __post_init__(self) -> None:
        check_share(self.method, self.alpha, self.temperature)

    @property
    def labels(self) -> float:
        """The labels' share."""
        return 1 - self.alpha

    def begin(self, scene: Scene) -> "Distil":
        """Nothing is to be made ready."""
        return self

    def added(self, inputs: Tensor) -> None:
        """No samples but the batch's."""

    def loss(self, lesson: Lesson) -> Tensor:
        """On the samples as they are."""
        student, teacher = (one.scores[: lesson.count] for one in (lesson.student, lesson.teacher))
        return self.alpha * apart(student, teacher, match_of(self.match, lesson.labels), self.temperature)
