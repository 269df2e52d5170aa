import math
import tracemalloc
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from samewhy_edge.errors import InputError
from samewhy_edge.explain import explain
from samewhy_edge.features import Superpixels
from samewhy_edge.plan import Each, Windows, digest
from samewhy_edge.sensitivity import (
    PAIRED,
    Hsic,
    Sobol,
    by_row,
    dependence,
    dependence_without,
    opposed,
    rows_of,
    total_order,
    total_order_without,
    uniform,
    width_of,
)
from tests import oracles
from tests.worlds import Additive, Constant, OnePatch, additive


def noise(*shape: int, seed: int = 3) -> Any:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def scores_of(world: Any, plan: Any, target: int = 0) -> Any:
    """Scores (1, M) of a series of ones."""
    return world(plan.keep(0, len(plan))[..., None])[None, :, target]


def interacting(d: int, seed: int = 0) -> Any:
    """A world of features that speak for themselves and in pairs."""
    random = np.random.default_rng(seed)
    own, pairs = random.normal(size=d), 0.5 * random.normal(size=(d, d))

    def world(samples: Any) -> Any:
        rows = samples.reshape(len(samples), -1).astype(np.float64)
        return (rows @ own + ((rows @ pairs) * rows).sum(axis=1)).astype(np.float32)[:, None]

    return world


def every() -> list[Any]:
    return [Sobol((4,), 6), Hsic((4,), 60)]


def label(explainer: Any) -> str:
    return str(explainer.name)


# Total-order indices


def test_the_estimator_finds_the_total_indices_of_the_ishigami_function() -> None:
    points = (2 * uniform((0, 0), 2**15, 6) - 1) * math.pi
    base, other = points[:, :3], points[:, 3:]
    mixed = np.stack([oracles.ishigami(np.where(np.arange(3) == i, other, base)) for i in range(3)], axis=1)
    found = total_order(oracles.ishigami(base)[None], oracles.ishigami(other)[None], mixed[None])[0]
    np.testing.assert_allclose(found, oracles.ishigami_total(), atol=1e-3)


def test_indices_of_an_additive_world_are_shares_of_its_squared_weights() -> None:
    world = additive(6, 1, classes=1)
    squares = world.weights.ravel() ** 2
    found = explain(world, np.ones((1, 6, 1), np.float32), np.array([0]), Sobol((6,), 2048), seed=0)[0]
    np.testing.assert_allclose(found, squares / squares.sum(), atol=5e-3)


def test_the_fill_is_what_masks_shade_into() -> None:
    world = Additive(np.array([[[1.0], [1.0]]], np.float32))
    series = np.array([[[3.0], [1.5]]], np.float32)  # over the fill: 2 and 0.5, so squares 4 and 0.25
    found = explain(world, series, np.array([0]), Sobol((2,), 4096, fill=1.0), seed=0)[0]
    np.testing.assert_allclose(found, [4 / 4.25, 0.25 / 4.25], atol=5e-3)


def test_total_order_counts_an_interaction_for_each_that_takes_part() -> None:
    def product(samples: Any) -> Any:
        return 4 * samples[:, 0] * samples[:, 1]

    found = explain(product, np.ones((1, 2, 1), np.float32), np.array([0]), Sobol((2,), 4096), seed=0)[0]
    np.testing.assert_allclose(found, 4 / 7, atol=0.01)  # Var = 7 / 144, E[Var given the other] = 1 / 36


def test_indices_equal_jansens_sums_by_loops() -> None:
    plan = Sobol((3,), 5).plan((3, 1), 1)
    scores = scores_of(interacting(3), plan)
    rows = scores[0].astype(float).reshape(5, 5)  # the base, the other and one a feature
    variance = np.var([*rows[:, 0], *rows[:, 1]], ddof=1)
    slow = [sum((row[0] - row[2 + i]) ** 2 for row in rows) / (2 * 5 * variance) for i in range(3)]
    np.testing.assert_allclose(Sobol((3,), 5).estimate(plan, scores)[0], slow, rtol=1e-5)


