import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from samewhy_edge.complexity import (
    SHAPE,
    Measure,
    complexity,
    complexity_published,
    concentration,
    entropy,
    entropy_share,
    gini,
    harmonic,
    largest_column,
    mean_size,
    unit,
)

ALL = [pytest.param(measure, id=measure.name) for measure in SHAPE]
BY_NAME = {measure.name: measure for measure in SHAPE}
SAME = ["complexity", "gini", "concentration"]

values = st.integers(-5, 5).map(np.float32)
maps = st.sampled_from([(4, 5), (7,), (2, 3, 2)]).flatmap(lambda shape: arrays(np.float32, shape, elements=values))


def varied(one: Any) -> bool:
    return bool(one.max() > one.min())


def slow_gini(one: Any) -> float:
    """Half the mean difference of all pairs, over the mean."""
    sizes = [abs(float(value)) for value in one.ravel()]
    differences = sum(abs(a - b) for a in sizes for b in sizes)
    return differences / (2 * len(sizes) * sum(sizes))


def slow_entropy(one: Any) -> float:
    sizes = [abs(float(value)) for value in one.ravel()]
    shares = [size / sum(sizes) for size in sizes]
    return -sum(share * math.log(share) for share in shares if share)


@given(maps.filter(varied))
def test_gini_equals_half_its_mean_difference(one: Any) -> None:
    assert gini(one) == pytest.approx(slow_gini(one), abs=1e-12)


@given(maps.filter(varied))
def test_entropy_equals_its_sum(one: Any) -> None:
    assert entropy(one) == pytest.approx(slow_entropy(one), abs=1e-12)
    assert entropy_share(one) == pytest.approx(slow_entropy(one) / math.log(one.size), abs=1e-12)
    assert concentration(one) == pytest.approx(math.log(one.size) - slow_entropy(one), abs=1e-12)


@pytest.mark.parametrize("n", [2, 5, 100])
def test_one_position_alone_and_all_alike_are_the_ends(n: int) -> None:
    alone, alike = np.eye(1, n, dtype=np.float32)[0], np.full(n, -0.5, np.float32)
    assert gini(alone) == pytest.approx((n - 1) / n, abs=1e-15)
    assert gini(alike) == pytest.approx(0, abs=1e-15)
    assert entropy(alone) == entropy_share(alone) == 0
    assert math.copysign(1, entropy(alone)) == 1  # a record does not say -0.0
    assert entropy(alike) == pytest.approx(math.log(n))
    assert entropy_share(alike) == pytest.approx(1)
    assert concentration(alone) == pytest.approx(math.log(n))


def test_a_very_small_map_has_the_shape_of_any() -> None:
    """An epsilon in the denominator, as libraries have, would make it look flat."""
    one = np.array([0, 1, 2, 5], np.float32)
    for measure in SHAPE:
        assert measure.of(one * np.float32(2.0**-60)) == pytest.approx(measure.of(one), abs=1e-12)


@pytest.mark.parametrize("measure", ALL)
def test_the_map_is_not_written_to(measure: Measure) -> None:
    one = np.array([[3, -1], [0, 2]], np.float32)
    before = one.tobytes()
    measure.of(one)
    assert one.tobytes() == before


@pytest.mark.parametrize("measure", ALL)
def test_a_map_of_zeros_has_no_shape(measure: Measure) -> None:
    assert math.isnan(measure.of(np.zeros((4, 4), np.float32)))


def test_a_flat_map_has_no_complexity() -> None:
    flat = np.full((4, 4), 0.7, np.float32)
    assert math.isnan(complexity(flat))
    assert math.isnan(complexity_published(flat))
    assert np.isnan(unit(flat)).all()


@pytest.mark.parametrize(("size", "published"), [(8, 8.0), (4, 4.0)])
def test_the_published_complexity_of_ones_is_the_size_of_the_map_and_the_corrected_one_is_one(
    size: int, published: float
) -> None:
    ones = np.ones((size, size), np.float32)
    assert largest_column(ones) == published == np.linalg.norm(ones, ord=1)
    assert mean_size(ones) == 1


@pytest.mark.parametrize("shape", [(5, 3), (6,)])
def test_the_published_complexity_is_what_numpy_makes_of_the_map(shape: tuple[int, ...]) -> None:
    one = unit(np.random.default_rng(0).normal(size=shape).astype(np.float32))
    assert largest_column(one) == pytest.approx(np.linalg.norm(one, ord=1), rel=1e-6)


def test_the_published_complexity_of_three_axes_is_undefined() -> None:
    assert math.isnan(complexity_published(np.arange(8, dtype=np.float32).reshape(2, 2, 2)))


def test_complexity_of_known_values() -> None:
    assert complexity(np.array([[-2, 2], [0, 0]], np.float32)) == 0.5
    assert complexity(np.array([5, 6, 5, 5], np.float32)) == 0.25


@given(maps.filter(varied).filter(lambda one: one.ndim == 2), st.integers(2, 4), st.sampled_from(SAME))
def test_splitting_every_position_changes_nothing(one: Any, times: int, name: str) -> None:
    split = np.kron(one, np.ones((times, times), np.float32))
    assert BY_NAME[name].of(split) == pytest.approx(BY_NAME[name].of(one), abs=1e-6)


def test_splitting_every_position_changes_what_says_that_it_does() -> None:
    one = np.array([[4, 1], [0, 1]], np.float32)
    split = np.kron(one, np.ones((3, 3), np.float32))
    assert complexity_published(split) == pytest.approx(3 * complexity_published(one))
    assert entropy(split) == pytest.approx(entropy(one) + math.log(9))
    assert entropy_share(split) > entropy_share(one) + 0.05
    assert [measure.name for measure in SHAPE if "same when" in measure.convention] == SAME


@given(maps.filter(varied), st.sampled_from(SHAPE))
def test_scale_does_not_matter_to_any_and_offset_not_to_complexity(one: Any, measure: Measure) -> None:
    assert measure.of(4 * one) == pytest.approx(measure.of(one), abs=1e-6)
    if measure.name.startswith("complexity"):
        assert measure.of(one + 3) == pytest.approx(measure.of(one), abs=1e-6)


def test_gini_sees_an_offset() -> None:
    one = np.array([0, 1, 2, 5], np.float32)
    assert gini(one + 3) < gini(one) - 0.1


@given(maps.filter(varied), st.sampled_from(SHAPE))
def test_values_stay_within_the_span(one: Any, measure: Measure) -> None:
    low, high = measure.span
    value = measure.of(one)
    assert math.isnan(value) or low - 1e-9 <= value <= high + 1e-9


def test_the_harmonic_mean_of_known_values() -> None:
    assert harmonic(np.array([1.0, 0.5, 0.25])) == pytest.approx(3 / 7)
    assert harmonic(np.array([0.0, 0.5])) == 0
    assert math.isnan(harmonic(np.array([0.5, np.nan, 0.0])))
    assert math.isnan(harmonic(np.array([1.0, -1.0])))


@pytest.mark.parametrize("measure", ALL)
def test_every_measure_says_its_direction_and_source(measure: Measure) -> None:
    sparse, dense = np.eye(1, 9, dtype=np.float32)[0], np.arange(20, 29, dtype=np.float32)
    if not measure.name.startswith("complexity"):
        assert (measure.of(sparse) > measure.of(dense)) is (measure.better == "higher")
    assert measure.better in ("higher", "lower")
    assert measure.source
    assert measure.convention
