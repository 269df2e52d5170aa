"""What a draw would seldom meet: ends of scales, of sizes and of broadcasting, and operators without a factory."""

import ctypes
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("tflite_micro")

from samewhy_bridge.fixed_point import Factor
from samewhy_bridge.graph import graph_of
from samewhy_bridge.program import program_of
from tests.bridge import kernels
from tests.bridge.boards import needs_gcc
from tests.bridge.single_ops import REAL, TYPES, Coding, File, Tensor, ask, options

pytestmark = needs_gcc

CODES = Coding((0.1,), (3,))
TYPES["uint8"] = schema.TensorType.UINT8


def same(content: bytes, count: int = 8) -> None:
    """Every code is TFLite Micro's, for `count` drawn inputs."""
    program = program_of(graph_of(content, "edge"))
    ends = np.iinfo(program.input.dtype)
    shape = (count, *program.input.shape)
    inputs = np.random.default_rng(0).integers(ends.min, ends.max + 1, shape).astype(program.input.dtype)
    expected = ask(content, inputs, 2**21)
    for i, sample in enumerate(inputs):
        found = kernels.run(program, sample, planned=bool(i % 2))[program.graph.output]
        np.testing.assert_array_equal(found, expected[i].reshape(found.shape))


def drawn(shape: Sequence[int], low: int = -127, high: int = 127) -> Any:
    return np.random.default_rng(1).integers(low, high + 1, shape)


def of_one(
    kind: str, shape: Sequence[int], made: Sequence[int], settings: Any, *more: Callable[[File], Tensor]
) -> bytes:
    file = File()
    entry, output = file.tensor(shape, CODES), file.tensor(made, CODES)
    file.operator(kind, [entry, *(one(file) for one in more)], output, settings, 1)
    return file.bytes(output)


def test_factors_above_one() -> None:
    file = File()
    scales = Coding((1.0, 0.5, 2.0, 0.7, 3.0, 0.01), (0,) * 6, 0)
    entry, made = file.tensor((1, 3, 3, 4), CODES), file.tensor((1, 3, 3, 6), Coding((0.3,), (0,)))
    held = file.tensor((6, 1, 1, 4), scales, "int8", drawn((6, 1, 1, 4), -1, 1))
    offsets = file.tensor((6,), REAL, "int32", drawn((6,), -9, 9))
    settings = options("Conv2DOptions", strideH=1, strideW=1, dilationHFactor=1, dilationWFactor=1)
    file.operator("CONV_2D", [entry, held, offsets], made, settings, 3)
    same(file.bytes(made), 40)


@pytest.mark.parametrize("kind", ["ADD", "MUL"])
@pytest.mark.parametrize(("other", "output"), [(1e-5, 0.1), (10.0, 0.1), (0.1, 1e-4), (0.1, 100.0)])
def test_scales_that_are_far_apart(kind: str, other: float, output: float) -> None:
    file = File()
    entry, made = file.tensor((1, 300), CODES), file.tensor((1, 300), Coding((output,), (-3,)))
    held = file.tensor((1, 300), Coding((other,), (7,)), "int8", drawn((1, 300)))
    file.operator(kind, [entry, held], made, options(f"{kind.title()}Options"), 2)
    same(file.bytes(made))


@pytest.mark.parametrize(
    ("shape", "other"),
    [((1, 3, 4, 2, 3), (1, 1, 4, 1, 3)), ((1, 4, 4, 2), (4, 1, 2)), ((1, 2, 3), (1, 2, 1)), ((1, 5), (1,))],
)
def test_repeats_along_axes(shape: tuple[int, ...], other: tuple[int, ...]) -> None:
    file = File()
    entry, made = file.tensor(shape, CODES), file.tensor(shape, Coding((0.2,), (-3,)))
    held = file.tensor(other, Coding((0.05,), (9,)), "int8", drawn(other))
    file.operator("SUB", [held, entry], made, options("SubOptions", fusedActivationFunction=3), 2)
    same(file.bytes(made))


def test_more_inputs_than_sixteen_bits_count() -> None:
    file = File()
    entry, flat = file.tensor((1, 70, 1000), CODES), file.tensor((1, 70_000), CODES)
    file.operator("RESHAPE", [entry, file.whole([1, 70_000])], flat, options("ReshapeOptions"))
    held = file.tensor((5, 70_000), Coding((0.02,), (0,)), "int8", drawn((5, 70_000)))
    made = file.tensor((1, 5), Coding((50.0,), (0,)))
    file.operator("FULLY_CONNECTED", [flat, held, None], made, options("FullyConnectedOptions"), 4)
    same(file.bytes(made), 2)


