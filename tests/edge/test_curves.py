import math
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from samewhy_edge.arrays import Samples, Scores
from samewhy_edge.curves import Curve, Monotonicity, area_under
from samewhy_edge.errors import InputError
from samewhy_edge.fill import Blur, Fill, backgrounds
from samewhy_edge.query import ask
from tests.worlds import Additive, additive

SHAPES = [(6, 5), (13,)]
DELETION, INSERTION = Curve("deletion"), Curve("insertion")


def noise(*shape: int, seed: int = 3) -> Any:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def asked(world: Any, sample: Any, one: Any, how: Curve | Monotonicity, target: int = 0) -> Any:
    return ask(world, sample[None], how.plan(one, 0), how.fill)[0, :, target]


def value(world: Any, sample: Any, one: Any, how: Curve | Monotonicity, target: int = 0) -> float:
    return how.value(one, how.plan(one, 0), asked(world, sample, one, how, target))


def petsiuk(world: Any, start: Any, finish: Any, one: Any, step: int, target: int = 0) -> list[float]:
    """`single_run` of the authors' evaluation.py, a pixel at a time."""
    places, flat = start.shape[:-1], start.reshape(-1, start.shape[-1]).copy()
    order = sorted(range(one.size), key=lambda place: -float(one.ravel()[place]))
    n_steps = (one.size + step - 1) // step
    scores = []
    for i in range(n_steps + 1):
        scores.append(float(world(flat.reshape(1, *places, -1))[0, target]))
        for place in order[step * i : step * (i + 1)]:
            flat[place] = finish.reshape(-1, start.shape[-1])[place]
    return scores


class AnyZeroKills:
    """1 while every value is there, 0 from the first that is not."""

    def __call__(self, samples: Samples, /) -> Scores:
        rows = samples.reshape(len(samples), -1)
        return (rows != 0).all(axis=1, keepdims=True).astype(np.float32)


class AnyWins:
    """0 while nothing is there, 1 from the first value that is."""

    def __call__(self, samples: Samples, /) -> Scores:
        rows = samples.reshape(len(samples), -1)
        return (rows != 0).any(axis=1, keepdims=True).astype(np.float32)


class Falling:
    """Less for every value that is there."""

    def __call__(self, samples: Samples, /) -> Scores:
        return -samples.reshape(len(samples), -1).sum(axis=1, keepdims=True)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("step", [1, 4, 7, 99])
@pytest.mark.parametrize("fill", [0.0, 0.4, Blur(1.0)])
def test_curves_are_those_of_the_published_code(shape: tuple[int, ...], step: int, fill: Fill) -> None:
    world, sample, one = additive(*shape, 2), noise(*shape, 2), noise(*shape, seed=9)
    background = backgrounds(fill, sample[None])[0]
    down, up = Curve("deletion", step, fill), Curve("insertion", step, fill)
    slow = petsiuk(world, sample, background, one, step)
    np.testing.assert_allclose(asked(world, sample, one, down), slow, atol=1e-5)
    np.testing.assert_allclose(asked(world, sample, one, up), petsiuk(world, background, sample, one, step), atol=1e-5)
    trapezoids = sum((a + b) / 2 for a, b in pairwise(slow)) / (len(slow) - 1)
    assert value(world, sample, one, down) == pytest.approx(trapezoids, abs=1e-5)


@pytest.mark.parametrize("how", [DELETION, INSERTION])
@pytest.mark.parametrize(("size", "step", "bill"), [(784, 28, 29), (784, None, 33), (10, 3, 5), (10, None, 11)])
def test_the_bill_is_both_ends_and_every_step(how: Curve, size: int, step: int | None, bill: int) -> None:
    one, stepped = noise(size), replace(how, step=step)
    assert stepped.queries(one.shape) == len(stepped.plan(one, 0)) == bill
    assert Monotonicity(step).queries(one.shape) == len(Monotonicity(step).plan(one, 0)) == bill


def test_both_ends_are_there_and_the_area_is_over_the_width() -> None:
    """Libraries that leave out the first point, or do not divide, get other numbers from the same curve."""
    scores = np.array([1.0, 0.5, 0.25, 0.0], np.float32)
    assert area_under(scores) == pytest.approx((0.75 + 0.375 + 0.125) / 3)
    assert area_under(np.full(7, 0.4, np.float32)) == pytest.approx(0.4)
    plan = DELETION.plan(noise(6, 5), 0)
    ends = plan.keep(0, len(plan))[[0, -1]]
    assert (ends[0] == 1).all()
    assert (ends[1] == 0).all()


def test_where_any_zero_kills_deletion_is_zero_but_for_the_first_trapezoid() -> None:
    sample, one = np.ones((6, 5, 1), np.float32), noise(6, 5)
    assert value(AnyZeroKills(), sample, one, Curve("deletion", 1)) == pytest.approx(0.5 / 30)
    sample[0, 0] = 0
    assert value(AnyZeroKills(), sample, one, Curve("deletion", 1)) == 0


