import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations, product
from typing import Any, Literal, final

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from samewhy_edge.arrays import Samples, Scores
from samewhy_edge.errors import InputError
from samewhy_edge.explain import Explainer, explain
from samewhy_edge.features import Coalitions, key
from samewhy_edge.plan import Windows, digest
from samewhy_edge.shapley import ORDERS, PAIRS, ROUNDING, SUBSETS, KernelShap, Permutation
from tests import oracles
from tests.worlds import OnePatch, additive

SAMPLERS: tuple[Literal["paired", "leverage"], ...] = ("paired", "leverage")
Players = frozenset[int]


@final
@dataclass(frozen=True)
class Game:
    """Class k is worth `worth[k, coalition]`; bit i of the coalition says whether position i differs from the fill."""

    worth: Any
    fill: float = 0.0

    def __call__(self, samples: Samples, /) -> Scores:
        shown = samples.reshape(len(samples), -1) != self.fill
        return np.asarray(self.worth[:, shown @ (1 << np.arange(shown.shape[1]))].T, np.float32)

    def __getitem__(self, players: Players) -> float:
        return float(np.float32(self.worth[0, sum(1 << one for one in players)]))


def shapley_values(game: Callable[[Players], float], d: int) -> Any:
    """What a player adds to every coalition of the others, weighed by |S|! (d - |S| - 1)! / d!."""
    values = np.zeros(d)
    for player in range(d):
        others = [one for one in range(d) if one != player]
        for size in range(d):
            weight = math.factorial(size) * math.factorial(d - size - 1) / math.factorial(d)
            for some in map(frozenset, combinations(others, size)):
                values[player] += weight * (game(some | {player}) - game(some))
    return values


def any_game(d: int, seed: int = 0) -> Game:
    return Game(np.random.default_rng(seed).normal(size=(1, 2**d)))


def game_of(worth: Callable[[Players], float], d: int) -> Game:
    coalitions = [frozenset(i for i in range(d) if code >> i & 1) for code in range(2**d)]
    return Game(np.array([[worth(players) for players in coalitions]]))


def pairs_game(d: int, seed: int = 0) -> Game:
    """Players speak for themselves and in pairs, at most."""
    weights = np.random.default_rng(seed).normal(size=(d, d))
    return game_of(lambda players: float(sum(weights[i, j] for i in players for j in players)) + 3, d)


def values_of(game: Game, explainer: Explainer, spatial: tuple[int, ...], seed: int = 0) -> Any:
    """The map, one position a player, in the order of the players."""
    samples = np.full((1, *spatial, 1), game.fill + 1, np.float32)
    return explain(game, samples, np.zeros(1, np.int64), explainer, seed)[0].ravel()


def mean_error(game: Game, explainer: Explainer, d: int, seeds: range) -> float:
    truth = shapley_values(game.__getitem__, d)
    return float(np.mean([(values_of(game, explainer, (d,), seed) - truth) ** 2 for seed in seeds]))


def inner(explainer: Any, d: int, seed: int = 0) -> Any:
    """The coalitions (M - 2, d) between the empty and the full one."""
    plan = explainer.plan((d, 1), seed)
    return plan.keep(2, len(plan)).astype(int)


def every(d: int, queries: int = 16, permutations: int = 2, fill: float = 0.0) -> list[Any]:
    """The explainers over d cells in a row."""
    return [
        Permutation((d,), permutations, fill),
        *(KernelShap((d,), queries, sampler, fill) for sampler in SAMPLERS),
    ]


def label(explainer: Any) -> str:
    return f"{explainer.name}-{getattr(explainer, 'sampler', 'antithetic')}"


# The oracle itself


def test_the_oracle_shares_a_glove_market_as_shapley_does() -> None:
    worth = shapley_values(lambda players: float(0 in players and bool(players & {1, 2})), 3)
    np.testing.assert_allclose(worth, [4 / 6, 1 / 6, 1 / 6])


