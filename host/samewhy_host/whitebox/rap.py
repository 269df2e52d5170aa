"""Relative attributing propagation: units below the mean of what is dealt speak against the target.

Relevance goes to units by how much they contribute, whichever way, more to what supports than to what opposes; then all
units that got any give back the same, so that the sum is kept: what mattered least becomes negative.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal, final

from torch import Tensor

from samewhy_host.whitebox import rules
from samewhy_host.whitebox.asking import Asked, chosen, taped
from samewhy_host.whitebox.relevance import Rule, divided, passed, propagated, usual
from samewhy_host.whitebox.tape import Operation


@final
@dataclass(frozen=True, slots=True)
class Rap:
    """`first` is the rule of the layer that takes the samples: `"box"`, published for images in colour, or `"same"`.

    Follows github.com/wjNam/Relative_Attributing_Propagation at 701d99e: what its convolutions do with relevance below
    0 is done in linear layers too. Departures: batch norm is folded; contributions of values below 0 are joined with
    the others; additions and means share by absolute values, where a signed sum near 0 would make shares arbitrary.

    Source: Nam, Gur, Choi, Wolf & Lee 2020, arXiv 1904.00605, section 3.
    """

    first: Literal["box", "same"] = "box"

    @property
    def name(self) -> str:
        """Of the method."""
        return "rap"

    def attribute(self, asked: Asked) -> Tensor:
        """Relevance (N, C, *S), which sums to the score of the target."""
        tape = taped(asked)
        return propagated(tape, chosen(tape.scores, asked.targets), partial(rule_for, tape.scores, self.first == "box"))


def rule_for(scores: Tensor, boxed: bool, operation: Operation, first: bool) -> Rule:
    """See `Rules`; of a tape with these scores."""
    if operation.kind != "linear":
        return passed if operation.kind == "affine" else usual(operation)
    if not operation.weighted:
        return absolute
    if operation.output is scores and operation.name == "linear":
        return begun
    return rules.box if first and boxed else relative


def begun(operation: Operation, relevance: Tensor) -> Sequence[Tensor]:
    """From the score of the target, its contributions with the bias dealt by their size; then their sizes, whose sum is
    made the score's.
    """
    asked = (relevance != 0).to(relevance.dtype)
    supports, opposes = (rules.Shares(operation, terms) for terms in (rules.FOR, rules.AGAINST))
    (plus,), (minus,) = supports.dealt(asked), opposes.dealt(asked)
    size = ((supports.total - opposes.total) * asked).sum(dim=1, keepdim=True)
    bias = 0 if operation.bias is None else (operation.bias * asked).sum(dim=1, keepdim=True)
    shared = plus + minus + divided(bias * (plus - minus), size.expand_as(plus))
    return [divided(shared.abs() * total(shared), total(shared.abs()).expand_as(shared))]


def relative(operation: Operation, relevance: Tensor) -> Sequence[Tensor]:
    """What is above 0 goes to all that supports, and once more to what opposes, by its part of all contributions; what
    is below 0 goes to what opposes alone. Then the shift.
    """
    supports, opposes = (rules.Shares(operation, terms) for terms in (rules.FOR, rules.AGAINST))
    against = -opposes.total
    part = divided(against, supports.total + against)
    above, below = rules.positive(relevance), rules.negative(relevance)
    first = supports.dealt(divided(above, supports.total))
    second = opposes.dealt(divided(above * part + below * (1 + part), opposes.total))
    return [shifted(a + b, relevance) for a, b in zip(first, second, strict=True)]


def shifted(dealt: Tensor, relevance: Tensor) -> Tensor:
    """Units that got anything give back the same each, so that each sample's sum is that of `relevance`."""
    got = (dealt != 0).to(dealt.dtype)
    excess = total(dealt) - total(relevance).view(-1, *[1] * (dealt.ndim - 1))
    return dealt - got * divided(excess, total(got))


def absolute(operation: Operation, relevance: Tensor) -> Sequence[Tensor]:
    """By size, whichever sign."""
    shares = rules.Shares(operation, ((Tensor.abs, rules.whole),))
    return shares.dealt(divided(relevance, shares.total))


def total(x: Tensor) -> Tensor:
    """Of each sample, (N, 1, ...)."""
    return x.flatten(1).sum(dim=1).view(-1, *[1] * (x.ndim - 1))