def test_rows_hold_the_base_the_other_and_one_swapped_feature_each() -> None:
    explainer = Sobol((2, 2), 8)
    masks = explainer.plan((2, 2, 1), 5).keep(0, 48).reshape(8, 6, 4)
    base, other, mixed = masks[:, 0], masks[:, 1], masks[:, 2:]
    for i in range(4):
        assert np.array_equal(mixed[:, i, i], other[:, i])
        rest = np.arange(4) != i
        assert np.array_equal(mixed[:, i, rest], base[:, rest])
    assert ((masks >= 0) & (masks < 1)).all()
    assert len(np.unique(np.concatenate([base, other], axis=1))) == 64


@pytest.mark.parametrize("cells", [(2,), (5,), (7,), (8,), (16,)])
def test_the_two_numbers_of_a_feature_do_not_go_together(cells: tuple[int, ...]) -> None:
    count = cells[0] ** 2
    masks = Sobol(cells, 16).plan((16, 16, 1), 3).chosen.reshape(16, count + 2, count)  # type: ignore[union-attr]
    high = masks[:, :2] >= 0.5
    together = (high[:, 0] == high[:, 1]).mean(axis=0)
    assert ((together > 0) & (together < 1)).all()
    assert sorted(opposed(count)) == list(range(count))


def test_matched_numbers_halve_the_error_of_random_ones() -> None:
    world, truth = interacting(16), []
    for seed in range(2):
        masks = np.random.default_rng(seed).random((3, 20_000, 16))
        base, other = (world(one)[:, 0].astype(float) for one in masks[:2])
        mixed = [world(np.where(np.arange(16) == i, masks[1], masks[0]))[:, 0] for i in range(16)]
        truth.append(total_order(base[None], other[None], np.stack(mixed, axis=1)[None].astype(float))[0])
    evenly, random = [], []
    for seed in range(20):
        plan = Sobol((16,), 64).plan((16, 1), seed)
        evenly.append(Sobol((16,), 64).estimate(plan, scores_of(world, plan))[0])
        masks = rows_of(*np.random.default_rng(seed).random((2, 64, 16)))
        random.append(total_order(*by_row(masks, world(masks).T))[0])
    errors = [((np.array(found) - np.mean(truth, axis=0)) ** 2).mean() for found in (evenly, random)]
    assert errors[0] < 0.6 * errors[1]


def test_any_number_of_whole_rows_is_a_shorter_plan() -> None:
    short, long = (Sobol((3,), rows).plan((9, 1), 4) for rows in (5, 32))
    assert len(long) == 32 * 5
    assert np.array_equal(long.keep(0, len(short)), short.keep(0, len(short)))


def test_rows_of_a_sequence_fill_every_feature_evenly() -> None:
    masks = Sobol((4,), 16).plan((4, 1), 2).keep(0, 16 * 6).reshape(16, 6, 4)
    for values in (*masks[:, 0].T, *masks[:, 1].T):
        assert sorted((values * 16).astype(int)) == list(range(16))


def test_the_default_plan_costs_what_the_page_says() -> None:
    assert len(Sobol().plan((32, 32, 3), 0)) == 2112


def test_a_score_without_variance_has_no_indices_and_no_errors() -> None:
    plan = Sobol((4,), 8).plan((4, 1), 0)
    scores = scores_of(Constant(), plan)
    assert np.isnan(Sobol((4,), 8).estimate(plan, scores)).all()
    assert np.isnan(Sobol((4,), 8).errors(plan, scores)).all()


def test_row_errors_are_the_jackknife() -> None:
    explainer, world = Sobol((3,), 7), interacting(3)
    plan = explainer.plan((3, 1), 0)
    scores = scores_of(world, plan)
    blocks = scores[0].astype(float).reshape(7, 5)

    def estimate(rows: list[int]) -> Any:
        kept = blocks[rows]
        return total_order(kept[None, :, 0], kept[None, :, 1], kept[None, :, 2:])[0]

    np.testing.assert_allclose(explainer.errors(plan, scores)[0], oracles.jackknife(estimate, 7), rtol=1e-4)
    without = total_order_without(blocks[None, :, 0], blocks[None, :, 1], blocks[None, :, 2:])[0]
    np.testing.assert_allclose(without[2], estimate([0, 1, 3, 4, 5, 6]), rtol=1e-9)