# Exactness


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("more", [0, 1, 500])
@given(d=st.integers(2, 6), seed=st.integers(0, 99))
def test_kernel_shap_that_may_ask_every_coalition_equals_the_oracle(
    sampler: Literal["paired", "leverage"], more: int, d: int, seed: int
) -> None:
    game = any_game(d, seed)
    found = values_of(game, KernelShap((d,), max(4, 2**d + more), sampler), (d,), seed)
    np.testing.assert_allclose(found, shapley_values(game.__getitem__, d), atol=1e-5)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_kernel_shap_of_two_axes_equals_the_oracle(sampler: Literal["paired", "leverage"]) -> None:
    game = any_game(6)
    found = values_of(game, KernelShap((2, 3), 64, sampler), (2, 3))
    np.testing.assert_allclose(found, shapley_values(game.__getitem__, 6), atol=1e-5)


@pytest.mark.parametrize("explainer", every(5, queries=32, permutations=300, fill=0.5), ids=label)
def test_hidden_cells_are_the_fill(explainer: Any) -> None:
    game = Game(any_game(5).worth, fill=0.5)
    truth = shapley_values(game.__getitem__, 5)
    np.testing.assert_allclose(values_of(game, explainer, (5,)), truth, atol=0.1)
    assert np.abs(truth).max() > 0.2


@given(d=st.integers(2, 6), seed=st.integers(0, 99))
def test_one_antithetic_permutation_is_exact_where_cells_interact_in_pairs(d: int, seed: int) -> None:
    game = pairs_game(d, seed)
    found = values_of(game, Permutation((d,), permutations=1), (d,), seed)
    np.testing.assert_allclose(found, shapley_values(game.__getitem__, d), atol=1e-5)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_pairs_of_complements_make_kernel_shap_exact_where_cells_interact_in_pairs(
    sampler: Literal["paired", "leverage"],
) -> None:
    game = pairs_game(6)
    found = values_of(game, KernelShap((6,), 40, sampler), (6,), seed=1)
    np.testing.assert_allclose(found, shapley_values(game.__getitem__, 6), atol=1e-5)


@pytest.mark.parametrize("permutations", [1, 2, 5])
@pytest.mark.parametrize(("spatial", "cells"), [((2, 3), (2, 3)), ((7,), (7,))])
def test_permutation_is_exact_for_additive_worlds_at_any_budget(
    permutations: int, spatial: tuple[int, ...], cells: tuple[int, ...]
) -> None:
    world = additive(*spatial, 2, offset=5.0)
    samples = np.random.default_rng(1).normal(size=(3, *spatial, 2)).astype(np.float32)
    maps = explain(world, samples, np.arange(3), Permutation(cells, permutations, fill=0.5), seed=2)
    for target, (sample, found) in enumerate(zip(samples, maps, strict=True)):
        np.testing.assert_allclose(found, world.shares(sample, target, 0.5), atol=1e-5)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_kernel_shap_is_exact_for_additive_worlds_once_the_fit_is_determined(
    sampler: Literal["paired", "leverage"],
) -> None:
    world = additive(4, 4, 1)
    sample = np.random.default_rng(1).normal(size=(1, 4, 4, 1)).astype(np.float32)
    found = explain(world, sample, np.array([1]), KernelShap((4,), 80, sampler), seed=0)[0]
    np.testing.assert_allclose(found, world.shares(sample[0], 1), atol=1e-5)


# Axioms


@pytest.mark.parametrize("queries", [4, 7, 12, 33])
@given(d=st.integers(2, 6), seed=st.integers(0, 99))
def test_values_sum_to_what_the_sample_is_worth_over_the_fill(queries: int, d: int, seed: int) -> None:
    game = any_game(d, seed)
    gain = game[frozenset(range(d))] - game[frozenset()]
    for explainer in every(d, queries, permutations=1 + seed % 3):
        assert values_of(game, explainer, (d,), seed).sum() == pytest.approx(gain, abs=1e-5)


@pytest.mark.parametrize("explainer", every(6, queries=20), ids=label)
def test_a_constant_score_has_no_reasons(explainer: Any) -> None:
    assert np.abs(values_of(game_of(lambda _: 4.0, 6), explainer, (6,))).max() < 1e-6