def test_operators_that_only_change_a_shape() -> None:
    settings = options("SqueezeOptions", squeezeDims=[1])
    same(of_one("EXPAND_DIMS", (1, 4), (1, 1, 4), options("ExpandDimsOptions"), lambda file: file.whole([1])))
    same(of_one("SQUEEZE", (1, 1, 4), (1, 4), settings))


def test_parts_of_other_sizes() -> None:
    file = File()
    entry, made = file.tensor((1, 6, 2), CODES), file.tensor((1, 6, 2), CODES)
    parts = [file.tensor((1, size, 2), CODES) for size in (1, 2, 3)]
    inputs = [entry, file.whole([1, 2, 3]), file.tensor((), REAL, "int32", 1)]
    file.operator("SPLIT_V", inputs, parts, options("SplitVOptions", numSplits=3), 2)
    file.operator("CONCATENATION", parts[::-1], made, options("ConcatenationOptions", axis=1), 2)
    same(file.bytes(made))


@pytest.mark.parametrize(("source", "target"), [("int8", "uint8"), ("uint8", "int8")])
def test_codes_with_and_without_sign(source: str, target: str) -> None:
    file = File()
    entry = file.tensor((1, 256), CODES, source)
    made = file.tensor((1, 256), Coding((0.07,), (100,)), target)
    file.operator("QUANTIZE", [entry], made, options("QuantizeOptions"), 1)
    same(file.bytes(made))


def test_a_window_that_lies_outside_altogether() -> None:
    file = File()
    entry, made = file.tensor((1, 1, 5, 4), CODES), file.tensor((1, 1, 5, 4), CODES)
    held = file.tensor((1, 2, 2, 4), Coding((0.02,), (0,)), "int8", drawn((1, 2, 2, 4)))
    settings = options(
        "DepthwiseConv2DOptions",
        padding=schema.Padding.SAME,
        strideH=1,
        strideW=1,
        dilationHFactor=3,
        dilationWFactor=2,
        depthMultiplier=1,
    )
    offsets = file.tensor((4,), REAL, "int32", drawn((4,), -500, 500))
    file.operator("DEPTHWISE_CONV_2D", [entry, held, offsets], made, settings, 3)
    same(file.bytes(made))


def test_weights_of_four_bits() -> None:
    file = File()
    entry, made = file.tensor((1, 7), CODES), file.tensor((1, 6), Coding((0.5,), (0,)))
    held = file.tensor((6, 7), Coding((0.2,), (0,)), "int8", drawn((6, 7), -7, 7))
    file.operator("FULLY_CONNECTED", [entry, held, None], made, options("FullyConnectedOptions"), 4)
    wide = file.bytes(made)
    tensor, buffer = file.tensors[held.index], file.buffers[file.tensors[held.index].buffer]
    codes = np.append(buffer.data, 0).astype(np.uint8) if buffer.data.size % 2 else buffer.data
    buffer.data = ((codes[0::2] & 15) | (codes[1::2] << 4)).astype(np.uint8)
    tensor.type = schema.TensorType.INT4
    narrow = file.bytes(made)
    assert len(narrow) < len(wide)
    same(narrow)


WORDS = st.integers(-(2**31) + 1, 2**31 - 1)


@given(
    st.lists(st.tuples(WORDS, st.integers(2**30, 2**31 - 1), st.integers(-31, 8)), min_size=1, max_size=9),
    st.integers(0, 3),
)
def test_sums_of_any_size_become_codes_by_the_rule_of_the_host(outputs: list[tuple[int, int, int]], first: int) -> None:
    sums, values, shifts = (np.array(column) for column in zip(*outputs, strict=True))
    sums = np.where(shifts > 0, sums >> 9, sums)  # what is shifted to the left must have room
    blank = np.zeros(first, np.int64)
    spec = {
        "bias": np.zeros(1, np.int32),
        "factors": np.append(blank, values).astype(np.int32),
        "shifts": np.append(blank, shifts).astype(np.int8),
        "each": 1,
        "zero_point": -3,
        "low": -100,
        "high": 120,
    }
    made = np.zeros(len(outputs), np.int8)
    filled, kept = kernels.filled(kernels.structs()["samewhy_sums_spec"], spec)
    given_sums = np.ascontiguousarray(sums.astype(np.int32))
    pointers = [ctypes.c_void_p(one.ctypes.data) for one in (given_sums, made)]
    kernels.library().samewhy_codes(ctypes.byref(filled), pointers[0], first, len(outputs), pointers[1])
    del kept
    exact = [Factor(int(v), int(s))(int(n)) - 3 for n, v, s in zip(sums, values, shifts, strict=True)]
    assert made.tolist() == [max(-100, min(one, 120)) for one in exact]
