"""What a `.tflite` file holds besides its graph: layers and their constants, and copies with other ones.

The one reader and writer of the format. It knows the schema that ships with LiteRT, never the interpreter, and takes
files that the interpreter takes: `samewhy_edge.quarantine` is where broken ones are found.

Source: TFLite schema version 3, ``tensorflow/lite/schema/schema.fbs``.
"""

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, final

import flatbuffers  # type: ignore[import-untyped]  # ships no types
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

from samewhy_edge.errors import ArtifactError

MARK = b"TFL3"
TYPES = {
    schema.TensorType.FLOAT16: "<f2",
    schema.TensorType.FLOAT32: "<f4",
    schema.TensorType.INT8: "i1",
    schema.TensorType.UINT8: "u1",
    schema.TensorType.INT16: "<i2",
    schema.TensorType.INT32: "<i4",
    schema.TensorType.INT64: "<i8",
}
STORED = (schema.BuiltinOperator.DEQUANTIZE, schema.BuiltinOperator.DENSIFY)  # how a constant is stored, no layer
OUTSIDE = 1  # an offset above it tells where in the file, behind the flatbuffer, a buffer lies


@final
@dataclass(frozen=True, slots=True)
class Constant:
    """A tensor of a layer that the file holds: weights, a bias."""

    tensor: int
    buffer: int  # tensors may share one
    name: str
    dtype: str  # as numpy writes it
    shape: tuple[int, ...]
    scales: tuple[float, ...]  # one, or one a channel; none where it holds real numbers
    zero_points: tuple[int, ...]
    axis: int  # of the channels that the scales belong to


@final
@dataclass(frozen=True, slots=True)
class Layer:
    """An operator with constants that were learned."""

    operator: int  # its place in the order of execution
    kind: str  # CONV_2D, FULLY_CONNECTED, ...
    constants: tuple[Constant, ...]  # in the operator's order: the weights first, then the bias where it has one

    @property
    def buffers(self) -> tuple[int, ...]:
        """Where its constants lie."""
        return tuple(one.buffer for one in self.constants)


def layers_of(content: bytes) -> tuple[Layer, ...]:
    """Every operator with constants that were learned, in order of execution.

    Learned are real numbers, and integers with a scale: axes, paddings and shapes have none. A constant that the file
    stores in another type, and an operator turns into real numbers, belongs to the layer that takes it.

    Raises:
        ArtifactError: the file is of another kind, cut off, holds its constants in a way that cannot be changed in
            place, or none at all.
    """
    try:
        model = opened(content)
        found = tuple(_layers(model, model.Subgraphs(0)))
    except struct.error as error:  # an offset leads behind the end
        raise ArtifactError(f"the .tflite file is damaged or cut off ({error}); copy or convert it anew") from error
    if not found:
        raise ArtifactError("no layer with weights; expected a network, check the file")
    return found


def values_of(content: bytes, constant: Constant) -> NDArray[Any]:
    """A copy of what a constant holds, in its shape."""
    stored: NDArray[np.uint8] = opened(content).Buffers(constant.buffer).DataAsNumpy()
    return stored.copy().view(constant.dtype).reshape(constant.shape)


def patched(content: bytes, changes: Mapping[int, NDArray[Any]]) -> bytes:
    """The same file with other values in some buffers, by their number; every other byte stays where and what it is.

    Raises:
        ArtifactError: as `layers_of`, or values of another size than the buffer's.
    """
    copy = bytearray(content)
    model = opened(copy)
    for buffer, values in changes.items():
        stored = model.Buffers(buffer).DataAsNumpy()  # a view of the copy
        given = np.frombuffer(np.ascontiguousarray(values).tobytes(), np.uint8)
        held = len(stored) if isinstance(stored, np.ndarray) else 0
        if len(given) != held:
            raise ArtifactError(f"buffer {buffer} holds {held} bytes, {len(given)} were given; expected as many")
        stored[:] = given
    return bytes(copy)


def without_softmax(content: bytes) -> bytes:
    """The same network, ending in what its last operator, a softmax, would take.

    Raises:
        ValueError: the last operator is another one.
    """
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(content, 0))
    graph = model.subgraphs[0]
    last = graph.operators[-1]
    if model.operatorCodes[last.opcodeIndex].builtinCode != schema.BuiltinOperator.SOFTMAX:
        raise ValueError("the last operator is no softmax; expected one")
    graph.operators = graph.operators[:-1]
    graph.outputs = [last.inputs[0]]
    for signature in model.signatureDefs or []:
        for output in signature.outputs:
            output.tensorIndex = last.inputs[0]
    return packed(model)


