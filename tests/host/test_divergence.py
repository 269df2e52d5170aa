import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from samewhy_host.divergence import first_unmatched, onnx_layers, signature
from tests.host.small import noise, onnx_bytes

FIRST, SECOND, THIRD = noise(4, 2, 3, seed=1), noise(4, 5, seed=2), noise(4, 2, seed=3)
LAYERS = [("first", FIRST), ("second", SECOND), ("third", THIRD)]


def test_the_first_layer_that_nothing_equals_is_named() -> None:
    assert first_unmatched(LAYERS, [FIRST, SECOND + 1, THIRD + 1], 1e-3) == "second"


def test_the_order_is_that_of_the_layers_not_of_the_others() -> None:
    assert first_unmatched(LAYERS, [THIRD + 1, SECOND + 1, FIRST], 1e-3) == "second"


def test_a_layer_that_the_other_form_does_not_have_is_passed_over() -> None:
    assert first_unmatched(LAYERS, [FIRST, THIRD + 1], 1e-3) == "third"


def test_one_equal_tensor_among_several_of_its_shape_is_enough() -> None:
    assert first_unmatched(LAYERS, [FIRST + 1, FIRST, SECOND, THIRD + 1], 1e-3) == "third"


@pytest.mark.parametrize("form", [lambda x: np.maximum(x, 0), lambda x: np.clip(x, 0, 6)], ids=["relu", "relu6"])
def test_a_layer_fused_with_its_activation_matches(form) -> None:
    wide = FIRST * 10
    layers = [("first", wide), *LAYERS[1:]]
    assert first_unmatched(layers, [form(wide), SECOND + 1], 1e-3) == "second"


def test_axes_may_be_permuted() -> None:
    assert first_unmatched(LAYERS, [FIRST.transpose(0, 2, 1), SECOND + 1], 1e-3) == "second"


def test_samples_may_not_be_permuted() -> None:
    assert first_unmatched(LAYERS, [FIRST[::-1], SECOND], 1e-3) == "first"


@pytest.mark.parametrize(("by", "name"), [(0.9e-3, "second"), (1.1e-3, "first")])
def test_what_differs_by_less_than_the_bound_matches(by: float, name: str) -> None:
    assert first_unmatched(LAYERS, [FIRST + np.float32(by), SECOND + 1], 1e-3) == name


def test_the_last_layer_is_named_where_every_other_matches() -> None:
    assert first_unmatched(LAYERS, [FIRST, SECOND, THIRD], 1e-3) == "the last one"


def test_a_signature_is_sorted_within_each_sample() -> None:
    assert signature(np.array([[[3, 1], [2, 0]], [[9, 8], [7, 6]]], np.float32)).tolist() == [
        [0, 1, 2, 3],
        [6, 7, 8, 9],
    ]


@pytest.mark.parametrize("batch", ["N", 1], ids=["free batch", "batch of one"])
def test_every_inner_tensor_of_a_file_is_given_for_all_samples(batch: int | str) -> None:
    weights = noise(6, 2)
    moved = noise(5, 1, 2, 3)
    layers = onnx_layers(onnx_bytes([batch, 1, 2, 3], weights), moved)
    assert [name for name, _ in layers] == ["Flatten", "MatMul"]
    np.testing.assert_allclose(layers[0][1], moved.reshape(5, 6))
    np.testing.assert_allclose(layers[1][1], moved.reshape(5, 6) @ weights, rtol=0, atol=1e-5)


def test_whole_numbers_and_vectors_are_no_layers() -> None:
    model = onnx.load_from_string(onnx_bytes(["N", 1, 2, 3], noise(6, 2)))
    model.graph.node.insert(1, helper.make_node("Shape", ["flat"], ["shape"]))
    model.graph.node.insert(2, helper.make_node("Cast", ["flat"], ["whole"], to=TensorProto.INT64))
    assert [name for name, _ in onnx_layers(model.SerializeToString(), noise(5, 1, 2, 3))] == ["Flatten", "MatMul"]
