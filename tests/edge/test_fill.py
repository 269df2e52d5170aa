import math
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from samewhy_edge.errors import InputError
from samewhy_edge.fill import Background, Blur, Fill, Mean, ZeroPoint, backgrounds
from samewhy_edge.quant import Affine

SAMPLES = np.random.default_rng(1).normal(3, 2, (3, 6, 5, 2)).astype(np.float32)
SERIES = np.random.default_rng(2).normal(3, 2, (2, 9, 3)).astype(np.float32)


def mirrored(place: int, size: int) -> int:
    """Positions beyond an end are read inwards from it, without the end itself."""
    while not 0 <= place < size:
        place = -place if place < 0 else 2 * (size - 1) - place
    return place


def blurred(sample: Any, sigma: float) -> Any:
    """The sum over neighbours of value * weight, position by position."""
    *spatial, _ = sample.shape
    reaches = [min(math.ceil(4 * sigma), size - 1) for size in spatial]
    weights = [{step: math.exp(-0.5 * (step / sigma) ** 2) for step in range(-reach, reach + 1)} for reach in reaches]
    result = np.zeros(sample.shape)
    for place in product(*map(range, spatial)):
        for steps in product(*weights):
            weight = math.prod(one[step] / sum(one.values()) for one, step in zip(weights, steps, strict=True))
            seen = tuple(mirrored(at + step, size) for at, step, size in zip(place, steps, spatial, strict=True))
            result[place] += weight * sample[seen]
    return result


@pytest.mark.parametrize("sigma", [0.3, 1.0, 5.0])
@pytest.mark.parametrize("samples", [SAMPLES, SERIES], ids=["image", "series"])
def test_blur_is_a_mirrored_gaussian_along_every_spatial_axis(samples: Any, sigma: float) -> None:
    found = backgrounds(Blur(sigma), samples)
    assert found.dtype == np.float32
    for one, sample in zip(found, samples, strict=True):
        np.testing.assert_allclose(one, blurred(sample, sigma), rtol=1e-5)


def test_blur_leaves_what_is_even_and_mixes_no_channels() -> None:
    even = np.zeros((1, 6, 5, 2), np.float32)
    even[..., 1] = 7
    np.testing.assert_allclose(backgrounds(Blur(2.0), even), even, rtol=1e-6)


def test_blur_of_an_axis_with_one_position_is_that_position() -> None:
    narrow = SAMPLES[:, :, :1]
    np.testing.assert_allclose(backgrounds(Blur(), narrow)[0], blurred(narrow[0], 5.0), rtol=1e-5)


@pytest.mark.parametrize("sigma", [0.0, -1.0, math.nan])
def test_blur_without_a_width_is_refused(sigma: float) -> None:
    with pytest.raises(InputError, match=r"fill blur with sigma=.*; expected a number of positions above 0"):
        backgrounds(Blur(sigma), SAMPLES)


@pytest.mark.parametrize("samples", [SAMPLES, SERIES], ids=["image", "series"])
def test_mean_is_that_of_each_sample_and_channel(samples: Any) -> None:
    found = backgrounds(Mean(), samples)
    assert found.dtype == np.float32
    assert found.shape == samples.shape
    for one, sample in zip(found, samples, strict=True):
        for channel in range(sample.shape[-1]):
            known = math.fsum(sample[..., channel].ravel().tolist()) / sample[..., channel].size
            assert set(one[..., channel].ravel().tolist()) == {float(np.float32(known))}


@given(st.integers(-128, 127), st.sampled_from((0.5, 0.0235, 1 / 255)))
def test_zero_point_is_the_number_that_an_integer_tensor_holds_as_its_zero_point(zero: int, scale: float) -> None:
    codes = Affine(scale, zero, "int8").encode(backgrounds(ZeroPoint(), SAMPLES))
    assert set(codes.ravel().tolist()) == {zero}


@pytest.mark.parametrize("fill", [0, 0.5, -3.25])
def test_a_number_is_the_same_everywhere(fill: float) -> None:
    assert np.array_equal(backgrounds(fill, SAMPLES), np.full(SAMPLES.shape, fill, np.float32))


@pytest.mark.parametrize("shape", [(6, 5, 2), (3, 6, 5, 2)], ids=["one for all", "one each"])
@pytest.mark.parametrize("kind", ["float32", "float64", "float16"])
def test_a_background_comes_from_a_file(shape: tuple[int, ...], kind: str, tmp_path: Path) -> None:
    content = np.random.default_rng(4).normal(size=shape).astype(kind)
    np.save(tmp_path / "b.npy", content)
    found = backgrounds(Background(str(tmp_path / "b.npy")), SAMPLES)
    assert found.dtype == np.float32
    assert np.array_equal(found, np.broadcast_to(content.astype(np.float32), SAMPLES.shape))


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (np.zeros((5, 6, 2)), r"float64 of shape \(5, 6, 2\)"),
        (np.zeros((2, 6, 5, 2)), r"float64 of shape \(2, 6, 5, 2\)"),
        (np.zeros((6, 5, 1)), r"float64 of shape \(6, 5, 1\)"),
        (np.zeros((6, 5, 2), np.int64), r"int64 of shape \(6, 5, 2\)"),
        (np.full((6, 5, 2), np.nan), r"float64 of shape \(6, 5, 2\)"),
    ],
    ids=["axes", "samples", "channels", "whole numbers", "not finite"],
)
def test_a_background_that_does_not_fit_is_refused(content: Any, sentence: str, tmp_path: Path) -> None:
    np.save(tmp_path / "b.npy", content)
    with pytest.raises(InputError, match=rf"b\.npy: {sentence}; expected finite real numbers of shape \(6, 5, 2\)"):
        backgrounds(Background(str(tmp_path / "b.npy")), SAMPLES)


@pytest.mark.parametrize(
    "content", [None, b"", b"no array", b"\x93NUMPY\x01\x00"], ids=["none", "empty", "text", "torn"]
)
def test_a_background_that_cannot_be_read_is_refused(content: bytes | None, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "b.npy").write_bytes(content)
    with pytest.raises(InputError, match=r"b\.npy: not readable as \.npy .*; save it with numpy\.save"):
        backgrounds(Background(str(tmp_path / "b.npy")), SAMPLES)


def test_a_background_is_known_by_its_name_and_content_and_not_by_its_folder(tmp_path: Path) -> None:
    known = []
    for folder, value in (("a", 1.0), ("b", 1.0), ("c", 2.0)):
        (tmp_path / folder).mkdir()
        np.save(tmp_path / folder / "same.npy", np.full((6, 5, 2), value))
        known.append(Background(str(tmp_path / folder / "same.npy")).identity())
    assert known[0] == known[1] != known[2]
    assert known[0]["file"] == "same.npy"


@pytest.mark.parametrize("fill", [0.5, ZeroPoint(), Mean(), Blur()], ids=["number", "zero-point", "mean", "blur"])
def test_backgrounds_are_new_arrays_that_may_be_written_to(fill: Fill) -> None:
    samples = SAMPLES.copy()
    backgrounds(fill, samples)[:] = 9
    assert np.array_equal(samples, SAMPLES)
