"""Ways to make a network smaller, one a file: a module file in, a module file out."""

from collections.abc import Mapping
from typing import Protocol

from torch import nn

from samewhy_host.compress.channels import Channels
from samewhy_host.compress.magnitude import Magnitude
from samewhy_host.module_file import Recipe
from samewhy_host.train import Train


class Compression(Protocol):
    """Parameters of a way to compress."""

    @property
    def train(self) -> Train:
        """How the network is fine-tuned afterwards."""
        ...

    def cut(self, recipe: Recipe, module: nn.Module) -> Recipe:
        """Compress in place; the recipe that builds the smaller network. Weights that are zero stay zero later on."""
        ...


COMPRESSIONS: Mapping[str, type[Magnitude] | type[Channels]] = {"magnitude": Magnitude, "channels": Channels}
