"""What a `.tflite` file tells to do, as plain things.

Source: TFLite schema version 3, ``tensorflow/lite/schema/schema.fbs``.
"""

import hashlib
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Any, final

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

from samewhy_edge.errors import ArtifactError

MARK = b"TFL3"
OPERATORS = {value: name for name, value in vars(schema.BuiltinOperator).items() if isinstance(value, int)}
TYPES = {value: name.lower() for name, value in vars(schema.TensorType).items() if isinstance(value, int)}
STORED = {"int8": "<i1", "uint8": "<u1", "int16": "<i2", "int32": "<i4", "int64": "<i8", "float32": "<f4"}
ABSENT = -1  # stands for an optional input that is not given


class Padding(IntEnum):
    """Around the windows of convolutions and pools."""

    SAME = schema.Padding.SAME
    VALID = schema.Padding.VALID


class Activation(IntEnum):
    """What is fused into an operator; the file knows more, integer kernels do not."""

    NONE = schema.ActivationFunctionType.NONE
    RELU = schema.ActivationFunctionType.RELU
    RELU_N1_TO_1 = schema.ActivationFunctionType.RELU_N1_TO_1
    RELU6 = schema.ActivationFunctionType.RELU6


@final
@dataclass(frozen=True, slots=True)
class Tensor:
    """A tensor; `data` where the file holds it."""

    number: int
    name: str
    dtype: str  # "int8", "float32", ...
    shape: tuple[int, ...]
    scales: tuple[float, ...]  # float32 values: one, or one a channel; none where it is not quantized
    zero_points: tuple[int, ...]
    axis: int  # of the channels that the scales belong to
    data: NDArray[Any] | None

    @property
    def size(self) -> int:
        """Elements."""
        return int(np.prod(self.shape, dtype=np.int64))

    @property
    def bytes(self) -> int:
        """What it takes in memory."""
        return self.size * np.dtype(STORED.get(self.dtype, "V1")).itemsize

    @property
    def scale(self) -> float:
        """Of the whole tensor."""
        return self.scales[0]

    @property
    def zero_point(self) -> int:
        """Of the whole tensor."""
        return self.zero_points[0]


@final
@dataclass(frozen=True, slots=True)
class Operator:
    """An operator in order of execution; inputs that are not given are left out or `ABSENT`."""

    place: int
    kind: str  # "CONV_2D", ...
    version: int
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: Mapping[str, Any]  # as the schema calls them


@final
@dataclass(frozen=True, slots=True)
class Graph:
    """A file with one graph, one input and one output."""

    name: str  # the file's, without its suffix
    sha256: str
    bytes: int  # of the file
    tensors: tuple[Tensor, ...]
    operators: tuple[Operator, ...]
    input: int
    output: int

    def inputs(self, operator: Operator) -> list[Tensor | None]:
        """Its input tensors, None for one that is not given."""
        return [None if number == ABSENT else self.tensors[number] for number in operator.inputs]

    def outputs(self, operator: Operator) -> list[Tensor]:
        """Its output tensors."""
        return [self.tensors[number] for number in operator.outputs]


def read_graph(path: Path) -> Graph:
    """The graph of a file.

    Raises:
        ArtifactError: no such file, or one that `graph_of` refuses.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ArtifactError(f"{path}: cannot be read ({error.strerror}); expected a .tflite file") from error
    try:
        return graph_of(content, path.stem)
    except ArtifactError as error:
        raise ArtifactError(f"{path}: {error}") from error


def graph_of(content: bytes, name: str) -> Graph:
    """The graph that the bytes of a file hold.

    Raises:
        ArtifactError: another kind of file, a broken one, or one with several graphs, inputs or outputs.
    """
    if content[4:8] != MARK:
        raise ArtifactError("not a .tflite file (no TFL3 mark); expected a TensorFlow Lite flatbuffer, check the path")
    try:
        model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(content, 0))
        return _graph(model, name, content)
    except (struct.error, IndexError, KeyError, TypeError, ValueError, AttributeError) as error:  # of a cut file
        raise ArtifactError(f"the file is broken ({error}); expected a whole .tflite, export it anew") from error


def _graph(model: Any, name: str, content: bytes) -> Graph:
    if len(model.subgraphs) != 1:
        raise ArtifactError(f"{len(model.subgraphs)} graphs; expected one, export the network without loops")
    graph = model.subgraphs[0]
    for what, ends in (("inputs", graph.inputs), ("outputs", graph.outputs)):
        if len(ends) != 1:
            raise ArtifactError(f"{len(ends)} {what}; expected one, export the network with a single one")
    tensors = tuple(_tensor(model, number, tensor) for number, tensor in enumerate(graph.tensors))
    operators = tuple(_operator(model, place, operator) for place, operator in enumerate(graph.operators or ()))
    known = (hashlib.sha256(content).hexdigest(), len(content))
    return Graph(name, *known, tensors, operators, int(graph.inputs[0]), int(graph.outputs[0]))


def _tensor(model: Any, number: int, tensor: Any) -> Tensor:
    shape = () if tensor.shape is None else tuple(map(int, tensor.shape))
    dtype = TYPES.get(tensor.type, f"type {tensor.type}")
    scales, zero_points, axis = _quantized(tensor.quantization)
    stored = model.buffers[tensor.buffer].data
    data = None if stored is None or not len(stored) else _data(bytes(bytearray(stored)), dtype, shape)
    dtype = "int8" if dtype == "int4" and data is not None else dtype
    return Tensor(number, (tensor.name or b"").decode(), dtype, shape, scales, zero_points, axis, data)


def _quantized(found: Any) -> tuple[tuple[float, ...], tuple[int, ...], int]:
    if found is None or found.scale is None or not len(found.scale):
        return (), (), 0
    zero_points = found.zeroPoint if found.zeroPoint is not None and len(found.zeroPoint) else [0] * len(found.scale)
    return tuple(map(float, found.scale)), tuple(map(int, zero_points)), int(found.quantizedDimension)


def _data(stored: bytes, dtype: str, shape: tuple[int, ...]) -> NDArray[Any] | None:
    if dtype == "int4":  # two in a byte, the lower half first; widened here, the kernels know bytes alone
        packed = np.frombuffer(stored, np.int8)
        halves: NDArray[Any] = np.stack([packed << 4 >> 4, packed >> 4], axis=-1).reshape(-1)
        return halves[: int(np.prod(shape, dtype=np.int64))].reshape(shape)
    return np.frombuffer(stored, STORED[dtype]).reshape(shape) if dtype in STORED else None


def _operator(model: Any, place: int, operator: Any) -> Operator:
    code = model.operatorCodes[operator.opcodeIndex]
    number = max(int(code.builtinCode), int(code.deprecatedBuiltinCode))  # older files have the second alone
    kind = OPERATORS.get(number, f"operator {number}")
    if kind == "CUSTOM":
        kind = f"CUSTOM {(code.customCode or b'?').decode()}"
    inputs, outputs = (() if some is None else tuple(map(int, some)) for some in (operator.inputs, operator.outputs))
    options = {} if operator.builtinOptions is None else vars(operator.builtinOptions)
    return Operator(place, kind, int(code.version), inputs, outputs, options)
