"""Errors, degrees of freedom and halves of RISE, against loops that leave out and fit again."""

import itertools
import math

import numpy as np
import pytest

from samewhy_edge.errors import InputError
from samewhy_edge.grids import Drawn, Upsampling
from samewhy_edge.intervals import quantile
from samewhy_edge.occlusion import Occlusion
from samewhy_edge.plan import Plan
from samewhy_edge.rise import Rise, units
from samewhy_edge.surrogate import expected_maps, fit, intercept, left_out, pooled

SAMPLE = (6, 5, 1)
ESTIMATORS = ["published", "mask-sum", "centred", "surrogate", "corrected"]
DESIGNS = ["random", "array", "sobol"]


def rise(estimator: str, design: str = "random", queries: int = 80, grid: int = 3) -> Rise:
    return Rise(queries, grid, 0.5, estimator, 0.0, design)  # type: ignore[arg-type]  # literals by parametrization


def plan_of(explainer: Rise, seed: int = 0) -> Drawn:
    return explainer.plan(SAMPLE, seed)


def masks(plan: Plan) -> np.ndarray:
    return plan.keep(0, len(plan)).astype(np.float64)


def asked(plan: Plan, samples: int = 2) -> np.ndarray:
    """Scores (N, M) of a game that is not linear, and differs by sample."""
    keep = masks(plan)
    weights = np.random.default_rng(3).normal(size=(samples, *plan.shape))
    inner = np.tensordot(weights, keep, ((1, 2), (1, 2)))
    return (1 + 0.2 * inner + np.tanh(inner - 0.3)).astype(np.float32)


def penalty_of(shrink: np.ndarray, singular: np.ndarray) -> float:
    """From shrink = s^2 / (s^2 + penalty)."""
    return float((singular[0] ** 2) * (1 - shrink[0]) / shrink[0])


def map_of(explainer: Rise, plan: Drawn, scores: np.ndarray, rows: np.ndarray, penalty: float) -> np.ndarray:
    """The map of some queries, one sample, straight from the definitions."""
    keep, chosen = masks(plan)[rows], scores[rows].astype(np.float64)
    if explainer.weighing == "published":
        return np.tensordot(chosen, keep, 1) / len(rows) / 0.5
    if explainer.weighing == "mask-sum":
        return np.tensordot(chosen, keep, 1) / keep.sum(axis=0)
    if explainer.weighing == "centred":
        return np.tensordot(chosen - chosen.mean(), keep, 1) / len(rows) / 0.5
    features = pooled(plan)[rows]
    features = features - features.mean(axis=0)
    inner = features.T @ features + penalty * np.eye(features.shape[1])
    coefficients = np.linalg.solve(inner, features.T @ (chosen - chosen.mean()))
    maps = expected_maps(plan, coefficients[None])[0]
    if explainer.weighing == "surrogate":
        return maps
    return maps + np.tensordot(chosen - chosen.mean() - features @ coefficients, keep, 1) / len(rows) / 0.5


@pytest.mark.parametrize("design", DESIGNS)
@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_errors_are_the_jackknife_by_leaving_out_and_fitting_again(estimator: str, design: str) -> None:
    explainer = rise(estimator, design, queries=80 if design == "random" else 104)
    plan = plan_of(explainer)
    scores = asked(plan)
    features = pooled(plan)
    singular = np.linalg.svd(features - features.mean(axis=0), compute_uv=False)
    parts, found = units(plan), explainer.errors(plan, scores)
    for one, shrink, told in zip(scores, fit(plan, scores).shrink, found, strict=True):
        penalty, every = penalty_of(shrink, singular), np.arange(len(plan))
        whole = map_of(explainer, plan, one, every, penalty)
        others = [map_of(explainer, plan, one, np.delete(every, unit), penalty) for unit in parts]
        known = np.sqrt((len(parts) - 1) / len(parts) * sum((other - whole) ** 2 for other in others))
        np.testing.assert_allclose(told, known, rtol=2e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("estimator", "design"), [("published", "array"), ("published", "sobol"), ("centred", "array")]
)
def test_errors_of_whole_blocks_are_those_of_the_mean_of_their_maps(estimator: str, design: str) -> None:
    explainer = rise(estimator, design, queries=128)
    plan = plan_of(explainer)
    scores = asked(plan)
    weights = scores - scores.mean(axis=1, keepdims=True) if estimator == "centred" else scores
    keep = masks(plan) - (0.5 if estimator == "centred" else 0)
    of_blocks = [np.tensordot(weights[:, unit], keep[unit], 1) / plan.block / 0.5 for unit in units(plan)]
    known = np.array(of_blocks).std(axis=0, ddof=1) / math.sqrt(len(of_blocks))
    np.testing.assert_allclose(explainer.errors(plan, scores), known, rtol=1e-4, atol=1e-6)


