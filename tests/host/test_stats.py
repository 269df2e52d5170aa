import math
from itertools import permutations

import numpy as np
import pytest
from numpy.typing import NDArray

from samewhy_host.stats import (
    Estimate,
    Mean,
    bent,
    brier,
    calibration_error,
    calibration_floor,
    estimate,
    holm,
    holm_levels,
    mean,
    outlying,
    probabilities,
    resample,
    straightened,
    upper_tail,
)


def drawn(count: int, seed: int) -> NDArray[np.float64]:
    return np.random.default_rng(seed).normal(size=count)


def test_the_mean_is_the_mean() -> None:
    found = mean(np.array([1.0, 2.0, 6.0]), 100, 0)
    assert (found.value, found.count, found.undefined) == (3, 3, 0)


def test_undefined_values_are_left_out_and_counted() -> None:
    whole, holed = mean(np.array([1.0, 2.0, 6.0]), 100, 0), mean(np.array([np.nan, 1.0, 2.0, np.nan, 6.0]), 100, 0)
    assert (holed.value, holed.low, holed.high) == (whole.value, whole.low, whole.high)
    assert (holed.count, holed.undefined) == (3, 2)


@pytest.mark.parametrize("count", [0, 4])
def test_where_nothing_is_defined_there_is_no_number(count: int) -> None:
    assert mean(np.full(count, np.nan), 100, 0) == Mean(None, None, None, 0, count)


def test_equal_values_have_an_interval_of_no_width() -> None:
    found = mean(np.full(9, 0.25), 100, 0)
    assert (found.low, found.value, found.high) == (0.25, 0.25, 0.25)


def test_equal_seeds_give_equal_intervals() -> None:
    assert mean(drawn(50, 0), 300, 5) == mean(drawn(50, 0), 300, 5)


def test_another_seed_gives_another_interval() -> None:
    assert mean(drawn(50, 0), 300, 5).low != mean(drawn(50, 0), 300, 6).low


def test_numbers_are_given_to_six_decimals() -> None:
    found = mean(drawn(50, 0), 300, 5)
    assert all(number == round(number, 6) for number in (found.value, found.low, found.high) if number is not None)
    assert found.value != round(drawn(50, 0).mean(), 5)


def test_the_interval_has_the_width_of_the_normal_approximation() -> None:
    values = drawn(2000, 1)
    found = mean(values, 4000, 0)
    assert found.low is not None
    assert found.high is not None
    assert found.high - found.low == pytest.approx(2 * 1.959964 * values.std() / np.sqrt(2000), rel=0.06)


def test_the_ends_are_those_of_an_independent_bootstrap() -> None:
    """Of a skewed sample, whose interval is not symmetric."""
    values = np.random.default_rng(2).exponential(size=30) ** 2
    rng = np.random.default_rng(3)
    draws = [rng.choice(values, len(values)).mean() for _ in range(20_000)]
    found, (low, high) = mean(values, 20_000, 0), np.quantile(draws, [0.025, 0.975])
    assert found.low == pytest.approx(low, rel=0.03)
    assert found.high == pytest.approx(high, rel=0.03)
    assert high - values.mean() > 1.2 * (values.mean() - low)


def test_the_interval_covers_the_truth_as_often_as_it_says() -> None:
    """95 % expected, less a little for a bootstrap of 80; standard deviation 0.7 %. 90 % or 99 % would be seen."""
    trials = [mean(drawn(80, seed), 400, seed) for seed in range(1000)]
    covered = sum(one.low <= 0 <= one.high for one in trials if one.low is not None and one.high is not None)
    assert 920 <= covered <= 965


def test_places_are_drawn_with_replacement_from_all() -> None:
    places = resample(10, 3000, 0)
    assert places.shape == (3000, 10)
    times = np.bincount(places.ravel(), minlength=10)
    # 3000 of each expected, standard deviation 52
    assert times.sum() == 30_000
    assert np.abs(times - 3000).max() < 260
    assert any(len(set(row)) < 10 for row in places.tolist())


def test_places_stay_the_same_from_release_to_release() -> None:
    assert resample(7, 2, 11).tolist() == [[1, 1, 1, 5, 3, 4, 6], [2, 0, 4, 4, 2, 4, 6]]


def test_another_level_gives_another_width() -> None:
    wide, narrow = (mean(drawn(50, 0), 2000, 5, level) for level in (0.99, 0.8))
    assert wide.low is not None
    assert narrow.low is not None
    assert wide.low < narrow.low


