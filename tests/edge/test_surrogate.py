import numpy as np
import pytest

from samewhy_edge.agreement import pearson
from samewhy_edge.errors import InputError
from samewhy_edge.explain import explain, of_targets
from samewhy_edge.grids import RandomGrids
from samewhy_edge.occlusion import Occlusion
from samewhy_edge.plan import Plan, weigh
from samewhy_edge.query import ask
from samewhy_edge.rise import Rise
from samewhy_edge.surrogate import PENALTIES, cross_validated, expected_maps, fit, pooled
from tests.worlds import Additive, additive

SPATIAL = (8, 6)
TARGETS = np.array([1, 0])


def world() -> Additive:
    return additive(*SPATIAL, 1)


def samples() -> np.ndarray:
    return np.random.default_rng(1).uniform(0.2, 1, (2, *SPATIAL, 1)).astype(np.float32)


def rise(estimator: str, queries: int, design: str = "array") -> Rise:
    return Rise(queries, 3, 0.5, estimator, 0.0, design)  # type: ignore[arg-type]  # literals by parametrization


def truth(many: int = 20_000) -> np.ndarray:
    """Centred RISE of so many random masks that little chance is left."""
    return explain(world(), samples(), TARGETS, Rise(many, 3), seed=9)


@pytest.mark.parametrize("design", ["array", "random"])
def test_the_surrogate_of_an_additive_world_is_what_rise_converges_to(design: str) -> None:
    maps = explain(world(), samples(), TARGETS, rise("surrogate", 192, design), seed=0)
    for one, known in zip(maps, truth(), strict=True):
        assert pearson(one, known) > 0.99
        assert np.abs(one - known).max() < 0.1 * np.abs(known).max()


def test_a_world_of_fine_cells_is_fitted_without_rest_and_mapped_exactly() -> None:
    """One position a fine cell and more queries than cells: map = (1 - share) * overlap * weights, in closed form."""
    weights = np.random.default_rng(2).normal(size=(1, 6, 1)).astype(np.float32)
    ones = np.ones((1, 6, 1), np.float32)
    explainer = rise("surrogate", 160, "random")
    plan = explainer.plan((6, 1), 0)
    scores = of_targets(ask(Additive(weights), ones, plan), np.zeros(1, np.int64))
    known = 0.5 * plan.upsampling.overlap(0) @ weights[0, :, 0]
    np.testing.assert_allclose(explainer.estimate(plan, scores)[0], known, rtol=0, atol=2e-3)
    assert np.abs(fit(plan, scores).residuals).max() < 1e-2


def test_an_array_with_a_surrogate_halves_the_error_of_random_masks_at_equal_queries() -> None:
    known = truth()
    error = {}
    for explainer in (rise("surrogate", 64), rise("published", 64, "random"), rise("centred", 64, "random")):
        maps = explain(world(), samples(), TARGETS, explainer, seed=0)
        error[explainer.name] = np.mean([1 - pearson(a, b) for a, b in zip(maps, known, strict=True)])
    assert error["rise-array-surrogate"] < 0.4 * error["rise-centred"]
    assert error["rise-array-surrogate"] < 0.4 * error["rise-published"]


def test_corrected_adds_the_centred_map_of_what_is_left() -> None:
    explainer = rise("corrected", 64)
    plan = explainer.plan((*SPATIAL, 1), 0)
    scores = of_targets(ask(world(), samples(), plan), TARGETS) ** 2
    fitted = fit(plan, scores)
    known = expected_maps(plan, fitted.coefficients) + weigh(plan, fitted.residuals) / 32
    np.testing.assert_allclose(explainer.estimate(plan, scores), known, rtol=1e-5, atol=1e-6)
    assert np.abs(fitted.residuals).max() > 0.01


def test_the_residuals_are_what_the_regression_leaves() -> None:
    plan = rise("surrogate", 64).plan((*SPATIAL, 1), 0)
    scores = np.random.default_rng(3).normal(size=(2, 64)).astype(np.float32)
    fitted, features = fit(plan, scores), pooled(plan)
    explained = (features - features.mean(axis=0)) @ fitted.coefficients.T
    np.testing.assert_allclose(
        fitted.residuals, scores - scores.mean(axis=1, keepdims=True) - explained.T, rtol=0, atol=1e-6
    )


