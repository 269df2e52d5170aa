"""What the objectives that match maps of one layer have in common."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, final

from torch import Tensor

from samewhy_edge.errors import InputError
from samewhy_host.compress.objectives.lesson import Lesson


@final
@dataclass(frozen=True, slots=True)
class OfLayer:
    """Maps of a layer, of the samples as they are; what `distance` says of a lesson, `beta` times."""

    labels: ClassVar[float] = 1.0  # their loss stays whole

    layer: str | None
    beta: float
    distance: Callable[[Lesson], Tensor]

    @property
    def layers(self) -> tuple[str | None, ...]:
        """One."""
        return (self.layer,)

    def added(self, inputs: Tensor) -> None:
        """No samples but the batch's."""

    def loss(self, lesson: Lesson) -> Tensor:
        """A number."""
        return self.beta * self.distance(lesson)


def check_beta(method: str, beta: float) -> None:
    """Refuse a weight that means nothing.

    Raises:
        InputError: naming what was found.
    """
    if not 0 <= beta < float("inf"):
        raise InputError(f"{method} beta = {beta}; expected a weight of at least 0")
