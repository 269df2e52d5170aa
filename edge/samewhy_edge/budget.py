"""How far a method goes: to a number of queries, seconds of asking, or a standard error, and what an error would cost.

Plans grow by whole units (masks, blocks, orders, rows, pairs): the smaller plan is the beginning of the larger one, so
answers are used again and nothing is asked twice. Where queries or an error end a method, the same seed gives the same
maps; where seconds do, how far it came depends on the machine.
"""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, final

import numpy as np
from numpy.typing import NDArray

from samewhy_edge.arrays import Answers, Maps, Samples, Targets
from samewhy_edge.errors import InputError
from samewhy_edge.explain import Explainer, estimated, knowing, of_targets
from samewhy_edge.features import labels_of, stretch
from samewhy_edge.fill import backgrounds
from samewhy_edge.grids import ArrayGrids
from samewhy_edge.hierarchy import Hierarchy
from samewhy_edge.lime import Lime
from samewhy_edge.plan import Each, Plan
from samewhy_edge.predictor import Predictor
from samewhy_edge.query import BATCH, Progress, ask
from samewhy_edge.rise import Rise
from samewhy_edge.sensitivity import Hsic, Sobol
from samewhy_edge.shapley import KernelShap, Permutation

Stop = Literal["plan", "queries", "seconds", "error"]

FIRST = 32  # queries a sample before anything is judged
MOST = 2**20  # queries a sample at most, where only an error is given
ADVICE = "its plan cannot be cut short; raise the budget or give the method a smaller plan"
ROUND = (1.25, 2.0)  # how much a plan grows from one look at its errors to the next, at least and at most


@final
@dataclass(frozen=True, slots=True)
class Budget:
    """What ends a method; the first that is met does. Without any, its plan is asked as the method says."""

    queries: int | None = None  # a sample
    seconds: float | None = None  # of asking, all samples of a method together
    error: float | None = None  # largest standard error of a map, as a share of the map's span


@final
@dataclass(frozen=True, slots=True)
class Forecast:
    """What a target would cost in all, if errors fall by the root of the queries."""

    queries: int  # a sample
    seconds: float


@final
@dataclass(frozen=True)
class Spent:
    """What a method came to."""

    explainer: Explainer  # of the size that it came to
    plan: Plan | Each
    answers: Answers
    maps: Maps
    errors: Maps
    seconds: float
    pace: float  # seconds a query, of those asked last: earlier ones may have been remembered
    stopped: Stop  # "plan": the whole plan was asked

    @property
    def queries(self) -> int:
        """A sample."""
        return len(self.plan)

    @property
    def relative_error(self) -> float:
        """The largest of all samples; NaN where one is unknown."""
        return float(relative_errors(self.maps, self.errors).max())

    def forecast(self, error: float) -> Forecast | None:
        """What that relative error would cost; None where it is met, nothing is drawn, or the errors are unknown.

        Source: Covert & Lee 2021, "Convergence detection and forecasting".
        """
        times = (self.relative_error / error) ** 2
        if not 1 < times < math.inf:
            return None
        queries = math.ceil(self.queries * times)
        return Forecast(queries, self.seconds + (queries - self.queries) * self.pace)


def relative_errors(maps: Maps, errors: Maps) -> NDArray[np.float64]:
    """The largest standard error of each map as a share of the map's span, largest less smallest value: (N,).

    0 where nothing is drawn, NaN where an error is unknown, infinite where a flat map has errors.

    Source: Covert & Lee 2021, "Convergence detection and forecasting", the ratio whose smallness is convergence.
    """
    flat = maps.reshape(len(maps), -1).astype(np.float64)
    worst = errors.reshape(len(errors), -1).astype(np.float64).max(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):  # 0 / 0 is no error at all
        return np.where(worst == 0, 0.0, worst / np.ptp(flat, axis=1))


def spend(
    predictor: Predictor,
    samples: Samples,
    targets: Targets,
    explainer: Explainer,
    seed: int,
    budget: Budget | None = None,
    progress: Progress = lambda _: None,
    others: Sequence[Predictor] = (),
    clock: Callable[[], float] = time.perf_counter,
) -> Spent:
    """Ask until the budget is met, and explain the targets' scores with what was asked.

    A budget sets the size of a plan that can grow, whatever size the method names. A plan that cannot is asked whole.

    Raises:
        InputError: a plan that the budget cannot pay for: told by its queries before it is asked, by their seconds
            after the first of them.
    """
    payable(explainer, samples.shape[1:], seed, budget or Budget())
    log, budget = Log(predictor, samples, explainer, seed, progress, others, clock), checked(budget or Budget())
    if isinstance(explainer, Hierarchy):
        return refined(log, explainer, targets, budget)
    growth = growing(explainer, samples.shape[1:]) if budget != Budget() else None
    return grown(log, growth, targets, budget) if growth else whole(log, targets, budget)


