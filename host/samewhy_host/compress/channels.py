"""Structured pruning: the channels with the smallest L1 norm are removed, with all that depends on them.

Source: Li, Kadav, Durdanovic, Samet & Graf 2017, arXiv 1608.08710; dependencies between layers by Torch-Pruning
(Fang et al. 2023, arXiv 2301.12900).
"""

from dataclasses import dataclass, field, replace
from typing import final

from torch import nn

from samewhy_edge.errors import InputError
from samewhy_host.module_file import Recipe, example
from samewhy_host.train import Train


@final
@dataclass(frozen=True, slots=True)
class Channels:
    """`amount` is the share of channels that go, in every group of layers that share them; 0 only fine-tunes."""

    amount: float = 0.25
    train: Train = field(default_factory=lambda: Train(epochs=3, learning_rate=0.002))

    def __post_init__(self) -> None:
        if not 0 <= self.amount < 1:
            raise InputError(f"channels amount = {self.amount}; expected a share from 0 to below 1")

    def cut(self, recipe: Recipe, module: nn.Module) -> Recipe:
        """Remove channels in place; the recipe's history says which, so that the file can be built again.

        Raises:
            InputError: no layer has a channel to lose, or `amount` would leave none of any.
        """
        if not self.amount:
            return recipe
        import torch_pruning  # as in `module_file`

        pruner = torch_pruning.pruner.MetaPruner(
            module,
            example(recipe.sample),
            importance=torch_pruning.importance.GroupMagnitudeImportance(p=1),
            pruning_ratio=self.amount,
            ignored_layers=[last_linear(module)],
        )
        pruner.step()
        history = tuple((name, bool(out), [int(i) for i in cut]) for name, out, cut in pruner.pruning_history())
        if not history:
            raise InputError(
                f"channels amount = {self.amount} removes no channel of this network; choose a share that takes one "
                "channel of a layer at least, and leaves one"
            )
        return replace(recipe, history=recipe.history + history)


def last_linear(module: nn.Module) -> nn.Module:
    """The layer that gives the class scores: its outputs are not channels to cut.

    Raises:
        InputError: the network has no linear or convolutional layer.
    """
    layers = [part for part in module.modules() if isinstance(part, (nn.Linear, nn.Conv1d, nn.Conv2d))]
    if not layers:
        raise InputError("channel pruning found no linear or convolutional layer in the network; expected at least one")
    return layers[-1]
