"""A graph ready to be written as C: every operator lowered, every tensor placed."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

from samewhy_bridge.arena import Arena, plan
from samewhy_bridge.calls import Lowered
from samewhy_bridge.graph import ABSENT, Graph, Tensor
from samewhy_bridge.operators import lowered
from samewhy_bridge.operators.view import WIDEST
from samewhy_edge.errors import ArtifactError

TYPES = ("int8", "uint8", "int16", "int32", "float32")  # of the ends, as ``samewhy.h`` knows them
RANK = 5  # of the ends
SHAPE_INPUTS = {"RESHAPE": 1, "EXPAND_DIMS": 1, "SQUEEZE": 1}  # inputs of these that are read: the rest tells a shape


@final
@dataclass(frozen=True, slots=True)
class Program:
    """What is written as C."""

    graph: Graph
    steps: Mapping[int, Lowered]  # by the operator's place, in order; operators that only compute shapes are left out
    arena: Arena

    @property
    def input(self) -> Tensor:
        """What is asked."""
        return self.graph.tensors[self.graph.input]

    @property
    def output(self) -> Tensor:
        """What is answered."""
        return self.graph.tensors[self.graph.output]

    @property
    def macs(self) -> int:
        """Products of weights and codes, padding included."""
        return sum(step.macs for step in self.steps.values())

    @property
    def file_constant_bytes(self) -> int:
        """Of the constants that the operators read, as the file holds them."""
        read = {n for place in self.steps for n in self.graph.operators[place].inputs if n != ABSENT}
        return sum(one.bytes for one in self.graph.tensors if one.number in read and one.data is not None)

    @property
    def kernels(self) -> list[str]:
        """Names of the kernels that are called."""
        return sorted({call.kernel for step in self.steps.values() for call in step.calls})


def program_of(graph: Graph) -> Program:
    """Lower and place a graph.

    Raises:
        ArtifactError: something about it is not supported.
    """
    _check_ends(graph)
    steps = {place: lowered(graph, graph.operators[place]) for place in _needed(graph)}
    return Program(graph, *_tightened(graph, steps, plan(graph, steps)))


def _tightened(graph: Graph, steps: Mapping[int, Lowered], arena: Arena) -> tuple[Mapping[int, Lowered], Arena]:
    """Operators where most memory is in use take their tight form, as long as all of it becomes less."""
    most = {place for place in steps if arena.in_use[place] == arena.least}
    tighter = {place: (step.tight or step) if place in most else step for place, step in steps.items()}
    found = plan(graph, tighter)
    return _tightened(graph, tighter, found) if found.bytes < arena.bytes else (steps, arena)


def _check_ends(graph: Graph) -> None:
    for number in (graph.input, graph.output):
        tensor = graph.tensors[number]
        fits = 0 < len(tensor.shape) <= RANK and max(tensor.shape) <= WIDEST
        if tensor.dtype not in TYPES or not fits or tensor.data is not None:
            raise ArtifactError(
                f"tensor {tensor.name!r}, an end of the network, is {tensor.dtype} of shape {tensor.shape}; "
                f"expected one of {', '.join(TYPES)} with 1 to {RANK} axes of at most {WIDEST}, and computed"
            )
    for tensor in graph.tensors:
        if tensor.data is None and min(tensor.shape, default=1) < 1:
            raise ArtifactError(f"tensor {tensor.name!r} has shape {tensor.shape}; expected sizes that are fixed")


def _needed(graph: Graph) -> list[int]:
    """Operators that the output depends on; what only computes a shape, which the file states too, is none of them."""
    wanted, found = {graph.output}, []
    for operator in reversed(graph.operators):
        if wanted & set(operator.outputs):
            found.append(operator.place)
            read = operator.inputs[: SHAPE_INPUTS.get(operator.kind, len(operator.inputs))]
            wanted |= {number for number in read if number != ABSENT and graph.tensors[number].data is None}
    if graph.input not in wanted:
        raise ArtifactError("the output does not depend on the input; expected a network, check the file")
    return found[::-1]
