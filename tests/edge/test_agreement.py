import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from samewhy_edge.agreement import MEASURES, cosine, pearson, ranks, spearman, ssim, top, top_overlap
from tests import oracles

ALL = [pytest.param(measure.of, id=measure.name) for measure in MEASURES]
BY_NAME = {measure.name: measure for measure in MEASURES}
SHAPES = [(9, 8), (12, 7), (23,)]

whole = st.integers(-3, 3).map(np.float32)  # few values, so that maps have many ties
tied = st.sampled_from(SHAPES).flatmap(
    lambda shape: st.tuples(arrays(np.float32, shape, elements=whole), arrays(np.float32, shape, elements=whole))
)


def maps(shape: tuple[int, ...], seed: int = 0) -> tuple[Any, Any]:
    a, b = np.random.default_rng(seed).normal(size=(2, *shape)).astype(np.float32)
    return a, (a + b).astype(np.float32)


def varied(pair: tuple[Any, Any]) -> bool:
    return all(one.max() > one.min() for one in pair)


@given(tied.filter(varied))
def test_spearman_equals_its_definition_with_ties(pair: tuple[Any, Any]) -> None:
    assert spearman(*pair) == pytest.approx(oracles.spearman(*pair), abs=1e-12)


@given(tied.filter(varied))
def test_top_overlap_equals_its_definition_with_ties(pair: tuple[Any, Any]) -> None:
    assert top_overlap(*pair) == pytest.approx(oracles.top_overlap(*pair), abs=1e-12)


@pytest.mark.parametrize("shape", SHAPES)
def test_pearson_equals_its_definition(shape: tuple[int, ...]) -> None:
    assert pearson(*maps(shape)) == pytest.approx(oracles.correlation(*maps(shape)), abs=1e-12)


@pytest.mark.parametrize(
    ("shape", "size"), [((9, 8), 7), ((28, 28), 7), ((5, 9), 5), ((4, 9), 3), ((23,), 7), ((6,), 5)]
)
def test_ssim_equals_its_loops_in_the_largest_odd_window_up_to_seven(shape: tuple[int, ...], size: int) -> None:
    assert ssim(*maps(shape)) == pytest.approx(oracles.ssim(*maps(shape), size), abs=1e-12)


@pytest.mark.parametrize("shape", [(28, 28), (9, 11), (40,)])
def test_ssim_equals_skimage(shape: tuple[int, ...]) -> None:
    metrics = pytest.importorskip("skimage.metrics")
    a, b = (one.astype(np.float64) for one in maps(shape))
    span = max(a.max(), b.max()) - min(a.min(), b.min())
    known = metrics.structural_similarity(a, b, win_size=7, data_range=span)
    assert ssim(*maps(shape)) == pytest.approx(known, abs=1e-9)


@given(tied.filter(varied))
def test_spearman_equals_scipy(pair: tuple[Any, Any]) -> None:
    stats = pytest.importorskip("scipy.stats")
    assert spearman(*pair) == pytest.approx(stats.spearmanr(*(one.ravel() for one in pair)).statistic, abs=1e-9)


@given(tied.filter(varied), st.sampled_from([measure.of for measure in MEASURES]))
def test_a_map_agrees_wholly_with_itself_even_where_it_has_ties(
    pair: tuple[Any, Any], of: Callable[..., float]
) -> None:
    assert of(pair[0], pair[0]) == pytest.approx(1, abs=1e-12)


@given(tied.filter(varied), st.sampled_from([measure.of for measure in MEASURES]))
def test_agreement_is_symmetric(pair: tuple[Any, Any], of: Callable[..., float]) -> None:
    a, b = pair
    assert of(a, b) == pytest.approx(of(b, a), abs=1e-12)


@pytest.mark.parametrize("name", ["spearman", "pearson", "cosine"])
def test_the_opposite_map_agrees_at_the_low_end(name: str) -> None:
    a, _ = maps((9, 8))
    assert BY_NAME[name].of(a, -a) == pytest.approx(-1, abs=1e-12)


