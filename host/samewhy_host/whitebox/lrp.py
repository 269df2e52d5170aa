"""Layer-wise relevance propagation: the score of the target, dealt back layer by layer."""

from dataclasses import dataclass
from typing import Literal, final

from torch import Tensor

from samewhy_edge.errors import InputError
from samewhy_host.whitebox import rules
from samewhy_host.whitebox.asking import Asked, chosen, taped
from samewhy_host.whitebox.relevance import Rule, passed, propagated, usual
from samewhy_host.whitebox.tape import Operation

STABLE = 1e-6  # epsilon where a rule leaves the choice


@final
@dataclass(frozen=True, slots=True)
class Lrp:
    """One rule for all layers; or `"epsilon-plus-flat"`: flat for the layer that takes the samples, alpha1-beta0 for
    other convolutions, epsilon for linear layers.

    With `bias = "absorbs"` biases keep their share of relevance, as published; left out, inputs share all of it.

    Source: Bach et al. 2015, PLoS ONE 10(7); Kohlbrenner et al. 2020, arXiv 1910.09840, for the last one.
    """

    rule: Literal["epsilon", "alpha1-beta0", "gamma", "epsilon-plus-flat"] = "epsilon"
    epsilon: float = STABLE
    gamma: float = 0.25
    bias: Literal["absorbs", "left-out"] = "absorbs"

    def __post_init__(self) -> None:
        if not 0 <= self.epsilon < float("inf") or not 0 <= self.gamma < float("inf"):
            raise InputError(f"lrp epsilon = {self.epsilon}, gamma = {self.gamma}; expected numbers of at least 0")

    @property
    def name(self) -> str:
        """With the rule."""
        return f"lrp-{self.rule}"

    def attribute(self, asked: Asked) -> Tensor:
        """Relevance (N, C, *S); sums to the score of the target, less what biases keep."""
        tape = taped(asked)
        return propagated(tape, chosen(tape.scores, asked.targets), self.rule_for)

    def rule_for(self, operation: Operation, first: bool) -> Rule:
        """See `Rules`."""
        if operation.kind == "affine":
            return self._affine()
        return self._linear(operation, first) if operation.kind == "linear" else usual(operation)

    def _linear(self, operation: Operation, first: bool) -> Rule:
        kept = self.bias == "absorbs"
        if self.rule == "epsilon-plus-flat":
            return self._composite(operation, first, kept)
        return {
            "epsilon": rules.epsilon(self.epsilon, kept),
            "alpha1-beta0": rules.alpha1_beta0(kept),
            "gamma": rules.gamma(self.gamma, kept),
        }[self.rule]

    def _composite(self, operation: Operation, first: bool, kept: bool) -> Rule:
        if first and operation.weighted:
            return rules.flat
        convolves = operation.weighted and operation.name != "linear"
        return rules.alpha1_beta0(kept) if convolves else rules.epsilon(self.epsilon, kept)

    def _affine(self) -> Rule:
        # epsilon takes it for the layer that it is; the others would lose all that it turns
        return rules.affine if self.rule == "epsilon" and self.bias == "absorbs" else passed
