from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from samewhy_edge.errors import InputError
from samewhy_edge.explain import (
    DEFAULTS,
    EXPLAINERS,
    Explainer,
    describe,
    explain,
    explainer_from,
    of_targets,
    shuffled,
)
from samewhy_edge.grids import RandomGrids
from samewhy_edge.occlusion import Occlusion
from samewhy_edge.plan import Windows, digest, weigh
from samewhy_edge.rise import Rise
from tests import oracles
from tests.worlds import Additive, Constant, OnePatch, Recording, additive

GEOMETRIES = [
    ((9, 7), (4,), (2,)),
    ((9, 7), (3, 2), (2, 2)),
    ((8, 8), (5,), (3,)),
    ((13,), (4,), (3,)),
    ((5,), (5,), (5,)),
]
RISES = [Rise(estimator="centred"), Rise(estimator="published")]


def noise(*shape: int, seed: int = 3) -> Any:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def named(explainer: Explainer) -> str:
    return explainer.name


def score_of(world: Additive, target: int) -> Callable[[Any], float]:
    return lambda sample: float(world(sample[None])[0, target])


def spread(
    spatial: tuple[int, ...], window: tuple[int, ...], stride: tuple[int, ...]
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """One size serves every axis."""
    axes = len(spatial)
    return window * (axes // len(window)), stride * (axes // len(stride))


@pytest.mark.parametrize(("spatial", "window", "stride"), GEOMETRIES)
@pytest.mark.parametrize("fill", [0.0, 0.75])
def test_occlusion_equals_its_loops(
    spatial: tuple[int, ...], window: tuple[int, ...], stride: tuple[int, ...], fill: float
) -> None:
    samples, world = noise(2, *spatial, 2), additive(*spatial, 2)
    maps = explain(world, samples, np.array([2, 0]), Occlusion(window, stride, fill), seed=0)
    for sample, target, found in zip(samples, (2, 0), maps, strict=True):
        slow = oracles.occlusion(score_of(world, target), sample, *spread(spatial, window, stride), fill)
        np.testing.assert_allclose(found, slow, atol=2e-5)


@pytest.mark.parametrize("spatial", [(6, 5), (11,)])
def test_occlusion_by_single_positions_of_an_additive_world_is_what_each_adds(spatial: tuple[int, ...]) -> None:
    world, samples = additive(*spatial, 2, offset=5.0), noise(3, *spatial, 2)
    maps = explain(world, samples, np.array([0, 1, 2]), Occlusion((1,), (1,), fill=0.5), seed=0)
    for target, (sample, found) in enumerate(zip(samples, maps, strict=True)):
        np.testing.assert_allclose(found, world.shares(sample, target, 0.5), atol=1e-5)


@given(st.sampled_from(GEOMETRIES))
def test_occlusion_of_an_additive_world_is_the_mean_of_its_window_sums(geometry: Any) -> None:
    spatial, window, stride = geometry
    world, samples = additive(*spatial, 1), noise(1, *spatial, 1)
    plan = Occlusion(window, stride).plan((*spatial, 1), 0)
    hidden = 1 - plan.keep(1, len(plan)).reshape(len(plan) - 1, -1)
    drops = hidden @ world.shares(samples[0], 1).ravel()
    maps = explain(world, samples, np.array([1]), Occlusion(window, stride), seed=0)
    np.testing.assert_allclose(maps[0].ravel(), drops @ hidden / hidden.sum(axis=0), atol=1e-5)


def test_occlusion_credits_only_windows_that_touch_the_patch() -> None:
    world = OnePatch((slice(2, 4), slice(5, 7)))
    one = explain(world, np.ones((1, 10, 10, 1), np.float32), np.array([1]), Occlusion((2,), (1,)), seed=0)[0]
    touched = np.zeros((10, 10), bool)
    touched[1:5, 4:8] = True
    assert np.array_equal(one > 0, touched)
    assert one[2:4, 5:7].min() > one[~touched].max()


def test_occlusion_of_a_class_that_nothing_speaks_for_is_zero_everywhere() -> None:
    world = OnePatch((slice(2, 4), slice(5, 7)))
    assert not explain(world, noise(1, 10, 10, 1), np.array([0]), Occlusion(), seed=0).any()


def test_occlusion_ignores_the_seed_and_moves_half_a_stride_for_another_draw() -> None:
    assert Occlusion().plan((8, 8, 1), 0) == Occlusion().plan((8, 8, 1), 99)
    assert Occlusion((4,), (4,)).plan((8, 9, 1), 0, draw=1) == Windows((8, 9), (4, 4), (4, 4), (2, 2))


@pytest.mark.parametrize("draw", [0, 1])
def test_another_draw_of_occlusion_still_finds_the_patch(draw: int) -> None:
    explainer, world = Occlusion((3,), (2,)), OnePatch((slice(4, 5),))
    plan, series = explainer.plan((9, 1), 0, draw), np.ones((9, 1), np.float32)
    scores = world(plan.keep(0, len(plan))[..., None] * series)[:, 1]
    one = explainer.estimate(plan, scores[None])[0]
    assert one[4] == one.max() > one[[1, 7]].max()


def test_a_stride_larger_than_the_window_is_refused() -> None:
    with pytest.raises(InputError, match=r"stride \[3, 3\] is larger than window \[2, 2\]; positions would stay uncov"):
        Occlusion((2,), (3,)).plan((8, 8, 1), 0)


def test_a_window_larger_than_the_sample_is_refused() -> None:
    with pytest.raises(InputError, match=r"window \[9\] does not fit spatial axes \[8, 12\]"):
        Occlusion((9,), (2,)).plan((8, 12, 1), 0)


@pytest.mark.parametrize("explainer", RISES, ids=named)
@pytest.mark.parametrize("spatial", [(7, 6), (15,)])
def test_rise_equals_its_loops(explainer: Rise, spatial: tuple[int, ...]) -> None:
    slow = {"centred": oracles.rise_centred, "published": oracles.rise_published}[explainer.estimator]
    rise = Rise(130, 3, 0.4, explainer.estimator, fill=0.25)
    world, samples = additive(*spatial, 2, offset=2.0), noise(2, *spatial, 2)
    maps = explain(world, samples, np.array([1, 2]), rise, seed=4)
    keep = rise.plan((*spatial, 1), 4).keep(0, 130)
    for sample, target, found in zip(samples, (1, 2), maps, strict=True):
        blended = keep[..., None] * sample + (1 - keep[..., None]) * np.float32(0.25)
        np.testing.assert_allclose(found, slow(keep, world(blended)[:, target], 0.4), atol=1e-5)


def line_world(offset: float = 0.0) -> tuple[Additive, Any]:
    """A series of 12 positions and what RISE of 4 cells must find there: covariance of the masks times weights."""
    world = additive(12, 1, classes=1, offset=offset)
    return world, oracles.grid_covariance(12, 4, 0.5) @ world.weights[0, :, 0] / 0.5


def ones() -> Any:
    return np.ones((1, 12, 1), np.float32)


def within_errors(rise: Rise, world: Additive, expected: Any) -> bool:
    """Whether the map is within 4.5 standard errors of `expected` everywhere."""
    plan = rise.plan((12, 1), 0)
    keep = plan.keep(0, len(plan))
    scores = world(keep[..., None])[:, 0]
    weights = scores - scores.mean() if rise.estimator == "centred" else scores
    error = (weights[:, None] * keep / rise.share).std(axis=0) / np.sqrt(len(plan))
    found = explain(world, ones(), np.array([0]), rise, seed=0)[0]
    return bool((np.abs(found - expected) < 4.5 * error).all())


def test_published_rise_of_an_additive_world_has_its_closed_form_expectation() -> None:
    world, covariance = line_world(offset=0.5)
    expected = 0.5 * world.weights.sum() + 0.5 + covariance
    assert within_errors(Rise(20_000, 4, 0.5, "published"), world, expected)


def test_centred_rise_of_an_additive_world_expects_the_covariance_alone() -> None:
    world, covariance = line_world(offset=0.5)
    assert within_errors(Rise(20_000, 4, 0.5, "centred"), world, covariance)
    assert not within_errors(Rise(20_000, 4, 0.5, "centred"), world, np.zeros(12))


def squared_error(estimator: Any, seeds: range) -> float:
    world, truth = line_world(offset=3.0)
    maps = [explain(world, ones(), np.array([0]), Rise(200, 4, 0.5, estimator), seed)[0] for seed in seeds]
    level = 0.0 if estimator == "centred" else 0.5 * world.weights.sum() + 3.0
    return float(np.mean((np.array(maps) - level - truth) ** 2))


def test_centred_rise_is_closer_to_its_truth_than_published_at_equal_queries() -> None:
    assert squared_error("centred", range(30)) < 0.2 * squared_error("published", range(30))


def test_centred_rise_does_not_see_an_offset_of_the_scores() -> None:
    near, far = (
        explain(line_world(offset)[0], ones(), np.array([0]), Rise(500, 4), seed=1)[0] for offset in (0.0, 8.0)
    )
    np.testing.assert_allclose(near, far, atol=1e-5)


def test_centred_rise_of_a_constant_world_is_zero_and_published_the_score() -> None:
    centred, published = (
        explain(Constant(), noise(1, 28, 28, 1), np.array([1]), Rise(1000, estimator=kind), seed=0)[0]
        for kind in ("centred", "published")
    )
    assert np.abs(centred).max() < 1e-6
    assert published.mean() == pytest.approx(0.75, rel=0.05)


def test_rise_points_at_the_one_patch_that_is_read() -> None:
    world = OnePatch((slice(4, 8), slice(16, 20)))
    one = explain(world, np.ones((1, 28, 28, 1), np.float32), np.array([1]), Rise(1000), seed=0)[0]
    row, column = np.unravel_index(one.argmax(), one.shape)
    assert 3 <= row <= 8
    assert 15 <= column <= 20


def test_rise_sees_equal_masks_under_equal_seeds_and_others_under_others() -> None:
    first, again, seed, draw = (digest(Rise().plan((28, 28, 1), *key)) for key in ((3, 0), (3, 0), (4, 0), (3, 1)))
    assert first == again
    assert len({first, seed, draw}) == 3


@pytest.mark.parametrize("explainer", [Occlusion(), Rise(100)], ids=named)
def test_the_masks_do_not_depend_on_how_many_samples_are_explained(explainer: Explainer) -> None:
    def asked(count: int) -> Any:
        world = Recording(Constant())
        explain(world, np.ones((count, 10, 10, 1), np.float32), np.zeros(count, np.int64), explainer, seed=6)
        return np.concatenate(world.asked[::count])

    assert np.array_equal(asked(1), asked(3))


@pytest.mark.parametrize("explainer", [Occlusion(), *RISES], ids=named)
def test_a_map_does_not_depend_on_its_neighbours(explainer: Explainer) -> None:
    world, samples = additive(9, 8, 1), noise(3, 9, 8, 1)
    together = explain(world, samples, np.array([0, 1, 2]), explainer, seed=2)
    alone = explain(world, samples[1:2], np.array([1]), explainer, seed=2)
    np.testing.assert_allclose(together[1], alone[0], atol=1e-5)


@pytest.mark.parametrize("explainer", [Occlusion(), *RISES], ids=named)
@pytest.mark.parametrize("spatial", [(9, 8), (16,)])
def test_maps_are_float32_and_have_the_spatial_axes_of_the_samples(
    explainer: Explainer, spatial: tuple[int, ...]
) -> None:
    maps = explain(additive(*spatial, 3), noise(2, *spatial, 3), np.array([0, 1]), explainer, seed=0)
    assert maps.dtype == np.float32
    assert maps.shape == (2, *spatial)


def test_the_target_is_explained_and_no_other_class() -> None:
    world, samples = additive(5, 5, 1), noise(1, 5, 5, 1)
    for target in range(3):
        one = explain(world, samples, np.array([target]), Occlusion((1,), (1,)), seed=0)[0]
        np.testing.assert_allclose(one, world.shares(samples[0], target), atol=1e-5)


def test_each_sample_keeps_the_scores_of_its_own_target() -> None:
    answers = np.arange(2 * 3 * 4, dtype=np.float32).reshape(2, 3, 4)
    assert of_targets(answers, np.array([1, 3])).tolist() == [[1, 5, 9], [15, 19, 23]]


def test_shuffled_scores_are_dealt_within_a_sample_and_otherwise_to_each_sample() -> None:
    plan = RandomGrids((9, 8), 100, 3, 0.5, (0, 0))
    scores = np.tile(np.arange(100, dtype=np.float32), (3, 1))
    dealt = shuffled(plan, scores, seed=0)
    assert np.array_equal(np.sort(dealt, axis=1), scores)
    assert len(np.unique(np.vstack([dealt, scores[:1]]), axis=0)) == 4


def test_shuffling_keeps_the_score_of_the_whole_sample() -> None:
    plan = Occlusion().plan((8, 8, 1), 0)
    scores = np.arange(len(plan), dtype=np.float32)[None]
    assert all(shuffled(plan, scores, seed)[0, 0] == 0 for seed in range(20))


def test_shuffling_reaches_every_query_that_hides_something() -> None:
    plan = Occlusion((2,), (1,)).plan((10, 10, 1), 0)
    scores = np.arange(len(plan), dtype=np.float32)[None]
    moved = np.any([shuffled(plan, scores, seed)[0] != scores[0] for seed in range(20)], axis=0)
    assert np.flatnonzero(~moved).tolist() == [0]


def test_shuffling_repeats_with_its_seed_alone_and_leaves_the_scores() -> None:
    plan, scores = Rise(100).plan((28, 28, 1), 0), noise(2, 100)
    before = scores.copy()
    first, again, other = (shuffled(plan, scores, seed) for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert np.array_equal(scores, before)


def test_shuffled_scores_know_nothing_of_the_patch() -> None:
    world, rise = OnePatch((slice(4, 8), slice(16, 20))), Rise(1000)
    plan = rise.plan((28, 28, 1), 0)
    scores = world(plan.keep(0, 1000)[..., None])[:, 1][None]
    true, dealt = rise.estimate(plan, scores)[0], rise.estimate(plan, shuffled(plan, scores, 0))[0]
    assert dealt[4:8, 16:20].mean() < 0.2 * true[4:8, 16:20].mean()


def test_weighing_sums_over_all_batches_of_masks() -> None:
    plan = RandomGrids((5, 4), 150, 2, 0.5, (0, 0))
    weights, keep = noise(2, 150), plan.keep(0, 150)
    np.testing.assert_allclose(weigh(plan, weights), np.einsum("nm,mhw->nhw", weights, keep), atol=1e-4)
    np.testing.assert_allclose(weigh(plan, weights, True), np.einsum("nm,mhw->nhw", weights, 1 - keep), atol=1e-4)


@pytest.mark.parametrize(
    "rise", [Rise(queries=1), Rise(grid=1), Rise(share=0.0), Rise(share=1.0)], ids=["queries", "grid", "none", "all"]
)
def test_rise_without_chance_is_refused(rise: Rise) -> None:
    with pytest.raises(InputError, match="expected at least 2 queries, a grid of at least 2 cells, a share between"):
        rise.plan((28, 28, 1), 0)


def test_the_smallest_rise_is_two_masks_of_two_cells() -> None:
    assert Rise(queries=2, grid=2, share=0.01).plan((2, 9, 1), 0).keep(0, 2).shape == (2, 2, 9)


def test_a_grid_with_more_cells_than_positions_is_refused() -> None:
    with pytest.raises(InputError, match=r"grid \[7\] does not fit spatial axes \[28, 6\]"):
        Rise(grid=7).plan((28, 6, 1), 0)


def test_an_explainer_is_read_from_its_table() -> None:
    table = {"method": "rise", "queries": 1000, "share": 0.25, "estimator": "published"}
    assert explainer_from(table) == Rise(1000, 7, 0.25, "published")
    assert explainer_from({"method": "occlusion", "window": [3, 4], "stride": 2}) == Occlusion((3, 4), (2,))


@pytest.mark.parametrize(
    ("table", "sentence"),
    [
        ({"method": "ries"}, r"\[explain\] unknown method 'ries'; did you mean 'rise'"),
        ({"queries": 9}, r"\[explain\] names no method; expected one of: hierarchy, hsic, lime, occlusion, rise"),
        ({"method": "rise", "query": 9}, r"\[explain.rise\] unknown key 'query'; did you mean 'queries'"),
        ({"method": "rise", "queries": 9.5}, r"explain.rise.queries is 9.5, a number; expected a whole number"),
        ({"method": "rise", "estimator": "centered"}, "unknown value 'centered'; did you mean 'centred'"),
    ],
    ids=["method", "no method", "key", "type", "estimator"],
)
def test_a_wrong_table_is_refused_with_the_nearest_name(table: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        explainer_from(table)


@pytest.mark.parametrize("explainer", DEFAULTS, ids=named)
def test_a_description_holds_all_that_makes_the_explainer_again(explainer: Any) -> None:
    kind, described = type(explainer), describe(explainer)
    assert described.pop("name") == named(explainer)
    assert kind(**described) == explainer


def test_defaults_are_those_that_records_so_far_were_made_with() -> None:
    assert list(DEFAULTS) == [Occlusion((4,), (2,), 0.0), Rise(256, 7, 0.5, "informed", 0.0, "pairs")]


def test_names_tell_the_estimators_apart() -> None:
    explainers: list[Explainer] = [Occlusion(), *RISES]
    assert [named(one) for one in explainers] == ["occlusion", "rise-centred", "rise-published"]
    known = {"occlusion", "hierarchy", "rise", "shapley-permutation", "shapley-kernel", "lime", "sobol", "hsic"}
    assert set(EXPLAINERS) == known


@pytest.mark.parametrize("explainer", DEFAULTS, ids=named)
def test_the_plan_of_a_study_is_draw_zero(explainer: Explainer) -> None:
    assert digest(explainer.plan((28, 28, 1), 3)) == digest(explainer.plan((28, 28, 1), 3, draw=0))


def test_a_negative_seed_is_refused() -> None:
    with pytest.raises(InputError, match="a seed of at least 0"):
        Rise().plan((28, 28, 1), -1)