def test_the_tops_of_a_map_and_its_opposite_share_nothing() -> None:
    a, _ = maps((9, 8))
    assert top_overlap(a, -a) == 0


@pytest.mark.parametrize("name", ["spearman", "pearson", "top-overlap"])
def test_scale_and_offset_of_a_map_do_not_matter(name: str) -> None:
    a, b = maps((9, 8))
    assert BY_NAME[name].of(4 * a + 2, b) == pytest.approx(BY_NAME[name].of(a, b), abs=1e-5)


def test_cosine_sees_an_offset_and_ssim_a_scale() -> None:
    a, b = maps((9, 8))
    assert abs(cosine(a + 2, b) - cosine(a, b)) > 0.05
    assert abs(ssim(4 * a, b) - ssim(a, b)) > 0.05


def test_a_monotone_change_keeps_the_ranks_alone() -> None:
    a, b = maps((9, 8))
    assert spearman(np.exp(a), b) == spearman(a, b)
    assert abs(pearson(np.exp(a), b) - pearson(a, b)) > 0.01


def test_two_axes_are_more_than_their_flat_row_to_ssim_alone() -> None:
    a, b = maps((9, 8))
    assert ssim(a, b) != pytest.approx(ssim(a.ravel(), b.ravel()), abs=1e-3)
    assert spearman(a, b) == spearman(a.ravel(), b.ravel())


@pytest.mark.parametrize("of", ALL)
@pytest.mark.parametrize("shape", SHAPES)
def test_two_maps_of_zeros_have_no_agreement(of: Callable[..., float], shape: tuple[int, ...]) -> None:
    zeros = np.zeros(shape, np.float32)
    assert math.isnan(of(zeros, zeros))


@pytest.mark.parametrize("name", ["spearman", "pearson", "top-overlap"])
@pytest.mark.parametrize("level", [0.0, 0.3, -1e-20])
def test_a_flat_map_ranks_nothing_on_either_side(name: str, level: float) -> None:
    a, _ = maps((9, 8))
    level_map = np.full_like(a, level)
    assert math.isnan(BY_NAME[name].of(a, level_map))
    assert math.isnan(BY_NAME[name].of(level_map, a))


def test_maps_too_small_for_a_window_have_no_ssim() -> None:
    assert math.isnan(ssim(*maps((2, 9))))


@pytest.mark.parametrize("exponent", [-30, 30])
@pytest.mark.parametrize("of", ALL)
def test_very_small_and_very_large_maps_agree_as_any(of: Callable[..., float], exponent: int) -> None:
    a, b = maps((9, 8))
    factor = np.float32(2.0**exponent)
    assert of(a * factor, b * factor) == pytest.approx(of(a, b), abs=1e-9)


def test_tied_values_share_their_mean_rank() -> None:
    assert ranks(np.array([3.0, 1.0, 3.0, 2.0, 3.0])).tolist() == [4, 1, 4, 2, 4]


def test_tied_positions_share_the_places_left_at_the_border() -> None:
    assert top(np.array([5, 1, 1, 1, 0], np.float32), 2).tolist() == [1, 1 / 3, 1 / 3, 1 / 3, 0]


def test_the_top_tenth_is_at_least_one_position() -> None:
    a = np.array([3, 2, 1, 0], np.float32)
    assert top_overlap(a, np.array([9, 0, 1, 2], np.float32)) == 1
    assert top_overlap(a, np.array([8, 9, 1, 2], np.float32)) == 0


@pytest.mark.parametrize("name", ["cosine", "pearson", "spearman", "ssim", "top-overlap"])
def test_every_measure_says_its_span_direction_and_source(name: str) -> None:
    measure = BY_NAME[name]
    assert measure.span == ((0, 1) if name == "top-overlap" else (-1, 1))
    assert measure.better == "higher"
    assert measure.source