# Dependence


@pytest.mark.parametrize("width", ["distances", "outputs"])
@pytest.mark.parametrize("offset", [0.0, -40.0])
def test_dependence_equals_its_whole_matrices(width: Any, offset: float) -> None:
    plan = Hsic((4,), 40).plan((4, 1), 2)
    scores = scores_of(interacting(4), plan) + np.float32(offset)
    masks, outputs = plan.keep(0, 40).astype(float), scores[0].astype(float)
    distances = [abs(a - b) for i, a in enumerate(outputs) for b in outputs[:i]]
    sigma = float(np.median(distances)) if width == "distances" else abs(float(np.median(outputs)))
    found = Hsic((4,), 40, width).estimate(plan, scores)[0]
    np.testing.assert_allclose(found, oracles.hsic(masks, outputs, sigma), rtol=1e-4)


def test_dependence_of_two_clear_scores_is_its_closed_form() -> None:
    plan = Hsic((4,), 64).plan((4, 1), 0)
    scores = scores_of(OnePatch((slice(1, 2),)), plan, target=1)  # the second cell alone decides: 0 or 1
    width = width_of(scores[0].astype(float), "distances")
    gap = 1 - math.exp(-1 / (2 * width**2))
    found = Hsic((4,), 64).estimate(plan, scores)[0]
    np.testing.assert_allclose(found, [0, gap * 32**2 / 63**2, 0, 0], atol=1e-6)


def test_features_without_influence_have_little_dependence_and_less_with_more_queries() -> None:
    world = OnePatch((slice(0, 3),))
    series = np.ones((1, 8, 1), np.float32)
    few, many = (explain(world, series, np.array([1]), Hsic((8,), queries), seed=1)[0] for queries in (90, 1500))
    assert few[:3].min() > 10 * few[3:].max()
    assert many[3:].max() < 0.1 * few[3:].max()


@given(seed=st.integers(0, 50))
def test_dependence_does_not_depend_on_the_order_of_queries_or_features(seed: int) -> None:
    random = np.random.default_rng(seed)
    masks, scores = random.integers(0, 2, (30, 5)).astype(np.float32), random.normal(size=(2, 30)).astype(np.float32)
    queries, features = random.permutation(30), random.permutation(5)
    found = dependence(masks, scores, "distances")
    turned = dependence(masks[queries][:, features], scores[:, queries], "distances")
    np.testing.assert_allclose(turned, found[:, features], atol=1e-12)
    np.testing.assert_allclose(dependence(1 - masks, scores, "distances"), found, atol=1e-12)
    assert found.min() >= 0


def test_dependence_of_many_queries_is_that_of_the_whole_kernel() -> None:
    masks = np.random.default_rng(0).integers(0, 2, (700, 3)).astype(np.float32)  # more than one block of the kernel
    scores = (masks @ np.array([1.0, 2.0, 0.0]) + noise(700))[None].astype(np.float32)
    outputs = scores[0].astype(float)
    kernel = np.exp(-((outputs[:, None] - outputs) ** 2) / (2 * width_of(outputs, "outputs") ** 2))
    signs = 2 * masks.astype(float) - 1
    off = signs - signs.mean(axis=0)
    slow = np.diag(off.T @ kernel @ off) / 2 / 699**2
    np.testing.assert_allclose(dependence(masks, scores, "outputs")[0], slow, rtol=1e-9)


def test_query_errors_are_the_jackknife_under_one_width() -> None:
    plan = Hsic((3,), 20).plan((3, 1), 0)
    scores = scores_of(interacting(3), plan)
    masks, outputs = plan.keep(0, 20).astype(float), scores[0].astype(float)
    sigma = width_of(outputs, "distances")

    def estimate(rows: list[int]) -> Any:
        return np.array(oracles.hsic(masks[rows], outputs[rows], sigma))

    np.testing.assert_allclose(Hsic((3,), 20).errors(plan, scores)[0], oracles.jackknife(estimate, 20), rtol=1e-4)