@pytest.mark.parametrize("seed", range(5))
def test_a_cell_that_is_never_read_is_zero_to_the_bit_in_permutation_walks(seed: int) -> None:
    game, ignored = any_game(4), frozenset({4, 1})
    partial = game_of(lambda players: game[players - ignored], 5)
    found = values_of(partial, Permutation((5,), 1), (5,), seed)
    assert found[[1, 4]].tolist() == [0, 0]
    assert np.all(found[[0, 2, 3]] != 0)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_cell_that_is_never_read_is_nothing_to_a_kernel_that_asks_all(sampler: Literal["paired", "leverage"]) -> None:
    game = any_game(4)
    found = values_of(game_of(lambda players: game[players - {4}], 5), KernelShap((5,), 32, sampler), (5,))
    assert abs(found[4]) < 1e-6


@pytest.mark.parametrize("explainer", every(5, queries=32, permutations=400), ids=label)
def test_cells_with_the_same_say_get_the_same_value(explainer: Any) -> None:
    game = game_of(lambda players: float(len(players) ** 2) + 3 * (0 in players and len(players) > 3), 5)
    found = values_of(game, explainer, (5,))
    np.testing.assert_allclose(found[1:], found[1:].mean(), atol=0.1)
    assert found[0] > found[1] + 0.5


@pytest.mark.parametrize("explainer", every(5, queries=14), ids=label)
def test_values_of_a_sum_of_games_are_the_sum_of_the_values(explainer: Any) -> None:
    one, other = any_game(5, 1), any_game(5, 2)
    both = Game(2 * one.worth - 3 * other.worth)
    parts = 2 * values_of(one, explainer, (5,)) - 3 * values_of(other, explainer, (5,))
    np.testing.assert_allclose(values_of(both, explainer, (5,)), parts, atol=1e-5)


# Estimation


@pytest.mark.parametrize(
    ("few", "many"),
    [
        (Permutation((6,), 2), Permutation((6,), 32)),
        (KernelShap((6,), 16, "paired"), KernelShap((6,), 60, "paired")),
        (KernelShap((6,), 16), KernelShap((6,), 60)),
    ],
    ids=label,
)
def test_errors_shrink_as_queries_grow(few: Any, many: Any) -> None:
    game = any_game(6)
    assert mean_error(game, many, 6, range(20)) < 0.25 * mean_error(game, few, 6, range(20))


@pytest.mark.parametrize("explainer", [Permutation((5,), 1), Permutation((4,), 3)])
def test_permutation_is_unbiased(explainer: Permutation) -> None:
    d = explainer.features[0]
    game = any_game(d, 3)
    found = np.array([values_of(game, explainer, (d,), seed) for seed in range(400)])
    error = found.std(axis=0, ddof=1) / 20
    assert np.all(np.abs(found.mean(axis=0) - shapley_values(game.__getitem__, d)) < 4 * error)


def test_leverage_is_right_on_average_though_it_asks_other_sizes_than_the_kernel_weighs() -> None:
    game = game_of(lambda players: 10.0 * (players >= {0, 1, 2, 3, 4}), 8)
    found = [values_of(game, KernelShap((8,), 220), (8,), seed) for seed in range(60)]
    np.testing.assert_allclose(np.mean(found, axis=0), [2, 2, 2, 2, 2, 0, 0, 0], atol=0.05)


def test_leverage_needs_no_more_than_paired_for_equal_error() -> None:
    game = any_game(6)
    leverage, paired = (mean_error(game, KernelShap((6,), 40, sampler), 6, range(30)) for sampler in SAMPLERS[::-1])
    assert leverage < 0.7 * paired


def plain(explainer: Permutation, game: Game, d: int, seed: int) -> Any:
    """As many walks as `explainer` makes, all in forward order, by loops."""
    total = np.zeros(d)
    random = np.random.default_rng(seed)
    for _ in range(2 * explainer.permutations):
        order = random.permutation(d).tolist()
        for place, player in enumerate(order):
            total[player] += game[frozenset(order[: place + 1])] - game[frozenset(order[:place])]
    return total / (2 * explainer.permutations)


def test_antithetic_walks_are_closer_than_plain_ones_at_equal_queries() -> None:
    rough = any_game(6).worth
    game, explainer = Game(pairs_game(6).worth + 0.2 * rough), Permutation((6,), 3)
    truth = shapley_values(game.__getitem__, 6)
    error = np.mean([(plain(explainer, game, 6, seed) - truth) ** 2 for seed in range(20)])
    assert mean_error(game, explainer, 6, range(20)) < 0.2 * error


