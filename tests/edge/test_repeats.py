from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from samewhy_edge.arrays import Answers, Samples
from samewhy_edge.blend import blend
from samewhy_edge.features import CellsByChannel, Channels, Coalitions, coalitions, labels_of
from samewhy_edge.fill import Fill, backgrounds
from samewhy_edge.grids import RandomGrids
from samewhy_edge.plan import Each, Plan, Some, Windows
from samewhy_edge.predictor import Spec, Subject
from samewhy_edge.quant import Affine
from samewhy_edge.query import ask
from samewhy_edge.repeats import distinct, first_seen
from tests.worlds import RUNG, Recording, additive

WORLD = additive(6, 5, 2)
CODING = Affine(0.5, -3, "int8")
FEATURES = [(3,), (6, 5), (2, 1), Channels(), CellsByChannel((2,))]


def every(samples: Samples, plan: Plan, fill: Fill) -> Answers:
    """Every query of the plan, asked."""
    hidden = backgrounds(fill, samples)
    return np.stack([WORLD(blend(*given)) for given in zip(samples, masks(plan, len(samples)), hidden, strict=True)])


def masks(plan: Plan, count: int) -> list[Any]:
    return [plan.keep(0, len(plan))] * count


def sparse(seed: int, share: float, fill: float) -> Samples:
    """Three samples that are the fill in most positions; the last one everywhere."""
    drawn = np.random.default_rng(seed)
    samples = drawn.integers(-9, 9, (3, 6, 5, 2)).astype(np.float32)
    samples[drawn.random(samples.shape) < share] = fill
    samples[2] = fill
    return samples


def asked(world: Recording) -> int:
    return sum(map(len, world.asked))


@given(st.integers(0, 2**20), st.sampled_from(FEATURES), st.sampled_from((0.0, 4.0)), st.floats(0.3, 1))
def test_each_different_input_of_a_sample_is_asked_once_and_answers_are_as_if_all_were(
    seed: int, features: Any, fill: float, share: float
) -> None:
    samples, world = sparse(seed, share, fill), Recording(WORLD)
    labels, count = labels_of(features, (6, 5, 2))
    plan = Coalitions(labels[0], np.random.default_rng(seed).integers(0, 2, (40, count)).astype(np.float32))
    assert ask(world, samples, plan, fill).tobytes() == every(samples, plan, fill).tobytes()
    hidden = backgrounds(fill, samples)
    different = [len(np.unique(blend(*one), axis=0)) for one in zip(samples, masks(plan, 3), hidden, strict=True)]
    assert asked(world) == sum(different)
    assert different[2] == 1


@given(st.integers(0, 2**20), st.integers(1, 5), st.integers(0, 2), st.floats(0.5, 1))
def test_windows_that_hide_nothing_of_a_sample_are_not_asked(seed: int, size: int, offset: int, share: float) -> None:
    samples, world = sparse(seed, share, 0.0), Recording(WORLD)
    plan = Windows((6, 5), (size, size), (min(2, size), 1), (min(offset, min(2, size) - 1), 0))
    assert ask(world, samples, plan).tobytes() == every(samples, plan, 0.0).tobytes()
    shown = (samples != 0).any(axis=-1)
    hiding = [(one & (plan.keep(0, len(plan)) == 0)).any(axis=(1, 2)) for one in shown]
    assert asked(world) == 3 + sum(int(each.sum()) for each in hiding)
    for one, known in zip(samples, hiding, strict=True):
        assert np.array_equal(plan.hide_any(one != 0), known)


def test_windows_of_one_axis_that_hide_nothing_are_not_asked() -> None:
    shown = np.zeros((9, 2), bool)
    shown[4, 1] = True
    plan = Windows((9,), (2,), (1,), (0,))
    assert np.flatnonzero(plan.hide_any(shown)).tolist() == [4, 5]  # query 0 is the whole sample


def test_values_with_the_code_of_the_fill_are_the_fill_on_that_rung_and_on_no_other() -> None:
    samples = np.zeros((1, 6, 5, 2), np.float32)
    samples[0, 0, 0], samples[0, 5, 4] = 0.2, 0.3  # codes of 0 and 0.2 coincide, that of 0.3 is another
    plan = Coalitions(labels_of((2, 1), (6, 5, 2))[0][0], np.array(list(product([0, 1], repeat=2)), np.float32))
    for coding, expected in ((CODING, 2), (None, 4)):
        world = Recording(WORLD)
        subject = Subject(Spec((6, 5, 2), 3, RUNG, coding), world)
        answers = ask(subject, samples, plan)
        assert asked(world) == expected
        assert answers.shape == (1, 4, 3)
        if coding:
            assert np.array_equal(answers[0, 0], answers[0, 2])
            assert not np.array_equal(answers[0, 0], answers[0, 1])