def test_dependence_without_a_query_is_that_of_the_others_under_one_width() -> None:
    random = np.random.default_rng(4)
    masks, outputs = (random.random((15, 3)) < 0.3).astype(np.float32), random.normal(size=15)
    sigma = width_of(outputs, "distances")
    for left, found in enumerate(dependence_without(masks, outputs, "distances")):
        others = np.arange(15) != left
        np.testing.assert_allclose(found, oracles.hsic(masks[others], outputs[others], sigma), rtol=1e-9)


def test_the_distances_of_the_first_queries_give_the_width_of_many() -> None:
    scores = np.random.default_rng(0).normal(size=4096)
    scores[PAIRED:] *= 100
    one, two = np.triu_indices(PAIRED, 1)
    assert width_of(scores, "distances") == pytest.approx(np.median(np.abs(scores[one] - scores[two])))


@pytest.mark.parametrize(
    ("outputs", "rule", "width"),
    [
        ([1.0, 2.0, 4.0], "distances", 2.0),
        ([1.0, 2.0, 4.0], "outputs", 2.0),
        ([-1.0, -2.0, -4.0], "outputs", 2.0),
        ([-1.0, 0.0, 3.0], "outputs", 5 / 3),  # |-1|, |0|, |3| less the mean 2/3
        ([0.0, 0.0, 0.0, 0.0, 5.0], "distances", 1.0),  # more than half of the pairs are equal
        ([0.0, 0.0, 0.0, 0.0, 5.0], "outputs", 1.0),
        ([7.0, 7.0], "distances", 1.0),
    ],
)
def test_the_width_is_the_first_that_is_above_zero(outputs: list[float], rule: str, width: float) -> None:
    assert width_of(np.array(outputs), rule) == pytest.approx(width)


def test_a_constant_score_depends_on_nothing() -> None:
    plan = Hsic((4,), 60).plan((4, 1), 0)
    assert np.abs(Hsic((4,), 60).estimate(plan, scores_of(Constant(), plan))).max() < 1e-12
    assert np.abs(Hsic((4,), 60).errors(plan, scores_of(Constant(), plan))).max() < 1e-9


def test_masks_keep_each_feature_half_of_the_time_and_no_two_alike() -> None:
    masks = Hsic((8,), 512).plan((8, 8, 1), 3).keep(0, 512).reshape(512, 64)
    assert set(np.unique(masks)) == {0, 1}
    assert (masks.sum(axis=0) == 256).all()
    together = np.corrcoef(masks.T)
    assert np.abs(together[~np.eye(64, dtype=bool)]).max() < 0.5


def test_queries_that_cannot_tell_features_apart_are_refused() -> None:
    with pytest.raises(InputError, match=r"hsic with queries=64: 64 features, of which these queries tell \d+ apart"):
        Hsic((8,), 64).plan((8, 8, 1), 0)


def test_memory_is_bounded_at_the_largest_usual_plan() -> None:
    explainer = Hsic((4,), 2048)
    plan = explainer.plan((8, 8, 1), 0)
    scores = noise(1, 2048)
    explainer.estimate(plan, scores)
    tracemalloc.start()
    explainer.estimate(plan, scores)
    explainer.errors(plan, scores)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 150e6


# Both


@pytest.mark.parametrize(("explainer", "low", "high"), [(Sobol((6,), 24), 0.7, 2.5), (Hsic((6,), 44), 0.9, 4.0)])
def test_errors_are_no_smaller_than_the_spread_over_seeds_and_of_its_size(
    explainer: Any, low: float, high: float
) -> None:
    world = interacting(6, 2)
    plans = [explainer.plan((6, 1), seed) for seed in range(60)]
    found = np.array([explainer.estimate(plan, scores_of(world, plan))[0] for plan in plans])
    told = np.array([explainer.errors(plan, scores_of(world, plan))[0] for plan in plans])
    ratio = math.sqrt((told**2).mean() / found.var(axis=0, ddof=1).mean())
    assert low < ratio < high


