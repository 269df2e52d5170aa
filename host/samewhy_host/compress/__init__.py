"""Ways to make a network smaller, one a file: a module file in, a module file out.

How it is fine-tuned afterwards, and by what it is taught, is the same for all: `samewhy_host.compress.tuning`.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, runtime_checkable

from torch import nn

from samewhy_host.compress.channels import Channels
from samewhy_host.compress.low_rank import LowRank
from samewhy_host.compress.magnitude import Magnitude
from samewhy_host.compress.random import Random
from samewhy_host.compress.shared import Shared
from samewhy_host.compress.student import Student
from samewhy_host.compress.tune import Tune
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


@runtime_checkable
class Gradual(Protocol):
    """A compression that cuts more than once, and is fine-tuned after each cut."""

    def stages(self) -> Sequence[Compression]:
        """The cuts, in their order."""
        ...


@runtime_checkable
class Holding(Protocol):
    """A compression that must be held on to while the network is fine-tuned."""

    def hold(self, module: nn.Module) -> Callable[[], None]:
        """What is called after every update of the weights."""
        ...


Kind = type[Magnitude] | type[Channels] | type[Random] | type[Shared] | type[LowRank] | type[Student] | type[Tune]
COMPRESSIONS: Mapping[str, Kind] = {
    "magnitude": Magnitude,
    "channels": Channels,
    "random": Random,
    "shared": Shared,
    "low-rank": LowRank,
    "student": Student,
    "tune": Tune,
}
PRUNING = ("magnitude", "channels", "random")


def stages(compression: Compression) -> Sequence[Compression]:
    """The cuts of a compression, most have one."""
    return compression.stages() if isinstance(compression, Gradual) else (compression,)


def held(compression: Compression, module: nn.Module) -> Callable[[], None]:
    """What is called after every update of the weights."""
    return compression.hold(module) if isinstance(compression, Holding) else lambda: None


def rung_name(method: str) -> str:
    """What the rung is called: ``pruned-magnitude``, ``shared``, ..."""
    return f"pruned-{method}" if method in PRUNING else method
