"""Excitation Backprop: the chance that a winner, handed down from the target, ends at each position."""

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from samewhy_host.whitebox import rules
from samewhy_host.whitebox.asking import Asked, chosen, taped
from samewhy_host.whitebox.relevance import Rule, divided, passed, propagated, usual
from samewhy_host.whitebox.tape import Operation


@final
@dataclass(frozen=True, slots=True)
class ExcitationBackprop:
    """Inputs win by their value times their weight, where that is positive: negative values excite nothing.

    Alpha1-beta0 without biases, for values of at least 0 the same but for the factor of the score.

    Source: Zhang et al. 2016, arXiv 1608.00507, equation 3.
    """

    @property
    def name(self) -> str:
        """Of the method."""
        return "excitation-backprop"

    def attribute(self, asked: Asked) -> Tensor:
        """Chances (N, C, *S), which sum to at most 1."""
        tape = taped(asked)
        return propagated(tape, chosen(torch.ones_like(tape.scores), asked.targets), rule_for)


def rule_for(operation: Operation, first: bool) -> Rule:
    """See `Rules`."""
    return {"linear": winners, "affine": passed}.get(operation.kind) or usual(operation)


def winners(operation: Operation, relevance: Tensor) -> list[Tensor]:
    """By values above 0 and weights above 0."""
    shares = rules.Shares(operation, ((rules.positive, rules.positive),))
    return shares.dealt(divided(relevance, shares.total))
