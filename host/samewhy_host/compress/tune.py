"""Nothing is cut: the network is trained on, such as with quantization simulated, or beside a teacher."""

from dataclasses import dataclass, field
from typing import final

from torch import nn

from samewhy_host.module_file import Recipe
from samewhy_host.train import Train


@final
@dataclass(frozen=True, slots=True)
class Tune:
    """Fine-tuning alone."""

    train: Train = field(default_factory=lambda: Train(epochs=3, learning_rate=0.002))

    def cut(self, recipe: Recipe, module: nn.Module) -> Recipe:
        """As it is."""
        return recipe
