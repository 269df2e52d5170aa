from pathlib import Path

import numpy as np
import pytest

from samewhy_edge.errors import InputError
from samewhy_edge.layers import Layer, difference, parted
from samewhy_edge.litert import layers
from samewhy_edge.predictor import open_predictor

FILE = Path("models/fashion_ds_cnn/int8.tflite")


def samples(count: int = 2) -> np.ndarray:
    with np.load(FILE.parent / "samples.npz") as arrays:
        return arrays["samples"][:count]


def codes(*values: int) -> np.ndarray:
    return np.array(values, np.int8)


def test_differences_are_counted_by_signed_steps() -> None:
    found = difference(codes(1, 2, 3, -128), codes(1, 4, 2, 127))
    assert (found.elements, found.differing, found.largest) == (4, 3, 255)
    assert found.histogram == {-1: 1, 0: 1, 2: 1, 255: 1}
    assert found.row()["histogram"] == {"-1": 1, "0": 1, "2": 1, "255": 1}


def test_equal_codes_do_not_differ() -> None:
    found = difference(codes(5, 5), codes(5, 5))
    assert (found.differing, found.largest, found.histogram) == (0, 0, {0: 2})


def test_codes_of_two_shapes_are_refused() -> None:
    with pytest.raises(InputError, match=r"shape \(1,\) and \(2,\)"):
        difference(codes(1), codes(1, 2))


def test_the_last_layer_holds_the_codes_of_the_answers() -> None:
    found, subject = layers(FILE, "reference", samples()), open_predictor(f"litert:{FILE}?kernels=reference")
    assert subject.spec.output is not None
    np.testing.assert_array_equal(found[-1].values[:, 0], subject.spec.output.encode(subject(samples())))
    assert [one.place for one in found] == sorted(one.place for one in found)
    assert found[-1].operator == "FULLY_CONNECTED"


def test_kernels_part_at_an_operator_and_a_run_never_from_itself() -> None:
    first, again, other = (layers(FILE, kernels, samples()) for kernels in ("reference", "reference", "builtin"))
    assert not any(found.differing for _, found in parted(first, again))
    rows = parted(first, other)
    assert [layer.operator for layer, _ in rows] == [one.operator for one in first]
    assert all(found.elements == layer.values.size for layer, found in rows)


def test_kernels_that_hide_what_is_inside_are_refused() -> None:
    with pytest.raises(InputError, match="xnnpack kernels join operators"):
        layers(FILE, "xnnpack", samples())


def test_layers_of_two_files_are_refused() -> None:
    one = [Layer(0, "CONV_2D", "a", codes(1))]
    with pytest.raises(InputError, match=r"1 layers \(CONV_2D\) beside 1 \(ADD\)"):
        parted(one, [Layer(0, "ADD", "a", codes(1))])


def test_real_layers_have_no_steps() -> None:
    real = [Layer(0, "CONV_2D", "a", np.ones(3, np.float32))]
    assert parted(real, real) == []