def test_cross_validation_trusts_a_signal_and_distrusts_noise() -> None:
    rng = np.random.default_rng(4)
    left, singular, _ = np.linalg.svd(rng.normal(size=(200, 20)), full_matrices=False)
    signal, noise = left @ rng.normal(size=20), rng.normal(size=200)
    both = np.stack([signal, noise - noise.mean()])
    shrink = cross_validated(both @ left, singular, both)
    assert shrink[0].min() > 0.99
    assert shrink[1].max() < 0.5


def test_the_penalty_is_the_one_that_a_loop_over_the_definition_finds() -> None:
    rng = np.random.default_rng(5)
    left, singular, _ = np.linalg.svd(rng.normal(size=(50, 10)), full_matrices=False)
    scores = left @ rng.normal(size=10) + 0.1 * rng.normal(size=50)
    risks = []
    for penalty in PENALTIES * (singular**2).mean():
        hat = (left * singular**2 / (singular**2 + penalty)) @ left.T
        risks.append(((scores - hat @ scores) ** 2).sum() / (50 - 1 - np.trace(hat)) ** 2)
    best = PENALTIES[int(np.argmin(risks))] * (singular**2).mean()
    found = cross_validated((scores @ left)[None], singular, scores[None])[0]
    np.testing.assert_allclose(found, singular**2 / (singular**2 + best))


def test_mask_sum_divides_by_what_was_kept() -> None:
    plan = RandomGrids(SPATIAL, 40, 3, 0.5, (0, 0))
    scores = np.random.default_rng(6).normal(size=(1, 40)).astype(np.float32)
    keep = plan.keep(0, 40)
    known = sum(score * mask for score, mask in zip(scores[0], keep, strict=True)) / keep.sum(axis=0)
    np.testing.assert_allclose(Rise(estimator="mask-sum").estimate(plan, scores)[0], known, rtol=1e-5)


def test_mask_sum_of_a_constant_is_the_constant() -> None:
    plan: Plan = RandomGrids(SPATIAL, 40, 3, 0.5, (0, 0))
    maps = Rise(estimator="mask-sum").estimate(plan, np.full((1, 40), 2.5, np.float32))
    np.testing.assert_allclose(maps, 2.5, rtol=1e-6)


def test_a_surrogate_of_windows_is_refused() -> None:
    plan = Occlusion().plan((*SPATIAL, 1), 0)
    with pytest.raises(InputError, match="got a plan of Windows; expected one made of grids"):
        rise("surrogate", 64).estimate(plan, np.zeros((1, len(plan)), np.float32))


def test_masks_that_are_all_one_leave_the_map_at_zero() -> None:
    plan = RandomGrids(SPATIAL, 2, 3, 0.999, (0, 0))
    assert (plan.keep(0, 2) == 1).all()
    fitted = fit(plan, np.array([[1, 2]], np.float32))
    assert not fitted.coefficients.any()
    np.testing.assert_allclose(fitted.residuals, [[-0.5, 0.5]])


def test_directions_and_what_they_keep_are_the_coefficients() -> None:
    plan = rise("surrogate", 64).plan((*SPATIAL, 1), 0)
    scores = np.random.default_rng(3).normal(size=(2, 64)).astype(np.float32)
    fitted = fit(plan, scores)
    np.testing.assert_allclose((scores @ fitted.left * fitted.shrink) @ fitted.right, fitted.coefficients, atol=1e-5)
    np.testing.assert_allclose(fitted.left.T @ fitted.left, np.eye(fitted.left.shape[1]), atol=1e-9)


@pytest.mark.parametrize("design", ["sobol", "array", "random"])
def test_a_surrogate_takes_the_border_into_account(design: str) -> None:
    """Clamped masks of an additive world: the map is what clamped masks converge to, not mirrored ones."""
    maps, known = (
        explain(world(), samples(), TARGETS, Rise(count, 3, 0.5, kind, 0.0, where, border="clamp"), seed)  # type: ignore[arg-type]
        for count, kind, where, seed in ((256, "surrogate", design, 0), (20_000, "centred", "random", 9))
    )
    mirrored = truth()
    for one, right, wrong in zip(maps, known, mirrored, strict=True):
        assert np.abs(one - right).max() < 0.1 * np.abs(right).max()
        assert np.abs(one - wrong).max() > 0.15 * np.abs(right).max()
