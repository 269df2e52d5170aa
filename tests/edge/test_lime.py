import math
from typing import Any, Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from samewhy_edge.errors import InputError
from samewhy_edge.explain import explain
from samewhy_edge.features import Channels, Coalitions
from samewhy_edge.lime import Lime
from samewhy_edge.plan import Windows, digest
from tests import oracles
from tests.worlds import OnePatch, Recording, additive

DISTANCES: tuple[Literal["cosine", "l2"], ...] = ("cosine", "l2")


def noise(*shape: int, seed: int = 3) -> Any:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def scores_of(worth: Any, plan: Any) -> Any:
    """Scores (1, M) of a game by coalition; bit i says whether feature i is kept."""
    return worth[plan.chosen.astype(int) @ (1 << np.arange(plan.chosen.shape[1]))].astype(np.float32)[None]


def any_game(d: int, seed: int = 0) -> Any:
    return np.random.default_rng(seed).normal(size=2**d)


def weight(row: Any, distance: str, width: float) -> float:
    """The kernel of one coalition, from its distance to all ones."""
    if distance == "l2":
        far = math.sqrt(sum((1 - one) ** 2 for one in row))
    else:
        length = math.sqrt(sum(one * one for one in row)) * math.sqrt(len(row))
        far = 1 - sum(row) / length if length else 1.0
    return math.exp(-(far**2) / width**2)


def limit(explainer: Lime, d: int, worth: Any) -> Any:
    """The coefficients that the mean of all draws settles on: every coalition, as often as it is expected."""
    rows = np.array([[code >> i & 1 for i in range(d)] for code in range(2**d)])
    often = explainer.share ** rows.sum(axis=1) * (1 - explainer.share) ** (d - rows.sum(axis=1))
    expected = often * (explainer.queries - 1) + (rows.sum(axis=1) == d)
    weights = [
        weight(row, explainer.distance, explainer.width) * some for row, some in zip(rows, expected, strict=True)
    ]
    return oracles.ridge(rows, worth, weights, explainer.penalty)


# Fit


@pytest.mark.parametrize("distance", DISTANCES)
@pytest.mark.parametrize("penalty", [0.0, 0.3, 5.0])
@given(seed=st.integers(0, 40))
def test_coefficients_equal_the_normal_equations_by_loops(
    distance: Literal["cosine", "l2"], penalty: float, seed: int
) -> None:
    explainer = Lime((5,), 40, distance=distance, width=0.8, penalty=penalty)
    plan: Any = explainer.plan((5, 1), seed)
    scores = scores_of(any_game(5, seed), plan)
    weights = [weight(row, distance, 0.8) for row in plan.chosen.tolist()]
    slow = oracles.ridge(plan.chosen, scores[0], weights, penalty)
    np.testing.assert_allclose(explainer.estimate(plan, scores)[0], slow, atol=1e-5)


def test_an_additive_world_is_exact_without_a_penalty_and_shrunk_with_one() -> None:
    world = additive(6, 2, offset=7.0)
    samples = noise(2, 6, 2)
    shares = np.stack([world.shares(samples[i], i, 0.5) for i in range(2)])
    exact, shrunk = (
        explain(world, samples, np.arange(2), Lime((6,), 64, penalty=penalty, fill=0.5), seed=0)
        for penalty in (1e-9, 20.0)
    )
    np.testing.assert_allclose(exact, shares, atol=1e-5)
    assert np.abs(shrunk).sum() < 0.6 * np.abs(shares).sum()


def test_the_empty_coalition_is_one_away_and_the_whole_sample_weighs_one() -> None:
    plan = Coalitions(np.arange(4), np.array([[1, 1, 1, 1], [0, 0, 0, 0], [1, 0, 0, 0], [1, 1, 0, 0]], np.float32))
    explainer = Lime((4,), 4, width=0.5, penalty=1e-3)
    weights = [1.0, math.exp(-4), math.exp(-1), math.exp(-(((1 - math.sqrt(0.5)) / 0.5) ** 2))]
    scores = noise(1, 4)
    slow = oracles.ridge(plan.chosen, scores[0], weights, 1e-3)
    np.testing.assert_allclose(explainer.estimate(plan, scores)[0], slow, rtol=1e-4)


