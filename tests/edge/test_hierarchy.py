import math
import pickle
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from samewhy_edge.errors import InputError
from samewhy_edge.explain import adapted, estimated, explain, shuffled
from samewhy_edge.hierarchy import Boxes, Hierarchy
from samewhy_edge.occlusion import Occlusion
from samewhy_edge.plan import Each, Windows, digest
from samewhy_edge.query import ask
from tests.worlds import Constant, OnePatch, Recording, additive

ALL = 10_000  # queries, more than there are boxes


def noise(*shape: int, seed: int = 3) -> Any:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def whole(explainer: Hierarchy, world: Any, samples: Any, targets: Any, draw: int = 0) -> tuple[Each, Any]:
    plan, answers = adapted(world, samples, np.array(targets), explainer, 0, draw)
    assert isinstance(plan, Each)
    return plan, answers


def asked(recording: Recording) -> int:
    return sum(map(len, recording.asked))


def corners(plan: Any) -> list[tuple[tuple[int, ...], ...]]:
    return [tuple(map(tuple, box)) for box in plan.spans.tolist()]


# Closed forms


@pytest.mark.parametrize(("spatial", "start"), [((9, 7), (2,)), ((13,), (3,)), ((4, 5), (1,)), ((3, 8), (3, 1))])
@pytest.mark.parametrize("splits", [1, 5])
def test_an_additive_world_is_exact_at_full_depth(
    spatial: tuple[int, ...], start: tuple[int, ...], splits: int
) -> None:
    world, samples = additive(*spatial, 2, offset=3.0), noise(2, *spatial, 2)
    maps = explain(world, samples, np.array([0, 2]), Hierarchy(ALL, start, splits, fill=0.5), seed=0)
    for sample, target, found in zip(samples, (0, 2), maps, strict=True):
        np.testing.assert_allclose(found, world.shares(sample, target, 0.5), atol=3e-5)


@given(queries=st.integers(5, 150), splits=st.integers(1, 9))
def test_shares_of_an_additive_world_sum_to_what_it_is_worth_at_any_budget(queries: int, splits: int) -> None:
    world, samples = additive(9, 7, 1), noise(1, 9, 7, 1)
    found = explain(world, samples, np.array([1]), Hierarchy(queries, splits=splits), seed=0)[0]
    assert found.sum() == pytest.approx(world.shares(samples[0], 1).sum(), abs=1e-4)


def test_all_boxes_of_any_score_equal_occlusion_of_single_positions() -> None:
    def curved(samples: Any) -> Any:
        rows = samples.reshape(len(samples), -1)
        return np.stack([np.tanh(rows).prod(axis=1), (rows[:, :-1] * rows[:, 1:]).sum(axis=1)], axis=1)

    samples = noise(2, 6, 5, 1)
    fine = explain(curved, samples, np.array([1, 1]), Occlusion((1,), (1,)), seed=0)
    np.testing.assert_allclose(explain(curved, samples, np.array([1, 1]), Hierarchy(ALL), 0), fine, atol=1e-6)


def test_one_patch_is_found_with_far_fewer_queries_than_by_all_windows() -> None:
    patch = (slice(20, 22), slice(8, 10))
    few, all_ = Recording(OnePatch(patch)), Recording(OnePatch(patch))
    samples, wanted = np.ones((1, 32, 32, 1), np.float32), np.zeros((32, 32), np.float32)
    wanted[patch] = 0.25
    found = explain(few, samples, np.array([1]), Hierarchy(21, splits=1), seed=0)[0]
    windows = explain(all_, samples, np.array([1]), Occlusion((2,), (2,)), seed=0)[0]
    np.testing.assert_allclose(found, wanted, atol=1e-6)
    np.testing.assert_allclose(windows, 4 * wanted, atol=1e-6)
    assert asked(few) == 21  # the sample, and four boxes each of 16, 8, 4, 2 and 1 positions a side
    assert asked(all_) == 257


def test_a_score_that_nothing_speaks_for_gives_an_empty_map() -> None:
    assert not explain(Constant(), noise(1, 8, 8, 1), np.array([0]), Hierarchy(30), seed=0).any()


# Order and budget


def test_the_box_with_the_largest_drop_up_or_down_is_split_first() -> None:
    world, series = additive(8, 1, classes=1), np.ones((1, 8, 1), np.float32)
    world.weights[0, :, 0] = [1, 1, 1, 1, -3, -3, 0, 0]
    plan, _ = whole(Hierarchy(7, (2,), 1), world, series, [0])
    assert corners(plan.plans[0]) == [((0, 0),), ((0, 4),), ((4, 8),), ((4, 6),), ((6, 8),), ((4, 5),), ((5, 6),)]
    assert plan.plans[0].parents.tolist() == [-1, -1, -1, 2, 2, 3, 3]  # type: ignore[attr-defined]