def test_standard_errors_are_the_spread_over_seeds() -> None:
    game, explainer = any_game(5), Permutation((5,), 50)
    plans = [explainer.plan((5, 1), seed) for seed in range(60)]
    scores = [game(plan.keep(0, len(plan))[..., None]).T for plan in plans]
    found = np.array([explainer.estimate(*one)[0] for one in zip(plans, scores, strict=True)])
    told = np.array([explainer.errors(*one)[0] for one in zip(plans, scores, strict=True)])
    np.testing.assert_allclose(np.sqrt((told**2).mean(axis=0)), found.std(axis=0, ddof=1), rtol=0.35)


def test_a_single_order_has_no_standard_error() -> None:
    explainer = Permutation((5,), 1)
    plan = explainer.plan((5, 1), 0)
    assert np.isnan(explainer.errors(plan, np.zeros((2, len(plan)), np.float32))).all()


def rough_game(d: int, seed: int) -> Game:
    """Players speak for themselves, in pairs and in threes."""
    random = np.random.default_rng(seed)
    shown = np.arange(2**d)[:, None] >> np.arange(d) & 1
    worth = shown @ random.normal(size=d)
    for size in (2, 3):
        for some in combinations(range(d), size):
            worth = worth + random.normal() * shown[:, some].prod(axis=1)
    return Game(worth[None])


def scores_of(game: Game, plan: Any) -> Any:
    return game(plan.keep(0, len(plan))[..., None]).T


@pytest.mark.parametrize(
    "explainer",
    [
        Permutation((7,), 8),
        KernelShap((7,), 46, "paired"),
        KernelShap((7,), 90, "paired"),
        KernelShap((7,), 46),
        KernelShap((7,), 90),  # of 128
    ],
    ids=lambda one: f"{label(one)}-{getattr(one, 'queries', 8)}",
)
def test_intervals_hold_the_truth_as_often_as_they_say(explainer: Any) -> None:
    inside = []
    for seed in range(150):
        game, plan = rough_game(7, seed), explainer.plan((7, 1), seed + 1000)
        scores = scores_of(game, plan)
        reach = oracles.t_bound(explainer.freedom(plan)) * explainer.errors(plan, scores)[0]
        inside.append(np.abs(explainer.estimate(plan, scores)[0] - shapley_values(game.__getitem__, 7)) <= reach)
    assert 0.92 < np.mean(inside) < 0.985


@pytest.mark.parametrize("explainer", [KernelShap((5,), 32), KernelShap((5,), 40, "paired")], ids=label)
def test_all_coalitions_leave_no_error_and_no_halves(explainer: KernelShap) -> None:
    plan: Any = explainer.plan((5, 1), 0)
    scores = scores_of(any_game(5), plan)
    assert not explainer.errors(plan, scores).any()
    assert explainer.freedom(plan) == math.inf
    assert explainer.halves(plan, scores) is None


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("queries", [4, 12, 16])
def test_queries_that_do_not_determine_the_fit_leave_the_error_unknown(
    queries: int, sampler: Literal["paired", "leverage"]
) -> None:
    explainer = KernelShap((9,), queries, sampler)
    plan: Any = explainer.plan((9, 1), 0)
    scores = np.random.default_rng(0).normal(size=(2, len(plan))).astype(np.float32)
    assert np.isnan(explainer.errors(plan, scores)).all()
    assert math.isnan(explainer.freedom(plan))
    assert explainer.halves(plan, scores) is None


def test_an_interaction_in_pairs_has_no_error_though_coalitions_are_drawn() -> None:
    for explainer in (Permutation((6,), 3), KernelShap((6,), 40), KernelShap((6,), 40, "paired")):
        plan: Any = explainer.plan((6, 1), 1)
        assert np.abs(explainer.errors(plan, scores_of(pairs_game(6), plan))).max() < 1e-5


def test_freedom_is_what_pairs_and_orders_leave_over() -> None:
    found = [one.freedom(one.plan((9, 1), 0)) for one in (Permutation((9,), 6), KernelShap((9,), 60, "paired"))]  # type: ignore[arg-type]
    assert found == [5, pytest.approx(29 - 8)]
    leverage = KernelShap((9,), 200)  # sizes 1 and 8 are taken whole: 9 of 99 pairs
    assert 90 - 8 < leverage.freedom(leverage.plan((9, 1), 0)) < 90  # type: ignore[arg-type]


