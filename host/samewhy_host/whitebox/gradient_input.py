"""Gradient times input."""

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from samewhy_host.whitebox.asking import Asked, of_targets


@final
@dataclass(frozen=True, slots=True)
class GradientInput:
    """The gradient of the target's score by the sample, times the sample.

    Source: Shrikumar et al. 2016, arXiv 1605.01713; Ancona et al. 2018, arXiv 1711.06104, table 1.
    """

    @property
    def name(self) -> str:
        """Of the method."""
        return "gradient-input"

    def attribute(self, asked: Asked) -> Tensor:
        """(N, C, *S)."""
        samples = asked.samples.detach().requires_grad_()
        score = of_targets(asked.network(samples), asked.targets).sum()
        (gradient,) = torch.autograd.grad(score, samples)
        return gradient * samples.detach()