def test_a_box_that_costs_less_is_split_before_one_with_a_little_more_to_find() -> None:
    spans = np.array([[[0, 0], [0, 0]], [[0, 2], [0, 2]], [[0, 1], [2, 4]]], np.int32)
    square_and_thin = Boxes((2, 4), spans, np.full(3, -1, np.int32))
    drops = np.array([[9, 9 - 6, 9 - 4]], np.float32)  # 6 for 4 queries, 4 for 2
    longer = Hierarchy(ALL, splits=1).refine(square_and_thin, drops, np.ones((1, 2, 4, 1), bool))
    assert longer is not None
    assert corners(longer.plans[0])[3:] == [((0, 1), (2, 3)), ((0, 1), (3, 4))]


def test_equal_drops_are_split_by_size_then_in_the_order_asked() -> None:
    plan, _ = whole(Hierarchy(12, (3,), 1), Constant(), np.ones((1, 11, 1), np.float32), [0])
    sizes = [stop - start for ((start, stop),) in corners(plan.plans[0])]
    assert sizes == [0, 3, 4, 4, 2, 2, 2, 2, 1, 2, 1, 1]


def test_boxes_that_show_nothing_but_the_fill_are_never_split() -> None:
    image = np.full((1, 8, 8, 2), 0.5, np.float32)
    image[0, 1, 6, 1] = 3
    world = Recording(additive(8, 8, 2, classes=1))
    plan, _ = whole(Hierarchy(ALL, fill=0.5), world, image, [0])
    assert len(plan) == 1 + 4 + 4 + 4
    assert asked(world) == 1 + 1 + 4 + 4  # three of the four coarse boxes hide only fill: the whole sample again
    assert all((1 in range(*rows) and 6 in range(*columns)) for rows, columns in corners(plan.plans[0])[6:7])


@pytest.mark.parametrize("queries", [5, 6, 20, 21, 64])
@pytest.mark.parametrize("splits", [1, 3])
def test_no_more_is_asked_than_the_queries(queries: int, splits: int) -> None:
    world = Recording(additive(16, 16, 1))
    plan, answers = whole_or_first(Hierarchy(queries, splits=splits), world, noise(2, 16, 16, 1))
    assert queries - 3 <= len(plan) <= queries
    assert answers.shape == (2, len(plan), 3)
    assert asked(world) == 2 * len(plan)


def whole_or_first(explainer: Hierarchy, world: Any, samples: Any) -> Any:
    return adapted(world, samples, np.zeros(len(samples), np.int64), explainer, 0)


def test_splitting_several_at_a_time_takes_fewer_rounds() -> None:
    rounds = []
    for splits in (1, 8):
        world = Recording(additive(16, 16, 1))
        whole_or_first(Hierarchy(101, splits=splits), world, noise(1, 16, 16, 1))
        rounds.append(len(world.asked))
    assert rounds == [25, 5]


# The protocol of adaptive explainers


def test_a_longer_plan_begins_with_the_shorter_one_and_the_answers_are_those_of_the_whole_plan() -> None:
    world, samples = additive(8, 8, 1), noise(3, 8, 8, 1)
    short, _ = whole(Hierarchy(21), world, samples, [0, 1, 2])
    plan, answers = whole(Hierarchy(60), world, samples, [0, 1, 2])
    for one, longer in zip(short.plans, plan.plans, strict=True):
        assert np.array_equal(longer.keep(0, len(one)), one.keep(0, len(one)))
    assert np.array_equal(ask(world, samples, plan), answers)
    assert len({digest(one) for one in plan.plans}) == 3


def test_samples_that_are_done_wait_with_queries_that_hide_nothing() -> None:
    samples = noise(2, 8, 8, 1)
    samples[0, 1:] = 0
    world = additive(8, 8, 1)
    plan, answers = whole(Hierarchy(100), world, samples, [0, 0])
    spare = [query for query in range(1, len(plan)) if plan.plans[0].keep(query, query + 1).min() == 1]
    assert len(spare) > 40
    np.testing.assert_array_equal(answers[0, spare], answers[0, :1].repeat(len(spare), axis=0))
    maps = estimated(Hierarchy(100).estimate, plan, answers[:, :, 0])
    np.testing.assert_allclose(maps[0], world.shares(samples[0], 0), atol=1e-5)
    alone = explain(world, samples[1:], np.array([0]), Hierarchy(100), seed=0)
    np.testing.assert_array_equal(maps[1], alone[0])