def test_a_rest_of_a_block_goes_with_the_block_before_it() -> None:
    assert units(plan_of(rise("centred", "array", 74))) == [slice(0, 32), slice(32, 74)]
    assert units(plan_of(rise("centred", "random", 3))) == [slice(0, 1), slice(1, 2), slice(2, 3)]


@pytest.mark.parametrize("design", ["array", "sobol"])
@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_a_single_block_tells_no_error(estimator: str, design: str) -> None:
    explainer = rise(estimator, design, 63)
    plan = plan_of(explainer)
    assert np.isnan(explainer.errors(plan, asked(plan))).all()
    assert math.isnan(explainer.freedom(plan))


@pytest.mark.parametrize(("design", "freedom"), [("random", 95), ("array", 2), ("sobol", 2)])
def test_the_freedom_is_the_number_of_independent_draws_less_one(design: str, freedom: int) -> None:
    explainer = rise("centred", design, 96)
    assert explainer.freedom(plan_of(explainer)) == freedom


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_samples_have_errors_of_their_own(estimator: str) -> None:
    explainer = rise(estimator)
    plan = plan_of(explainer)
    scores = asked(plan, 3)
    alone = np.concatenate([explainer.errors(plan, one[None]) for one in scores])
    np.testing.assert_allclose(explainer.errors(plan, scores), alone, rtol=1e-5)


@pytest.mark.parametrize("estimator", ["centred", "surrogate", "corrected", "mask-sum"])
@pytest.mark.parametrize("design", DESIGNS)
def test_scores_that_never_change_have_no_error(estimator: str, design: str) -> None:
    explainer = rise(estimator, design, 96)
    plan = plan_of(explainer)
    errors = explainer.errors(plan, np.full((1, 96), 2.5, np.float32))
    np.testing.assert_allclose(errors, 0, atol=1e-6)


def test_a_position_that_one_mask_alone_keeps_has_no_error_to_tell() -> None:
    explainer = Rise(4, 3, 0.02, "mask-sum")
    plan, kept = next(
        (plan, shown)
        for plan in (explainer.plan(SAMPLE, seed) for seed in range(200))
        if (shown := (plan.keep(0, 4) > 0).sum(axis=0)).max() == 1
    )
    errors = explainer.errors(plan, np.ones((1, 4), np.float32))[0]
    assert np.isnan(errors).all()
    assert kept.min() == 0


def every_mask(spatial: tuple[int, ...]) -> np.ndarray:
    """All 2^9 grids at all shifts."""
    upsampling = Upsampling(spatial, 3)
    cells = np.array(list(itertools.product((0, 1), repeat=9)), np.float32).reshape(-1, 3, 3)
    places = itertools.product(*map(range, upsampling.shifts))
    return np.concatenate([upsampling.masks(cells, np.tile(place, (512, 1))) for place in places]).astype(np.float64)


@pytest.mark.parametrize(
    ("estimator", "design", "queries"),
    [*((estimator, "random", 128) for estimator in ESTIMATORS), ("corrected", "array", 256), ("centred", "sobol", 256)],
)
def test_intervals_hold_the_map_of_all_masks_as_often_as_they_say(estimator: str, design: str, queries: int) -> None:
    """The map is known from every mask there is. 95 % are promised; 120 draws leave 88 to 98.5 to chance."""
    keep = every_mask((6, 5))
    weights = np.random.default_rng(8).normal(size=(6, 5))

    def game(shown: np.ndarray) -> np.ndarray:
        inner = np.tensordot(shown, weights, 2)
        return np.asarray(inner / 4 + np.tanh(inner / 3), np.float32)

    scores = game(keep).astype(np.float64)
    whole = scores if estimator in ("published", "mask-sum") else scores - scores.mean()
    known = np.tensordot(whole, keep, 1) / len(keep) / 0.5
    explainer, held = rise(estimator, design, queries), []
    for seed in range(120):
        plan = plan_of(explainer, seed)
        one = game(masks(plan))[None]
        reach = quantile(explainer.freedom(plan)) * explainer.errors(plan, one)[0]
        held.append((np.abs(explainer.estimate(plan, one)[0] - known) <= reach).mean())
    assert 0.88 < np.mean(held) < 0.985


@pytest.mark.parametrize("blocked", [False, True])
def test_left_out_residuals_are_those_of_a_fit_without_the_unit(blocked: bool) -> None:
    plan = plan_of(rise("surrogate", "array", 96))
    scores, features = asked(plan), pooled(plan)
    fitted = fit(plan, scores)
    parts = units(plan) if blocked else [slice(i, i + 1) for i in range(96)]
    singular = np.linalg.svd(features - features.mean(axis=0), compute_uv=False)
    found = left_out(fitted, parts)
    for one, shrink, told in zip(scores, fitted.shrink, found, strict=True):
        for unit in parts:
            rest = np.delete(np.arange(96), unit)
            mean = features[rest].mean(axis=0)
            inner = (features[rest] - mean).T @ (features[rest] - mean)
            right = (features[rest] - mean).T @ (one[rest] - one[rest].mean())
            coefficients = np.linalg.solve(inner + penalty_of(shrink, singular) * np.eye(len(inner)), right)
            known = one[unit] - one[rest].mean() - (features[unit] - mean) @ coefficients
            np.testing.assert_allclose(told[unit], known, rtol=1e-4, atol=1e-5)