def test_sizes_that_are_taken_whole_leave_no_error() -> None:
    explainer = KernelShap((8,), 150)  # sizes 1, 2, 6 and 7 whole, and a part of the others
    plan: Any = explainer.plan((8, 1), 0)
    sizes = plan.chosen.sum(axis=1)
    small = np.where((sizes == 1) | (sizes == 2), np.random.default_rng(0).normal(size=len(plan)), 0)
    large = np.where((sizes == 3) | (sizes == 4), np.random.default_rng(0).normal(size=len(plan)), 0)
    errors = [explainer.errors(plan, one[None].astype(np.float32)).mean() for one in (small, large)]
    assert errors[0] < 0.5 * errors[1]


@pytest.mark.parametrize("permutations", [2, 5])
def test_halves_of_permutations_are_maps_of_every_other_order(permutations: int) -> None:
    explainer = Permutation((5,), permutations)
    plan: Any = explainer.plan((5, 1), 0)
    scores = scores_of(any_game(5), plan)
    for start, found in enumerate(explainer.halves(plan, scores) or ()):
        rows = [0, 1, *(2 + 8 * order + step for order in range(start, permutations, 2) for step in range(8))]
        part = Coalitions(plan.labels, plan.chosen[rows])
        np.testing.assert_allclose(found, explainer.estimate(part, scores[:, rows]), atol=1e-6)


def test_a_single_order_has_no_halves() -> None:
    plan: Any = Permutation((5,), 1).plan((5, 1), 0)
    assert Permutation((5,), 1).halves(plan, np.zeros((1, len(plan)), np.float32)) is None


def test_halves_of_independent_pairs_are_maps_of_every_other_pair() -> None:
    explainer = KernelShap((6,), 60, "paired")
    plan: Any = explainer.plan((6, 1), 0)
    scores = scores_of(any_game(6), plan)
    for start, found in enumerate(explainer.halves(plan, scores) or ()):
        rows = [0, 1, *(2 + 2 * pair + one for pair in range(start, 29, 2) for one in (0, 1))]
        part = Coalitions(plan.labels, plan.chosen[rows])
        np.testing.assert_allclose(found, explainer.estimate(part, scores[:, rows]), atol=1e-6)


def test_halves_of_leverage_share_no_pair_and_each_is_exact_where_cells_interact_in_pairs() -> None:
    explainer = KernelShap((8,), 120)
    plan: Any = explainer.plan((8, 1), 0)
    game = pairs_game(8)
    scores = scores_of(game, plan)
    spoiled = scores.copy()
    spoiled[:, 2::4] += 1  # one of each pair of the first half
    (first, second), (worse, same) = (explainer.halves(plan, one) or () for one in (scores, spoiled))
    truth = shapley_values(game.__getitem__, 8)
    np.testing.assert_allclose([first[0], second[0]], [truth, truth], atol=1e-4)
    assert np.array_equal(second, same)
    assert not np.allclose(first, worse, atol=0.01)


# Plans


@given(d=st.integers(2, 12), permutations=st.integers(1, 5), seed=st.integers(0, 99))
def test_walks_show_one_cell_more_at_each_step_and_go_back_by_complements(d: int, permutations: int, seed: int) -> None:
    rows = inner(Permutation((d,), permutations), d, seed).reshape(permutations, 2, d - 1, d)
    assert rows.sum(axis=-1).tolist() == [[list(range(1, d))] * 2] * permutations
    assert np.all(np.diff(rows, axis=2) >= 0)
    assert np.array_equal(rows[:, 1], 1 - rows[:, 0, ::-1])


@pytest.mark.parametrize("explainer", every(7, queries=40), ids=label)
def test_a_plan_begins_with_nothing_and_everything(explainer: Any) -> None:
    assert explainer.plan((2 * 7, 1), 0).keep(0, 2).mean(axis=1).tolist() == [0, 1]
    assert set(inner(explainer, 7).sum(axis=1)) <= set(range(1, 7))