def test_the_fit_equals_captums() -> None:
    torch = pytest.importorskip("torch", reason="captum explains torch functions")
    captum = pytest.importorskip("captum.attr", reason="captum has a LIME to compare with")
    linear = pytest.importorskip("captum._utils.models.model")

    class Ridge(linear.Model):  # type: ignore[misc]
        """Captum's own linear models need scikit-learn."""

        def fit(self, train_data: Any, **_: Any) -> None:
            rows, scores, weights = (torch.cat(parts).double() for parts in zip(*train_data, strict=True))
            self.found = oracles.ridge(rows.numpy(), scores.numpy().ravel(), weights.tolist(), 0.5)

        def representation(self) -> Any:
            return torch.tensor(self.found)[None]

        def __call__(self, x: Any) -> Any:
            raise NotImplementedError

    worth = any_game(5)
    explainer = Lime((5,), 30, width=0.9, penalty=0.5)
    plan: Any = explainer.plan((5, 1), 2)
    rows = iter(torch.tensor(plan.chosen))
    kernel = captum._core.lime.get_exp_kernel_similarity_function("cosine", 0.9 / math.sqrt(2))
    lime = captum.LimeBase(
        lambda x: torch.tensor(worth[(x.numpy().astype(int) @ (1 << np.arange(5)))]).float(),
        Ridge(),
        lambda one, other, kept, **_: kernel(torch.ones(1, 5), kept, None),
        lambda *_, **__: next(rows)[None],
        True,
        lambda kept, *_, **__: kept,
        None,
    )
    theirs = lime.attribute(torch.ones(1, 5), n_samples=30)
    found = explainer.estimate(plan, scores_of(worth, plan))[0]
    np.testing.assert_allclose(found, theirs.numpy().ravel(), atol=1e-4)


def test_channels_can_be_its_features() -> None:
    world, samples = additive(9, 3), noise(1, 9, 3)
    found = explain(world, samples, np.array([2]), Lime(Channels(), 32, penalty=1e-9), seed=0)[0]
    wanted = (world.weights[2] * samples[0]).sum(axis=0)
    assert found.shape == (9, 3)
    np.testing.assert_allclose(found, np.tile(wanted, (9, 1)), atol=1e-5)


def test_every_position_carries_the_coefficient_of_its_whole_cell() -> None:
    world, explainer = OnePatch((slice(3, 6),)), Lime((3,), 40, penalty=1e-9)
    one = explain(world, np.ones((1, 9, 2), np.float32), np.array([1]), explainer, seed=0)[0]
    np.testing.assert_allclose(one, [0, 0, 0, 1, 1, 1, 0, 0, 0], atol=1e-6)


# Errors


@pytest.mark.parametrize(
    "explainer", [Lime((6,), 40), Lime((6,), 120, share=0.7), Lime((6,), 40, distance="l2", width=2.0, penalty=1e-6)]
)
def test_intervals_hold_what_the_map_settles_on_as_often_as_they_say(explainer: Lime) -> None:
    inside = []
    for seed in range(150):
        worth, plan = any_game(6, seed), explainer.plan((6, 1), seed + 1000)
        scores = scores_of(worth, plan)
        reach = oracles.t_bound(explainer.freedom(plan)) * explainer.errors(plan, scores)[0]  # type: ignore[arg-type]
        off = explainer.estimate(plan, scores)[0] - limit(explainer, 6, worth)  # type: ignore[arg-type]
        inside.append(np.abs(off) <= reach)
    assert 0.915 < np.mean(inside) < 0.985


def test_an_additive_score_has_no_error_without_a_penalty() -> None:
    explainer = Lime((5,), 60, penalty=1e-12)
    plan: Any = explainer.plan((5, 1), 0)
    scores = (plan.chosen @ np.arange(5.0))[None].astype(np.float32)
    assert np.abs(explainer.errors(plan, scores)).max() < 1e-5


def test_queries_that_do_not_determine_the_fit_leave_the_error_unknown() -> None:
    explainer = Lime((6,), 5, penalty=0.0)
    plan: Any = explainer.plan((6, 1), 0)
    assert np.isnan(explainer.errors(plan, noise(2, 5))).all()
    assert math.isnan(explainer.freedom(plan))


