import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, final

import numpy as np
import pytest

from samewhy_edge import budget as budgets
from samewhy_edge.arrays import Samples, Scores
from samewhy_edge.budget import (
    FIRST,
    Budget,
    Spent,
    checked,
    expected,
    fixed,
    growing,
    next_look,
    payable,
    relative_errors,
    spend,
    stretch,
)
from samewhy_edge.errors import InputError
from samewhy_edge.explain import EXPLAINERS, Explainer, explain
from samewhy_edge.features import Superpixels
from samewhy_edge.hierarchy import Hierarchy
from samewhy_edge.journal import Memory, remembered
from samewhy_edge.lime import Lime
from samewhy_edge.occlusion import Occlusion
from samewhy_edge.plan import Each, Plan
from samewhy_edge.predictor import Predictor
from samewhy_edge.query import BATCH, ask
from samewhy_edge.rise import Rise
from samewhy_edge.sensitivity import Hsic, Sobol
from samewhy_edge.shapley import KernelShap, Permutation
from tests.worlds import Additive, Recording, additive, subject

SAMPLE = (16, 1)
SAMPLES = np.random.default_rng(1).uniform(1, 2, (2, *SAMPLE)).astype(np.float32)
TARGETS = np.array([0, 2])
ORDERS = Permutation((16,))
RANDOM = Rise(estimator="centred", grid=4)
ORDER = 30  # queries of an order of 16 features, both ways
NOISE = 0.5  # standard deviation
GROWING: dict[str, Explainer] = {
    "rise random": RANDOM,
    "rise array": Rise(estimator="surrogate", design="array", grid=16),
    "permutation": ORDERS,
    "kernel paired": KernelShap((16,), sampler="paired"),
    "lime": Lime((16,)),
    "sobol": Sobol((16,)),
    "hsic": Hsic((16,), 512),
    "rise sobol": Rise(estimator="centred", design="sobol", grid=4),
}
WHOLE: dict[str, Explainer] = {
    "occlusion": Occlusion((2,), (1,)),
    "kernel leverage": KernelShap((16,), 64),
    "kernel of all": KernelShap((4,), 16, sampler="paired"),
}


@final
@dataclass(frozen=True)
class Noisy:
    """An additive world, and noise of its own for every different sample: as good as drawn, and the same again."""

    inner: Additive
    size: float = NOISE

    def __call__(self, samples: Samples, /) -> Scores:
        flat = samples.reshape(len(samples), -1).astype(np.float64)
        phase = (flat * np.random.default_rng(5).normal(size=flat.shape[1]) * 1e5).sum(axis=1)
        # a sine of any phase has a variance of one half; the inner one, so that no difference of two is known
        noise = self.size * math.sqrt(2) * np.sin(1e6 * np.sin(phase))
        return np.asarray(self.inner(samples) + noise[:, None], np.float32)


@final
@dataclass
class Timed:
    """Another predictor that takes `pace(n)` seconds for its n-th query, and the clock on which they pass."""

    inner: Predictor
    pace: Callable[[int], float]
    asked: int = 0
    now: float = 100.0

    def __call__(self, samples: Samples, /) -> Scores:
        self.now += sum(map(self.pace, range(self.asked, self.asked + len(samples))))
        self.asked += len(samples)
        return self.inner(samples)

    def clock(self) -> float:
        return self.now


WORLD = Noisy(additive(*SAMPLE))


def spent(explainer: Explainer, budget: Budget | None = None, world: Predictor = WORLD, **more: Any) -> Spent:
    return spend(world, SAMPLES, TARGETS, explainer, 7, budget, **more)


def in_time(seconds: float, pace: Callable[[int], float], explainer: Explainer = RANDOM, **more: Any) -> Spent:
    world = Timed(WORLD, pace)
    return spent(explainer, Budget(seconds=seconds, **more), world, clock=world.clock)


def masks(plan: Plan | Each) -> Any:
    assert not isinstance(plan, Each)
    return plan.keep(0, len(plan))