def test_an_estimate_is_made_of_moments() -> None:
    found = estimate(np.array([0.0, 0.0, 0.0, 4.0]))
    assert (found.mean, found.count) == (1, 4)
    assert found.spread == pytest.approx(4)  # (1 + 1 + 1 + 9) / 3
    assert found.skewness == pytest.approx((3 * -1 + 27) / 4 / 3**1.5)
    assert found.error == pytest.approx(1)
    assert found.freedom == 3


@pytest.mark.parametrize("count", [0, 1])
def test_fewer_than_two_values_decide_nothing(count: int) -> None:
    found = estimate(np.full(count, 0.3))
    assert (found.above(0), found.below(1)) == (1, 1)
    assert math.isnan(found.low(0.05))


def test_equal_values_are_known_exactly() -> None:
    found = estimate(np.full(5, 0.25))
    assert (found.above(0.2), found.above(0.25), found.below(0.25), found.below(0.3)) == (0, 1, 1, 0)
    assert (found.low(0.01), found.high(0.01)) == (0.25, 0.25)


@pytest.mark.parametrize(
    ("t", "freedom", "chance"),
    [(6.313752, 1, 0.05), (1.812461, 10, 0.05), (2.626405, 99, 0.005), (3.174604, 99, 0.001), (0, 7, 0.5)],
)
def test_tails_are_those_of_printed_tables(t: float, freedom: int, chance: float) -> None:
    assert upper_tail(t, freedom) == pytest.approx(chance, rel=1e-5)
    assert upper_tail(-t, freedom) == pytest.approx(1 - chance, rel=1e-5)


def test_without_skewness_it_is_the_t_test() -> None:
    """Of 1 to 9: mean 5, error sqrt(7.5 / 9), t with 8 degrees of freedom."""
    found = estimate(np.arange(1.0, 10.0))
    error = math.sqrt(7.5 / 9)
    assert found.above(5 - 1.859548 * error) == pytest.approx(0.05, rel=1e-5)
    assert found.below(5 + 1.859548 * error) == pytest.approx(0.05, rel=1e-5)
    assert found.low(0.05) == pytest.approx(5 - 1.859548 * error, rel=1e-6)
    assert found.high(0.05) == pytest.approx(5 + 1.859548 * error, rel=1e-6)


@pytest.mark.parametrize("bend", [-0.8, -0.1, 0.0, 0.1, 0.8])
@pytest.mark.parametrize("t", [-4.0, -1.0, 0.0, 2.0])
def test_straightening_is_undone(t: float, bend: float) -> None:
    assert straightened(bent(t, bend), bend) == pytest.approx(t, abs=1e-9)
    assert straightened(t, bend) == pytest.approx(t + bend * t**2 / 3 + bend**2 * t**3 / 27 + bend / 6)


@pytest.mark.parametrize("alpha", [0.05, 0.001])
def test_ends_are_where_the_tests_turn(alpha: float) -> None:
    found = estimate(np.random.default_rng(4).exponential(size=30))
    assert found.above(found.low(alpha)) == pytest.approx(alpha, rel=1e-6)
    assert found.below(found.high(alpha)) == pytest.approx(alpha, rel=1e-6)
    assert found.high(alpha) - found.mean > 1.3 * (found.mean - found.low(alpha))  # skewed to the right


def test_shared_noise_widens_and_leaves_few_degrees_of_freedom() -> None:
    values = drawn(100, 3)
    alone, also = estimate(values), estimate(values, shared=float(values.var(ddof=1)) / 100, rests=1)
    assert also.error == pytest.approx(alone.error * math.sqrt(2))
    assert (alone.freedom, also.freedom) == (99, 3)  # 4 / (1 / 99 + 1) = 3.96
    assert estimate(values, shared=float(values.var(ddof=1)) / 100).freedom == 198
    assert also.bend == pytest.approx(alone.bend / 2**1.5)


@pytest.mark.parametrize("side", ["low", "high"])
def test_bounds_of_skewed_means_err_as_often_as_they_say(side: str) -> None:
    """5 % expected of 4000 log-normal trials of 100; Student's t errs in 2 % and in 11 %."""
    rng = np.random.default_rng(6)
    values = rng.lognormal(-0.5, 1, (4000, 100))  # mean 1
    errs = np.mean([(getattr(estimate(row), side)(0.05) - 1) * (1 if side == "low" else -1) > 0 for row in values])
    assert 0.035 < errs < 0.085
    plain = [Estimate(row.mean(), row.var(ddof=1), 100, 0.0) for row in values]
    worse = np.mean([(getattr(one, side)(0.05) - 1) * (1 if side == "low" else -1) > 0 for one in plain])
    assert abs(worse - 0.05) > abs(errs - 0.05)


