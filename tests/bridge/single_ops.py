"""Small int8 `.tflite` files, each made around one operator, with shapes, scales and settings drawn from a seed.

``single("CONV_2D", 7)`` is the same bytes on every machine. Files have one input and one output; where an operator
takes two tensors that are not constant, the second one is the input requantized. `ask` is what TFLite Micro answers.

Source: TFLite schema version 3; the 8-bit specification, https://ai.google.dev/edge/litert/models/quantization_spec
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, final

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

Random = np.random.Generator
TYPES = {
    "int8": schema.TensorType.INT8,
    "int16": schema.TensorType.INT16,
    "int32": schema.TensorType.INT32,
    "float32": schema.TensorType.FLOAT32,
}
NONE, RELU, RELU_N1_TO_1, RELU6 = range(4)  # ActivationFunctionType
ACTIVATIONS = (NONE, RELU, RELU_N1_TO_1, RELU6)
SPREAD = 74.0  # standard deviation of codes that are uniform in int8
ARENA = 200_000  # more than any of them needs


@final
@dataclass(frozen=True, slots=True)
class Coding:
    """What the codes of a tensor stand for: one scale, or one a channel along `axis`."""

    scales: tuple[float, ...] = ()
    zero_points: tuple[int, ...] = ()
    axis: int = 0

    @property
    def scale(self) -> float:
        return self.scales[0]

    @property
    def zero_point(self) -> int:
        return self.zero_points[0]


REAL = Coding()  # of what has no scale: real numbers, shapes, axes


@final
@dataclass(slots=True)
class Tensor:
    """A tensor of a file in the making."""

    index: int
    shape: tuple[int, ...]
    coding: Coding


@final
@dataclass(slots=True)
class File:
    """A `.tflite` file in the making; the first tensor is the input."""

    tensors: list[Any] = field(default_factory=list)
    buffers: list[Any] = field(default_factory=lambda: [schema.BufferT()])
    codes: list[Any] = field(default_factory=list)
    operators: list[Any] = field(default_factory=list)

    def tensor(self, shape: Sequence[int], coding: Coding = REAL, dtype: str = "int8", values: Any = None) -> Tensor:
        """Add a tensor; with `values` a constant."""
        made = schema.TensorT()
        made.name, made.shape, made.type = f"t{len(self.tensors)}".encode(), [*map(int, shape)], TYPES[dtype]
        made.buffer = 0 if values is None else self._buffer(np.asarray(values, dtype))
        if coding.scales:
            made.quantization = schema.QuantizationParametersT()
            made.quantization.scale, made.quantization.zeroPoint = [*coding.scales], [*coding.zero_points]
            made.quantization.quantizedDimension = coding.axis
        self.tensors.append(made)
        return Tensor(len(self.tensors) - 1, tuple(map(int, shape)), coding)

    def whole(self, values: Sequence[int] | Any) -> Tensor:
        """Add a constant of int32: axes, a shape, paddings."""
        values = np.asarray(values, np.int32)
        return self.tensor(values.shape, REAL, "int32", values)

    def operator(
        self,
        kind: str,
        inputs: Sequence[Tensor | None],
        outputs: Tensor | Sequence[Tensor],
        options: Any = None,
        version: int = 1,
    ) -> None:
        """Add an operator; its options are named as the schema names them."""
        made = schema.OperatorT()
        made.opcodeIndex = self._code(getattr(schema.BuiltinOperator, kind), version)
        made.inputs = [-1 if one is None else one.index for one in inputs]
        made.outputs = [one.index for one in ([outputs] if isinstance(outputs, Tensor) else outputs)]
        if options is not None:
            made.builtinOptionsType = getattr(schema.BuiltinOptions, type(options).__name__.removesuffix("T"))
            made.builtinOptions = options
        self.operators.append(made)

    def bytes(self, output: Tensor, entry: int = 0) -> bytes:
        """The file."""
        graph, model = schema.SubGraphT(), schema.ModelT()
        graph.tensors, graph.operators, graph.inputs, graph.outputs = (
            self.tensors,
            self.operators,
            [entry],
            [output.index],
        )
        model.version, model.description = 3, b"made by tests/bridge/single_ops.py"
        model.operatorCodes, model.subgraphs, model.buffers = self.codes, [graph], self.buffers
        builder = flatbuffers.Builder(0)
        builder.Finish(model.Pack(builder), b"TFL3")
        return bytes(builder.Output())

    def _buffer(self, values: Any) -> int:
        made = schema.BufferT()
        made.data = np.frombuffer(np.ascontiguousarray(values).tobytes(), np.uint8)
        self.buffers.append(made)
        return len(self.buffers) - 1

    def _code(self, code: int, version: int) -> int:
        for place, known in enumerate(self.codes):
            if (known.builtinCode, known.version) == (code, version):
                return place
        made = schema.OperatorCodeT()
        made.builtinCode, made.deprecatedBuiltinCode, made.version = code, min(code, 127), version
        self.codes.append(made)
        return len(self.codes) - 1


def options(kind: str, **settings: Any) -> Any:
    """Options of an operator, by the schema's names."""
    made = getattr(schema, f"{kind}T")()
    for name, value in settings.items():
        if name not in vars(made):
            raise AttributeError(f"{kind} has no {name}")
        setattr(made, name, value)
    return made