@pytest.mark.parametrize("budget", [None, Budget()], ids=["none", "empty"])
@pytest.mark.parametrize("explainer", [*GROWING.values(), *WHOLE.values()], ids=[*GROWING, *WHOLE])
def test_without_a_budget_a_method_is_what_it_says(explainer: Explainer, budget: Budget | None) -> None:
    found = spent(explainer, budget)
    assert found.stopped == "plan"
    assert found.explainer == explainer
    assert np.array_equal(found.maps, explain(WORLD, SAMPLES, TARGETS, explainer, 7))


@pytest.mark.parametrize("explainer", GROWING.values(), ids=GROWING)
@pytest.mark.parametrize(("few", "many"), [(64, 128), (100, 1000), (97, 301)])
def test_a_smaller_plan_is_the_beginning_of_a_larger_one(explainer: Explainer, few: int, many: int) -> None:
    growth = growing(explainer, SAMPLE)
    assert growth
    small, large = (masks(growth.sized(count).plan(SAMPLE, 7)) for count in (few, many))
    assert few / 2 < len(small) <= few < len(large) <= many
    assert np.array_equal(large[: len(small)], small)


@pytest.mark.parametrize("explainer", GROWING.values(), ids=GROWING)
def test_the_fewest_queries_that_are_promised_a_map_have_one(explainer: Explainer) -> None:
    growth = growing(explainer, SAMPLE)
    assert growth
    assert len(growth.sized(growth.least).plan(SAMPLE, 7)) == growth.least <= growth.first
    assert spent(explainer, Budget(queries=growth.least)).queries == growth.least


@pytest.mark.parametrize("explainer", WHOLE.values(), ids=WHOLE)
def test_some_plans_do_not_grow(explainer: Explainer) -> None:
    assert growing(explainer, SAMPLE) is None
    assert fixed(explainer, SAMPLE)
    assert not fixed(Hierarchy(), SAMPLE)
    assert not fixed(ORDERS, SAMPLE)


def test_every_method_grows_or_is_asked_whole() -> None:
    known = {type(one) for one in (*GROWING.values(), *WHOLE.values())}
    assert known | {Hierarchy} == set(EXPLAINERS.values())
    for kind in EXPLAINERS.values():
        growth = growing(kind(), (32, 32, 3))
        assert growth is None or growth.sized(growth.first).name == kind().name


@pytest.mark.parametrize("explainer", GROWING.values(), ids=GROWING)
@pytest.mark.parametrize("queries", [70, 200, 515])
def test_queries_end_a_method_at_the_largest_plan_that_they_pay_for(explainer: Explainer, queries: int) -> None:
    found = spent(explainer, Budget(queries=queries))
    growth = growing(explainer, SAMPLE)
    assert growth
    assert found.explainer == growth.sized(queries)
    assert queries / 2 < found.queries <= queries
    assert found.stopped == "queries"
    assert np.array_equal(found.maps, explain(WORLD, SAMPLES, TARGETS, found.explainer, 7))


def test_an_array_goes_by_whole_blocks_and_permutations_by_whole_orders() -> None:
    assert spent(GROWING["rise array"], Budget(queries=1000)).queries == 960  # blocks of twice 32 for 16 cells
    assert spent(ORDERS, Budget(queries=1000)).queries == 2 + 33 * ORDER
    assert spent(GROWING["kernel paired"], Budget(queries=101)).queries == 100


def test_pairs_grow_as_far_as_they_are_drawn() -> None:
    explainer = KernelShap((5,), 16, sampler="paired")  # of 32 coalitions; all of them are asked in another order
    found = spent(explainer, Budget(queries=1000))
    assert found.queries == 30
    assert np.array_equal(found.maps, explain(WORLD, SAMPLES, TARGETS, replace(explainer, queries=30), 7))


def test_an_error_that_is_never_met_ends_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budgets, "MOST", 1000)
    found = spent(RANDOM, Budget(error=1e-9))
    assert (found.queries, found.stopped) == (1000, "plan")
    assert found.forecast(1e-9)


def test_fewer_queries_than_a_block_are_asked_all_the_same() -> None:
    assert spent(GROWING["rise array"], Budget(queries=40)).queries == 40


def test_fewer_queries_than_make_a_map_are_refused_before_any() -> None:
    world = Recording(WORLD)
    with pytest.raises(InputError, match=r"shapley-permutation needs at least 32 queries for a map, .* queries = 31"):
        spent(ORDERS, Budget(queries=31), world)
    assert world.asked == []