def test_holm_by_hand() -> None:
    # sorted 0.005, 0.01, 0.03, 0.04 times 4, 3, 2, 1: 0.02, 0.03, 0.06, 0.04; no later one is smaller
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.5, 0.9]) == [1, 1]
    assert holm([]) == []


def test_holm_s_levels_by_hand() -> None:
    assert holm_levels([0.01, 0.04, 0.03, 0.005], 0.12) == pytest.approx([0.04, 0.12, 0.06, 0.03])


def test_holm_keeps_the_chance_of_any_error() -> None:
    """5 % expected of 4000 families of twenty true nulls, standard deviation 0.35 %; 64 % without it."""
    chances = np.random.default_rng(7).random((4000, 20))
    assert 0.035 < np.mean([min(holm(list(row))) <= 0.05 for row in chances]) < 0.065


def test_an_outlying_group_is_found_and_its_chance_counted() -> None:
    values, groups = np.array([5.0, 4.0, 1.0, 0.0, 2.0, 0.0]), np.array([7, 7, 3, 3, 3, 3])
    found = outlying(values, groups, 4000, 0)
    assert found is not None
    assert found[0] == 7
    # 15 deals: the pair {5, 4} alone reaches its excess of 5 / sqrt 2; four low ones never do
    assert found[1] == pytest.approx(exact(values, groups), abs=0.02)


def exact(values: NDArray[np.float64], groups: NDArray[np.int64]) -> float:
    """Over all 720 deals."""
    away = values - values.mean()

    def excess(dealt: NDArray[np.float64]) -> float:
        return float(max(dealt[groups == one].sum() / math.sqrt((groups == one).sum()) for one in set(groups.tolist())))

    return float(np.mean([excess(np.array(one)) >= excess(away) - 1e-12 for one in permutations(away)]))


def test_groups_that_are_all_alike_are_called_outlying_as_often_as_said() -> None:
    """5 % expected of 600 trials of ten groups, standard deviation 0.9 %; 40 % without the correction."""
    rng = np.random.default_rng(8)
    groups = np.arange(60) % 10
    found = [outlying(rng.exponential(size=60), groups, 199, seed) for seed in range(600)]
    assert 0.02 < np.mean([one is not None and one[1] <= 0.05 for one in found]) < 0.08


def test_nothing_is_outlying_where_one_group_alone_is_defined() -> None:
    assert outlying(np.array([1.0, 2.0, np.nan]), np.array([0, 0, 1]), 99, 0) is None


def test_scores_become_probabilities_once() -> None:
    logits = np.log(np.array([[1.0, 3.0], [4.0, 4.0]])) + 7
    chances, taken = probabilities(logits)
    assert taken
    assert chances == pytest.approx(np.array([[0.25, 0.75], [0.5, 0.5]]))
    again, taken = probabilities(chances)
    assert not taken
    assert np.array_equal(again, chances)


def test_an_8_bit_softmax_is_taken_as_it_is() -> None:
    coarse = np.round(np.array([[0.301, 0.501, 0.198], [0.1, 0.8, 0.1]]) * 256) / 256
    assert not probabilities(coarse)[1]
    assert probabilities(coarse + 0.1)[1]  # sums to 1.3


def test_calibration_error_by_hand() -> None:
    # bins ]14/15, 1], ]9/15, 10/15] and ]7/15, 8/15]: |1 - 1.95| and |1 - 0.65|, |0 - 0.5|, over 4
    confidence, right = np.array([1.0, 0.95, 0.65, 0.5]), np.array([[True, False, True, False]])
    assert calibration_error(confidence, right)[0] == pytest.approx((0.95 + 0.35 + 0.5) / 4)


def test_an_end_of_a_bin_belongs_to_the_bin_below() -> None:
    confidence = np.array([1 / 3, 1 / 3 + 1e-6])  # 5/15 ends the fifth bin
    right = np.array([[True, False]])
    assert calibration_error(confidence, right)[0] == pytest.approx((2 / 3 + 1 / 3) / 2, abs=1e-5)


def test_a_calibrated_network_shows_the_error_that_chance_gives_it() -> None:
    """One bin of n with confidence c: mean of |right share - c|, about sqrt(2 c (1 - c) / (pi n))."""
    floor = calibration_floor(np.full(400, 0.7), 2000, 0)
    assert floor == pytest.approx(math.sqrt(2 * 0.7 * 0.3 / (math.pi * 400)), rel=0.05)
    assert calibration_floor(np.ones(400), 120, 0) == 0


def test_brier_by_hand() -> None:
    chances = np.array([[0.2, 0.5, 0.3], [1.0, 0.0, 0.0]])
    assert brier(chances, np.array([1, 2])) == pytest.approx([0.04 + 0.25 + 0.09, 2])
