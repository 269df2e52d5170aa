from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from samewhy_edge import litert
from samewhy_edge.errors import ArtifactError
from samewhy_edge.predictor import open_predictor
from samewhy_host.flatbuffer import layers_of, packed, patched, values_of, without_softmax

MODELS = Path(__file__).resolve().parents[2] / "models"
FASHION, MLPERF = MODELS / "fashion_ds_cnn" / "int8.tflite", MODELS / "mlperf_resnet8" / "int8.tflite"
REAL = MODELS / "fashion_ds_cnn" / "float.tflite"
FILES = [FASHION, REAL, MLPERF, MODELS / "person_detect" / "int8.tflite"]


def unpacked(content: bytes) -> Any:
    return schema.ModelT.InitFromObj(schema.Model.GetRootAs(content, 0))


def remade(path: Path, change: Callable[[Any], None]) -> bytes:
    model = unpacked(path.read_bytes())
    change(model)
    return packed(model)


def named(path: Path) -> str:
    return f"{path.parent.name}-{path.stem}"


@pytest.mark.parametrize("path", FILES, ids=named)
def test_constants_are_what_the_interpreter_holds(path: Path) -> None:
    content, interpreter = path.read_bytes(), litert.load(path, "reference", tensors=True)
    interpreter.allocate_tensors()
    details = {detail["index"]: detail for detail in interpreter.get_tensor_details()}
    for constant in (one for layer in layers_of(content) for one in layer.constants):
        detail = details[constant.tensor]
        coding = detail["quantization_parameters"]
        assert (constant.name, constant.shape) == (detail["name"], tuple(detail["shape"]))
        assert list(constant.scales) == pytest.approx(coding["scales"].tolist())
        # the interpreter says one zero point for all channels
        assert set(constant.zero_points) == set(coding["zero_points"].tolist())
        assert constant.axis == coding["quantized_dimension"]
        held = interpreter.get_tensor(constant.tensor)
        assert values_of(content, constant).dtype == held.dtype
        assert np.array_equal(values_of(content, constant), held)


@pytest.mark.parametrize("path", FILES, ids=named)
def test_layers_come_in_the_order_in_which_the_interpreter_runs_them(path: Path) -> None:
    layers = layers_of(path.read_bytes())
    ran = litert.load(path, "reference")._get_ops_details()
    kinds = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")
    known = [
        (place, one["op_name"], list(one["inputs"][1:])) for place, one in enumerate(ran) if one["op_name"] in kinds
    ]
    assert [(one.operator, one.kind, [held.tensor for held in one.constants]) for one in layers] == known


def test_paddings_axes_and_shapes_are_no_weights() -> None:
    kinds = [layer.kind for layer in layers_of(FASHION.read_bytes())]
    assert kinds == ["CONV_2D", *["DEPTHWISE_CONV_2D", "CONV_2D"] * 4, "FULLY_CONNECTED"]  # no PAD, no MEAN


@pytest.mark.parametrize("path", [FASHION, REAL], ids=named)
def test_a_patched_file_differs_in_the_buffers_meant_and_nowhere_else(path: Path) -> None:
    content = path.read_bytes()
    chosen = [layers_of(content)[i].constants[j] for i, j in ((0, 0), (4, 1), (9, 0))]
    changes = {one.buffer: np.flip(values_of(content, one)) for one in chosen}
    changed = patched(content, changes)
    before, after = unpacked(content), unpacked(changed)
    differing = {i for i, pair in enumerate(zip(before.buffers, after.buffers, strict=True)) if not same(*pair)}
    assert differing == set(changes)
    for one in chosen:
        assert np.array_equal(values_of(changed, one), np.flip(values_of(content, one)))
        after.buffers[one.buffer].data = before.buffers[one.buffer].data
    assert packed(after) == packed(before)  # everything that is no buffer, too
    assert len(changed) == len(content)
    apart = sum(a != b for a, b in zip(content, changed, strict=True))
    assert 0 < apart <= sum(values.nbytes for values in changes.values())


def same(one: Any, other: Any) -> bool:
    a, b = (np.zeros(0) if each.data is None else np.asarray(each.data) for each in (one, other))
    return np.array_equal(a, b)


def test_patching_leaves_the_content_given_alone_and_gives_equal_bytes() -> None:
    content = FASHION.read_bytes()
    kept, one = bytes(bytearray(content)), layers_of(content)[2].constants[0]
    changes = {one.buffer: np.flip(values_of(content, one))}
    assert patched(content, changes) == patched(content, changes) != content
    assert content == kept
    assert patched(content, {one.buffer: values_of(content, one)}) == content


def test_the_interpreter_takes_the_new_values(tmp_path: Path) -> None:
    content = FASHION.read_bytes()
    weights, bias = layers_of(content)[-1].constants
    order = np.roll(np.arange(10), 1)
    codes = {one.buffer: values_of(content, one)[order] for one in (weights, bias)}
    # all channels at one scale, so that channels can be told to change places
    scales = np.array(weights.scales)
    (tmp_path / "rolled.tflite").write_bytes(patched(content, codes))
    rolled, plain = open_predictor(f"litert:{tmp_path / 'rolled.tflite'}"), open_predictor(f"litert:{FASHION}")
    samples = np.random.default_rng(0).uniform(0, 1, (4, 28, 28, 1)).astype(np.float32)
    step = plain.spec.output.scale if plain.spec.output else 0.0
    # scores follow their rows, stretched by the ratio of the channels' scales
    expected = plain(samples)[:, order] * (scales / scales[order])
    assert np.abs(rolled(samples) - expected).max() <= 2 * step