@pytest.mark.parametrize("permutations", [1, 4])
def test_permutation_asks_each_end_once_and_the_rest_by_walk(permutations: int) -> None:
    assert len(Permutation((7,), permutations).plan((28, 28, 1), 0)) == 2 + 2 * permutations * 48


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize(("queries", "asked"), [(4, 4), (5, 4), (31, 30), (32, 32), (33, 32), (256, 32)])
def test_kernel_shap_asks_no_more_than_its_queries(
    sampler: Literal["paired", "leverage"], queries: int, asked: int
) -> None:
    assert len(KernelShap((5,), queries, sampler).plan((5, 1), 0)) == asked


@pytest.mark.parametrize("sampler", SAMPLERS)
@given(d=st.integers(2, 12), queries=st.integers(4, 200), seed=st.integers(0, 99))
def test_every_coalition_is_followed_by_its_complement(
    sampler: Literal["paired", "leverage"], d: int, queries: int, seed: int
) -> None:
    rows = inner(KernelShap((d,), queries, sampler), d, seed)
    assert np.array_equal(rows[1::2], 1 - rows[::2])


@given(d=st.integers(2, 12), queries=st.integers(4, 400), seed=st.integers(0, 99))
def test_leverage_repeats_no_coalition(d: int, queries: int, seed: int) -> None:
    rows = inner(KernelShap((d,), queries), d, seed)
    assert len(np.unique(rows, axis=0)) == len(rows) == min(queries // 2 * 2, 2**d) - 2


def test_leverage_takes_small_sizes_whole_and_the_others_equally_often() -> None:
    sizes = np.bincount(inner(KernelShap((8,), 118), 8).sum(axis=1), minlength=9)
    assert sizes.tolist() == [0, 8, 20, 20, 20, 20, 20, 8, 0]


def test_leverage_draws_sizes_equally_often_where_queries_are_fewer_than_sizes() -> None:
    rows = np.concatenate([inner(KernelShap((10,), 6), 10, seed) for seed in range(900)])
    drawn = np.bincount(rows.sum(axis=1), minlength=11)[1:10]
    np.testing.assert_allclose(drawn / 3600, 1 / 9, atol=4 * math.sqrt(2 / 9 / 3600))


def test_paired_draws_sizes_by_the_kernel() -> None:
    rows = inner(KernelShap((20,), 20_000, "paired"), 20)[::2]
    drawn = np.bincount(rows.sum(axis=1), minlength=20)[1:]
    law = np.array([1 / (k * (20 - k)) for k in range(1, 20)])
    np.testing.assert_allclose(drawn / len(rows), law / law.sum(), atol=0.01)


@pytest.mark.parametrize("explainer", [KernelShap((20,), 4000, "paired"), KernelShap((20,), 4000)], ids=label)
def test_each_cell_is_as_likely_in_a_coalition_as_any_other(explainer: KernelShap) -> None:
    rows = inner(explainer, 20)[::2]
    shares = rows.mean(axis=0) / rows.mean()
    np.testing.assert_allclose(shares, 1, atol=0.2)
    together = np.corrcoef(rows.T - rows.mean(axis=1))
    assert np.abs(together[~np.eye(20, dtype=bool)]).max() < 0.2


@pytest.mark.parametrize("explainer", every(7, queries=60), ids=label)
def test_equal_seeds_ask_equal_masks_and_other_seeds_and_draws_others(explainer: Any) -> None:
    keys = ((3, 0), (3, 0), (4, 0), (3, 1), (4, 1))
    first, again, *others = (digest(explainer.plan((28, 28, 1), *one)) for one in keys)
    assert first == again == digest(explainer.plan((28, 28, 1), 3))
    assert len({first, *others}) == 4


@pytest.mark.parametrize(
    ("few", "many"),
    [
        (Permutation((6,), 2), Permutation((6,), 9)),
        (KernelShap((9,), 50, "paired"), KernelShap((9,), 90, "paired")),
    ],
    ids=label,
)
def test_a_larger_plan_begins_with_the_smaller_one(few: Any, many: Any) -> None:
    short, long = inner(few, 12, seed=5), inner(many, 12, seed=5)
    assert np.array_equal(long[: len(short)], short)
    assert len(long) > len(short)


def test_keys_of_other_uses_and_sizes_and_draws_share_no_words() -> None:
    uses = [*product((0, 1, 9), (ORDERS, PAIRS, ROUNDING, SUBSETS), (0, 1, 2, 400))]
    assert len({key(0, *use) for use in uses}) == len(uses)


def test_coalitions_of_one_size_do_not_grow_out_of_those_of_the_size_below() -> None:
    rows = inner(KernelShap((20,), 1000), 20)[::2]
    three, four = (rows[rows.sum(axis=1) == size] for size in (3, 4))
    paired = min(len(three), len(four))
    assert np.mean(np.all(three[:paired] <= four[:paired], axis=1)) < 0.2


# Maps


@pytest.mark.parametrize("explainer", every(3, queries=8), ids=label)
def test_every_position_carries_the_value_of_its_whole_cell(explainer: Any) -> None:
    one = explain(OnePatch((slice(3, 6),)), np.ones((1, 9, 2), np.float32), np.array([1]), explainer, seed=0)[0]
    np.testing.assert_allclose(one, [0, 0, 0, 1, 1, 1, 0, 0, 0], atol=1e-6)


@pytest.mark.parametrize("explainer", [Permutation(), KernelShap(), KernelShap(sampler="paired")], ids=label)
@pytest.mark.parametrize("spatial", [(9, 8), (16,)])
def test_maps_are_float32_and_do_not_depend_on_their_neighbours(explainer: Any, spatial: tuple[int, ...]) -> None:
    world = additive(*spatial, 3)
    samples = np.random.default_rng(2).normal(size=(3, *spatial, 3)).astype(np.float32)
    together = explain(world, samples, np.arange(3), explainer, seed=2)
    assert together.dtype == np.float32
    assert together.shape == (3, *spatial)
    alone = explain(world, samples[1:2], np.array([1]), explainer, seed=2)
    np.testing.assert_allclose(together[1], alone[0], atol=1e-5)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_cells_that_were_always_shown_together_get_the_same_value(sampler: Literal["paired", "leverage"]) -> None:
    kernel, world = KernelShap((9,), 4, sampler), additive(9, 1)
    one = explain(world, np.ones((1, 9, 1), np.float32), np.array([0]), kernel, seed=0)[0]
    shown = inner(kernel, 9)[0] == 1
    assert np.ptp(one[shown]) < 1e-6
    assert np.ptp(one[~shown]) < 1e-6
    assert abs(one[shown][0] - one[~shown][0]) > 0.01


# Refusals


@pytest.mark.parametrize(
    ("explainer", "seed", "sentence"),
    [
        (Permutation(permutations=0), 0, "shapley-permutation with permutations=0, seed=0; expected at least 1 permut"),
        (Permutation(), -1, "seed=-1; expected at least 1 permutation, a seed of at least 0"),
        (KernelShap(queries=3), 0, "shapley-kernel with queries=3, seed=0; expected at least 4 queries"),
        (KernelShap(), -1, "seed=-1; expected at least 4 queries, a seed of at least 0"),
        (KernelShap((1,)), 0, r"features \[1\] of a sample \[8, 8, 1\] are a single one; expected at least 2"),
        (Permutation((1, 1)), 0, r"features \[1, 1\] of a sample \[8, 8, 1\] are a single one"),
        (Permutation((9,)), 0, r"features \[9\] does not fit spatial axes \[8, 8\]"),
        (KernelShap((2, 2, 2)), 0, r"features \[2, 2, 2\] does not fit spatial axes \[8, 8\]"),
    ],
)
def test_nonsense_is_refused_with_what_was_found_and_expected(explainer: Any, seed: int, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        explainer.plan((8, 8, 1), seed)


@pytest.mark.parametrize("explainer", every(4), ids=label)
def test_the_plan_of_another_explainer_is_refused(explainer: Any) -> None:
    plan = Windows((4,), (1,), (1,), (0,))
    with pytest.raises(InputError, match="a plan of Windows; expected Coalitions"):
        explainer.estimate(plan, np.zeros((1, len(plan)), np.float32))


@pytest.mark.parametrize("explainer", every(2, queries=4, permutations=1), ids=label)
def test_two_cells_are_enough(explainer: Any) -> None:
    game = any_game(2)
    np.testing.assert_allclose(values_of(game, explainer, (2,)), shapley_values(game.__getitem__, 2), atol=1e-6)


def test_names_are_those_of_the_records() -> None:
    names = {KernelShap(sampler="leverage").name, KernelShap(sampler="paired").name, Permutation().name}
    assert names == {"shapley-kernel", "shapley-kernel-paired", "shapley-permutation"}
