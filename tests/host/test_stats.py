import numpy as np
import pytest
from numpy.typing import NDArray

from samewhy_host.stats import Mean, mean, resample


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