@pytest.mark.parametrize("budget", [Budget(error=0.05), Budget(queries=777), Budget(error=0.01, queries=777)])
def test_rounds_ask_nothing_twice_and_come_to_the_maps_of_one_go(budget: Budget) -> None:
    world = Recording(WORLD)
    found = spent(RANDOM, budget, world)
    asked = np.concatenate(world.asked)
    assert len(asked) == 2 * found.queries
    assert np.array_equal(found.answers, ask(WORLD, SAMPLES, found.plan))
    assert np.array_equal(found.maps, explain(WORLD, SAMPLES, TARGETS, found.explainer, 7))


def test_queries_that_repeat_others_of_an_earlier_round_are_known_to_a_memory() -> None:
    world = Recording(WORLD)
    one = subject(world, SAMPLE, 3)
    found = spent(ORDERS, Budget(error=0.05), remembered(one, Memory(one.spec)))
    asked = np.concatenate(world.asked)
    different = len(np.unique(asked.reshape(len(asked), -1), axis=0))
    assert different == len(asked) < 2 * found.queries  # coalitions of one feature come again
    assert np.array_equal(found.maps, spent(ORDERS, Budget(error=0.05)).maps)


def test_an_error_ends_a_method_soon_after_it_is_met() -> None:
    found = spent(ORDERS, Budget(error=0.05))
    assert found.stopped == "error"
    assert found.relative_error <= 0.05
    assert spent(ORDERS, Budget(queries=found.queries // 2)).relative_error > 0.05


def test_the_error_that_is_met_is_the_known_one() -> None:
    # an order adds to a feature the mean of two differences of independent noises: a variance of NOISE squared
    found = spent(ORDERS, Budget(error=0.01))
    orders = (found.queries - 2) / ORDER
    assert math.sqrt((found.errors**2).mean()) == pytest.approx(NOISE / math.sqrt(orders), rel=0.06)
    truth = WORLD.inner.weights[TARGETS] * SAMPLES
    assert np.abs(found.maps - truth[..., 0]).max() < 5 * found.errors.max()


def test_a_world_without_noise_is_known_at_the_first_look() -> None:
    found = spent(ORDERS, Budget(error=1e-5), WORLD.inner)
    assert (found.stopped, found.queries) == ("error", 2 + 2 * ORDER)  # a single order has no errors yet
    assert found.forecast(1e-5) is None


def test_the_same_seed_stops_at_the_same_place_with_any_number_of_threads() -> None:
    alone, again = (spent(ORDERS, Budget(error=0.05)) for _ in range(2))
    crew = spent(ORDERS, Budget(error=0.05), others=[WORLD, WORLD])
    assert alone.queries == again.queries == crew.queries
    assert alone.maps.tobytes() == again.maps.tobytes() == crew.maps.tobytes()


def test_the_first_that_is_met_ends_a_method() -> None:
    assert spent(ORDERS, Budget(queries=300, error=0.001)).stopped == "queries"
    assert spent(ORDERS, Budget(queries=100_000, error=0.1)).stopped == "error"
    assert in_time(5, lambda _: 0.01, queries=100_000, error=0.001).stopped == "seconds"
    assert in_time(500, lambda _: 0.01, queries=300).stopped == "queries"


def test_what_an_error_stops_does_not_depend_on_a_clock_that_does_not() -> None:
    slow, fast = (in_time(1e6, lambda _: pace, error=0.05) for pace in (0.9, 0.0001))  # noqa: B023  # used at once
    assert slow.queries == fast.queries == spent(RANDOM, Budget(error=0.05)).queries


@pytest.mark.parametrize("seconds", [7.0, 20.0, 63.0])
def test_seconds_end_a_method_before_they_are_over(seconds: float) -> None:
    found = in_time(seconds, lambda _: 0.01)  # two samples: 0.02 s a query, 1.28 s a round of 64
    assert found.stopped == "seconds"
    assert seconds - 0.02 * BATCH <= found.seconds <= seconds
    assert found.seconds == pytest.approx(0.02 * found.queries)


def test_a_machine_that_slows_down_is_over_time_by_one_round_at_most() -> None:
    found = in_time(10, lambda number: 0.01 if number < 850 else 0.05)
    assert 10 < found.seconds <= 10 + 0.1 * BATCH


def test_a_first_round_is_asked_however_slow_the_machine() -> None:
    assert in_time(0.5, lambda _: 1.0, ORDERS).queries == 2 + ORDER
    assert in_time(0.5, lambda _: 1.0, GROWING["lime"]).queries == FIRST


@pytest.mark.parametrize("explainer", [WHOLE["occlusion"], WHOLE["kernel leverage"]], ids=["occlusion", "leverage"])
def test_a_plan_that_cannot_grow_is_asked_whole_or_refused_before_any_query(explainer: Explainer) -> None:
    size = len(explainer.plan(SAMPLE, 7))
    assert spent(explainer, Budget(queries=size)).stopped == "plan"
    world = Recording(WORLD)
    with pytest.raises(InputError, match=f"{explainer.name} has {size} queries, .* queries = {size - 1}; its plan can"):
        spent(explainer, Budget(queries=size - 1), world)
    assert world.asked == []


def test_a_plan_that_would_take_too_long_is_refused_after_its_first_queries() -> None:
    explainer = KernelShap((16,), 400)
    world = Timed(WORLD, lambda _: 0.01)
    with pytest.raises(InputError, match=r"shapley-kernel would take 8 s for 400 queries, \[budget\] seconds = 7\.9;"):
        spent(explainer, Budget(seconds=7.9), world, clock=world.clock)
    assert world.asked == 2 * FIRST
    found = in_time(8.1, lambda _: 0.01, explainer)
    assert (found.stopped, found.queries, found.seconds) == ("plan", 400, pytest.approx(8))
    assert np.array_equal(found.maps, explain(WORLD, SAMPLES, TARGETS, explainer, 7))


@pytest.mark.parametrize("budget", [Budget(), Budget(queries=9), Budget(error=0.001)])
def test_a_plan_that_follows_the_scores_is_asked_as_the_library_does(budget: Budget) -> None:
    explainer = Hierarchy(queries=12, splits=1)
    world = Recording(WORLD)
    found = spent(explainer, budget, world)
    assert found.explainer == replace(explainer, queries=budget.queries or 12)
    assert found.stopped == ("queries" if budget.queries else "plan")
    assert np.array_equal(found.maps, explain(WORLD, SAMPLES, TARGETS, found.explainer, 7))
    assert sum(map(len, world.asked)) == 2 * found.queries <= 2 * (budget.queries or 12)


def test_fewer_queries_than_the_first_boxes_are_refused_before_any_is_asked() -> None:
    with pytest.raises(InputError, match=r"hierarchy with queries=2, .*expected at least 3 queries"):
        payable(Hierarchy(), SAMPLE, 7, Budget(queries=2))


def test_seconds_end_a_plan_that_follows_the_scores_between_two_rounds() -> None:
    explainer = Hierarchy(queries=17, splits=1)
    rounds = [3, 5, 7, 9, 11, 13, 15, 17]  # the whole sample and two halves, then a box in halves each time
    found = in_time(2 * 12.9, lambda _: 1.0, explainer)
    assert (found.stopped, found.queries) == ("seconds", 11)
    assert found.queries in rounds
    assert in_time(2 * 17.1, lambda _: 1.0, explainer).stopped == "plan"


def test_plans_of_each_sample_grow_too(tmp_path: Any) -> None:
    np.save(tmp_path / "labels.npy", np.stack([np.arange(16), np.arange(16)[::-1] // 2]))
    explainer = Permutation(Superpixels(str(tmp_path / "labels.npy")))
    world = Recording(WORLD)
    found = spent(explainer, Budget(error=0.1), world)
    assert isinstance(found.plan, Each)
    assert sum(map(len, world.asked)) < 2 * found.queries  # of 8 features walks meet again in a round
    assert np.array_equal(found.maps, explain(WORLD, SAMPLES, TARGETS, found.explainer, 7))


def test_a_stretch_of_a_plan_is_its_queries() -> None:
    for explainer in (ORDERS, WHOLE["occlusion"], GROWING["rise array"]):
        plan = explainer.plan(SAMPLE, 7)
        some = stretch(plan, 3, 9)
        assert len(some) == 6
        assert np.array_equal(masks(some), masks(plan)[3:9])


def test_half_the_error_costs_four_times_the_queries_and_seconds() -> None:
    found = in_time(1e6, lambda _: 0.01, ORDERS, queries=300)
    told = found.forecast(found.relative_error / 2)
    assert told
    assert told.queries == pytest.approx(4 * found.queries, abs=1)
    assert told.seconds == pytest.approx(4 * found.seconds, rel=0.1)  # some queries of a round repeat others
    assert found.forecast(found.relative_error * 1.01) is None


def test_seconds_are_foretold_by_the_queries_asked_last_and_not_by_remembered_ones() -> None:
    found = in_time(1e6, lambda number: 0.0 if number < 512 else 0.01, queries=512)  # half of them known already
    told = found.forecast(found.relative_error / 2)
    assert told
    assert told.seconds == pytest.approx(found.seconds + 0.02 * 3 * 512, abs=0.03)


@pytest.mark.parametrize("error", [0.015, 0.01])
def test_a_forecast_comes_true(error: float) -> None:
    told, came = [], []
    for seed in range(6):
        found = spend(WORLD, SAMPLES, TARGETS, ORDERS, seed, Budget(queries=900))
        forecast = found.forecast(error)
        assert forecast
        told.append(forecast.queries)
        came.append(spend(WORLD, SAMPLES, TARGETS, ORDERS, seed, Budget(queries=forecast.queries)).relative_error)
    # 30 orders know their own standard error to 1 / sqrt(2 * 29), 13 %; six seeds and many features to less
    assert np.mean(came) == pytest.approx(error, rel=0.13)
    assert np.std(told) > 0


def test_nothing_is_foretold_where_nothing_is_drawn_or_known() -> None:
    assert spent(WHOLE["occlusion"]).forecast(0.01) is None
    alone = spent(ORDERS, Budget(queries=40))  # one order
    assert math.isnan(alone.relative_error)
    assert alone.forecast(0.01) is None


def test_an_error_is_a_share_of_the_span_of_its_map() -> None:
    maps = np.array([[1, 3, 5], [2, 2, 2], [2, 2, 2], [1, 2, 3]], np.float32)
    errors = np.array([[1, 0.5, 0], [0, 0, 0], [0, 1, 0], [0, math.nan, 0]], np.float32)
    found = relative_errors(maps, errors)
    assert found[:3].tolist() == [0.25, 0, math.inf]
    assert math.isnan(found[3])


def test_the_error_of_several_samples_is_the_worst() -> None:
    found = spent(ORDERS, Budget(queries=400))
    assert found.relative_error == relative_errors(found.maps, found.errors).max()


@pytest.mark.parametrize(
    ("excess", "look"), [(1.01, 125), (1.2, 144), (1.5, 200), (math.inf, 200), (math.nan, 200), (0.5, 125)]
)
def test_the_next_look_is_where_the_error_should_be_met(excess: float, look: int) -> None:
    assert next_look(100, excess) == look


@pytest.mark.parametrize("budget", [Budget(queries=0), Budget(seconds=0.0), Budget(error=-0.1), Budget(error=math.nan)])
def test_numbers_that_mean_nothing_are_refused(budget: Budget) -> None:
    with pytest.raises(InputError, match=r"\[budget\] (queries|seconds|error) = .*; expected a number above 0"):
        checked(budget)


def test_how_many_queries_to_expect_is_known_unless_answers_or_seconds_decide() -> None:
    occlusion = WHOLE["occlusion"]
    assert expected(occlusion, SAMPLE, 7, Budget()) == expected(occlusion, SAMPLE, 7, Budget(error=0.1)) == 16
    assert expected(ORDERS, SAMPLE, 7, Budget()) == 2 + 4 * ORDER
    assert expected(ORDERS, SAMPLE, 7, Budget(queries=500)) == 500
    assert expected(ORDERS, SAMPLE, 7, Budget(queries=500, error=0.1)) is None


def test_a_subject_is_asked_as_a_predictor_is() -> None:
    found = spent(ORDERS, Budget(error=0.05), subject(WORLD, SAMPLE, 3))
    assert np.array_equal(found.maps, spent(ORDERS, Budget(error=0.05)).maps)