def test_freedom_is_less_than_the_queries_and_grows_with_them() -> None:
    few, many = (Lime((5,), queries) for queries in (40, 400))
    found = [one.freedom(one.plan((5, 1), 0)) for one in (few, many)]  # type: ignore[arg-type]
    assert 3 < found[0] < 34
    assert found[1] > 5 * found[0]


def test_halves_are_fits_to_every_other_coalition_and_the_whole_sample() -> None:
    explainer = Lime((4,), 41)
    plan: Any = explainer.plan((4, 1), 0)
    scores = noise(2, 41)
    for start, found in enumerate(explainer.halves(plan, scores) or (), start=1):
        rows = [0, *range(start, 41, 2)]
        part = Coalitions(plan.labels, plan.chosen[rows])
        np.testing.assert_allclose(found, explainer.estimate(part, scores[:, rows]), rtol=1e-6)
    two: Any = Lime((4,), 2).plan((4, 1), 0)
    assert Lime((4,), 2).halves(two, noise(1, 2)) is None


# Plans


def test_the_first_query_is_the_whole_sample_and_the_others_keep_their_share() -> None:
    keep = Lime((8,), 2001, share=0.3).plan((16, 16, 1), 0).keep(0, 2001)  # type: ignore[union-attr]
    assert keep[0].min() == 1
    np.testing.assert_allclose(keep[1:].mean(axis=0), 0.3, atol=0.05)
    assert set(np.unique(keep)) == {0, 1}


def test_a_larger_plan_begins_with_the_smaller_one() -> None:
    short, long = (Lime((4,), queries).plan((9, 1), 5).keep(0, 20) for queries in (20, 50))  # type: ignore[union-attr]
    assert np.array_equal(short, long)


def test_equal_seeds_ask_equal_masks_and_other_seeds_and_draws_others() -> None:
    keys = ((3, 0), (3, 0), (4, 0), (3, 1), (4, 1))
    first, again, *others = (digest(Lime().plan((28, 28, 1), *one)) for one in keys)
    assert first == again
    assert len({first, *others}) == 4


def test_queries_that_show_the_same_are_asked_once() -> None:
    world, samples = Recording(additive(4, 1)), np.array([[[1.0], [0.0], [0.0], [2.0]]], np.float32)
    explain(world, samples, np.array([0]), Lime((4,), 100), seed=0)
    assert sum(map(len, world.asked)) == 4


def test_maps_are_float32_and_do_not_depend_on_their_neighbours() -> None:
    world, samples = additive(8, 9, 2), noise(3, 8, 9, 2)
    together = explain(world, samples, np.arange(3), Lime(queries=64), seed=1)
    assert together.dtype == np.float32
    alone = explain(world, samples[1:2], np.array([1]), Lime(queries=64), seed=1)
    np.testing.assert_allclose(together[1], alone[0], atol=1e-5)


# Refusals


@pytest.mark.parametrize(
    ("explainer", "seed", "sentence"),
    [
        (Lime(queries=1), 0, "lime with queries=1, share=0.5, width=0.25, penalty=1.0, seed=0; expected at least 2"),
        (Lime(share=1.0), 0, "share=1.0, .* a share between 0 and 1"),
        (Lime(width=0.0), 0, "width=0.0, .* a width above 0"),
        (Lime(penalty=-1.0), 0, "penalty=-1.0, .* a penalty and a seed of at least 0"),
        (Lime(), -1, "seed=-1; .* a seed of at least 0"),
        (
            Lime(distance="l2"),
            0,
            "lime with distance=l2, width=0.25: every .* of 49 features weighs .* such as 5.2 for",
        ),
        (Lime((1,)), 0, r"features \[1\] of a sample \[8, 8, 1\] are a single one"),
    ],
)
def test_nonsense_is_refused_with_what_was_found_and_expected(explainer: Lime, seed: int, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        explainer.plan((8, 8, 1), seed)


def test_the_plan_of_another_explainer_is_refused() -> None:
    with pytest.raises(InputError, match="a plan of Windows; expected Coalitions"):
        Lime().estimate(Windows((4,), (1,), (1,), (0,)), np.zeros((1, 5), np.float32))
