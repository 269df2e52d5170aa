"""Random pruning: weights become zero whatever their size. `magnitude` beside it shows what choosing is worth."""

from dataclasses import dataclass, field
from typing import final

import numpy as np
import torch
from torch import nn

from samewhy_edge.errors import InputError
from samewhy_edge.plan import words
from samewhy_host.module_file import Recipe
from samewhy_host.train import Train, prunable

STREAM = 2**33  # of the seed's chance


@final
@dataclass(frozen=True, slots=True)
class Random:
    """`amount` is the share of convolution and linear weights that become zero, drawn by `seed`."""

    amount: float = 0.5
    train: Train = field(default_factory=lambda: Train(epochs=3, learning_rate=0.002))
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.amount < 1:
            raise InputError(f"random amount = {self.amount}; expected a share from 0 to below 1")
        if self.seed < 0:
            raise InputError(f"random seed = {self.seed}; expected at least 0")

    def cut(self, recipe: Recipe, module: nn.Module) -> Recipe:
        """Zero so many weights in place."""
        weights = prunable(module)
        total = sum(weight.numel() for weight in weights)
        drawn = np.argsort(words((self.seed, STREAM), 0, total, 1)[:, 0], kind="stable")
        gone = torch.zeros(total, dtype=torch.bool)
        gone[torch.from_numpy(drawn[: round(self.amount * total)])] = True
        with torch.no_grad():
            for weight, own in zip(weights, torch.split(gone, [one.numel() for one in weights]), strict=True):
                weight.masked_fill_(own.view_as(weight), 0.0)
        return recipe
