"""Low rank: a layer becomes two thin ones, the best approximation of its weights by a matrix of lower rank.

A convolution's matrix has its output channels as rows, so it becomes a convolution with few output channels and a
1 x 1 one behind it.

Source: Eckart & Young 1936; Zhang, Zou, He & Sun 2015, arXiv 1505.06798, section 2 without the data.
"""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, final

import torch
from torch import Tensor, nn

from samewhy_edge.errors import InputError
from samewhy_host.module_file import Recipe
from samewhy_host.train import Train

FACTORY = "samewhy_host.compress.low_rank:factored"


@final
@dataclass(frozen=True, slots=True)
class LowRank:
    """`amount` is the share of a layer's weights that go: the rank is the largest with at most 1 - `amount` of them."""

    amount: float = 0.5
    train: Train = field(default_factory=lambda: Train(epochs=3, learning_rate=0.002))

    def __post_init__(self) -> None:
        if not 0 <= self.amount < 1:
            raise InputError(f"low-rank amount = {self.amount}; expected a share from 0 to below 1")

    def cut(self, recipe: Recipe, module: nn.Module) -> Recipe:
        """Split layers in place, where two are smaller than one; the recipe says which, and with which rank.

        Raises:
            InputError: no layer can be split so that it is smaller.
        """
        if not self.amount:
            return recipe
        ranks = {name: rank for name, layer in splittable(module) if (rank := rank_of(layer, self.amount))}
        if not ranks:
            raise InputError(f"low-rank amount = {self.amount} leaves no layer a rank of 1; choose a smaller share")
        for name, rank in ranks.items():
            put(module, name, split(module.get_submodule(name), rank))
        inner = asdict(recipe)
        return Recipe(FACTORY, {"inner": inner, "ranks": ranks}, recipe.sample)


def factored(inner: Mapping[str, Any], ranks: Mapping[str, int]) -> nn.Module:
    """A factory: the network of a recipe, with layers split."""
    history = tuple((name, bool(out), list(cut)) for name, out, cut in inner["history"])
    module = Recipe(inner["factory"], inner["options"], tuple(inner["sample"]), history).build()
    for name, rank in ranks.items():
        put(module, name, split(module.get_submodule(name), rank))
    return module


def splittable(module: nn.Module) -> Sequence[tuple[str, nn.Conv2d | nn.Linear]]:
    """Layers whose weights are one matrix, by name; those that filter channels by themselves are none."""
    return [
        (name, part)
        for name, part in module.named_modules()
        if isinstance(part, nn.Linear) or (isinstance(part, nn.Conv2d) and part.groups == 1)
    ]


def matrix(layer: nn.Module) -> Tensor:
    """The weights with output channels as rows."""
    weight = layer.weight
    if not isinstance(weight, Tensor):
        raise InputError(f"{type(layer).__name__} has no weights; expected a convolution or a linear layer")
    return weight.detach().flatten(1)


def rank_of(layer: nn.Module, amount: float) -> int:
    """The largest rank whose two layers have at most 1 - `amount` of the weights; 0 where there is none."""
    rows, columns = matrix(layer).shape
    return min(int((1 - amount) * rows * columns / (rows + columns)), rows, columns)


def split(layer: nn.Module, rank: int) -> nn.Sequential:
    """Two layers: the first `rank` singular directions."""
    left, values, right = torch.linalg.svd(matrix(layer), full_matrices=False)
    roots = values[:rank].sqrt()
    first, second = halves(layer, rank)
    with torch.no_grad():
        first.weight.copy_((roots[:, None] * right[:rank]).view_as(first.weight))
        second.weight.copy_((left[:, :rank] * roots).view_as(second.weight))
        if second.bias is not None and isinstance(layer.bias, Tensor):
            second.bias.copy_(layer.bias)
    return nn.Sequential(OrderedDict(narrow=first, wide=second)).train(layer.training)


def halves(layer: nn.Module, rank: int) -> tuple[nn.Conv2d, nn.Conv2d] | tuple[nn.Linear, nn.Linear]:
    """Two layers that take and give what the layer does, with `rank` channels between them."""
    if isinstance(layer, nn.Linear):
        bias = layer.bias is not None
        return nn.Linear(layer.in_features, rank, bias=False), nn.Linear(rank, layer.out_features, bias=bias)
    if not isinstance(layer, nn.Conv2d):
        raise InputError(f"{type(layer).__name__} cannot be split; expected a convolution or a linear layer")
    window: dict[str, Any] = {"stride": layer.stride, "padding": layer.padding, "dilation": layer.dilation}
    first = nn.Conv2d(layer.in_channels, rank, layer.kernel_size, bias=False, **window)  # type: ignore[arg-type]  # torch types its sizes as any tuple
    return first, nn.Conv2d(rank, layer.out_channels, 1, bias=layer.bias is not None)


def put(module: nn.Module, name: str, part: nn.Module) -> None:
    """A part in the place of another."""
    above, _, last = name.rpartition(".")
    setattr(module.get_submodule(above), last, part)
