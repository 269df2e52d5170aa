import itertools
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from samewhy_edge.errors import InputError
from samewhy_edge.localisation import (
    LOCALISATION,
    TOLERANCE,
    Measure,
    area_under_roc,
    area_within_reach,
    equal_area_iou,
    expected_iou,
    localised,
    mass_inside,
    pointing,
    rank_inside,
    widened,
)

ALL = [pytest.param(measure, id=measure.name) for measure in LOCALISATION]
BY_NAME = {measure.name: measure for measure in LOCALISATION}
SHAPES = [(5, 4), (3, 7), (11,), (3, 2, 2)]

whole = st.integers(-3, 3).map(np.float32)  # few values, so that maps have many ties
given_both = st.sampled_from(SHAPES).flatmap(
    lambda shape: st.tuples(arrays(np.float32, shape, elements=whole), arrays(np.bool_, shape))
)


def sensible(both: tuple[Any, Any]) -> bool:
    one, mask = both
    return bool(one.max() > one.min() and mask.any() and not mask.all())


def slow_auc(one: Any, mask: Any) -> float:
    pairs = [(a, b) for a in one[mask] for b in one[~mask]]
    return sum(1.0 if a > b else 0.5 if a == b else 0.0 for a, b in pairs) / len(pairs)


def slow_pointing(one: Any, mask: Any, radius: float) -> float:
    hits = []
    for place in np.argwhere(one == one.max()):
        hits.append(any(sum((place - inside) ** 2) < radius**2 for inside in np.argwhere(mask)))
    return sum(hits) / len(hits)


def slow_mass(one: Any, mask: Any) -> float:
    inside = sum(max(0.0, float(value)) for value in one[mask])
    return inside / (inside + sum(max(0.0, float(value)) for value in one[~mask]))


def slow_rank(one: Any, mask: Any) -> float:
    """The share of hits, mean over all orders that tied values could have."""
    count, shares = int(mask.sum()), []
    for inside, value in zip(mask.ravel(), one.ravel(), strict=True):
        larger, equal = int((one > value).sum()), int((one == value).sum())
        shares.append(inside * min(1.0, max(0.0, (count - larger) / equal)))
    return sum(shares) / count


@given(given_both.filter(sensible))
def test_mask_auc_equals_its_pairs(both: tuple[Any, Any]) -> None:
    assert area_under_roc(*both) == pytest.approx(slow_auc(*both), abs=1e-12)


@given(given_both.filter(sensible), st.sampled_from([1.0, 1.2, 2.0, 2.3, 4.0, 30.0]))
def test_pointing_equals_its_distances(both: tuple[Any, Any], radius: float) -> None:
    assert pointing(*both, radius) == pytest.approx(slow_pointing(*both, radius), abs=1e-12)


@given(given_both.filter(sensible).filter(lambda both: both[0].max() > 0))
def test_mass_equals_its_sums(both: tuple[Any, Any]) -> None:
    assert mass_inside(*both) == pytest.approx(slow_mass(*both), abs=1e-12)


@given(given_both.filter(sensible))
def test_rank_and_iou_equal_their_counts(both: tuple[Any, Any]) -> None:
    rank, count = slow_rank(*both), int(both[1].sum())
    assert rank_inside(*both) == pytest.approx(rank, abs=1e-12)
    hits = rank * count
    assert equal_area_iou(*both) == pytest.approx(hits / (2 * count - hits), abs=1e-12)


@pytest.mark.parametrize("shape", [(9, 8), (40,)])
def test_mask_auc_equals_the_mann_whitney_statistic_of_scipy(shape: tuple[int, ...]) -> None:
    stats = pytest.importorskip("scipy.stats")
    rng = np.random.default_rng(0)
    one, mask = rng.integers(0, 9, shape).astype(np.float32), rng.random(shape) < 0.3
    known = stats.mannwhitneyu(one[mask], one[~mask]).statistic / (mask.sum() * (~mask).sum())
    assert area_under_roc(one, mask) == pytest.approx(known, abs=1e-12)


