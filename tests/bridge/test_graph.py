"""What cannot become C is refused on the host, in a sentence that names the place and the way out."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from samewhy_bridge.graph import graph_of, read_graph
from samewhy_bridge.program import program_of
from samewhy_edge.errors import ArtifactError
from tests.bridge.single_ops import REAL, Coding, File, Tensor, options, single

CODES = Coding((0.1,), (3,))
DS_CNN = Path("models/fashion_ds_cnn/int8.tflite")


def refusal(content: bytes) -> str:
    with pytest.raises(ArtifactError) as found:
        program_of(graph_of(content, "made"))
    return str(found.value)


def changed(content: bytes, change: Callable[[Any], None]) -> bytes:
    """A file with something else in its model object."""
    import flatbuffers

    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(content, 0))
    change(model)
    builder = flatbuffers.Builder(0)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def test_another_kind_of_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "any.tflite").write_bytes(b"PK\x03\x04 a zip, say")
    with pytest.raises(ArtifactError, match=r"any\.tflite: not a \.tflite file"):
        read_graph(tmp_path / "any.tflite")
    with pytest.raises(ArtifactError, match="cannot be read"):
        read_graph(tmp_path / "none.tflite")


@pytest.mark.parametrize("share", [0.1, 0.5, 0.97])
def test_a_cut_file_is_refused(share: float) -> None:
    content = DS_CNN.read_bytes()
    with pytest.raises(ArtifactError):
        program_of(graph_of(content[: int(len(content) * share)], "cut"))


def test_an_operator_that_nobody_knows_is_named_with_its_version_and_tensor() -> None:
    file = File()
    entry, made = file.tensor((1, 4), CODES), file.tensor((1, 4), CODES)
    file.operator("CUMSUM", [entry, file.whole([1])], made, options("CumsumOptions"), 7)
    said = refusal(file.bytes(made))
    assert "operator 0 (CUMSUM version 7, which gives tensor 't1')" in said
    assert "CONV_2D, " in said


def test_a_custom_operator_is_called_by_its_name() -> None:
    def custom(model: Any) -> None:
        model.operatorCodes[0].builtinCode = schema.BuiltinOperator.CUSTOM
        model.operatorCodes[0].customCode = b"MyFFT"

    assert "CUSTOM MyFFT" in refusal(changed(single("RELU", 0), custom))


def test_several_inputs_or_graphs_are_refused() -> None:
    def twice(model: Any) -> None:
        model.subgraphs[0].inputs = [0, 1]

    def graphs(model: Any) -> None:
        model.subgraphs.append(model.subgraphs[0])

    assert "2 inputs; expected one" in refusal(changed(single("RELU", 0), twice))
    assert "2 graphs; expected one" in refusal(changed(single("RELU", 0), graphs))


def test_real_numbers_inside_are_refused() -> None:
    said = refusal(Path("models/fashion_ds_cnn/float.tflite").read_bytes())
    assert "float32" in said
    assert "expected int8" in said


def relu(entry: tuple[Any, ...], made: tuple[Any, ...]) -> bytes:
    file = File()
    source, output = file.tensor(*entry), file.tensor(*made)
    file.operator("RELU", [source], output)
    return file.bytes(output)


def test_an_end_without_fixed_sizes_is_refused() -> None:
    assert "expected sizes that are fixed" in refusal(relu(((1, 0, 4), CODES), ((1, 0, 4), CODES)))
    assert "with 1 to 5 axes" in refusal(relu(((1, 2, 2, 2, 2, 2), CODES), ((1, 2, 2, 2, 2, 2), CODES)))
    assert "is int64" in refusal(changed(relu(((1, 4), CODES), ((1, 4), CODES)), wide))


def wide(model: Any) -> None:
    model.subgraphs[0].tensors[0].type = schema.TensorType.INT64


def softmax(scale: float) -> bytes:
    file = File()
    entry, made = file.tensor((1, 4), CODES), file.tensor((1, 4), Coding((scale,), (-128,)))
    file.operator("SOFTMAX", [entry], made, options("SoftmaxOptions", beta=1.0), 2)
    return file.bytes(made)


def test_scales_that_the_format_does_not_allow_are_refused() -> None:
    assert "1/256 and -128" in refusal(softmax(0.01))


def dense(weights: Coding, bias: int) -> bytes:
    file = File()
    entry, made = file.tensor((1, 4), CODES), file.tensor((1, 2), CODES)
    held = file.tensor((2, 4), weights, "int8", np.full((2, 4), 3))
    offsets = file.tensor((2,), REAL, "int32", [bias, 0])
    file.operator("FULLY_CONNECTED", [entry, held, offsets], made, options("FullyConnectedOptions"), 4)
    return file.bytes(made)


def test_weights_with_a_zero_point_are_refused() -> None:
    assert "zero point 7; expected 0" in refusal(dense(Coding((0.1,), (7,)), 0))


def test_sums_that_leave_32_bits_are_refused() -> None:
    assert "sums may reach" in refusal(dense(Coding((0.1,), (0,)), 2**31 - 100))


def computed(kind: str, settings: str, second: Callable[[File, Tensor], Tensor]) -> bytes:
    file = File()
    entry = file.tensor((1, 4), CODES)
    made = file.tensor((1, 4), CODES)
    file.operator(kind, [entry, second(file, entry)], made, options(settings), 2)
    return file.bytes(made)


def test_an_order_of_axes_that_is_computed_is_refused() -> None:
    said = refusal(computed("TRANSPOSE", "TransposeOptions", lambda _, entry: entry))
    assert "is computed; expected a constant of the file" in said


def test_what_only_computes_a_shape_is_left_out() -> None:
    file = File()
    entry, made = file.tensor((1, 2, 6), CODES), file.tensor((1, 12), CODES)
    sizes, first = file.tensor((3,), REAL, "int32"), file.tensor((), REAL, "int32")
    file.operator("SHAPE", [entry], sizes, options("ShapeOptions", outType=schema.TensorType.INT32))
    marks = [file.whole([value]) for value in (0, 1, 1)]
    file.operator("STRIDED_SLICE", [sizes, *marks], first, options("StridedSliceOptions", shrinkAxisMask=1))
    pair = file.tensor((2,), REAL, "int32")
    twelve = file.tensor((), REAL, "int32", 12)
    file.operator("PACK", [first, twelve], pair, options("PackOptions", valuesCount=2))
    file.operator("RESHAPE", [entry, pair], made, options("ReshapeOptions"))
    program = program_of(graph_of(file.bytes(made), "made"))
    assert list(program.steps) == [3]
    assert program.kernels == []


def test_weights_of_four_bits_are_read() -> None:
    def packed(model: Any) -> None:
        graph = model.subgraphs[0]
        weights = graph.tensors[graph.operators[0].inputs[1]]
        weights.type = schema.TensorType.INT4
        model.buffers[weights.buffer].data = np.array([0x1F, 0x82, 0x7F, 0x00], np.uint8)

    graph = graph_of(changed(dense(Coding((0.1,), (0,)), 0), packed), "made")
    weights = graph.tensors[graph.operators[0].inputs[1]]
    assert weights.dtype == "int8"
    assert weights.data is not None
    assert weights.data.tolist() == [[-1, 1, 2, -8], [-1, 7, 0, 0]]
