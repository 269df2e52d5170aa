"""Global magnitude pruning: the smallest weights of the whole network become zero and stay zero.

Source: Han, Pool, Tran & Dally 2015, arXiv 1506.02626, section 3, with one threshold for all layers; in rounds, each
fine-tuned.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import final

import torch
from torch import nn

from samewhy_edge.errors import InputError
from samewhy_host.module_file import Recipe
from samewhy_host.train import Train, prunable


@final
@dataclass(frozen=True, slots=True)
class Magnitude:
    """`amount` is the share of convolution and linear weights that become zero; 0 leaves the fine-tuning alone."""

    amount: float = 0.5
    train: Train = field(default_factory=lambda: Train(epochs=3, learning_rate=0.002))
    rounds: int = 1  # of cutting and fine-tuning; each takes the same share of the weights that are left

    def __post_init__(self) -> None:
        if not 0 <= self.amount < 1:
            raise InputError(f"magnitude amount = {self.amount}; expected a share from 0 to below 1")
        if self.rounds < 1:
            raise InputError(f"magnitude rounds = {self.rounds}; expected at least 1")

    def stages(self) -> Sequence["Magnitude"]:
        """A cut for each round, the last to `amount`."""
        shares = [1 - (1 - self.amount) ** (turn / self.rounds) for turn in range(1, self.rounds)]
        return [replace(self, amount=amount, rounds=1) for amount in (*shares, self.amount)]

    def cut(self, recipe: Recipe, module: nn.Module) -> Recipe:
        """Zero the smallest weights in place; the recipe stays, since no shape changes."""
        if not self.amount:
            return recipe
        weights = prunable(module)
        everything = torch.cat([weight.detach().abs().flatten() for weight in weights])
        threshold = everything.kthvalue(max(1, round(self.amount * len(everything)))).values
        with torch.no_grad():
            for weight in weights:
                weight.mul_(weight.abs() > threshold)
        return recipe