def test_a_random_map_deals_only_the_scores_of_queries_that_hide_something() -> None:
    samples = noise(2, 8, 8, 1)
    samples[1, 1:] = 0
    plan, answers = whole(Hierarchy(100), additive(8, 8, 1), samples, [0, 0])
    dealt = shuffled(plan, answers[:, :, 0], seed=1)
    for one, scores, found in zip(plan.plans, answers[:, :, 0], dealt, strict=True):
        hides = np.array([one.keep(i, i + 1).min() < 1 for i in range(len(one))])
        assert np.array_equal(found[~hides], scores[~hides])
        assert not np.array_equal(found[hides], scores[hides])
        assert sorted(found) == sorted(scores)


def test_an_explainer_that_knows_its_plan_is_asked_once() -> None:
    world, samples = additive(8, 8, 1), noise(2, 8, 8, 1)
    plan, answers = adapted(world, samples, np.array([0, 1]), Occlusion(), 0, draw=1)
    assert plan == Occlusion().plan((8, 8, 1), 0, 1)
    assert np.array_equal(answers, ask(world, samples, plan))


def test_progress_counts_every_query_of_every_round() -> None:
    told: list[int] = []
    world, samples = additive(8, 8, 1), noise(2, 8, 8, 1)
    plan, _ = adapted(world, samples, np.array([0, 1]), Hierarchy(50), 0, progress=told.append)
    assert sum(told) == 2 * len(plan)


def test_more_predictors_at_the_same_time_change_nothing() -> None:
    world, samples, targets = additive(8, 8, 1), noise(2, 8, 8, 1), np.array([0, 1])
    alone = adapted(world, samples, targets, Hierarchy(50), 0)
    crowd = adapted(world, samples, targets, Hierarchy(50), 0, others=(additive(8, 8, 1),))
    assert digest(alone[0]) == digest(crowd[0])
    assert np.array_equal(alone[1], crowd[1])


def test_a_plan_travels_and_is_small() -> None:
    plan, _ = whole(Hierarchy(256), additive(64, 64, 1), noise(1, 64, 64, 1), [0])
    sent = pickle.dumps(plan)
    assert digest(pickle.loads(sent)) == digest(plan)
    assert len(sent) < 256 * 24 + 2000


# Boxes


def test_boxes_hide_what_they_cover_in_any_order() -> None:
    boxes = Hierarchy(start=(2,)).plan((4, 5, 1), 0)
    keep = boxes.keep(0, 5)
    assert keep.shape == (5, 4, 5)
    assert (1 - keep).sum(axis=(1, 2)).tolist() == [0, 4, 6, 4, 6] == boxes.sizes.tolist()
    assert (1 - keep).sum(axis=0).min() == (1 - keep).sum(axis=0).max() == 1
    np.testing.assert_array_equal(boxes.at(np.array([3, 0, 3])), keep[[3, 0, 3]])
    shown = np.zeros((4, 5, 1), bool)
    shown[3, 1] = True
    assert boxes.hide_any(shown).tolist() == [False, False, False, True, False]


def test_another_draw_begins_from_a_grid_that_is_moved_by_half_a_box() -> None:
    assert corners(Hierarchy().plan((8, 1), 9, draw=1)) == [((0, 0),), ((0, 2),), ((2, 6),), ((6, 8),)]
    assert corners(Hierarchy().plan((8, 1), 9)) == corners(Hierarchy().plan((8, 1), 0, draw=2))
    world, samples = additive(9, 7, 1), noise(1, 9, 7, 1)
    plan, answers = whole(Hierarchy(ALL), world, samples, [1], draw=1)
    found = Hierarchy().estimate(plan.plans[0], answers[:, :, 1])
    np.testing.assert_allclose(found[0], world.shares(samples[0], 1), atol=1e-5)


def test_nothing_is_drawn() -> None:
    plan = Hierarchy().plan((8, 8, 1), 0)
    scores = noise(2, len(plan))
    assert not Hierarchy().errors(plan, scores).any()
    assert Hierarchy().errors(plan, scores).shape == (2, 8, 8)
    assert Hierarchy().halves(plan, scores) is None
    assert Hierarchy().freedom(plan) == math.inf


@pytest.mark.parametrize(
    ("explainer", "sentence"),
    [
        (Hierarchy(4), r"hierarchy with queries=4, start=\[2\], splits=4; expected at least 5 queries"),
        (Hierarchy(splits=0), "splits=0; .* at least 1 split"),
        (Hierarchy(start=(9,)), r"start \[9\] does not fit spatial axes \[8, 8\]"),
        (Hierarchy(start=(0,)), r"start \[0\] does not fit spatial axes \[8, 8\]"),
    ],
)
def test_nonsense_is_refused_with_what_was_found_and_expected(explainer: Hierarchy, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        explainer.plan((8, 8, 1), 0)


def test_the_plan_of_another_explainer_is_refused() -> None:
    with pytest.raises(InputError, match="a plan of Windows; expected Boxes"):
        Hierarchy().estimate(Windows((4,), (1,), (1,), (0,)), np.zeros((1, 5), np.float32))