def test_codes_answer_as_if_all_were_asked() -> None:
    def coded(codes: Any) -> Any:
        return WORLD(CODING.decode(codes))

    samples = sparse(5, 0.6, 0.0) / 8
    plan = Coalitions(
        labels_of((6, 5), (6, 5, 2))[0][0], np.random.default_rng(0).integers(0, 2, (300, 30)) * np.float32(1)
    )
    subject = Subject(Spec((6, 5, 2), 3, RUNG, CODING), WORLD, coded)
    hidden = np.zeros_like(samples)
    known = [coded(CODING.encode(blend(*given))) for given in zip(samples, masks(plan, 3), hidden, strict=True)]
    assert ask(subject, samples, plan).tobytes() == np.stack(known).tobytes()


def test_a_channel_that_is_the_fill_is_no_reason_to_ask() -> None:
    samples, world = np.ones((1, 6, 5, 2), np.float32), Recording(WORLD)
    samples[..., 1] = 0
    plan = Coalitions(Channels().labels((6, 5, 2)), np.array(list(product([0, 1], repeat=2)), np.float32))
    answers = ask(world, samples, plan)
    assert asked(world) == 2
    assert answers.tobytes() == every(samples, plan, 0.0).tobytes()


def test_samples_with_plans_of_their_own_skip_their_own_repeats() -> None:
    samples, world = sparse(3, 0.7, 0.0), Recording(WORLD)
    drawn = np.random.default_rng(0)
    labels = tuple(drawn.integers(0, 4, (6, 5)) for _ in samples)
    chosen = np.array(list(product([0, 1], repeat=4)), np.float32)
    plan = coalitions(labels, chosen)
    assert isinstance(plan, Each)
    alone = [every(samples[i : i + 1], plan.plans[i], 0.0)[0] for i in range(3)]
    assert ask(world, samples, plan).tobytes() == np.stack(alone).tobytes()
    present = [len(np.unique(one[(sample != 0).any(axis=-1)])) for one, sample in zip(labels, samples, strict=True)]
    assert asked(world) == sum(2**count for count in present)


@pytest.mark.parametrize("plan", [RandomGrids((6, 5), 20, 3, 0.5, (0, 0))], ids=["soft"])
def test_plans_of_soft_masks_stay_as_they_are(plan: Plan) -> None:
    kept, rows = distinct(plan, np.zeros((6, 5, 2), bool))
    assert kept is plan
    assert rows.tolist() == list(range(20))


def test_a_plan_without_repeats_stays_itself_so_that_samples_share_its_masks() -> None:
    plan = Coalitions(labels_of((2,), (6, 5, 2))[0][0], np.array(list(product([0, 1], repeat=4)), np.float32))
    assert distinct(plan, np.ones((6, 5, 2), bool))[0] is plan


def test_what_stays_is_in_the_order_of_the_plan() -> None:
    plan = Coalitions(np.array([0, 1]), np.array([[1, 1], [0, 1], [1, 1], [1, 0], [0, 1], [0, 0]], np.float32))
    kept, rows = distinct(plan, np.ones((2, 1), bool))
    assert isinstance(kept, Some)
    assert kept.keep(0, len(kept)).tolist() == [[1, 1], [0, 1], [1, 0], [0, 0]]
    assert kept.keep(1, 3).tolist() == [[0, 1], [1, 0]]
    assert rows.tolist() == [0, 1, 0, 2, 1, 3]


def test_parts_of_a_feature_are_told_from_each_other() -> None:
    plan = Coalitions(np.array([0, 1]), np.array([[0.25, 1], [0.5, 1], [0.25, 1]], np.float32))
    assert distinct(plan, np.ones((2, 1), bool))[1].tolist() == [0, 1, 0]


@given(st.lists(st.lists(st.integers(0, 2), min_size=3, max_size=3), min_size=1))
def test_rows_are_numbered_as_they_are_first_seen(rows: list[list[int]]) -> None:
    known: list[list[int]] = []
    for row in rows:
        if row not in known:
            known.append(row)
    assert first_seen(np.array(rows)).tolist() == [known.index(row) for row in rows]
    assert first_seen(np.asfortranarray(rows)).tolist() == [known.index(row) for row in rows]