def expected(explainer: Explainer, sample: tuple[int, ...], seed: int, budget: Budget) -> int | None:
    """Queries a sample that `spend` will ask; None where answers or seconds decide."""
    if isinstance(explainer, Hierarchy):
        return None
    if budget == Budget() or fixed(explainer, sample):
        return len(explainer.plan(sample, seed))
    return None if budget.error or budget.seconds else budget.queries


def checked(budget: Budget) -> Budget:
    """The budget, where it means something.

    Raises:
        InputError: naming the number that does not.
    """
    for name in ("queries", "seconds", "error"):
        value = getattr(budget, name)
        if value is not None and not 0 < value < math.inf:
            raise InputError(f"[budget] {name} = {value}; expected a number above 0")
    return budget


def payable(explainer: Explainer, sample: tuple[int, ...], seed: int, budget: Budget) -> None:
    """Refuse a method that the budget's queries do not pay for, before any is asked.

    Raises:
        InputError: a plan that cannot be cut short has more of them, or one that can has no map from so few.
    """
    if budget.queries is None:
        return
    if isinstance(explainer, Hierarchy):
        replace(explainer, queries=budget.queries).plan(sample, seed)  # it says itself what its coarse boxes cost
        return
    growth, given = growing(explainer, sample), f"[budget] queries = {budget.queries}"
    if growth and budget.queries < growth.least:
        least = f"{explainer.name} needs at least {growth.least} queries for a map"
        raise InputError(f"{least}, {given}; raise it or choose another method")
    if growth is None and (queries := len(explainer.plan(sample, seed))) > budget.queries:
        raise InputError(f"{explainer.name} has {queries} queries, {given}; {ADVICE}")


@final
@dataclass(frozen=True, slots=True)
class Growth:
    """How a plan grows."""

    least: int  # queries that make a map
    first: int  # queries before anything is judged
    sized: Callable[[int], Explainer]  # the explainer with the largest plan of at most that many queries


