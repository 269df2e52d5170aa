"""Integrated gradients, by Captum."""

from dataclasses import dataclass
from typing import final

import captum.attr
from torch import Tensor

from samewhy_edge.errors import InputError
from samewhy_edge.fill import Fill
from samewhy_host.whitebox.asking import Asked


@final
@dataclass(frozen=True, slots=True)
class IntegratedGradients:
    """Gradients along the straight path from the baseline to the sample, times what lies between: Gauss-Legendre.

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
        method = captum.attr.IntegratedGradients(asked.network)
        found: Tensor = method.attribute(
            asked.samples,
            baselines=asked.baselines,
            target=asked.targets,
            n_steps=self.steps,
            internal_batch_size=max(256, len(asked.samples)),
        )
        return found.detach()
