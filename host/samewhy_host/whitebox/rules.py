"""Rules of relevance for linear operations: each deals the relevance R_j of an output to the inputs i.

All are sums of terms: some part of the inputs through some part of the weights. z_j is what the terms of an output come
to, and an input gets R_j times its share of z_j.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from samewhy_host.whitebox.relevance import Rule, divided, leaves
from samewhy_host.whitebox.tape import Operation

Part = Callable[[Tensor], Tensor]
Term = tuple[Part, Part]  # of the inputs, of the weights


def positive(x: Tensor) -> Tensor:
    """What is above 0."""
    return x.clamp(min=0)


def negative(x: Tensor) -> Tensor:
    """What is below 0."""
    return x.clamp(max=0)


def whole(x: Tensor) -> Tensor:
    """All of it."""
    return x


FOR = ((positive, positive), (negative, negative))  # contributions above 0
AGAINST = ((positive, negative), (negative, positive))  # contributions below 0
ALL = ((whole, whole),)


class Shares:
    """The terms of an operation, and how they deal what outputs are given."""

    def __init__(self, operation: Operation, terms: Sequence[Term]) -> None:
        self._inputs = [leaves([part(one) for one in operation.inputs]) for part, _ in terms]
        with torch.enable_grad():
            self._outputs = [
                operation.of(inputs, part(operation.weight))
                for inputs, (_, part) in zip(self._inputs, terms, strict=True)
            ]
        self.total = torch.stack([one.detach() for one in self._outputs]).sum(dim=0)

    def dealt(self, factor: Tensor) -> list[Tensor]:
        """Inputs times their weights times the factor of the output, summed over outputs: an entry an input."""
        found = [
            [
                x.detach() * gradient
                for x, gradient in zip(
                    inputs, torch.autograd.grad(output, inputs, factor, retain_graph=True), strict=True
                )
            ]
            for inputs, output in zip(self._inputs, self._outputs, strict=True)
        ]
        return [torch.stack(terms).sum(dim=0) for terms in zip(*found, strict=True)]


def epsilon(size: float, bias: bool = True) -> Rule:
    """z is the output itself, moved away from 0 by `size`; with the bias in it, the bias keeps its share.

    Source: Bach et al. 2015, PLoS ONE 10(7), equation 58.
    """

    def rule(operation: Operation, relevance: Tensor) -> Sequence[Tensor]:
        shares = Shares(operation, ALL)
        z = with_bias(shares.total, operation, whole, bias)
        return shares.dealt(divided(relevance, z + torch.where(z < 0, -size, size)))

    return rule


def alpha1_beta0(bias: bool = True) -> Rule:
    """z is what speaks for the output alone.

    Source: Bach et al. 2015, PLoS ONE 10(7), equation 60, alpha = 1, beta = 0.
    """

    def rule(operation: Operation, relevance: Tensor) -> Sequence[Tensor]:
        shares = Shares(operation, FOR)
        return shares.dealt(divided(relevance, with_bias(shares.total, operation, positive, bias)))

    return rule


def gamma(size: float, bias: bool = True) -> Rule:
    """What has the sign of the output counts 1 + `size` times.

    For inputs and outputs above 0 that is Montavon et al. 2019, Layer-Wise Relevance Propagation: An Overview, section
    10.2.3; for others, which residual connections and signed samples have, the same with the signs turned.
    """

    def favoured(part: Part) -> Part:
        return lambda weight: weight + size * part(weight)

    def rule(operation: Operation, relevance: Tensor) -> Sequence[Tensor]:
        up, down = favoured(positive), favoured(negative)
        z = with_bias(Shares(operation, ALL).total, operation, whole, True)
        found = []
        for side, same, other, part in ((z >= 0, up, down, positive), (z < 0, down, up, negative)):
            shares = Shares(operation, ((positive, same), (negative, other)))
            known = with_bias(shares.total, operation, lambda b, part=part: b + size * part(b), bias)  # type: ignore[misc]
            found.append(shares.dealt(divided(relevance * side, known)))
        return [a + b for a, b in zip(*found, strict=True)]

    return rule


def flat(operation: Operation, relevance: Tensor) -> Sequence[Tensor]:
    """Every input of an output gets the same, whatever it is.

    Source: Lapuschkin et al. 2019, Nature Communications 10:1096, supplement.
    """
    shares = Shares(operation, ((torch.ones_like, torch.ones_like),))
    return shares.dealt(divided(relevance, shares.total))


def box(operation: Operation, relevance: Tensor) -> Sequence[Tensor]:
    """How far an input is from the end of its range that speaks most against the output; the range is each sample's.

    Source: Montavon et al. 2017, Pattern Recognition 65, equation 15 (z^B).
    """

    def end(reach: Callable[[Tensor], Tensor]) -> Part:
        return lambda x: reach(x.flatten(1)).view(-1, *[1] * (x.ndim - 1)).expand_as(x)

    low, high = end(lambda x: x.min(dim=1).values), end(lambda x: x.max(dim=1).values)
    own, below, above = (Shares(operation, (term,)) for term in ((whole, whole), (low, positive), (high, negative)))
    factor = divided(relevance, own.total - below.total - above.total)
    dealt = zip(own.dealt(factor), below.dealt(factor), above.dealt(factor), strict=True)
    return [mine - low - high for mine, low, high in dealt]


def affine(operation: Operation, relevance: Tensor) -> Sequence[Tensor]:
    """What is not the constant's: all that the input of 0 would not give."""
    made = operation.again(operation.inputs)
    own = made - operation.again([torch.zeros_like(one) for one in operation.inputs])
    return [relevance * divided(own, made)]


def with_bias(z: Tensor, operation: Operation, part: Part, wanted: bool) -> Tensor:
    """With a part of the operation's bias, where it has one and it is wanted."""
    return z + part(operation.bias) if wanted and operation.bias is not None else z