def packed(model: Any) -> bytes:
    """A model (`ModelT` of the schema) as the bytes of a file."""
    builder = flatbuffers.Builder(0)
    builder.Finish(model.Pack(builder), MARK)
    return bytes(builder.Output())


def opened(content: bytes | bytearray) -> Any:
    """The `Model` of the schema: a view of the content.

    Raises:
        ArtifactError: another kind of file, one with buffers outside the flatbuffer, or one with several graphs.
    """
    if content[4:8] != MARK:
        raise ArtifactError("not a .tflite file (no TFL3 mark); expected a TensorFlow Lite flatbuffer, check the path")
    model = schema.Model.GetRootAs(content, 0)
    outside = sum(model.Buffers(i).Offset() > OUTSIDE for i in range(model.BuffersLength()))
    if outside:
        raise ArtifactError(
            f"{outside} buffers lie outside the flatbuffer; expected all weights inside it, "
            "convert the network without the option for files above 2 GB"
        )
    if model.SubgraphsLength() != 1:
        raise ArtifactError(
            f"{model.SubgraphsLength()} graphs; expected one, export the network without loops and branches"
        )
    return model


def _layers(model: Any, graph: Any) -> Iterator[Layer]:
    sources = dict(_stored(model, graph))
    plain: set[int] = set()
    found: list[Layer] = []
    for place in range(graph.OperatorsLength()):
        operator = graph.Operators(place)
        if _code(model, operator) in STORED:
            continue
        inputs = [sources.get(tensor, tensor) for tensor in map(operator.Inputs, range(operator.InputsLength()))]
        held = [tensor for tensor in inputs if tensor >= 0 and _filled(model, graph.Tensors(tensor))]
        learned = [tensor for tensor in held if _learned(graph.Tensors(tensor))]
        plain |= {graph.Tensors(tensor).Buffer() for tensor in held if tensor not in learned}
        if learned:
            constants = tuple(_constant(graph.Tensors(tensor), tensor) for tensor in learned)
            found.append(Layer(place, _names()[_code(model, operator)], constants))
    for layer in found:
        if plain & set(layer.buffers):
            raise ArtifactError(
                f"operator {layer.operator} ({layer.kind}) shares a buffer with a shape or an axis; "
                "expected a buffer of its own, convert the network anew"
            )
    return iter(found)


def _stored(model: Any, graph: Any) -> Iterator[tuple[int, int]]:
    """Tensors that an operator makes of a constant alone, and that constant."""
    for place in range(graph.OperatorsLength()):
        operator = graph.Operators(place)
        if _code(model, operator) in STORED and _filled(model, graph.Tensors(operator.Inputs(0))):
            yield operator.Outputs(0), operator.Inputs(0)


def _filled(model: Any, tensor: Any) -> bool:
    return bool(model.Buffers(tensor.Buffer()).DataLength())


def _learned(tensor: Any) -> bool:
    quantized = tensor.Quantization()
    real = tensor.Type() in (schema.TensorType.FLOAT16, schema.TensorType.FLOAT32)
    return real or (quantized is not None and quantized.ScaleLength() > 0)


def _constant(tensor: Any, number: int) -> Constant:
    name = (tensor.Name() or b"").decode()
    if tensor.Type() not in TYPES:
        kinds = {value: kind for kind, value in vars(schema.TensorType).items()}
        raise ArtifactError(
            f"tensor {name} holds {kinds.get(tensor.Type(), tensor.Type())}; "
            f"expected {', '.join(str(np.dtype(kind)) for kind in TYPES.values())}, quantize the network to int8"
        )
    quantized = tensor.Quantization()
    scales, zero_points, axis = ((), (), 0) if quantized is None else _affine(quantized)
    shape = tuple(tensor.ShapeAsNumpy().tolist()) if tensor.ShapeLength() else ()
    return Constant(number, tensor.Buffer(), name, TYPES[tensor.Type()], shape, scales, zero_points, axis)


def _affine(quantized: Any) -> tuple[tuple[float, ...], tuple[int, ...], int]:
    scales = tuple(quantized.Scale(i) for i in range(quantized.ScaleLength()))
    zero_points = tuple(quantized.ZeroPoint(i) for i in range(quantized.ZeroPointLength()))
    return scales, zero_points, quantized.QuantizedDimension()


def _code(model: Any, operator: Any) -> int:
    """The operator's kind; files from before version 3a have it in the older of two fields."""
    code = model.OperatorCodes(operator.OpcodeIndex())
    return max(int(code.BuiltinCode()), int(code.DeprecatedBuiltinCode()))


@cache
def _names() -> dict[int, str]:
    return {value: name for name, value in vars(schema.BuiltinOperator).items() if isinstance(value, int)}