@given(arrays(np.bool_, (5, 4)).filter(lambda mask: mask.any() and not mask.all()))
@pytest.mark.parametrize("measure", ALL)
def test_the_mask_itself_is_located_wholly(measure: Measure, mask: Any) -> None:
    assert measure.of(mask.astype(np.float32), mask) == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("name", ["mask-auc", "point", "mass", "rank", "iou"])
def test_the_complement_of_a_small_mask_is_located_not_at_all(name: str) -> None:
    mask = np.zeros((6, 5), bool)
    mask[1:3, 2:4] = True
    assert BY_NAME[name].of((~mask).astype(np.float32), mask) == 0


@pytest.mark.parametrize("mask", [np.zeros((4, 4), bool), np.ones((4, 4), bool)], ids=["empty", "everywhere"])
@pytest.mark.parametrize("measure", ALL)
def test_a_mask_without_inside_or_outside_is_neither_hit_nor_missed(measure: Measure, mask: Any) -> None:
    one = np.arange(16, dtype=np.float32).reshape(4, 4)
    assert math.isnan(measure.of(one, mask))
    assert math.isnan(measure.chance(mask))


@pytest.mark.parametrize("level", [0.0, 0.3])
@pytest.mark.parametrize("measure", ALL)
def test_a_flat_map_points_nowhere(measure: Measure, level: float) -> None:
    mask = np.zeros((4, 4), bool)
    mask[0] = True
    assert math.isnan(measure.of(np.full((4, 4), level, np.float32), mask))


@pytest.mark.parametrize("hurt", [np.nan, np.inf])
@pytest.mark.parametrize("measure", ALL)
def test_a_map_that_is_not_finite_points_nowhere(measure: Measure, hurt: float) -> None:
    mask = np.zeros((4, 4), bool)
    mask[0] = True
    one = np.arange(16, dtype=np.float32).reshape(4, 4)
    one[2, 2] = hurt
    assert math.isnan(measure.of(one, mask))


def test_a_map_without_anything_positive_has_no_mass() -> None:
    mask = np.array([True, False, False])
    assert math.isnan(mass_inside(np.array([-1, -2, 0], np.float32), mask))
    assert area_under_roc(np.array([-1, -2, 0], np.float32), mask) == 0.5


def test_negative_values_take_nothing_from_the_mass() -> None:
    mask = np.array([True, True, False, False])
    assert mass_inside(np.array([3, -9, 1, -9], np.float32), mask) == 0.75


def test_tied_maxima_share_the_hit_instead_of_any_being_enough() -> None:
    mask = np.array([True, False, False, False])
    assert pointing(np.array([2, 2, 2, 0], np.float32), mask) == pytest.approx(1 / 3)


@pytest.mark.parametrize(("far", "hit"), [(1.0, 1), (2.0, 1), (3.0, 0)])
def test_the_disc_is_open_as_published(far: float, hit: int) -> None:
    """TorchRay asks for a squared distance strictly below that of the tolerance."""
    one, mask = np.zeros(9, np.float32), np.zeros(9, bool)
    one[2], mask[2 + int(far)] = 1, True
    assert pointing(one, mask, 3.0) == hit


def test_a_distance_of_exactly_the_radius_is_a_miss_aslant_too() -> None:
    one, mask = np.zeros((9, 9), np.float32), np.zeros((9, 9), bool)
    one[2, 2], mask[5, 6] = 1, True  # 3, 4, 5
    assert pointing(one, mask, 5.0) == 0
    assert pointing(one, mask, 5.1) == 1


def test_a_disc_is_round() -> None:
    one, mask = np.zeros((9, 9), np.float32), np.zeros((9, 9), bool)
    one[4, 4], mask[6, 6] = 1, True  # a distance of 2.83
    assert pointing(one, mask, 2.5) == 0
    assert pointing(one, mask, 3.0) == 1


