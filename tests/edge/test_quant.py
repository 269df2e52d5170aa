from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from samewhy_edge.quant import Affine, affine

KINDS = ("int8", "uint8", "int16")
scales = st.floats(2.0**-30, 2.0**30, width=32)


@st.composite
def encodings(draw: st.DrawFn) -> Affine:
    ends = np.iinfo(kind := draw(st.sampled_from(KINDS)))
    return Affine(draw(scales), draw(st.integers(int(ends.min), int(ends.max))), kind)


def codes_of(kind: str) -> Any:
    ends = np.iinfo(kind)
    return np.arange(ends.min, ends.max + 1).astype(kind)


@given(encodings())
def test_every_code_survives_decoding_and_encoding(encoding: Affine) -> None:
    codes = codes_of(encoding.dtype)
    again = encoding.encode(encoding.decode(codes))
    assert again.dtype == codes.dtype
    assert np.array_equal(again, codes)


@given(encodings(), st.floats(-2, 2, width=32))
def test_the_error_is_at_most_half_a_step_unless_the_code_saturates(encoding: Affine, part: float) -> None:
    ends = np.iinfo(encoding.dtype)
    value = np.array([part * (int(ends.max) - int(ends.min)) * encoding.scale], np.float32)
    code = int(encoding.encode(value)[0])
    exact = float(value[0]) / encoding.scale + encoding.zero_point
    nearest = min(max(exact, ends.min), ends.max)
    assert abs(code - nearest) <= 0.5 + abs(exact) * 2**-22


def test_halves_are_rounded_away_from_zero() -> None:
    halves = np.array([-2.5, -1.5, -0.5, 0.5, 1.5, 2.5], np.float32)
    assert Affine(1.0, 0, "int8").encode(halves).tolist() == [-3, -2, -1, 1, 2, 3]


def test_halves_are_rounded_before_the_zero_point_is_added() -> None:
    assert Affine(1.0, -10, "int8").encode(np.array([0.5, -0.5], np.float32)).tolist() == [-9, -11]


def test_the_largest_number_below_a_half_is_rounded_to_zero() -> None:
    below = np.nextafter(np.float32(0.5), np.float32(0))
    assert Affine(1.0, 0, "int8").encode(np.array([below, -below])).tolist() == [0, 0]


@pytest.mark.parametrize("kind", KINDS)
def test_values_beyond_the_ends_saturate_and_do_not_wrap(kind: str) -> None:
    ends = np.iinfo(kind)
    full = Affine(1 / (int(ends.max) - int(ends.min)), int(ends.min), kind)  # [0, 1] fills the type
    values = np.array([1.01, 3.0, 1e6, -0.01, -1e6], np.float32)
    assert full.encode(values).tolist() == [ends.max] * 3 + [ends.min] * 2


def test_decoding_is_scale_times_distance_from_the_zero_point() -> None:
    decoded = Affine(0.5, -3, "int8").decode(np.array([-128, -3, 127], np.int8))
    assert decoded.dtype == np.float32
    assert decoded.tolist() == [-62.5, 0.0, 65.0]


def test_decoding_uint8_below_its_zero_point_is_negative() -> None:
    assert Affine(1.0, 200, "uint8").decode(np.array([0], np.uint8)).tolist() == [-200.0]


def test_the_shape_is_kept() -> None:
    assert Affine(1.0, 0, "int8").encode(np.zeros((2, 3, 1), np.float32)).shape == (2, 3, 1)


@pytest.mark.parametrize("kind", ["float32", "float16", np.float64])
def test_real_tensors_have_no_encoding(kind: object) -> None:
    assert affine(kind, 0.0, 0) is None  # type: ignore[arg-type]


def test_an_integer_tensor_has_the_encoding_it_names() -> None:
    assert affine(np.uint8, np.float32(0.25), np.int32(7)) == Affine(0.25, 7, "uint8")  # type: ignore[arg-type]


def test_the_span_is_what_the_end_codes_mean() -> None:
    assert Affine(0.5, -128, "int8").span() == (0.0, 127.5)
    assert Affine(2.0, 10, "uint8").span() == (-20.0, 490.0)
