"""An operator with its tensors at hand, and the sentence for what is not supported."""

from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from samewhy_bridge.fixed_point import away_from_zero, quotient
from samewhy_bridge.graph import ABSENT, Activation, Graph, Operator, Tensor
from samewhy_edge.errors import ArtifactError

LOW, HIGH = -128, 127
NEAR = 1e-3  # of scales that mean the same: the whole range of codes is then off by an eighth of a step
WIDEST = 2**16 - 1


@final
@dataclass(frozen=True, slots=True)
class View:
    """An operator of a graph."""

    graph: Graph
    operator: Operator

    def wrong(self, found: str, expected: str) -> ArtifactError:
        """The error for something that the kernels do not do."""
        operator = self.operator
        name = self.graph.tensors[operator.outputs[0]].name if operator.outputs else "?"
        where = f"operator {operator.place} ({operator.kind} version {operator.version}, which gives tensor {name!r})"
        return ArtifactError(f"{where}: {found}; expected {expected}")

    def input(self, place: int = 0) -> Tensor:
        """One that must be given."""
        found = self.optional(place)
        if found is None:
            raise self.wrong(f"input {place} is not given", "it to be there")
        return found

    def optional(self, place: int) -> Tensor | None:
        """An input, or None."""
        inputs = self.operator.inputs
        return self.graph.tensors[inputs[place]] if place < len(inputs) and inputs[place] != ABSENT else None

    def output(self, place: int = 0) -> Tensor:
        """One of the outputs."""
        return self.graph.tensors[self.operator.outputs[place]]

    def codes(self, tensor: Tensor) -> Tensor:
        """The tensor, if it holds int8 codes of one scale."""
        if tensor.dtype != "int8" or len(tensor.scales) != 1:
            raise self.wrong(f"tensor {tensor.name!r} holds {held(tensor)}", "int8 with one scale")
        return tensor

    def constant(self, place: int) -> NDArray[Any]:
        """What the file holds as an input."""
        found = self.input(place)
        if found.data is None:
            raise self.wrong(f"input {place} (tensor {found.name!r}) is computed", "a constant of the file")
        return found.data

    def whole_numbers(self, place: int) -> list[int]:
        """A constant input of axes, sizes or places."""
        return [int(one) for one in self.constant(place).reshape(-1)]

    def option(self, name: str) -> Any:
        """One of the operator's options; the schema's own default where the file has none."""
        if name not in self.operator.options:
            raise self.wrong(f"option {name} is missing", "it to be there, export the file anew")
        return self.operator.options[name]

    def same_steps(self, first: Tensor, second: Tensor) -> None:
        """Refuse tensors between which codes cannot move as they are.

        Raises:
            ArtifactError: saying in what they differ.
        """
        near = first.zero_points == second.zero_points and np.allclose(first.scales, second.scales, rtol=NEAR, atol=0)
        if first.dtype != second.dtype or not near:
            said = f"tensors {first.name!r} and {second.name!r} have another type, scale or zero point"
            raise self.wrong(said, "the same for both")

    def sixteen_bits(self, *sizes: int) -> None:
        """Refuse sizes that the C structs cannot hold.

        Raises:
            ArtifactError: with the largest.
        """
        if max(sizes) > WIDEST:
            raise self.wrong(f"a size of {max(sizes)}", f"at most {WIDEST}")

    def bounds(self) -> tuple[int, int]:
        """The lowest and the highest code of the output, by the fused activation."""
        output, found = self.output(), self.option("fusedActivationFunction")
        if found not in list(Activation):
            raise self.wrong(f"fused activation number {found}", ", ".join(one.name for one in Activation))
        return bounds(Activation(found), output.scale, output.zero_point)


def held(tensor: Tensor) -> str:
    """What a tensor holds, in words."""
    scales = {0: "without a scale", 1: "with one scale"}.get(len(tensor.scales), f"with {len(tensor.scales)} scales")
    return f"{tensor.dtype} {scales}"


def bounds(activation: Activation, scale: float, zero_point: int) -> tuple[int, int]:
    """The lowest and the highest code that an activation lets through; ends are rounded in float32."""

    def code(real: float) -> int:
        return int(np.clip(zero_point + away_from_zero(quotient(real, scale)), LOW, HIGH))

    match activation:
        case Activation.RELU:
            return code(0.0), HIGH
        case Activation.RELU6:
            return code(0.0), code(6.0)
        case Activation.RELU_N1_TO_1:
            return code(-1.0), code(1.0)
        case _:
            return LOW, HIGH