def test_where_anything_wins_insertion_is_one_but_for_the_first_trapezoid() -> None:
    sample, one = np.ones((6, 5, 1), np.float32), noise(6, 5)
    assert value(AnyWins(), sample, one, Curve("insertion", 1)) == pytest.approx(1 - 0.5 / 30)


def test_a_mean_is_deleted_and_inserted_on_the_diagonal() -> None:
    world = Additive(np.full((1, 5, 4, 1), 1 / 20, np.float32))
    sample, one = np.ones((5, 4, 1), np.float32), noise(5, 4)
    assert value(world, sample, one, DELETION) == pytest.approx(0.5)
    assert value(world, sample, one, INSERTION) == pytest.approx(0.5)


def test_the_true_map_falls_and_rises_faster_than_its_opposite() -> None:
    world, sample = additive(6, 5, 1), noise(6, 5, 1)
    one = world.shares(sample, 0)
    assert value(world, sample, one, DELETION) < value(world, sample, -one, DELETION) - 1
    assert value(world, sample, one, INSERTION) > value(world, sample, -one, INSERTION) + 1


@given(st.sampled_from([DELETION, INSERTION]), st.integers(0, 5))
def test_any_rising_change_of_the_map_changes_nothing(how: Curve, seed: int) -> None:
    one = np.random.default_rng(seed).integers(-3, 4, (6, 5)).astype(np.float32)
    plan, changed = how.plan(one, seed), how.plan(np.exp(one) * 2 + 1, seed)
    assert plan.keep(0, len(plan)).tobytes() == changed.keep(0, len(changed)).tobytes()


def test_negative_values_come_last() -> None:
    """An order by absolute values would delete them first."""
    labels = Curve("deletion", 1).plan(np.array([-9, 1, 0, 5], np.float32), 0).labels
    assert labels.tolist() == [3, 1, 2, 0]


def test_tied_positions_are_in_a_random_order_of_the_seed() -> None:
    one = np.zeros(40, np.float32)
    one[7] = 1
    first, again, other = (Curve("deletion", 1).plan(one, seed).labels for seed in (0, 0, 1))
    assert first.tobytes() == again.tobytes() != other.tobytes()
    assert first[7] == other[7] == 0
    assert sorted(first) == list(range(40))
    assert abs(np.corrcoef(first, np.arange(40))[0, 1]) < 0.5


def test_channels_of_a_map_of_channels_change_places_one_by_one() -> None:
    world, sample, one = additive(4, 2), noise(4, 2), noise(4, 2, seed=9)
    scores = asked(world, sample, one, Curve("deletion", 1))
    assert len(scores) == 9
    dropped = np.unravel_index(one.argmax(), one.shape)
    assert scores[0] - scores[1] == pytest.approx(float(world.weights[(0, *dropped)] * sample[dropped]), abs=1e-5)


def test_monotonicity_of_what_only_grows_and_only_falls() -> None:
    sample, one = np.ones((6, 5, 1), np.float32), noise(6, 5)
    world = Additive(np.ones((1, 6, 5, 1), np.float32))
    assert value(world, sample, one, Monotonicity(1)) == 1
    assert value(Falling(), sample, one, Monotonicity(1)) == 0


def test_monotonicity_shows_positions_by_growing_size_from_the_background() -> None:
    sample, one = np.array([[1], [2], [4], [8]], np.float32), np.array([-3, 0, 2, -1], np.float32)
    how, world = Monotonicity(1, fill=16.0), Additive(np.ones((1, 4, 1), np.float32))
    # all four are 16; then position 1, 3, 2, 0 are shown
    assert asked(world, sample, one, how).tolist() == [64, 50, 42, 30, 15]


def test_monotonicity_is_the_share_of_steps_that_do_not_fall() -> None:
    world = Additive(np.array([1, -1, 0, 1], np.float32).reshape(1, 4, 1))
    one = np.array([1, 2, 3, 4], np.float32)
    assert value(world, np.ones((4, 1), np.float32), one, Monotonicity(1)) == 0.75


def test_random_maps_are_not_all_monotone() -> None:
    """A metric that replaces the background by itself finds 1 for every map."""
    world, sample = additive(6, 5, 1), noise(6, 5, 1)
    found = [value(world, sample, noise(6, 5, seed=seed), Monotonicity(1)) for seed in range(20)]
    assert max(found) < 0.9
    assert 0.3 < np.mean(found) < 0.7


@pytest.mark.parametrize("how", [Curve("deletion", 0), Monotonicity(-1)])
def test_a_step_below_one_is_refused(how: Curve | Monotonicity) -> None:
    with pytest.raises(InputError, match=r"step=-?\d; expected a number of positions of at least 1"):
        how.plan(noise(4), 0)


def test_a_curve_has_at_most_32_steps_where_none_is_said() -> None:
    assert all(DELETION.queries((n,)) <= 33 for n in range(1, 2000))
    assert math.prod((28, 28)) / (DELETION.queries((28, 28)) - 1) == pytest.approx(24.5)
