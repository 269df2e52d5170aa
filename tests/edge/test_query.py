import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from samewhy_edge import query
from samewhy_edge.grids import RandomGrids
from samewhy_edge.plan import Windows
from samewhy_edge.query import ask, batch_size, blend
from tests.worlds import Constant, Recording, additive

PLAN = RandomGrids((6, 5), 150, 3, 0.5, (0, 0))
SAMPLES = np.random.default_rng(1).normal(size=(3, 6, 5, 2)).astype(np.float32)


def test_every_sample_is_asked_under_every_mask() -> None:
    world = additive(6, 5, 2)
    answers = ask(world, SAMPLES, PLAN)
    assert answers.shape == (3, 150, 3)
    for sample, row in zip(SAMPLES, answers, strict=True):
        one = world(PLAN.keep(77, 78)[..., None] * sample)[0]
        np.testing.assert_allclose(row[77], one, rtol=1e-4)


@pytest.mark.parametrize("size", [1, 7, 149, 1000])
def test_the_batch_size_does_not_change_which_query_gets_which_answer(
    size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = ask(additive(6, 5, 2), SAMPLES, PLAN)
    monkeypatch.setattr(query, "BATCH", size)
    np.testing.assert_allclose(ask(additive(6, 5, 2), SAMPLES, PLAN), known, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("fill", [0.0, 0.5, -3.25])
def test_blending_is_exact_where_keep_is_zero_or_one(fill: float) -> None:
    sample = np.array([[0.1], [1e-7], [3e7], [-0.3]], np.float32)
    keep = np.array([[1, 0, 1, 0], [0, 1, 0, 1]], np.float32)
    blended = blend(sample, keep, fill)
    assert np.array_equal(blended, np.where(keep[..., None] == 1, sample, np.float32(fill)))


def test_blending_between_is_linear() -> None:
    sample, keep = np.full((2, 1), 4, np.float32), np.array([[0.25, 0.75]], np.float32)
    assert blend(sample, keep, 8.0).ravel().tolist() == [7, 5]


def test_all_channels_of_a_position_are_hidden_together() -> None:
    sample = np.arange(1, 7, dtype=np.float32).reshape(2, 3)
    assert blend(sample, np.array([[0, 1]], np.float32), 0)[0].tolist() == [[0, 0, 0], [4, 5, 6]]


@pytest.mark.parametrize("fill", [0.0, 0.5])
def test_blended_batches_are_float32(fill: float) -> None:
    assert blend(SAMPLES[0], PLAN.keep(0, 2), fill).dtype == np.float32


def test_samples_are_left_as_they_are() -> None:
    samples = SAMPLES.copy()
    ask(additive(6, 5, 2), samples, PLAN, fill=1.0)
    assert np.array_equal(samples, SAMPLES)


def test_every_sample_sees_the_same_masks() -> None:
    world = Recording(Constant())
    ask(world, np.ones((2, 6, 5, 1), np.float32), PLAN)
    first, second = (np.concatenate(world.asked[i::2]) for i in (0, 1))
    assert np.array_equal(first[..., 0], PLAN.keep(0, 150))
    assert np.array_equal(second, first)


def test_no_batch_is_larger_than_the_bounds() -> None:
    world = Recording(Constant())
    ask(world, SAMPLES, PLAN)
    assert max(len(batch) for batch in world.asked) <= 64


def test_large_samples_are_asked_in_small_batches() -> None:
    world = Recording(Constant())
    plan = Windows((1024, 1024), (1024, 512), (1024, 256), (0, 0))
    ask(world, np.zeros((1, 1024, 1024, 3), np.float32), plan)
    assert [len(batch) for batch in world.asked] == [2, 2]


def test_a_sample_larger_than_the_room_is_asked_alone() -> None:
    assert batch_size(10, query.ROOM * 3) == 1


@given(st.integers(1, 5000), st.integers(1, 2**22))
def test_batches_are_within_the_bounds_and_as_few_as_possible(queries: int, values: int) -> None:
    most = min(query.BATCH, max(1, query.ROOM // values))
    size = batch_size(queries, values)
    assert 1 <= size <= most
    assert math.ceil(queries / size) == math.ceil(queries / most)


def test_batches_are_near_equal_rather_than_full_with_a_small_tail() -> None:
    assert batch_size(65, 1) == 33


def test_progress_adds_up_to_all_queries_of_all_samples() -> None:
    told: list[int] = []
    ask(Constant(), SAMPLES, PLAN, progress=told.append)
    assert sum(told) == 3 * 150
    assert len(told) == 3