@pytest.mark.parametrize("explainer", every(), ids=label)
def test_halves_are_maps_of_the_first_and_the_last_queries(explainer: Any) -> None:
    plan = explainer.plan((4, 1), 0)
    scores = scores_of(interacting(4), plan)
    first, second = explainer.halves(plan, scores)
    spoiled = scores.copy()
    spoiled[:, len(plan) // 2 :] = noise(1, len(plan) - len(plan) // 2)
    again, other = explainer.halves(plan, spoiled)
    assert np.array_equal(first, again)
    assert not np.allclose(second, other)
    fewer = type(explainer)(explainer.features, len(plan) // 12 if explainer.name == "sobol" else len(plan) // 2)
    half = fewer.plan((4, 1), 0)
    np.testing.assert_allclose(first, fewer.estimate(half, scores[:, : len(half)]), rtol=1e-6)


@pytest.mark.parametrize("explainer", [Sobol((2,), 3), Hsic((2,), 3)], ids=label)
def test_too_few_queries_have_no_halves(explainer: Any) -> None:
    plan = explainer.plan((4, 1), 0)
    assert explainer.halves(plan, noise(1, len(plan))) is None


def test_freedom_is_rows_or_queries_less_one() -> None:
    assert Sobol((4,), 6).freedom(Sobol((4,), 6).plan((4, 1), 0)) == 5
    assert Hsic((4,), 60).freedom(Hsic((4,), 60).plan((4, 1), 0)) == 59


@pytest.mark.parametrize("explainer", every(), ids=label)
def test_equal_seeds_ask_equal_masks_and_other_seeds_and_draws_others(explainer: Any) -> None:
    keys = ((3, 0), (3, 0), (4, 0), (3, 1), (4, 1))
    first, again, *others = (digest(explainer.plan((8, 1), *one)) for one in keys)
    assert first == again == digest(explainer.plan((8, 1), 3))
    assert len({first, *others}) == 4


@pytest.mark.parametrize("explainer", every(), ids=label)
def test_maps_are_float32_and_do_not_depend_on_their_neighbours(explainer: Any) -> None:
    world, samples = additive(8, 9, 2), noise(3, 8, 9, 2)
    together = explain(world, samples, np.arange(3), explainer, seed=1)
    assert together.dtype == np.float32
    assert together.shape == (3, 8, 9)
    np.testing.assert_allclose(
        together[1], explain(world, samples[1:2], np.array([1]), explainer, seed=1)[0], rtol=1e-4
    )


@pytest.mark.parametrize("explainer", every(), ids=label)
def test_the_plan_of_another_explainer_is_refused(explainer: Any) -> None:
    plan = Windows((4,), (1,), (1,), (0,))
    with pytest.raises(InputError, match="a plan of Windows; expected Coalitions"):
        explainer.estimate(plan, np.zeros((1, len(plan)), np.float32))


@pytest.mark.parametrize(
    ("explainer", "seed", "sentence"),
    [
        (Sobol(rows=1), 0, "sobol with rows=1, seed=0; expected at least 2 rows"),
        (Sobol(), -1, "seed=-1; expected at least 2 rows, a seed of at least 0"),
        (Sobol((20,)), 0, "a Sobol' sequence of 800 dimensions; direction numbers are here for 1 to 512"),
        (Hsic(queries=1), 0, "hsic with queries=1, seed=0; expected at least 2 queries"),
        (Hsic(), -1, "seed=-1; expected at least 2 queries, a seed of at least 0"),
        (Hsic((1,)), 0, r"features \[1\] of a sample \[32, 32, 1\] are a single one"),
    ],
)
def test_nonsense_is_refused_with_what_was_found_and_expected(explainer: Any, seed: int, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        explainer.plan((32, 32, 1), seed)


def test_one_label_map_a_sample_makes_one_plan_a_sample(tmp_path: Any) -> None:
    np.save(tmp_path / "labels.npy", np.array([[0, 0, 1, 1], [0, 1, 1, 1]]))
    features = Superpixels(str(tmp_path / "labels.npy"))
    world, series = Additive(np.ones((1, 4, 1), np.float32)), np.ones((2, 4, 1), np.float32)
    assert isinstance(Sobol(features).plan((4, 1), 0), Each)
    found = explain(world, series, np.zeros(2, np.int64), Sobol(features, 1024), seed=0)
    np.testing.assert_allclose(found, [[0.5] * 4, [0.1, 0.9, 0.9, 0.9]], atol=0.01)
