"""Integrated gradients."""

from dataclasses import dataclass
from typing import final

import numpy as np
import torch
from torch import Tensor

from samewhy_edge.errors import InputError
from samewhy_edge.fill import Fill
from samewhy_host.whitebox.asking import Asked, of_targets


@final
@dataclass(frozen=True, slots=True)
class IntegratedGradients:
    """Gradients along the straight path from the baseline to the sample, their mean by Gauss-Legendre, times what lies
    between.

    Source: Sundararajan, Taly & Yan 2017, arXiv 1703.01365, section 3.
    """

    steps: int = 64
    fill: Fill = 0.0

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise InputError(f"integrated-gradients steps = {self.steps}; expected at least 1")

    @property
    def name(self) -> str:
        """Of the method."""
        return "integrated-gradients"

    def attribute(self, asked: Asked) -> Tensor:
        """(N, C, *S); sums to the score less the baseline's, as far as the steps reach."""
        between = asked.samples - asked.baselines
        mean = torch.zeros_like(between)
        nodes = np.polynomial.legendre.leggauss(self.steps)  # type: ignore[no-untyped-call]
        for place, weight in zip(*nodes, strict=True):
            point = (asked.baselines + (1 + place) / 2 * between).requires_grad_()
            score = of_targets(asked.network(point), asked.targets).sum()
            mean += weight / 2 * torch.autograd.grad(score, point)[0]
        return mean * between