def growing(explainer: Explainer, sample: tuple[int, ...]) -> Growth | None:
    """How the explainer's plan grows; None where it is no beginning of a larger one."""
    if isinstance(explainer, Rise):
        plan = explainer.plan(sample, 0)
        block = unit(plan)
        return Growth(2, max(FIRST, block), lambda count: replace(explainer, queries=count - count % block or count))
    if isinstance(explainer, Permutation):
        order = 2 * (labels_of(explainer.features, sample)[1] - 1)
        return Growth(
            2 + order, max(FIRST, 2 + order), lambda count: replace(explainer, permutations=(count - 2) // order)
        )
    if isinstance(explainer, KernelShap) and explainer.sampler == "paired":
        every = 2 ** labels_of(explainer.features, sample)[1]  # asked in another order, so no plan grows to it
        sized = Growth(4, FIRST, lambda count: replace(explainer, queries=min(count - count % 2, every - 2)))
        return sized if max(4, explainer.queries) < every else None
    if isinstance(explainer, Lime):
        return Growth(2, FIRST, lambda count: replace(explainer, queries=count))
    if isinstance(explainer, Sobol):
        row = labels_of(explainer.features, sample)[1] + 2
        return Growth(2 * row, max(FIRST, 2 * row), lambda count: replace(explainer, rows=count // row))
    if isinstance(explainer, Hsic):  # fewer would not tell all features apart
        apart = max(FIRST, 4 * labels_of(explainer.features, sample)[1])
        return Growth(apart, apart, lambda count: replace(explainer, queries=count))
    return None


def unit(plan: Plan | Each) -> int:
    """Masks that a plan of grids grows by: a block of an array, or a pair where each has a shift of its own."""
    if not isinstance(plan, ArrayGrids):
        return 1
    return plan.block if plan.shifting == "block" else 2


def fixed(explainer: Explainer, sample: tuple[int, ...]) -> bool:
    """Whether the explainer's plan is asked whole or not at all."""
    return growing(explainer, sample) is None and not isinstance(explainer, Hierarchy)


@final
@dataclass(slots=True)
class Log:
    """The answers to the first queries of a plan, and the time that they took."""

    predictor: Predictor
    samples: Samples
    explainer: Explainer  # of the size that was reached
    seed: int
    progress: Progress
    others: Sequence[Predictor]
    clock: Callable[[], float]
    plan: Plan | Each | None = None  # that was reached
    answers: list[Answers] = field(default_factory=list)
    seconds: float = 0.0
    pace: float = 0.0  # seconds a query of those asked last

    @property
    def queries(self) -> int:
        """That each sample was asked."""
        return 0 if self.plan is None else len(self.plan)

    @property
    def given(self) -> Answers:
        """All answers."""
        return np.concatenate(self.answers, axis=1)

    def plan_of(self, explainer: Explainer) -> Plan | Each:
        """For these samples."""
        return explainer.plan(self.samples.shape[1:], self.seed)

    def reach(self, plan: Plan | Each) -> None:
        """Ask what `plan` has beyond the queries asked so far."""
        start = self.clock()
        rest = stretch(plan, self.queries, len(plan)) if self.queries else plan
        self.answers.append(ask(self.predictor, self.samples, rest, self.explainer.fill, self.progress, self.others))
        taken = self.clock() - start
        self.seconds, self.pace, self.plan = self.seconds + taken, taken / len(rest), plan

    def foretold(self, queries: int) -> float:
        """Seconds in all when that many queries will have been asked, at the pace of the last ones."""
        return self.seconds + (queries - self.queries) * self.pace


def whole(log: Log, targets: Targets, budget: Budget) -> Spent:
    """Ask a plan that cannot grow.

    Raises:
        InputError: it would take longer than the budget.
    """
    plan = log.plan_of(log.explainer)
    if budget.seconds is not None and len(plan) > FIRST:
        log.reach(stretch(plan, 0, FIRST))
        if log.foretold(len(plan)) > budget.seconds:
            told = f"{log.explainer.name} would take {log.foretold(len(plan)):.3g} s for {len(plan)} queries"
            raise InputError(f"{told}, [budget] seconds = {budget.seconds:g}; {ADVICE}")
    log.reach(plan)
    return judged(log, targets, "plan")


def grown(log: Log, growth: Growth, targets: Targets, budget: Budget) -> Spent:
    """Ask in rounds, each a longer beginning of the same masks, until the budget is met.

    Errors are looked at after numbers of queries that no clock decides.
    """
    limit = budget.queries or MOST
    look = limit if budget.error is None else min(growth.first, limit)
    while True:
        if not advance(log, growth, look, budget.seconds):
            return judged(log, targets, "seconds")
        spent = judged(log, targets, "plan" if budget.queries is None else "queries")
        if budget.error is not None and spent.relative_error <= budget.error:
            return replace(spent, stopped="error")
        if budget.error is None or look == limit:
            return spent
        look = min(limit, next_look(look, spent.relative_error / budget.error))


def next_look(look: int, excess: float) -> int:
    """Where the errors should meet their target, of which they are `excess` times as large now."""
    shortest, longest = math.ceil(look * ROUND[0]), math.ceil(look * ROUND[1])
    wanted = look * excess**2
    return min(max(shortest, math.ceil(wanted)), longest) if wanted < longest else longest


def advance(log: Log, growth: Growth, look: int, seconds: float | None) -> bool:
    """Ask up to `look` queries, a round at a time where seconds count; whether they sufficed."""
    while (following := larger(log, growth, look, seconds is not None)) is not None:
        plan = log.plan_of(following)
        if seconds is not None and log.queries and log.foretold(len(plan)) > seconds:
            return False
        log.explainer = following
        log.reach(plan)
    return True


def larger(log: Log, growth: Growth, look: int, short: bool) -> Explainer | None:
    """The next size up to `look`: the largest, or one that is soon asked; None where there is no larger one."""
    step = (BATCH * (1 + len(log.others)) if log.queries else growth.first) if short else look
    while True:
        count = min(log.queries + step, look)
        following = growth.sized(count)
        if len(log.plan_of(following)) > log.queries:
            return following
        if count == look:
            return None
        step *= 2


def refined(log: Log, explainer: Hierarchy, targets: Targets, budget: Budget) -> Spent:
    """Ask a plan whose later queries depend on the scores, round by round, as far as the budget goes.

    Nothing is drawn in it, so an error ends nothing.
    """
    most = replace(explainer, queries=budget.queries or explainer.queries)
    shown = log.samples != backgrounds(most.fill, log.samples)
    longer: Plan | Each | None = log.plan_of(most)
    log.explainer = most
    while longer is not None:
        if budget.seconds is not None and log.queries and log.foretold(len(longer)) > budget.seconds:
            return judged(log, targets, "seconds")
        log.reach(longer)
        longer = most.refine(longer, of_targets(log.given, targets), shown)
    return judged(log, targets, "plan" if budget.queries is None else "queries")


def judged(log: Log, targets: Targets, stopped: Stop) -> Spent:
    """Maps and errors from all that was asked."""
    plan, answers = log.plan_of(log.explainer) if log.plan is None else log.plan, log.given
    scores = of_targets(answers, targets)
    told = knowing(log.explainer, log.samples)
    maps, errors = (estimated(one, plan, scores) for one in (told.estimate, told.errors))
    return Spent(log.explainer, plan, answers, maps, errors, log.seconds, log.pace, stopped)
