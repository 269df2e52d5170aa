"""Relevance, handed from the scores back to the samples: one pass over a tape, with the rules of a method.

A rule says how an operation deals the relevance of its output to its inputs. An addition is a linear layer whose
weights are 1, and so is pooling by means; pooling by maxima hands relevance to the largest value; activations pass it
on.
"""

from collections.abc import Callable, Sequence
from typing import Protocol

import torch
from torch import Tensor

from samewhy_edge.errors import InputError
from samewhy_host.whitebox.tape import Operation, Tape

KNOWN = "convolutions, linear layers, batch norm, additions, pooling, activations of single values, and reshaping"
Rule = Callable[[Operation, Tensor], Sequence[Tensor]]


class Rules(Protocol):
    """A method: the rule for each operation of a tape."""

    def __call__(self, operation: Operation, first: bool, /) -> Rule:
        """`first` where it takes the samples themselves; no operation is of an unknown kind."""
        ...


def propagated(tape: Tape, start: Tensor, rules: Rules) -> Tensor:
    """Relevance of the samples, (N, C, *S), from that of the scores, (N, K).

    Raises:
        InputError: the network has an operation that no rule is known for.
    """
    waiting = {id(tape.scores): start}
    raw = untouched(tape)
    for one in reversed(tape.operations):
        relevance = waiting.pop(id(one.output), None)
        if relevance is None:
            continue
        refused(one)
        shares = rules(one, id(one.inputs[0]) in raw)(one, relevance)
        for tensor, share in zip(one.inputs, shares, strict=True):
            known = waiting.get(id(tensor))
            waiting[id(tensor)] = share if known is None else known + share
    return waiting.get(id(tape.samples), torch.zeros_like(tape.samples))


def untouched(tape: Tape) -> set[int]:
    """Tensors, by id, that hold the samples' own values in another order."""
    found = {id(tape.samples)}
    for one in tape.operations:
        if one.kind == "route" and all(id(tensor) in found for tensor in one.inputs):
            found.add(id(one.output))
    return found


def refused(operation: Operation) -> None:
    """Refuse an operation that no rule is known for."""
    if operation.kind == "unknown":
        raise InputError(
            f"no rule leads back through {operation.name} of {len(operation.inputs)} tensors; expected {KNOWN}, up to "
            "the logits. Leave deep-lift, lrp, excitation-backprop and rap out of [[whitebox]]: the other methods take "
            "any network"
        )


def usual(operation: Operation) -> Rule:
    """The rule for what no weights decide: activations, pooling by maxima, reshaping."""
    return passed if operation.kind == "activation" else routed


def passed(operation: Operation, relevance: Tensor) -> Sequence[Tensor]:
    """All of it to the one input."""
    return [relevance]


def routed(operation: Operation, relevance: Tensor) -> Sequence[Tensor]:
    """To where the values came from."""
    inputs = leaves(operation.inputs)
    with torch.enable_grad():
        return torch.autograd.grad(operation.again(inputs), inputs, relevance)


def leaves(inputs: Sequence[Tensor]) -> list[Tensor]:
    """The same values, as where gradients end."""
    return [one.detach().clone().requires_grad_() for one in inputs]


def divided(a: Tensor, b: Tensor) -> Tensor:
    """a / b; 0 where b is."""
    return torch.where(b == 0, torch.zeros_like(a), a / torch.where(b == 0, torch.ones_like(b), b))
