import itertools
from typing import Any

import numpy as np
import pytest

from samewhy_edge import informed
from samewhy_edge.agreement import pearson
from samewhy_edge.explain import estimated, explain, knowing, of_targets
from samewhy_edge.grids import ArrayGrids, Part, RandomGrids
from samewhy_edge.informed import FLOOR, NOISES, Rows, informed_errors, informed_maps, priors, rows_of, solve
from samewhy_edge.plan import digest
from samewhy_edge.query import ask
from samewhy_edge.rise import Knowing, Rise
from samewhy_edge.surrogate import expected_maps, pooled
from tests.worlds import additive

SPATIAL = (9, 8)
RISE = Rise(128, 3, estimator="informed", design="pairs")


def pairs(count: int = 64, key: tuple[int, int] = (0, 0), spatial: tuple[int, ...] = SPATIAL) -> ArrayGrids:
    return ArrayGrids(spatial, count, 3, key, shifting="pair")


def noise(*shape: int, seed: int = 0) -> Any:
    return np.random.default_rng(seed).normal(size=shape)


def gaussian(rows: Rows, prior: Any, level: float) -> Any:
    """Posterior mean under noise of that variance, by the normal equations."""
    precision = rows.features.T @ rows.features / level + np.diag(1 / prior**2)
    return np.linalg.solve(precision, rows.features.T @ rows.scores[0] / level)


def likely(rows: Rows, prior: Any) -> float:
    """The noise tried whose dense covariance makes the scores most likely, their common scale left free."""
    base = (rows.features * prior**2) @ rows.features.T
    levels = NOISES * np.trace(base) / rows.free
    risks = []
    for level in levels:
        covariance = base + level * np.eye(len(base))
        misfit = rows.scores[0] @ np.linalg.solve(covariance, rows.scores[0])
        risks.append(rows.free * np.log(misfit) + np.linalg.slogdet(covariance)[1])
    return float(levels[int(np.argmin(risks))])


def some_rows(count: int, width: int, seed: int = 0) -> Rows:
    features = noise(count, width, seed=seed)
    return Rows(features, (features @ noise(width, seed=seed + 1) + 2 * noise(count, seed=seed + 2))[None], count)


