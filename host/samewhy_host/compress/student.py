"""Another network takes the place of the one before: a smaller one, trained from the start beside its teacher."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, final

from torch import nn

from samewhy_edge.errors import InputError, unknown
from samewhy_host.module_file import Recipe
from samewhy_host.train import Train
from samewhy_host.zoo import ZOO


@final
@dataclass(frozen=True, slots=True)
class Student:
    """A network of the zoo, or the user's own."""

    architecture: str | None = None  # a name of the zoo
    factory: str | None = None  # "package.module:function"
    options: Mapping[str, Any] = field(default_factory=dict)
    train: Train = field(default_factory=Train)

    def __post_init__(self) -> None:
        if bool(self.architecture) == bool(self.factory):
            raise InputError("[compress.student] expected one of architecture and factory, to say what is trained")
        if self.architecture and self.architecture not in ZOO:
            raise InputError(f"[compress.student] {unknown('architecture', self.architecture, ZOO)}")

    def recipe(self, before: Recipe, classes: int) -> Recipe:
        """The student's, for the same samples and classes."""
        if self.factory:
            return Recipe(self.factory, dict(self.options), before.sample)
        size = {"classes": classes, "channels": before.sample[-1]}
        return Recipe(ZOO[str(self.architecture)], {**size, **self.options}, before.sample)

    def cut(self, recipe: Recipe, module: nn.Module) -> Recipe:
        """Nothing: the student is a network of its own, that `recipe` makes."""
        return recipe
