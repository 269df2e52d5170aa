import math
from typing import Any

import numpy as np
import pytest

from samewhy_edge.continuity import Coherency, MaxSensitivity
from samewhy_edge.errors import InputError
from samewhy_edge.quant import Affine
from tests import oracles

ENTRY = Affine(0.25, -128, "int8")  # 0 to 63.75
ONE = np.array([[1, 0], [-1, 0.5]], np.float32)


def noise(*shape: int, seed: int = 3) -> Any:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def grid(*shape: int, low: int = -128, high: int = 127, seed: int = 3) -> Any:
    """Values that the tensor holds exactly."""
    return ENTRY.decode(np.random.default_rng(seed).integers(low, high + 1, shape).astype(np.int8))


def neighbours(sample: Any, seed: int = 0, draws: int = 10) -> Any:
    return MaxSensitivity(draws).changed(sample, np.zeros_like(sample), ONE, ENTRY, seed)


def test_coherency_is_that_of_known_maps() -> None:
    assert Coherency().value(ONE, ONE[None]) == pytest.approx(1)
    assert Coherency().value(ONE, -ONE[None]) == pytest.approx(0)
    a, b = noise(5, 4), noise(5, 4, seed=4)
    assert Coherency().value(a, b[None]) == pytest.approx((oracles.correlation(a, b) + 1) / 2, abs=1e-9)
    assert Coherency().value(4 * a + 2, b[None]) == pytest.approx(Coherency().value(a, b[None]), abs=1e-6)


def test_coherency_with_a_flat_map_is_undefined_instead_of_a_half() -> None:
    assert math.isnan(Coherency().value(ONE, np.zeros((1, 2, 2), np.float32)))


def test_coherency_explains_the_sample_blended_with_the_background_under_its_map() -> None:
    sample, background = np.full((2, 2, 1), 4, np.float32), np.full((2, 2, 1), 2, np.float32)
    again = Coherency().changed(sample, background, ONE, None, 0)
    assert again[..., 0].tolist() == [[[4, 3], [2, 3.5]]]


def test_neighbours_are_one_step_away_at_every_value() -> None:
    sample = grid(6, 5, 2, low=-127, high=126)
    steps = ENTRY.encode(neighbours(sample)).astype(int) - ENTRY.encode(sample)
    assert set(np.unique(steps)) == {-1, 1}
    assert abs(steps.mean()) < 0.2
    assert len(np.unique(steps.reshape(10, -1), axis=0)) == 10


def test_neighbours_stay_in_the_range_of_the_codes() -> None:
    """A black background stays black or becomes one step brighter, on float rungs as on integer ones."""
    sample = np.concatenate([np.full(200, 0, np.float32), np.full(200, 63.75, np.float32)])[:, None]
    near = neighbours(sample)
    assert set(np.unique(near[:, :200])) == {0, 0.25}
    assert set(np.unique(near[:, 200:])) == {63.5, 63.75}
    assert 0.4 < (near[:, :200] == 0).mean() < 0.6


def test_neighbours_of_what_lies_between_two_codes_move_by_a_step_too() -> None:
    sample = np.array([[0.2], [30.1]], np.float32)
    moved = np.abs(neighbours(sample, draws=40) - sample)
    assert moved == pytest.approx(0.25, abs=1e-6)


def test_neighbours_come_from_the_seed_and_the_first_do_not_depend_on_how_many_follow() -> None:
    sample = grid(6, 5, 1)
    assert neighbours(sample).tobytes() == neighbours(sample).tobytes() != neighbours(sample, seed=1).tobytes()
    assert neighbours(sample, draws=3).tobytes() == neighbours(sample)[:3].tobytes()
    assert neighbours(sample).dtype == np.float32


def test_max_sensitivity_equals_its_loops() -> None:
    one, others = noise(4, 3), noise(5, 4, 3, seed=4)
    norms = [math.sqrt(sum((a - b) ** 2 for a, b in zip(other.ravel(), one.ravel(), strict=True))) for other in others]
    slow = max(norms) / math.sqrt(sum(float(a) ** 2 for a in one.ravel()))
    assert MaxSensitivity(5).value(one, others) == pytest.approx(slow, rel=1e-6)


def test_max_sensitivity_is_relative_to_the_map_and_not_to_the_sample() -> None:
    one, others = noise(4, 3), noise(5, 4, 3, seed=4)
    assert MaxSensitivity(5).value(4 * one, 4 * others) == pytest.approx(MaxSensitivity(5).value(one, others))
    assert MaxSensitivity(5).value(one, np.stack([one, one])) == 0


def test_one_undefined_neighbour_makes_the_largest_unknown() -> None:
    """A maximum of those that are left would look better for every map that broke."""
    others = noise(5, 2, 2)
    others[2, 0, 0] = np.nan
    assert math.isnan(MaxSensitivity(5).value(ONE, others))
    assert math.isnan(MaxSensitivity(5).value(np.zeros((2, 2), np.float32), noise(5, 2, 2)))


def test_how_often_each_explains_again() -> None:
    assert (Coherency().again((2, 2)), MaxSensitivity(7).again((2, 2))) == (1, 7)


@pytest.mark.parametrize(("entry", "draws"), [(None, 10), (ENTRY, 0)])
def test_nothing_to_take_a_step_of_is_refused(entry: Affine | None, draws: int) -> None:
    with pytest.raises(InputError, match="expected the encoding of the input of the rung that has an integer one"):
        MaxSensitivity(draws).changed(noise(2, 2, 1), noise(2, 2, 1), ONE, entry, 0)