@pytest.mark.parametrize(("count", "width"), [(6, 9), (9, 9), (25, 4), (60, 12)])
def test_coefficients_are_the_posterior_mean_under_the_likeliest_noise(count: int, width: int) -> None:
    rows, prior = some_rows(count, width), 0.2 + np.abs(noise(width, seed=5))
    solved = solve(rows.features, rows.scores[0], prior, rows.free)
    for found in (solved.coefficients(), rows.scores[0] @ solved.weights()):
        np.testing.assert_allclose(found, gaussian(rows, prior, likely(rows, prior)), rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize(("count", "width"), [(6, 9), (25, 4)])
def test_residuals_are_those_of_a_fit_without_the_row(count: int, width: int) -> None:
    rows, prior = some_rows(count, width), np.linspace(0.5, 2, width)
    level = likely(rows, prior)
    found = solve(rows.features, rows.scores[0], prior, rows.free).left_out()
    for out in range(count):
        kept = np.delete(np.arange(count), out)
        rest = gaussian(Rows(rows.features[kept], rows.scores[:, kept], count), prior, level)
        assert found[out] == pytest.approx(rows.scores[0, out] - rows.features[out] @ rest)


def test_errors_are_what_leaving_out_each_pair_changes() -> None:
    plan, scores = pairs(32), noise(2, 32, seed=3).astype(np.float32)
    contrast = np.abs(noise(2, *SPATIAL, seed=4)).astype(np.float32)
    rows, priori = rows_of(plan, scores), priors(plan, contrast, 2)
    slow = []
    for score, prior in zip(rows.scores, priori, strict=True):
        one = Rows(rows.features, score[None], rows.free)
        level = likely(one, prior)
        without = [
            gaussian(Rows(np.delete(rows.features, out, 0), np.delete(score, out)[None], 15), prior, level)
            for out in range(16)
        ]
        moved = expected_maps(plan, np.stack(without) - gaussian(one, prior, level))
        slow.append(np.sqrt((moved**2).sum(axis=0) * 15 / 16))
    np.testing.assert_allclose(informed_errors(plan, scores, contrast), slow, rtol=1e-6)


def test_rows_of_an_array_are_half_differences_of_masks_and_complements() -> None:
    plan, scores = pairs(10), noise(1, 10).astype(np.float32)
    rows, all_pooled = rows_of(plan, scores), pooled(plan)
    assert rows.free == 5
    for row in range(5):
        first, second = 2 * row, 2 * row + 1
        np.testing.assert_allclose(rows.features[row], (all_pooled[first] - all_pooled[second]) / 2)
        assert rows.scores[0, row] == pytest.approx((float(scores[0, first]) - float(scores[0, second])) / 2)


def test_an_odd_query_at_the_end_has_no_partner_and_is_left_out() -> None:
    scores = noise(1, 11).astype(np.float32)
    assert np.array_equal(rows_of(pairs(11), scores).scores, rows_of(pairs(10), scores[:, :10]).scores)


def test_rows_of_random_masks_are_what_differs_from_the_mean() -> None:
    plan, scores = RandomGrids(SPATIAL, 20, 3, 0.5, (0, 0)), noise(2, 20).astype(np.float32)
    rows = rows_of(plan, scores)
    assert rows.free == 19
    np.testing.assert_allclose(rows.features.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(rows.scores.mean(axis=1), 0, atol=1e-12)


def test_a_part_of_an_array_still_has_its_pairs() -> None:
    plan, scores = pairs(8), noise(1, 8).astype(np.float32)
    some = np.array([0, 1, 4, 5])
    rows = rows_of(Part(plan, some), scores[:, some])
    np.testing.assert_allclose(rows.features, rows_of(plan, scores).features[[0, 2]])


def test_the_prior_is_the_root_of_the_share_that_a_part_differs_from_the_fill() -> None:
    contrast = np.zeros((1, 6, 6), np.float32)
    contrast[0, 0, 0], contrast[0, 5, 5] = 4, 1
    (found,) = priors(ArrayGrids((6, 6), 8, 3, (0, 0)), contrast, 1)  # a part for every position
    assert found[0] == pytest.approx(1 + FLOOR)
    assert found[-1] == pytest.approx(0.5 + FLOOR)
    assert np.unique(found[1:-1]).tolist() == pytest.approx([FLOOR])


@pytest.mark.parametrize("contrast", [None, np.zeros((2, *SPATIAL), np.float32)], ids=["unknown", "all fill"])
def test_without_a_difference_every_part_may_add_as_much(contrast: Any) -> None:
    assert len(np.unique(priors(pairs(), contrast, 2))) == 1


@pytest.mark.parametrize("spatial", [SPATIAL, (40,)])
def test_the_map_of_an_additive_world_is_the_expected_one(spatial: tuple[int, ...]) -> None:
    world, samples = additive(*spatial, 2, offset=3.0), noise(2, *spatial, 2, seed=1).astype(np.float32)
    targets = np.array([0, 2])
    found = explain(world, samples, targets, Rise(512, 3, estimator="informed", design="pairs"), seed=0)
    reference = explain(world, samples, targets, Rise(40_000, 3, estimator="centred"), seed=9)
    assert min(pearson(a, b) for a, b in zip(found, reference, strict=True)) > 0.995
    np.testing.assert_allclose(np.ptp(found), np.ptp(reference), rtol=0.1)


def test_what_is_even_in_the_masks_does_not_reach_the_map() -> None:
    def even(samples: Any) -> Any:
        shown = samples.reshape(len(samples), -1).astype(np.float64) - 0.5
        return ((shown @ np.arange(72)) ** 2)[:, None].astype(np.float32)

    plan, samples = pairs(128), np.ones((1, *SPATIAL, 1), np.float32)
    scores = ask(even, samples, plan)[:, :, 0]
    assert np.abs(informed_maps(plan, scores, None)).max() < 1e-5 * np.ptp(scores)


def test_knowing_where_the_sample_is_its_fill_makes_a_better_map() -> None:
    sample = np.zeros((1, 12, 12, 1), np.float32)
    sample[0, 3:8, 4:7] = 1
    world, targets = additive(12, 12, 1), np.array([1])
    explainer = Rise(32, 6, estimator="informed", design="pairs")
    truth = explain(world, sample, targets, Rise(40_000, 6, estimator="centred"), seed=9)[0]
    plan = explainer.plan((12, 12, 1), 0)
    scores = of_targets(ask(world, sample, plan), targets)
    told, untold = (
        pearson(estimated(one.estimate, plan, scores)[0], truth) for one in (knowing(explainer, sample), explainer)
    )
    assert told > 0.9 > untold


def test_only_informed_estimators_want_to_know_the_samples() -> None:
    samples = np.ones((2, *SPATIAL, 1), np.float32)
    assert isinstance(knowing(RISE, samples), Knowing)
    assert knowing(Rise(estimator="surrogate"), samples) == Rise(estimator="surrogate")


def test_scores_that_never_change_make_a_map_of_zeros() -> None:
    scores = np.full((1, 128), 0.7, np.float32)
    assert not informed_maps(pairs(128), scores, None).any()
    assert not informed_errors(pairs(128), scores, None).any()


def test_intervals_cover_the_mean_of_all_draws_of_a_saturating_world() -> None:
    def saturating(samples: Any) -> Any:
        summed = samples.reshape(len(samples), -1).astype(np.float64) @ noise(72, seed=8)
        return np.tanh(summed / 4)[:, None].astype(np.float32)

    samples = np.ones((1, *SPATIAL, 1), np.float32)
    found = []
    for seed in range(120):
        plan = RISE.plan((*SPATIAL, 1), seed)
        scores = ask(saturating, samples, plan)[:, :, 0]
        found.append((informed_maps(plan, scores, None)[0], informed_errors(plan, scores, None)[0]))
    maps, errors = map(np.stack, zip(*found, strict=True))
    inside = np.abs(maps - maps.mean(axis=0)) <= 2.0 * errors
    assert 0.9 < inside.mean() < 0.99


@pytest.mark.parametrize("spatial", [SPATIAL, (40,)])
def test_every_mask_of_pairs_is_followed_by_its_complement(spatial: tuple[int, ...]) -> None:
    keep = pairs(70, spatial=spatial).keep(0, 70)
    np.testing.assert_allclose(keep[::2] + keep[1::2], 1, atol=1e-6)


def test_shifts_of_pairs_are_used_as_often_as_each_other_to_one() -> None:
    plan = pairs()
    for block in range(3):
        shifts = plan._block(block)[1]
        assert np.array_equal(shifts[::2], shifts[1::2])
        known = list(itertools.product(*map(range, plan.upsampling.shifts)))
        counts = [(shifts[::2] == one).all(axis=1).sum() for one in known]
        assert max(counts) - min(counts) <= 1


def test_pairs_of_more_queries_begin_alike_and_other_keys_do_not() -> None:
    long, short = pairs(200), pairs(50)
    assert np.array_equal(long.keep(0, 50), short.keep(0, 50))
    assert len({digest(pairs(64, key)) for key in ((0, 0), (1, 0), (0, 1))}) == 3
    assert digest(pairs(64)) != digest(ArrayGrids(SPATIAL, 64, 3, (0, 0)))


def test_cells_of_pairs_are_those_of_the_array() -> None:
    blocks = ArrayGrids(SPATIAL, 64, 3, (4, 0))
    assert np.array_equal(pairs(key=(4, 0))._block(1)[0], blocks._block(1)[0])


def test_names_and_freedom() -> None:
    assert RISE.name == "rise-pairs-informed"
    assert RISE.freedom(RISE.plan((*SPATIAL, 1), 0)) == 63
    assert informed.informed_freedom(RandomGrids(SPATIAL, 20, 3, 0.5, (0, 0))) == 18


def test_rungs_share_the_directions_of_a_plan_and_of_its_halves(monkeypatch: pytest.MonkeyPatch) -> None:
    informed.held.cache_clear()
    found: list[int] = []
    own = informed.directions
    monkeypatch.setattr(informed, "directions", lambda features, prior: found.append(1) or own(features, prior))
    plan, contrast = pairs(64), np.abs(noise(2, *SPATIAL)).astype(np.float32)
    halves = [Part(plan, np.arange(64)[start:stop]) for start, stop in ((0, 32), (32, 64))]
    for rung in range(3):
        for part in (plan, *halves):
            informed_maps(part, noise(2, len(part), seed=rung).astype(np.float32), contrast)
    assert len(found) == 3 * 2  # plans times samples, once for all rungs


def test_halves_have_directions_of_their_own() -> None:
    informed.held.cache_clear()
    plan, contrast = pairs(64), np.abs(noise(2, *SPATIAL)).astype(np.float32)
    scores = noise(2, 32).astype(np.float32)
    one, other = (Part(plan, np.arange(64)[start:stop]) for start, stop in ((0, 32), (32, 64)))
    informed_maps(one, scores, contrast)
    kept = informed_maps(other, scores, contrast)
    informed.held.cache_clear()
    np.testing.assert_array_equal(kept, informed_maps(other, scores, contrast))