# --- what is drawn


def coding(random: Random, low: float = 0.002, high: float = 0.2) -> Coding:
    """A scale from a wide range, evenly in its logarithm, as float32 holds it, and any zero point."""
    scale = float(np.float32(np.exp(random.uniform(np.log(low), np.log(high)))))
    return Coding((scale,), (int(random.integers(-128, 128)),))


def near(random: Random, scale: float) -> Coding:
    """A coding that codes of `scale` fill more or less: finer, or coarser by a few times."""
    return coding(random, 0.4 * scale, 3 * scale)


def shape(random: Random, rank: int = 4, most: int = 9) -> tuple[int, ...]:
    """A batch of one and other sizes."""
    return (1, *(int(size) for size in random.integers(1, most + 1, rank - 1)))


def codes_like(random: Random, shape: Sequence[int], dtype: str = "int8") -> Any:
    """Codes of any value; a fifth of all draws are near the ends of the type."""
    ends = np.iinfo(dtype)
    values = random.integers(ends.min, ends.max + 1, shape)
    extreme = np.where(random.random(shape) < 0.5, ends.min, ends.max)
    return np.where(random.random(shape) < 0.2 * (random.random() < 0.5), extreme, values).astype(dtype)


def activation(random: Random) -> int:
    """None in half of all draws."""
    return NONE if random.random() < 0.5 else int(random.choice(ACTIVATIONS))


def begun(random: Random, rank: int = 4, most: int = 9) -> tuple[File, Tensor]:
    """A file with its input."""
    file = File()
    return file, file.tensor(shape(random, rank, most), coding(random))


def second(file: File, random: Random, first: Tensor, like: Coding | None = None) -> Tensor:
    """The input again, in another coding: an operand that is no constant."""
    made = file.tensor(first.shape, like or near(random, first.coding.scale))
    file.operator("QUANTIZE", [first], made, options("QuantizeOptions"))
    return made


# --- operators with weights


def window(random: Random, size: tuple[int, int]) -> dict[str, Any]:
    """Padding, strides, and a filter and dilations that fit `size`."""
    same = random.random() < 0.5
    high, wide = (int(random.integers(1, min(5, most) + 1)) for most in size)
    dilations = [1, 1]
    if random.random() < 0.3:
        dilations = [int(random.integers(1, 4)) for _ in size]
    for axis, (most, one) in enumerate(zip(size, (high, wide), strict=True)):
        while not same and (one - 1) * dilations[axis] + 1 > most:
            dilations[axis] -= 1
    strides = [int(random.integers(1, 4)) if random.random() < 0.5 else 1 for _ in size]
    return {"same": same, "filter": (high, wide), "strides": strides, "dilations": dilations}


