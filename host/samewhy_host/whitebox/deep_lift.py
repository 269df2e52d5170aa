"""DeepLIFT with the rescale rule."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from samewhy_edge.fill import Fill
from samewhy_host.whitebox.asking import Asked, chosen
from samewhy_host.whitebox.relevance import Rule, leaves, propagated, routed
from samewhy_host.whitebox.tape import Operation, recorded

SAME = 1e-10  # inputs so near to each other are taken for one: the gradient stands for the slope between them


@final
@dataclass(frozen=True, slots=True)
class DeepLift:
    """Slopes between the sample and a baseline in place of gradients, times what lies between.

    A maximum hands its difference to where it was, of sample and baseline the one with the larger: that position
    differs too, so that nothing is lost where the other does not (Captum 0.9 loses it).

    Source: Shrikumar, Greenside & Kundaje 2017, arXiv 1704.02685, section 3.5.1; Lundberg & Lee 2017 (the code of
    shap) for maxima.
    """

    fill: Fill = 0.0

    @property
    def name(self) -> str:
        """Of the method."""
        return "deep-lift"

    def attribute(self, asked: Asked) -> Tensor:
        """(N, C, *S); sums to the score less the baseline's."""
        both = torch.cat([asked.samples, asked.baselines])
        with torch.no_grad():
            tape = recorded(asked.network, both)
        ones = chosen(torch.ones_like(tape.scores[: len(asked.samples)]), asked.targets)
        return propagated(tape, ones, rule_for)[: len(asked.samples)] * (asked.samples - asked.baselines)


def rule_for(operation: Operation, first: bool) -> Rule:
    """See `Rules`: what is handed back are slopes."""
    if operation.kind == "activation":
        return rescaled
    return maximal if "max_pool" in operation.name else halved


def halved(operation: Operation, slopes: Tensor) -> Sequence[Tensor]:
    """Gradients, of the samples' half alone."""
    padded = torch.cat([slopes, torch.zeros_like(slopes)])
    return [one[: len(slopes)] for one in routed(operation, padded)]


def rescaled(operation: Operation, slopes: Tensor) -> Sequence[Tensor]:
    """The difference of outputs over that of inputs."""
    inner = difference(operation.inputs[0])
    (gradient,) = halved(operation, slopes)
    ratio = difference(operation.output) / torch.where(inner.abs() < SAME, torch.ones_like(inner), inner)
    return [torch.where(inner.abs() < SAME, gradient, slopes * ratio)]


def maximal(operation: Operation, slopes: Tensor) -> Sequence[Tensor]:
    """To the position of the larger maximum of the two."""
    inner, made = difference(operation.inputs[0]), operation.output
    apart = difference(made)
    (x,) = leaves(operation.inputs)
    with torch.enable_grad():
        pooled = operation.again([x])
    moved = slopes * apart
    given = torch.cat([torch.where(apart > 0, moved, 0), torch.where(apart > 0, 0, moved)])
    (landed,) = torch.autograd.grad(pooled, x, given)
    total = landed[: len(slopes)] + landed[len(slopes) :]
    return [torch.where(inner == 0, 0, total / torch.where(inner == 0, 1, inner))]


def difference(both: Tensor) -> Tensor:
    """Of the samples' half and the baselines'."""
    half = len(both) // 2
    return both[:half] - both[half:]
