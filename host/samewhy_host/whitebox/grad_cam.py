"""Grad-CAM of the last layer that knows positions, or of one that the study names."""

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from samewhy_edge.errors import InputError
from samewhy_host.whitebox.asking import Asked, of_targets
from samewhy_host.whitebox.tape import recorded


@final
@dataclass(frozen=True, slots=True)
class GradCam:
    """Channels of a layer, weighted by the mean gradient of the target's score, what is positive of their sum.

    Without a `layer`, the last values of the network that have more than one position: what its global pooling takes.
    Maps are stretched to the sample, linearly.

    Source: Selvaraju et al. 2017, arXiv 1610.02391, equations 1 and 2.
    """

    layer: str | None = None

    @property
    def name(self) -> str:
        """Of the method."""
        return "grad-cam"

    def attribute(self, asked: Asked) -> Tensor:
        """(N, 1, *S), at least 0."""
        held, scores = self._held(asked)
        (gradient,) = torch.autograd.grad(of_targets(scores, asked.targets).sum(), held)
        weights = gradient.flatten(2).mean(dim=2).view(*gradient.shape[:2], *[1] * (held.ndim - 2))
        maps = (weights * held).sum(dim=1, keepdim=True).relu().detach()
        return stretched(maps, tuple(asked.samples.shape[2:]))

    def _held(self, asked: Asked) -> tuple[Tensor, Tensor]:
        """What the layer holds, and the scores, with gradients between them."""
        samples = asked.samples.detach().requires_grad_()
        return spatial(asked.network, samples) if self.layer is None else at(asked.network, self.layer, samples)


def spatial(network: nn.Module, samples: Tensor) -> tuple[Tensor, Tensor]:
    """The last values of more than one position, and the scores.

    Raises:
        InputError: there are none.
    """
    tape = recorded(network, samples)
    found = [one.output for one in tape.operations if one.output.ndim > 2 and one.output[0, 0].numel() > 1]
    if not found:
        raise InputError("no layer of the network has channels and positions; leave grad-cam out of [[whitebox]]")
    return found[-1], tape.scores


def at(network: nn.Module, layer: str, samples: Tensor) -> tuple[Tensor, Tensor]:
    """What a layer gives, and the scores.

    Raises:
        InputError: no layer of that name, or one without channels and positions.
    """
    known, held = dict(network.named_modules()), list[Tensor]()
    if layer not in known:
        names = ", ".join(name for name in known if name)
        raise InputError(f"grad-cam layer {layer!r} is not in the network; expected one of: {names}")
    handle = known[layer].register_forward_hook(lambda _, __, made: held.append(made))
    try:
        scores: Tensor = network(samples)
    finally:
        handle.remove()
    if not held or held[-1].ndim < 3:
        raise InputError(f"grad-cam layer {layer!r} gives no channels with positions; name one that does")
    return held[-1], scores


def stretched(maps: Tensor, size: tuple[int, ...]) -> Tensor:
    """Maps (N, 1, *s) of the size of the samples; axes of one position that samples do not have are dropped."""
    wide = (*size, *[1] * (maps.ndim - 2 - len(size)))
    mode = "bilinear" if len(wide) == 2 else "linear"
    return interpolate(maps, size=wide, mode=mode, align_corners=False).view(len(maps), 1, *size)
