"""Weight sharing: the weights of a layer take few values, found by k-means, so that a code book and indices suffice.

Source: Han, Mao & Dally 2016, arXiv 1510.00149, section 3: linear first centres, zeros stay zero and are no cluster.
There, gradients are summed over a cluster; here, after each update, its weights become their mean.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import final

import torch
from torch import Tensor, nn

from samewhy_edge.errors import InputError
from samewhy_host.module_file import Recipe
from samewhy_host.train import Train, prunable

ROUNDS = 50  # of Lloyd's algorithm, at most


@final
@dataclass(frozen=True, slots=True)
class Shared:
    """`values` is how many values other than 0 the weights of a layer may have."""

    values: int = 16
    train: Train = field(default_factory=lambda: Train(epochs=3, learning_rate=0.002))

    def __post_init__(self) -> None:
        if not 1 <= self.values <= 65536:
            raise InputError(f"shared values = {self.values}; expected 1 to 65536")

    def cut(self, recipe: Recipe, module: nn.Module) -> Recipe:
        """Move the weights to the centres of their clusters in place."""
        with torch.no_grad():
            for weight in prunable(module):
                own = weight.flatten()
                own[own != 0] = clustered(own[own != 0], self.values)
                weight.copy_(own.view_as(weight))
        return recipe

    def hold(self, module: nn.Module) -> Callable[[], None]:
        """What makes the weights of each cluster equal again, to be called after every weight update."""
        weights = prunable(module)
        groups = [torch.unique(weight.detach(), return_inverse=True)[1].flatten() for weight in weights]

        def together() -> None:
            with torch.no_grad():
                for weight, group in zip(weights, groups, strict=True):
                    weight.copy_(means(weight.flatten(), group)[group].view_as(weight))

        return together


def clustered(values: Tensor, count: int) -> Tensor:
    """Each value's centre, by Lloyd's algorithm in one dimension; `values` themselves where they are that few."""
    if len(torch.unique(values)) <= count:
        return values
    centres = torch.linspace(float(values.min()), float(values.max()), count, dtype=values.dtype)
    for _ in range(ROUNDS):
        group = torch.bucketize(values, (centres[1:] + centres[:-1]) / 2)
        moved = torch.where(torch.bincount(group, minlength=count) > 0, means(values, group, count), centres)
        if torch.equal(moved, centres):
            break
        centres = moved
    return centres[torch.bucketize(values, (centres[1:] + centres[:-1]) / 2)]


def means(values: Tensor, group: Tensor, count: int = 0) -> Tensor:
    """The mean of each group; 0 for empty ones."""
    sizes = torch.bincount(group, minlength=count)
    sums = torch.zeros(len(sizes), dtype=torch.float64, device=values.device).index_add_(0, group, values.double())
    return (sums / sizes.clamp(min=1)).to(values.dtype)
