"""What a white-box method is asked, and the pieces that methods share."""

from dataclasses import dataclass
from typing import Protocol, final, runtime_checkable

import torch
from torch import Tensor, nn

from samewhy_edge.fill import Fill
from samewhy_host.whitebox.tape import Tape, recorded


@final
@dataclass(frozen=True, slots=True)
class Asked:
    """A batch: samples (N, C, *S) and baselines of their shape, targets (N,), all of the network's own precision."""

    network: nn.Module
    samples: Tensor
    targets: Tensor
    baselines: Tensor


class WhiteBox(Protocol):
    """A method that looks into a torch network."""

    @property
    def name(self) -> str:
        """As tables call it."""
        ...

    def attribute(self, asked: Asked) -> Tensor:
        """Maps (N, C, *S), or with a single channel.

        Raises:
            InputError: the network is not of a kind that the method can take apart.
        """
        ...


@runtime_checkable
class Against(Protocol):
    """A method that compares the sample with a baseline."""

    @property
    def fill(self) -> Fill:
        """What the baseline is, in the units of the samples."""
        ...


def taped(asked: Asked) -> Tape:
    """The batch through the network, without gradients."""
    with torch.no_grad():
        return recorded(asked.network, asked.samples)


def chosen(scores: Tensor, targets: Tensor) -> Tensor:
    """Scores (N, K), with all but the targets' at 0."""
    places = targets.unsqueeze(1)
    return torch.zeros_like(scores).scatter(1, places, scores.gather(1, places))


def of_targets(scores: Tensor, targets: Tensor) -> Tensor:
    """(N,)."""
    return scores.gather(1, targets.unsqueeze(1)).squeeze(1)