def swept(size: Sequence[int], drawn: dict[str, Any]) -> tuple[int, int]:
    """Sizes after a window went over it. Source: TFLite's ComputeOutSize."""
    sizes = []
    for axis in (0, 1):
        reach = (drawn["filter"][axis] - 1) * drawn["dilations"][axis] + 1
        steps = size[axis] if drawn["same"] else size[axis] - reach + 1
        sizes.append(-(-steps // drawn["strides"][axis]))
    return sizes[0], sizes[1]


def windowed(drawn: dict[str, Any]) -> dict[str, Any]:
    """Settings that options of convolutions share."""
    (high, wide), (down, across) = drawn["strides"], drawn["dilations"]
    return {
        "padding": schema.Padding.SAME if drawn["same"] else schema.Padding.VALID,
        "strideH": high,
        "strideW": wide,
        "dilationHFactor": down,
        "dilationWFactor": across,
    }


def weights(file: File, random: Random, sizes: Sequence[int], axis: int, each: bool) -> Tensor:
    """Constant codes of zero point 0, with one scale or one `each` channel; one file in six has tiny ones."""
    count = sizes[axis] if each else 1
    most = 3 if random.random() < 1 / 6 else 127
    scales = np.exp(random.uniform(np.log(0.001), np.log(0.02), count)).astype(np.float32)
    values = random.integers(-most, most + 1, sizes)
    return file.tensor(sizes, Coding(tuple(map(float, scales)), (0,) * count, axis), "int8", values)


def accumulated(file: File, random: Random, entry: Tensor, filters: Tensor, terms: int) -> Coding:
    """A coding that sums of so many products fill more or less."""
    spread = 0.58 * reach(file, filters) * terms**0.5  # of a sum, in steps of the input times steps of the weights
    return near(random, spread * entry.coding.scale * float(np.mean(filters.coding.scales)))


def bias(file: File, random: Random, entry: Tensor, filters: Tensor, channels: int, terms: int) -> Tensor:
    """int32 at the product of the scales, about as large as the sums."""
    scales = tuple(float(np.float32(np.float32(entry.coding.scale) * np.float32(one))) for one in filters.coding.scales)
    spread = int(SPREAD * SPREAD * terms**0.5) + 1
    values = random.integers(-spread, spread + 1, channels)
    return file.tensor((channels,), Coding(scales, (0,) * len(scales)), "int32", values)


def reach(file: File, tensor: Tensor) -> int:
    """The largest code of a constant."""
    data = np.asarray(file.buffers[file.tensors[tensor.index].buffer].data, np.uint8).view(np.int8)
    return max(1, int(np.abs(data.astype(np.int32)).max()))


def conv(random: Random, each: bool = True, groups: bool = False) -> bytes:
    file, entry = begun(random)
    size, channels = entry.shape[1:3], entry.shape[3]
    drawn, count = window(random, size), int(random.integers(1, 9))
    depth = channels
    if groups:
        share = int(random.integers(2, 4))
        file = File()
        depth, channels = channels, channels * share
        entry, count = file.tensor((1, *size, channels), entry.coding), share * int(random.integers(1, 4))
    filters = weights(file, random, (count, *drawn["filter"], depth), 0, each)
    terms = drawn["filter"][0] * drawn["filter"][1] * depth
    offsets = bias(file, random, entry, filters, count, terms)
    made = file.tensor((1, *swept(size, drawn), count), accumulated(file, random, entry, filters, terms))
    settings = options("Conv2DOptions", fusedActivationFunction=activation(random), **windowed(drawn))
    file.operator("CONV_2D", [entry, filters, offsets], made, settings, 5 if each else 3)
    return file.bytes(made)


def depthwise(random: Random, each: bool = True) -> bytes:
    file, entry = begun(random)
    size, channels = entry.shape[1:3], entry.shape[3]
    drawn, times = window(random, size), int(random.choice([1, 1, 1, 2, 3]))
    filters = weights(file, random, (1, *drawn["filter"], channels * times), 3, each)
    terms = drawn["filter"][0] * drawn["filter"][1]
    offsets = [bias(file, random, entry, filters, channels * times, terms)] if random.random() < 0.75 else []
    sizes = (1, *swept(size, drawn), channels * times)
    made = file.tensor(sizes, accumulated(file, random, entry, filters, terms))
    settings = options(
        "DepthwiseConv2DOptions",
        depthMultiplier=times,
        fusedActivationFunction=activation(random),
        **windowed(drawn),
    )
    file.operator("DEPTHWISE_CONV_2D", [entry, filters, *offsets], made, settings, 6 if each else 3)
    return file.bytes(made)


def fully_connected(random: Random, each: bool = False) -> bytes:
    file, entry = begun(
        random, int(random.choice([2, 2, 4])), int(random.choice([6, 60])) if random.random() < 0.9 else 9
    )
    file = File()
    sizes = entry.shape if len(entry.shape) == 2 else tuple(min(size, 6) for size in entry.shape)
    entry = file.tensor(sizes, entry.coding)
    keep = len(sizes) > 2 and random.random() < 0.5
    depth, rows = (sizes[-1], sizes[:-1]) if keep else (int(np.prod(sizes)), (1,))
    count = int(random.integers(1, 17))
    filters = weights(file, random, (count, depth), 0, each)
    offsets = bias(file, random, entry, filters, count, depth) if random.random() < 0.75 else None
    made = file.tensor((*rows, count), accumulated(file, random, entry, filters, depth))
    settings = options("FullyConnectedOptions", fusedActivationFunction=activation(random), keepNumDims=keep)
    file.operator("FULLY_CONNECTED", [entry, filters, offsets], made, settings, 12 if each else 5 if keep else 4)
    return file.bytes(made)


# --- operators of two operands


def operands(file: File, random: Random, entry: Tensor) -> tuple[Tensor, Tensor]:
    """The input beside itself, a constant of its shape, or one that is repeated along some axes; in either order."""
    way = random.integers(4)
    if way == 0:
        other = entry
    elif way == 1:
        other = second(file, random, entry)
    else:
        sizes = [size if way == 2 or random.random() < 0.5 else 1 for size in entry.shape]
        if way == 3 and random.random() < 0.5:
            sizes = sizes[int(random.integers(1, len(sizes))) :]
        other = file.tensor(sizes, near(random, entry.coding.scale), "int8", codes_like(random, sizes))
    return (entry, other) if random.random() < 0.5 else (other, entry)


def elementwise(random: Random, kind: str, settings: str, version: int) -> bytes:
    file, entry = begun(random, int(random.choice([2, 3, 4])))
    first, other = operands(file, random, entry)
    scales = first.coding.scale, other.coding.scale
    whole = near(random, 74 * scales[0] * scales[1] if kind == "MUL" else float(np.hypot(*scales)))
    made = file.tensor(entry.shape, whole)
    file.operator(kind, [first, other], made, options(settings, fusedActivationFunction=activation(random)), version)
    return file.bytes(made)


def concatenation(random: Random) -> bytes:
    file, entry = begun(random, int(random.choice([2, 3, 4])), 6)
    axis = int(random.integers(1, len(entry.shape)))
    parts = [entry]
    for _ in range(int(random.integers(1, 4))):
        way = random.integers(3)
        if way == 0:
            parts.append(entry)
        elif way == 1:
            parts.append(second(file, random, entry, entry.coding))
        else:
            sizes = list(entry.shape)
            sizes[axis] = int(random.integers(1, 5))
            parts.append(file.tensor(sizes, entry.coding, "int8", codes_like(random, sizes)))
    random.shuffle(parts)
    sizes = list(entry.shape)
    sizes[axis] = sum(part.shape[axis] for part in parts)
    made = file.tensor(sizes, entry.coding)
    named = axis if random.random() < 0.7 else axis - len(sizes)
    file.operator("CONCATENATION", parts, made, options("ConcatenationOptions", axis=named), 2)
    return file.bytes(made)


# --- operators of one operand


def unary(random: Random, kind: str, settings: Any, version: int, exit: Coding | None = None) -> bytes:
    file, entry = begun(random, int(random.choice([2, 3, 4])))
    made = file.tensor(entry.shape, exit or near(random, entry.coding.scale))
    file.operator(kind, [entry], made, settings, version)
    return file.bytes(made)


def curve(random: Random, kind: str, exit: Coding, settings: Any = None) -> bytes:
    """LOGISTIC or TANH, whose output has one coding."""
    file = File()
    entry = file.tensor(shape(random, 4, 8), coding(random, 0.001, 0.5))
    made = file.tensor(entry.shape, exit)
    file.operator(kind, [entry], made, settings, 2)
    return file.bytes(made)


def relu6(random: Random) -> bytes:
    """Its output has the input's coding: TFLite Micro clamps codes, no more."""
    file = File()
    entry = file.tensor(shape(random), coding(random, 0.01, 0.1))
    made = file.tensor(entry.shape, entry.coding)
    file.operator("RELU6", [entry], made, None, 2)
    return file.bytes(made)


def softmax(random: Random) -> bytes:
    file = File()
    sizes = shape(random, int(random.choice([2, 2, 3, 4])), 12)
    entry = file.tensor(sizes, coding(random, 0.005, 0.5))
    made = file.tensor(sizes, Coding((1 / 256,), (-128,)))
    beta = 1.0 if random.random() < 0.7 else float(np.float32(random.uniform(0.2, 4)))
    file.operator("SOFTMAX", [entry], made, options("SoftmaxOptions", beta=beta), 2)
    return file.bytes(made)


def pool(random: Random, kind: str) -> bytes:
    """Both ends share their coding, as the specification asks."""
    file, entry = begun(random)
    drawn = {**window(random, entry.shape[1:3]), "dilations": [1, 1]}
    made = file.tensor((1, *swept(entry.shape[1:3], drawn), entry.shape[3]), entry.coding)
    named = windowed(drawn)
    settings = options(
        "Pool2DOptions",
        filterHeight=drawn["filter"][0],
        filterWidth=drawn["filter"][1],
        fusedActivationFunction=activation(random),
        **{name: named[name] for name in ("padding", "strideH", "strideW")},
    )
    file.operator(kind, [entry], made, settings, 2)
    return file.bytes(made)


def mean(random: Random) -> bytes:
    file, entry = begun(random)
    axes = [[1, 2], [1, 2], [1], [2], [3], [1, 2, 3], [2, 1]][random.integers(7)]
    kept = random.random() < 0.5
    sizes = [1 if axis in axes else size for axis, size in enumerate(entry.shape) if kept or axis not in axes]
    same = random.random() < 0.3
    made = file.tensor(sizes, entry.coding if same else near(random, entry.coding.scale * 0.5))
    if random.random() < 0.3:
        axes = [axis - 4 for axis in axes]
    file.operator("MEAN", [entry, file.whole(axes)], made, options("ReducerOptions", keepDims=kept), 2)
    return file.bytes(made)


def pad(random: Random, valued: bool = False) -> bytes:
    rank = int(random.choice([2, 3, 4]))
    file, entry = begun(random, rank, 6)
    room = random.integers(0, 4, (rank, 2))
    room[0] = 0
    made = file.tensor([size + int(pair.sum()) for size, pair in zip(entry.shape, room, strict=True)], entry.coding)
    if valued:
        value = file.tensor((1,), entry.coding, "int8", random.integers(-128, 128, 1))
        file.operator("PADV2", [entry, file.whole(room), value], made, options("PadV2Options"), 2)
    else:
        file.operator("PAD", [entry, file.whole(room)], made, options("PadOptions"), 2)
    return file.bytes(made)


def reshape(random: Random) -> bytes:
    file, entry = begun(random)
    count = int(np.prod(entry.shape))
    sizes = [(1, count), (1, count, 1), (1, entry.shape[1] * entry.shape[2], entry.shape[3])][random.integers(3)]
    named = list(sizes) if random.random() < 0.5 else [1, -1, *sizes[2:]]
    made = file.tensor(sizes, entry.coding)
    file.operator("RESHAPE", [entry, file.whole(named)], made, options("ReshapeOptions", newShape=named), 1)
    return file.bytes(made)


def transpose(random: Random) -> bytes:
    rank = int(random.choice([2, 3, 4]))
    file, entry = begun(random, rank)
    order = random.permutation(rank)
    made = file.tensor([entry.shape[axis] for axis in order], entry.coding)
    file.operator("TRANSPOSE", [entry, file.whole(order)], made, options("TransposeOptions"), 2)
    return file.bytes(made)


def strided_slice(random: Random) -> bytes:
    rank = int(random.choice([2, 3, 4]))
    file, entry = begun(random, rank)
    begin, end, strides, sizes, masks = [], [], [], [], {"beginMask": 0, "endMask": 0, "shrinkAxisMask": 0}
    for axis, size in enumerate(entry.shape):
        step = 1 if random.random() < 0.5 else int(random.integers(1, 4))
        start = int(random.integers(0, size))
        stop = int(random.integers(start + 1, size + 1))
        backwards = random.random() < 0.15 and axis > 0
        if backwards:
            start, stop, step = stop - 1, start - 1, -step
        if axis and random.random() < 0.2:
            masks["beginMask"] |= 1 << axis
            start = size - 1 if backwards else 0
        if axis and (random.random() < 0.2 or stop < 0):
            masks["endMask"] |= 1 << axis
            stop = -1 if backwards else size
        shrinks = axis > 1 and random.random() < 0.15 and not backwards
        if shrinks:
            masks["shrinkAxisMask"] |= 1 << axis
            masks["beginMask"] &= ~(1 << axis)
            masks["endMask"] &= ~(1 << axis)
            stop, step = start + 1, 1
        else:
            sizes.append(len(range(start, stop, step)))
        whole = masks["endMask"] >> axis & 1
        begin.append(start - size if random.random() < 0.2 and not shrinks and start < size else start)
        end.append(0 if whole else stop)
        strides.append(step)
    if 0 in sizes:  # nothing is left of an axis; drawn again, for files hold something
        return strided_slice(random)
    made = file.tensor(sizes, entry.coding)
    inputs = [entry, file.whole(begin), file.whole(end), file.whole(strides)]
    settings = options("StridedSliceOptions", ellipsisMask=0, newAxisMask=0, **masks)
    file.operator("STRIDED_SLICE", inputs, made, settings, 2)
    return file.bytes(made)


def slice_(random: Random) -> bytes:
    rank = int(random.choice([2, 3, 4]))
    file, entry = begun(random, rank)
    begin = [int(random.integers(0, size)) for size in entry.shape]
    sizes = [int(random.integers(1, size - start + 1)) for size, start in zip(entry.shape, begin, strict=True)]
    named = [-1 if random.random() < 0.2 else size for size in sizes]
    sizes = [
        whole - start if size == -1 else size for whole, start, size in zip(entry.shape, begin, named, strict=True)
    ]
    made = file.tensor(sizes, entry.coding)
    file.operator("SLICE", [entry, file.whole(begin), file.whole(named)], made, options("SliceOptions"), 2)
    return file.bytes(made)


def split(random: Random) -> bytes:
    """Parts of the input, put together in another order."""
    file = File()
    sizes, axis = list(shape(random, int(random.choice([2, 3, 4])), 5)), 0
    axis, parts = int(random.integers(1, len(sizes))), int(random.integers(2, 5))
    share = sizes[axis]
    sizes[axis] = share * parts
    entry = file.tensor(sizes, coding(random))
    named = axis if random.random() < 0.7 else axis - len(sizes)
    along = file.tensor((), REAL, "int32", [named])
    pieces = [file.tensor([*sizes[:axis], share, *sizes[axis + 1 :]], entry.coding) for _ in range(parts)]
    file.operator("SPLIT", [along, entry], pieces, options("SplitOptions", numSplits=parts), 2)
    order = [pieces[place] for place in random.permutation(parts)]
    made = file.tensor(sizes, entry.coding)
    file.operator("CONCATENATION", order, made, options("ConcatenationOptions", axis=axis), 2)
    return file.bytes(made)


def resize(random: Random) -> bytes:
    file, entry = begun(random, 4, 7)
    high, wide = (int(size) for size in random.integers(1, 13, 2))
    made = file.tensor((1, high, wide, entry.shape[3]), entry.coding)
    aligned, half = [(False, False), (False, True), (True, False)][random.integers(3)]
    settings = options("ResizeNearestNeighborOptions", alignCorners=aligned, halfPixelCenters=half)
    file.operator("RESIZE_NEAREST_NEIGHBOR", [entry, file.whole([high, wide])], made, settings, 3)
    return file.bytes(made)


def quantize_real(random: Random) -> bytes:
    file = File()
    entry = file.tensor(shape(random), REAL, "float32")
    made = file.tensor(entry.shape, coding(random, 0.005, 0.1))
    file.operator("QUANTIZE", [entry], made, options("QuantizeOptions"), 1)
    return file.bytes(made)


def dequantize(random: Random) -> bytes:
    file, entry = begun(random)
    made = file.tensor(entry.shape, REAL, "float32")
    file.operator("DEQUANTIZE", [entry], made, options("DequantizeOptions"), 2)
    return file.bytes(made)


KINDS: dict[str, Callable[[Random], bytes]] = {
    "CONV_2D": conv,
    "CONV_2D per tensor": lambda random: conv(random, each=False),
    "CONV_2D in groups": lambda random: conv(random, groups=True),
    "DEPTHWISE_CONV_2D": depthwise,
    "DEPTHWISE_CONV_2D per tensor": lambda random: depthwise(random, each=False),
    "FULLY_CONNECTED": fully_connected,
    "FULLY_CONNECTED per channel": lambda random: fully_connected(random, each=True),
    "ADD": lambda random: elementwise(random, "ADD", "AddOptions", 2),
    "SUB": lambda random: elementwise(random, "SUB", "SubOptions", 2),
    "MUL": lambda random: elementwise(random, "MUL", "MulOptions", 2),
    "PAD": pad,
    "PADV2": lambda random: pad(random, valued=True),
    "MEAN": mean,
    "AVERAGE_POOL_2D": lambda random: pool(random, "AVERAGE_POOL_2D"),
    "MAX_POOL_2D": lambda random: pool(random, "MAX_POOL_2D"),
    "CONCATENATION": concatenation,
    "RESHAPE": reshape,
    "SOFTMAX": softmax,
    "LOGISTIC": lambda random: curve(random, "LOGISTIC", Coding((1 / 256,), (-128,))),
    "TANH": lambda random: curve(random, "TANH", Coding((1 / 128,), (0,))),
    "RELU": lambda random: unary(random, "RELU", None, 2),
    "RELU6": relu6,
    "LEAKY_RELU": lambda random: unary(
        random, "LEAKY_RELU", options("LeakyReluOptions", alpha=float(np.float32(random.uniform(0.01, 0.9)))), 2
    ),
    "HARD_SWISH": lambda random: unary(random, "HARD_SWISH", options("HardSwishOptions"), 1),
    "QUANTIZE": lambda random: unary(random, "QUANTIZE", options("QuantizeOptions"), 2),
    "QUANTIZE real": quantize_real,
    "DEQUANTIZE": dequantize,
    "TRANSPOSE": transpose,
    "STRIDED_SLICE": strided_slice,
    "SLICE": slice_,
    "SPLIT": split,
    "RESIZE_NEAREST_NEIGHBOR": resize,
}


def single(kind: str, seed: int) -> bytes:
    """The file of a kind and a seed."""
    return KINDS[kind](np.random.default_rng([seed, *kind.encode()]))


# --- what TFLite Micro makes of them


def opened(content: bytes, arena: int = ARENA) -> Any:
    """TFLite Micro's interpreter, ready to be asked."""
    from tflite_micro.python.tflite_micro import runtime

    return runtime.Interpreter.from_bytes(content, arena_size=arena)


def inputs_of(content: bytes, count: int, seed: int = 0) -> Any:
    """Inputs (count, *shape) that the file's input holds: codes of any value, or real numbers about as wide."""
    entry = opened(content).get_input_details(0)
    random, sizes = np.random.default_rng(seed), (count, *entry["shape"])
    if entry["dtype"] == np.float32:
        return random.normal(0, 3, sizes).astype(np.float32)
    return codes_like(random, sizes, np.dtype(entry["dtype"]).name)


def ask(content: bytes, inputs: Any, arena: int = ARENA) -> Any:
    """What TFLite Micro answers to each input: (count, *shape) of its output."""
    interpreter = opened(content, arena)
    answers = []
    for one in inputs:
        interpreter.set_input(one, 0)
        interpreter.invoke()
        answers.append(interpreter.get_output(0).copy())
    return np.stack(answers)
