"""What a network did to a batch, operation by operation: recorded as it runs, so that any forward code will do.

Modules and functions are recorded alike, and Python decides freely in between; what is unknown is refused only when
relevance would have to pass it. In-place operations are done on copies.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, final

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from samewhy_edge.errors import ContractError

Kind = Literal["linear", "affine", "activation", "route", "unknown"]
Linear = Callable[[Sequence[Tensor], Tensor], Tensor]

WEIGHTED = ("conv1d", "conv2d", "conv3d", "linear")
NORM = "batch_norm"
POOLS: tuple[str, ...] = ("avg_pool1d", "avg_pool2d", "avg_pool3d", "mean", "sum")
POOLS += ("adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_avg_pool3d")
ACTIVATIONS: tuple[str, ...] = (
    "relu",
    "relu_",
    "relu6",
    "leaky_relu",
    "elu",
    "gelu",
    "silu",
    "mish",
    "softplus",
    "sigmoid",
    "tanh",
)
ACTIVATIONS += ("hardtanh", "hardswish", "hardsigmoid", "clamp", "clamp_")
ROUTES: tuple[str, ...] = (
    "max_pool1d",
    "max_pool2d",
    "max_pool3d",
    "adaptive_max_pool1d",
    "adaptive_max_pool2d",
    "adaptive_max_pool3d",
)
ROUTES += ("flatten", "view", "reshape", "squeeze", "unsqueeze", "permute", "transpose", "movedim", "pad", "cat")
ROUTES += ("contiguous", "clone", "dropout", "dropout1d", "dropout2d", "dropout3d", "alpha_dropout", "__getitem__")
SUMS = ("add", "add_", "__add__", "__radd__", "__iadd__")
SCALES = ("sub", "sub_", "mul", "mul_", "div", "div_", "true_divide", *SUMS)  # where all else is constant


@final
@dataclass(frozen=True, slots=True)
class Operation:
    """One call. Linear ones can be done again with other inputs and weights; without weights of their own, theirs is 1.

    A batch norm behind a convolution or a linear layer has become part of it.
    """

    kind: Kind
    name: str
    inputs: tuple[Tensor, ...]  # those that depend on the samples
    output: Tensor
    again: Callable[[Sequence[Tensor]], Tensor]  # with other inputs
    of: Linear  # of a linear one, without its bias: with other inputs and weights
    weight: Tensor
    bias: Tensor | None = None  # in the shape that is added to the output

    @property
    def weighted(self) -> bool:
        """Whether it has weights of its own."""
        return self.weight.ndim > 0


@final
@dataclass(frozen=True, slots=True)
class Tape:
    """A batch (N, C, *S), the scores (N, K) that it got, and all that lay between."""

    samples: Tensor
    scores: Tensor
    operations: tuple[Operation, ...]

    def consumers(self, tensor: Tensor) -> list[Operation]:
        """Operations that take the tensor."""
        return [one for one in self.operations if any(tensor is mine for mine in one.inputs)]


def recorded(network: nn.Module, samples: Tensor) -> Tape:
    """Run the network on samples (N, C, *S); gradients are followed where the caller has not turned them off.

    Raises:
        ContractError: the network does something to its tensors that was not seen.
    """
    recorder = Recorder(samples)
    with recorder:
        scores: Tensor = network(samples)
    with torch.no_grad():
        known: Tensor = network(samples)
    if id(scores) not in recorder.known or not torch.allclose(scores, known, rtol=1e-6, atol=1e-9):
        raise ContractError(
            "the network gives other scores when its operations are recorded: it changes a tensor in place whose old "
            "value it goes on to use, or answers by chance; expected a network that gives equal scores to equal samples"
        )
    return Tape(samples, scores, tuple(merged(recorder.operations)))


class Recorder(TorchFunctionMode):
    """Writes down every call that takes a tensor which depends on the samples."""

    def __init__(self, samples: Tensor) -> None:
        super().__init__()
        self.operations: list[Operation] = []
        self.known = {id(samples): samples}  # held, so that no other tensor gets the same id

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        inputs = [one for one in tensors((args, kwargs)) if id(one) in self.known]
        made = called(func, args, kwargs, inputs)
        news = [one for one in tensors(made) if one.is_floating_point() and id(one) not in self.known] if inputs else []
        for one in news:
            alone = made is one
            self.operations.append(operation(func, args, kwargs, inputs, one, alone))
            self.known[id(one)] = one
        return made


def called(func: Any, args: Any, kwargs: dict[str, Any], inputs: Sequence[Tensor]) -> Any:
    """What the call gives; one that may change its input in place is given a copy."""
    name = func.__name__
    if name in ACTIVATIONS or name.endswith("_") or "inplace" in kwargs:
        copies = {id(one): one.clone() for one in inputs}
        args, kwargs = swapped(args, copies), swapped(kwargs, copies)
    return func(*args, **kwargs)


def operation(
    func: Any, args: Any, kwargs: dict[str, Any], inputs: Sequence[Tensor], output: Tensor, alone: bool
) -> Operation:
    """The record of a call that gave `output`, `alone` or among others."""
    name = func.__name__

    def again(others: Sequence[Tensor]) -> Tensor:
        new = {id(one): other for one, other in zip(inputs, others, strict=True)}
        made: Tensor = called(func, swapped(args, new), swapped(kwargs, new), others)
        return made

    def plain(others: Sequence[Tensor], weight: Tensor) -> Tensor:
        return weight * again(others)

    one = torch.ones((), dtype=output.dtype)
    kind = kind_of(name, inputs, args) if alone else "unknown"
    known = Operation(kind, name, tuple(inputs), output, again, plain, one)
    return with_weights(known, func, args, kwargs) if known.kind == "linear" and name in WEIGHTED else known


def kind_of(name: str, inputs: Sequence[Tensor], args: Any) -> Kind:
    """What relevance makes of a call."""
    if name in WEIGHTED:
        return "linear" if len(inputs) == 1 and inputs[0] is args[0] else "unknown"
    if name in SUMS and len(inputs) > 1:
        return "linear"
    tables: dict[Kind, tuple[str, ...]] = {
        "linear": POOLS,
        "affine": (NORM, *SCALES) if len(inputs) == 1 and inputs[0] is args[0] else (),
        "activation": ACTIVATIONS,
        "route": ROUTES,
    }
    return next((kind for kind, names in tables.items() if name in names), "unknown")


def with_weights(known: Operation, func: Any, args: Any, kwargs: dict[str, Any]) -> Operation:
    """A convolution or a linear layer, with its weights and its bias by themselves."""
    rest = dict(kwargs)
    given = [*args[1:], *(rest.pop(name) for name in ("weight", "bias")[len(args) - 1 :] if name in rest)]
    weight, bias, *more = (*given, None) if len(given) == 1 else given

    def of(others: Sequence[Tensor], weight: Tensor) -> Tensor:
        made: Tensor = func(others[0], weight, None, *more, **rest)
        return made

    return replace(known, of=of, weight=weight.detach(), bias=None if bias is None else laid(bias.detach(), known))


def laid(channels: Tensor, known: Operation) -> Tensor:
    """Values of output channels (K,), as they are added to the output."""
    return channels if known.name == "linear" else channels.view(-1, *[1] * (known.output.ndim - 2))


def merged(operations: Sequence[Operation]) -> Iterator[Operation]:
    """Each batch norm in the convolution or linear layer before it, where nothing else takes what that gives.

    Relevance rules look at the signs of weights, and batch norm turns them: apart, the two give other maps than the
    layer that they are together, and that every converter makes of them.
    """
    takers: dict[int, list[Operation]] = {}
    for one in operations:
        for tensor in one.inputs:
            takers.setdefault(id(tensor), []).append(one)
    gone: dict[int, Operation] = {}  # by output: layers that wait for their batch norm
    for one in operations:
        follow = takers.get(id(one.output), [])
        layer = gone.pop(id(one.inputs[0]), None) if one.name == NORM else None
        if layer is not None:
            yield folded(layer, one)
        elif one.weighted and len(follow) == 1 and follow[0].name == NORM and follow[0].kind == "affine":
            gone[id(one.output)] = one
        else:
            yield one


def folded(layer: Operation, norm: Operation) -> Operation:
    """A layer and the batch norm behind it as one layer; what the norm makes of 0 and of 1 says all about it."""
    shape = (1, layer.weight.shape[0], *[1] * (layer.output.ndim - 2))
    zero = torch.zeros(shape, dtype=layer.output.dtype)
    shift = norm.again([zero])
    scale = norm.again([zero + 1]) - shift
    weight = layer.weight * scale.view(-1, *[1] * (layer.weight.ndim - 1))
    bias = (shift if layer.bias is None else layer.bias * scale + shift)[0]

    def again(others: Sequence[Tensor]) -> Tensor:
        return norm.again([layer.again(others)])

    return replace(layer, output=norm.output, again=again, weight=weight.detach(), bias=bias.detach())


def tensors(value: Any) -> Iterator[Tensor]:
    """Of an argument, or of arguments in tuples, lists and tables."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, list | tuple):
        for one in value:
            yield from tensors(one)
    elif isinstance(value, dict):
        yield from tensors(list(value.values()))


def swapped(value: Any, new: dict[int, Tensor]) -> Any:
    """The same arguments with other tensors, by id of those that they replace."""
    if isinstance(value, Tensor):
        return new.get(id(value), value)
    if isinstance(value, list | tuple):
        return type(value)(swapped(one, new) for one in value)
    return {key: swapped(one, new) for key, one in value.items()} if isinstance(value, dict) else value