def test_values_of_another_size_are_refused() -> None:
    content = FASHION.read_bytes()
    one = layers_of(content)[0].constants[0]
    with pytest.raises(ArtifactError, match="holds 576 bytes, 575 were given; expected as many"):
        patched(content, {one.buffer: values_of(content, one).ravel()[:-1]})
    with pytest.raises(ArtifactError, match="buffer 0 holds 0 bytes, 1 were given"):
        patched(content, {0: np.zeros(1, np.int8)})


def outside(model: Any) -> None:
    for buffer in model.buffers[3:5]:
        buffer.data, buffer.offset, buffer.size = None, 4096, 576


def second_graph(model: Any) -> None:
    model.subgraphs = [*model.subgraphs, model.subgraphs[0]]


def four_bits(model: Any) -> None:
    graph = model.subgraphs[0]
    graph.tensors[graph.operators[1].inputs[1]].type = schema.TensorType.INT4


def shared(model: Any) -> None:
    graph = model.subgraphs[0]
    graph.tensors[graph.operators[0].inputs[1]].buffer = graph.tensors[graph.operators[1].inputs[1]].buffer


def nothing_learned(model: Any) -> None:
    model.subgraphs[0].operators = model.subgraphs[0].operators[:1]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (outside, "2 buffers lie outside the flatbuffer; expected all weights inside it"),
        (second_graph, "2 graphs; expected one"),
        (four_bits, "holds INT4; expected float16, float32, int8"),
        (shared, r"operator 1 \(CONV_2D\) shares a buffer with a shape or an axis"),
        (nothing_learned, "no layer with weights"),
    ],
    ids=["outside", "two graphs", "int4", "shared", "no weights"],
)
def test_files_that_cannot_be_changed_in_place_are_refused(change: Callable[[Any], None], words: str) -> None:
    with pytest.raises(ArtifactError, match=words):
        layers_of(remade(FASHION, change))


def test_a_file_outside_is_not_patched_either() -> None:
    with pytest.raises(ArtifactError, match="outside the flatbuffer"):
        patched(remade(FASHION, outside), {})


def test_another_kind_of_file_is_refused() -> None:
    with pytest.raises(ArtifactError, match=r"not a \.tflite file"):
        layers_of((MODELS / "fashion_ds_cnn" / "model.onnx").read_bytes())


def test_an_input_that_is_left_out_is_no_bias() -> None:
    def without_bias(model: Any) -> None:
        last = model.subgraphs[0].operators[-1]
        last.inputs = np.array([*last.inputs[:2], -1], np.int32)

    assert [len(layer.constants) for layer in layers_of(remade(FASHION, without_bias))] == [2] * 9 + [1]


def half_precision(model: Any) -> None:
    """The last layer's weights as float16, behind a DEQUANTIZE that stands first."""
    graph = model.subgraphs[0]
    tensor = graph.operators[-1].inputs[1]
    real = graph.tensors[tensor]
    buffer, stored, code, operator = schema.BufferT(), schema.TensorT(), schema.OperatorCodeT(), schema.OperatorT()
    buffer.data = model.buffers[real.buffer].data.view("<f4").astype("<f2").view(np.uint8)
    stored.shape, stored.type, stored.buffer, stored.name = real.shape, 1, len(model.buffers), b"stored"
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.DEQUANTIZE
    operator.opcodeIndex = len(model.operatorCodes)
    operator.inputs, operator.outputs = np.array([len(graph.tensors)], np.int32), np.array([tensor], np.int32)
    model.buffers.append(buffer)
    model.operatorCodes.append(code)
    graph.tensors.append(stored)
    graph.operators.insert(0, operator)
    real.buffer = 0


def test_weights_stored_in_half_precision_belong_to_the_layer_that_takes_them(tmp_path: Path) -> None:
    content = remade(REAL, half_precision)
    (tmp_path / "half.tflite").write_bytes(content)
    samples = np.random.default_rng(0).uniform(0, 1, (2, 28, 28, 1)).astype(np.float32)
    half, full = open_predictor(f"litert:{tmp_path / 'half.tflite'}"), open_predictor(f"litert:{REAL}")
    assert np.abs(half(samples) - full(samples)).max() < 0.05  # the file is a file
    layers, known = layers_of(content), layers_of(REAL.read_bytes())
    assert [one.kind for one in layers] == [one.kind for one in known]
    weights = layers[-1].constants[0]
    assert (weights.name, weights.dtype, weights.shape) == ("stored", "<f2", (10, 64))
    assert np.allclose(values_of(content, weights), values_of(REAL.read_bytes(), known[-1].constants[0]), atol=1e-3)


def test_without_softmax_every_layer_stays_as_it_was() -> None:
    content = MLPERF.read_bytes()
    shorter = without_softmax(content)
    assert shorter == without_softmax(content)
    assert len(unpacked(shorter).subgraphs[0].operators) == len(unpacked(content).subgraphs[0].operators) - 1
    for one, other in zip(layers_of(content), layers_of(shorter), strict=True):
        assert one == other
        for constant in one.constants:
            assert np.array_equal(values_of(content, constant), values_of(shorter, constant))


def test_the_schema_is_read_without_the_interpreter(elsewhere: Callable[[str], str]) -> None:
    asked = "import sys, samewhy_host.flatbuffer; print('ai_edge_litert.interpreter' in sys.modules)"
    assert elsewhere(asked) == "False"


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_a_file_that_is_cut_off_is_refused(share: float) -> None:
    content = FASHION.read_bytes()
    with pytest.raises(ArtifactError, match=r"damaged or cut off|no layer with weights"):
        layers_of(content[: int(share * len(content))])
