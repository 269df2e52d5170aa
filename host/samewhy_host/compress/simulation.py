"""Quantization simulated in training, so that weights settle where rounding does little harm.

Weights of convolutions and linear layers are rounded to a symmetric grid, a scale a channel. The scale is the largest
weight's, so that batch norm, which a converter folds into the weights channel by channel, changes nothing: it moves
weights and scale alike. Activations are rounded where a converter's tensors will be: at the entrance and behind ReLU,
pooling and linear layers, a scale a tensor, whose range is a moving mean of batches. Rounding passes gradients as if it
were not there, within the range.

What comes out is the float network, its weights unrounded, for the same converter and calibration as ever: this is a
way to train, and gives no ranges to the file.

Source: Jacob et al. 2018, arXiv 1712.05877, section 3; Bengio, Léonard & Courville 2013, arXiv 1308.3432 (straight
through).
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

MEMORY = 0.99  # of a range: what a batch leaves of it
TENSORS = (nn.ReLU, nn.ReLU6, nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d, nn.Linear)  # whose outputs are rounded


class Range(nn.Module):
    """Least and largest value of a tensor: moving means over the batches seen in training."""

    low: Tensor
    high: Tensor
    seen: Tensor

    def __init__(self) -> None:
        super().__init__()
        for name in ("low", "high", "seen"):
            self.register_buffer(name, torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        """Rounded to 8 bits of the range so far, this batch's included."""
        if self.training:
            self._note(x.detach())
        return rounded(x, self.low.clamp(max=0), self.high.clamp(min=0))

    def _note(self, x: Tensor) -> None:
        memory = MEMORY * self.seen  # 0 at first: the first batch is the range
        self.low.copy_(memory * self.low + (1 - memory) * x.min())
        self.high.copy_(memory * self.high + (1 - memory) * x.max())
        self.seen.fill_(1)


def rounded(x: Tensor, low: Tensor, high: Tensor) -> Tensor:
    """To the 256 values of an asymmetric grid that holds 0; gradients pass where x is within the range."""
    scale = ((high - low) / 255).clamp(min=1e-12)
    zero = (-128 - low / scale).round().clamp(-128, 127)
    inside = torch.minimum(torch.maximum(x, (-128 - zero) * scale), (127 - zero) * scale)
    return straight(inside, (torch.round(inside / scale + zero) - zero) * scale)


def rounded_weights(weight: Tensor, bits: int) -> Tensor:
    """To a symmetric grid a channel, of 2^bits - 1 values."""
    most = 2 ** (bits - 1) - 1
    largest = weight.detach().abs().flatten(1).max(dim=1).values.clamp(min=1e-12)
    scale = (largest / most).view(-1, *[1] * (weight.ndim - 1))
    return straight(weight, torch.round(weight / scale) * scale)


def straight(x: Tensor, value: Tensor) -> Tensor:
    """`value`, with the gradient of x."""
    return x + (value - x).detach()


@contextmanager
def simulated(module: nn.Module, bits: int) -> Iterator[nn.Module]:
    """Within, the module answers as if quantized; the ranges are given, whose state is part of the training."""
    ranges = nn.ModuleDict()
    with ExitStack() as stack:
        for part in module.modules():
            if isinstance(part, (nn.Conv1d, nn.Conv2d, nn.Linear)):
                stack.enter_context(with_rounded_weights(part, bits))
        watched = [(str(place), part) for place, part in enumerate(module.modules()) if isinstance(part, TENSORS)]
        for name, part in watched:
            ranges[name] = Range()
            stack.enter_context(part.register_forward_hook(partial(_out, ranges[name])))
        ranges["entrance"] = Range()
        stack.enter_context(module.register_forward_pre_hook(partial(_in, ranges["entrance"])))
        yield ranges


@contextmanager
def with_rounded_weights(part: nn.Conv1d | nn.Conv2d | nn.Linear, bits: int) -> Iterator[None]:
    """The layer with weights that are rounded as it is asked; its parameters keep their names."""

    def forward(x: Tensor) -> Tensor:
        weight = rounded_weights(part.weight, bits)
        if isinstance(part, nn.Linear):
            return linear(x, weight, part.bias)
        convolved: Tensor = part._conv_forward(x, weight, part.bias)
        return convolved

    part.forward = forward  # type: ignore[method-assign, assignment]  # of this object alone
    try:
        yield
    finally:
        del part.forward


def _out(own: nn.Module, _: nn.Module, __: Any, made: Tensor) -> Tensor:
    rounded: Tensor = own(made)
    return rounded


def _in(own: nn.Module, _: nn.Module, given: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    return (own(given[0]), *given[1:])