def test_left_out_of_a_mean_is_the_distance_from_the_mean_of_the_others() -> None:
    scores = np.array([[1, 2, 6, 7]], np.float32)
    alone = left_out(intercept(scores), [slice(i, i + 1) for i in range(4)])
    np.testing.assert_allclose(alone, [[1 - 5, 2 - 14 / 3, 6 - 10 / 3, 7 - 3]])
    pairs = left_out(intercept(scores), [slice(0, 2), slice(2, 4)])
    np.testing.assert_allclose(pairs, [[1 - 6.5, 2 - 6.5, 6 - 1.5, 7 - 1.5]])


def test_a_query_that_the_fit_cannot_do_without_has_no_residual() -> None:
    plan = plan_of(rise("surrogate", queries=2))
    assert np.isnan(left_out(fit(plan, np.array([[0, 1]], np.float32)), [slice(0, 2)])).all()


@pytest.mark.parametrize(
    ("design", "queries", "even"),
    [
        ("random", 7, [0, 2, 4, 6]),
        ("array", 128, [*range(32), *range(64, 96)]),
        ("sobol", 128, [*range(32), *range(64, 96)]),
        ("array", 32, [i for i in range(32) if i % 4 < 2]),  # pairs stay together
    ],
)
@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_halves_are_maps_of_alternate_queries_blocks_or_pairs(
    estimator: str, design: str, queries: int, even: list[int]
) -> None:
    explainer = rise(estimator, design, queries)
    plan = plan_of(explainer)
    scores = asked(plan)
    found = explainer.halves(plan, scores)
    assert found is not None
    odd = sorted(set(range(queries)) - set(even))
    for half, rows in zip(found, (np.array(even), np.array(odd)), strict=True):
        assert half.shape == (2, 6, 5)
        if estimator in ("surrogate", "corrected"):  # their penalties are found anew
            assert np.isfinite(half).all()
            continue
        known = np.array([map_of(explainer, plan, one, rows, 0.0) for one in scores])
        covered = masks(plan)[rows].sum(axis=0) > 0
        np.testing.assert_allclose(half[:, covered], known[:, covered], rtol=1e-4, atol=1e-5)


def test_halves_of_a_surrogate_are_surrogates_of_their_own_masks() -> None:
    """Of a game that is linear in fine cells both halves, and the whole, are one map."""
    explainer = Rise(640, 3, 0.5, "surrogate")
    plan = explainer.plan((6, 1), 0)
    scores = (masks(plan) @ np.arange(1.0, 7.0))[None].astype(np.float32)
    even, odd = explainer.halves(plan, scores) or (np.zeros(1), np.ones(1))
    np.testing.assert_allclose(even, explainer.estimate(plan, scores), atol=5e-3)
    np.testing.assert_allclose(odd, even, atol=5e-3)


@pytest.mark.parametrize(("design", "queries"), [("random", 3), ("array", 3), ("sobol", 2)])
def test_too_few_queries_have_no_halves(design: str, queries: int) -> None:
    explainer = rise("centred", design, queries)
    plan = plan_of(explainer)
    assert explainer.halves(plan, np.zeros((1, queries), np.float32)) is None


def test_plans_of_others_are_refused() -> None:
    plan = Occlusion().plan(SAMPLE, 0)
    scores = np.zeros((1, len(plan)), np.float32)
    for told in (Rise().errors, Rise().halves):
        with pytest.raises(InputError, match="rise-centred got a plan of Windows; expected one made of grids"):
            told(plan, scores)


@pytest.mark.parametrize("level", [0.5, 0.95, 0.999])
@pytest.mark.parametrize("freedom", [1, 2, 3, 4, 7, 30, 255, 8191])
def test_quantiles_are_students(freedom: int, level: float) -> None:
    stats = pytest.importorskip("scipy.stats", reason="scipy has the quantiles to compare with")
    assert quantile(freedom, level) == pytest.approx(stats.t.ppf((1 + level) / 2, freedom), rel=1e-9)


def test_quantiles_of_one_two_and_infinite_freedom_in_closed_form() -> None:
    assert quantile(1, 0.5) == pytest.approx(1)
    assert quantile(2, 0.8) == pytest.approx(0.8 * math.sqrt(2 / (1 - 0.8**2)))
    assert quantile(math.inf) == pytest.approx(1.959964, abs=1e-6)
    assert quantile(10_001) == pytest.approx(quantile(10_000), abs=3e-4)


def test_no_freedom_has_no_quantile() -> None:
    assert math.isnan(quantile(math.nan))
    assert math.isnan(quantile(0))