def test_the_tolerance_is_a_share_of_the_longest_axis() -> None:
    mask = np.zeros((10, 448), bool)
    mask[5, 200] = True
    assert np.array_equal(widened(mask, None), widened(mask, 30.0))
    assert TOLERANCE * 224 == 15


def test_without_tolerance_a_neighbour_is_a_miss() -> None:
    one, mask = np.zeros((28, 28), np.float32), np.zeros((28, 28), bool)
    one[4, 4], mask[4, 5] = 1, True
    assert BY_NAME["point"].of(one, mask) == 0
    assert BY_NAME["point-tolerant"].of(one, mask) == 1


@pytest.mark.parametrize("mask", [[1, 0, 0, 0, 0], [1, 1, 0, 1, 0], [0, 1, 1, 1, 1], [0, 0, 1, 1, 0]])
@pytest.mark.parametrize("measure", ALL)
def test_chance_is_the_mean_over_all_orders_of_the_values(measure: Measure, mask: list[int]) -> None:
    inside = np.array(mask, bool)
    values = np.array([0.1, 0.7, 1.1, 1.9, 4.0], np.float32)
    found = [measure.of(np.array(order, np.float32), inside) for order in itertools.permutations(values)]
    assert measure.chance(inside) == pytest.approx(np.mean(found), abs=1e-6)


def test_chance_with_tolerance_is_the_area_that_the_tolerance_reaches() -> None:
    mask = np.array([True, False, False, False, False, True, False])
    found = [pointing(np.eye(1, 7, place, dtype=np.float32)[0], mask, 2.0) for place in range(7)]
    assert area_within_reach(mask, 2.0) == np.mean(found) == 5 / 7


def test_chance_of_iou_stands_large_masks() -> None:
    """For many positions the intersection is nearly the mean one."""
    mask = np.zeros((224, 224), bool)
    mask[:112] = True
    assert expected_iou(mask) == pytest.approx(1 / 3, abs=1e-4)


def test_noise_has_the_auc_of_chance() -> None:
    rng = np.random.default_rng(0)
    mask = rng.random((20, 20)) < 0.2
    found = [area_under_roc(rng.normal(size=(20, 20)).astype(np.float32), mask) for _ in range(200)]
    assert np.mean(found) == pytest.approx(0.5, abs=0.01)


@settings(max_examples=50)
@given(given_both.filter(sensible), st.sampled_from(["mask-auc", "point", "point-tolerant", "rank", "iou"]))
def test_scale_offset_and_any_rising_change_of_a_map_do_not_matter_to_ranks(both: tuple[Any, Any], name: str) -> None:
    one, mask = both
    of = BY_NAME[name].of
    assert of(4 * one + 2, mask) == of(one, mask)
    assert of(np.exp(one), mask) == of(one, mask)


def test_mass_sees_an_offset_and_no_scale() -> None:
    one, mask = np.array([3, 1, 0, 0], np.float32), np.array([True, False, False, True])
    assert mass_inside(4 * one, mask) == mass_inside(one, mask) == 0.75
    assert mass_inside(one + 1, mask) == pytest.approx(5 / 8)


def test_localised_is_a_value_a_sample() -> None:
    masks = np.array([[True, False], [False, False]])
    values = localised(BY_NAME["mask-auc"], np.array([[1, 0], [1, 0]], np.float32), masks)
    assert values[0] == 1
    assert math.isnan(values[1])


@pytest.mark.parametrize("masks", [np.full((1, 2, 2), 255, np.uint8), np.ones((1, 2, 3), bool)])
def test_masks_of_another_kind_or_shape_are_refused(masks: Any) -> None:
    with pytest.raises(InputError, match=r"expected bool of the maps' \(1, 2, 2\)"):
        localised(BY_NAME["mask-auc"], np.ones((1, 2, 2), np.float32), masks)


@pytest.mark.parametrize("measure", ALL)
def test_every_measure_says_its_span_direction_and_source(measure: Measure) -> None:
    assert (measure.span, measure.better) == ((0, 1), "higher")
    assert measure.source
    assert measure.convention
