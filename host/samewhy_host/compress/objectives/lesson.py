"""What a student is shown beside its teacher: one batch, the scores of both, and what a layer of both held."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, Protocol, final

import torch
from torch import Tensor, nn

from samewhy_edge.errors import InputError
from samewhy_edge.explain import Explainer
from samewhy_host.train import laid_out

POOLED = None  # the layer that the last global pooling takes


@final
@dataclass(frozen=True, slots=True)
class Scene:
    """What objectives may know before the first batch."""

    explainers: Sequence[Explainer]  # of the study
    sample: tuple[int, ...]  # (*S, C)
    seed: int


@final
@dataclass(frozen=True, slots=True)
class Answer:
    """Scores (N, K) of a network, and by layer what it held there, (N, C, *S); gradients of one by the other exist."""

    scores: Tensor
    layers: Mapping[str | None, Tensor]


@final
@dataclass(frozen=True, slots=True)
class Lesson:
    """A batch that teacher and student have answered: the samples as they are, and those that one objective added."""

    count: int  # of samples as they are, which come first
    own: slice  # of those that the objective itself added
    labels: Tensor  # (count,), or (count, K) where classes do not exclude each other
    size: tuple[int, ...]  # *S of the samples
    student: Answer
    teacher: Answer

    @property
    def top(self) -> Tensor:
        """The class that the teacher says, (count,): whose reasons are asked, of the student too."""
        return self.teacher.scores[: self.count].detach().argmax(dim=1)


class Part(Protocol):
    """An objective that is ready for its batches."""

    @property
    def labels(self) -> float:
        """What is left of the weight of the labels' own loss, in [0, 1]."""
        ...

    @property
    def layers(self) -> tuple[str | None, ...]:
        """What it reads inside the networks."""
        ...

    def added(self, inputs: Tensor) -> Tensor | None:
        """More samples (M, C, *S) that both are asked, made of a batch (N, C, *S)."""
        ...

    def loss(self, lesson: Lesson) -> Tensor:
        """A number, its weight included."""
        ...


class Objective(Protocol):
    """Settings of an objective, as a study file has them."""

    def begin(self, scene: Scene) -> Part:
        """Ready for batches of these samples.

        Raises:
            InputError: settings that do not fit the samples.
        """
        ...


def answer(module: nn.Module, inputs: Tensor, layers: Sequence[str | None], learns: bool) -> Answer:
    """Ask a network. One that does not learn is followed from its layers on alone, and not at all without any."""
    held: dict[str | None, Tensor] = {}
    with ExitStack() as stack:
        for layer in layers:
            stack.enter_context(listening(module, layer, held, learns))
        with torch.set_grad_enabled(learns or bool(layers)):
            scores: Tensor = module(laid_out(inputs))
    return Answer(scores, held)


def listening(module: nn.Module, layer: str | None, held: dict[str | None, Tensor], learns: bool) -> Any:
    """Keep what the layer holds, as a context; for a teacher gradients begin there."""

    def keep(tensor: Tensor) -> Tensor:
        held[layer] = tensor if learns else tensor.detach().requires_grad_()
        return held[layer]

    if layer is POOLED:
        return pooling(module).register_forward_pre_hook(lambda _, given: (keep(given[0]), *given[1:]))
    return named(module, layer).register_forward_hook(lambda _, __, made: keep(made))


def pooling(module: nn.Module) -> nn.Module:
    """The last global pooling of a network.

    Raises:
        InputError: it has none.
    """
    kinds = (nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool1d, nn.AdaptiveMaxPool2d)
    found: list[nn.Module] = [part for part in module.modules() if isinstance(part, kinds)]
    if not found:
        raise InputError(
            "no global pooling in the network, whose input maps are made of; name a layer in [[compress.keep]]"
        )
    return found[-1]


def named(module: nn.Module, layer: str) -> nn.Module:
    """A layer by its name.

    Raises:
        InputError: there is none of that name.
    """
    known: dict[str, nn.Module] = dict(module.named_modules())
    if layer not in known:
        names = ", ".join(name for name in known if name)
        raise InputError(f"[[compress.keep]] layer {layer!r} is not in the network; expected one of: {names}")
    return known[layer]
