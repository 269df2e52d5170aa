import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from samewhy_host.cam_measures import adcc, coherency, complexity, drop, shown_alone, spread

SHARES = st.floats(0.01, 0.99)


def test_published_complexity_is_the_size_of_the_grid_and_the_corrected_one_is_not() -> None:
    for size in (8, 4):
        assert complexity(np.ones((size, size), np.float32), "published") == size
        assert complexity(np.ones((size, size), np.float32)) == 1


def test_a_finer_grid_of_the_same_map_is_as_complex() -> None:
    one = np.random.default_rng(0).random((4, 4)).astype(np.float32)
    fine = np.kron(one, np.ones((3, 3), np.float32))
    assert complexity(fine) == pytest.approx(complexity(one))
    assert complexity(fine, "published") == pytest.approx(3 * complexity(one, "published"))


def test_drop_is_of_the_targets_probability_and_as_published_of_any_score() -> None:
    before, after = np.log(np.array([0.8, 0.2], np.float32)), np.log(np.array([0.2, 0.8], np.float32))
    assert drop(before, after, 0) == pytest.approx(0.75)
    assert drop(before + 5, after + 5, 0, "published") == 0


def test_what_gains_drops_nothing() -> None:
    assert drop(np.zeros(2, np.float32), np.array([3.0, 0.0], np.float32), 0) == 0


def test_coherency_of_equal_and_of_opposite_maps() -> None:
    one = np.arange(6, dtype=np.float32).reshape(2, 3)
    assert coherency(one, one) == pytest.approx(1)
    assert coherency(one, -one) == pytest.approx(0)


@given(SHARES, SHARES, SHARES)
def test_adcc_is_a_share(coherent: float, complex_: float, dropped: float) -> None:
    parts = (coherent, 1 - complex_, 1 - dropped)
    assert min(parts) - 1e-9 <= adcc(coherent, complex_, dropped) <= max(parts) + 1e-9


def test_adcc_as_published_may_exceed_one() -> None:
    assert adcc(0.9, 5.65, 0.12) > 1


def test_a_flat_map_shows_nothing() -> None:
    assert not spread(np.full((2, 2), 3.0, np.float32)).any()


def test_samples_are_shown_under_their_maps() -> None:
    samples, maps = np.full((1, 2, 2, 1), 4.0, np.float32), np.array([[[0.0, 0.5], [1.0, 0.25]]])
    assert shown_alone(samples, maps)[0, ..., 0].tolist() == [[0, 2], [4, 1]]
