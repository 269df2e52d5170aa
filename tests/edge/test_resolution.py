import math

import numpy as np
import pytest

from samewhy_edge.arrays import Samples, Scores
from samewhy_edge.explain import of_targets
from samewhy_edge.features import Coalitions
from samewhy_edge.grids import RandomGrids
from samewhy_edge.occlusion import Occlusion
from samewhy_edge.plan import Windows
from samewhy_edge.quant import Affine
from samewhy_edge.query import ask
from samewhy_edge.resolution import dead_share, hiding, resolution, step_of, tied_share
from samewhy_edge.rise import Rise
from tests.worlds import Constant, additive

VARIED = np.array([0.5, 0, -1, 0.5], np.float32)
COARSE = Affine(0.5, -3, "int8")


class Stepped:
    """An additive world behind an int8 output."""

    def __init__(self, output: Affine) -> None:
        self.inner, self.output = additive(8, 8, 1), output

    def __call__(self, samples: Samples, /) -> Scores:
        return self.output.decode(self.output.encode(self.inner(samples)))


def test_each_number_of_a_known_answer() -> None:
    scores = np.array([1.0, 1.0, 0.75, 1.0, 0.25], np.float32)
    found = resolution(VARIED, scores, 1.0)
    assert (found.step, found.dead, found.levels, found.ties, found.resolvable) == (0.25, 0.6, 3, 0.25, True)


def test_queries_that_hide_nothing_are_not_dead() -> None:
    scores = np.array([1.0, 1.0, 0.75, 1.0, 0.25], np.float32)
    hides = np.array([False, True, True, True, True])
    assert resolution(VARIED, scores, 1.0, hides=hides).dead == 0.5
    assert math.isnan(resolution(VARIED, scores, 1.0, hides=np.zeros(5, bool)).dead)


def test_the_step_is_the_outputs_own_where_it_has_one() -> None:
    scores = np.array([0.0, 2.0, 3.0], np.float32)
    assert step_of(scores, COARSE) == 0.5
    assert step_of(scores) == 1.0
    assert math.isnan(step_of(np.full(3, 2.0, np.float32)))


def test_dead_means_exactly_equal() -> None:
    whole = 1.0
    assert dead_share(np.array([1.0, np.nextafter(np.float32(1), np.float32(2))], np.float32), whole) == 0.5


@pytest.mark.parametrize(("values", "share"), [([1, 2, 3, 4], 0), ([0, 0, 0, 0], 0.75), ([1, 1, 2, 2], 0.5)])
def test_ties_are_counted_beyond_the_first(values: list[int], share: float) -> None:
    assert tied_share(np.array(values, np.float32)) == share


@pytest.mark.parametrize("level", [0.0, 0.25])
def test_a_flat_map_is_unresolvable_and_not_without_importance(level: float) -> None:
    assert not resolution(np.full(4, level, np.float32), np.array([1, 2, 3], np.float32), 1.0).resolvable


def test_a_map_of_answers_that_never_change_is_unresolvable_though_it_is_not_flat() -> None:
    """The published RISE weighs masks by the score itself, so where nothing has a say it draws the sum of the masks."""
    samples, explainer = np.ones((1, 8, 8, 1), np.float32), Rise(16, 4, estimator="published")
    plan = explainer.plan((8, 8, 1), 0)
    scores = of_targets(ask(Constant(), samples, plan), np.array([1]))
    one = explainer.estimate(plan, scores)[0]
    assert one.max() > one.min()
    found = resolution(one, scores[0], 0.75, hides=hiding(plan))
    assert (found.levels, found.dead, found.resolvable) == (1, 1.0, False)


@pytest.mark.parametrize("hurt", [np.nan, np.inf])
def test_a_map_that_is_not_finite_is_unresolvable(hurt: float) -> None:
    one = VARIED.copy()
    one[1] = hurt
    assert not resolution(one, np.array([1, 2], np.float32), 1.0).resolvable


@pytest.mark.parametrize(("scale", "resolvable"), [(0.001, True), (200.0, False)])
def test_a_coarse_output_makes_queries_dead_and_the_map_unresolvable(scale: float, resolvable: bool) -> None:
    samples = np.random.default_rng(0).uniform(size=(1, 8, 8, 1)).astype(np.float32)
    world, explainer = Stepped(Affine(scale, 0, "int16")), Occlusion((2,), (2,))
    plan = explainer.plan((8, 8, 1), 0)
    scores = of_targets(ask(world, samples, plan), np.array([0]))
    found = resolution(explainer.estimate(plan, scores)[0], scores[0], float(scores[0, 0]), world.output, hiding(plan))
    assert found.step == scale
    assert found.dead == (0 if resolvable else 1)
    assert found.resolvable is resolvable


def test_hiding_is_told_apart_by_plans_of_any_kind() -> None:
    assert hiding(Windows((4,), (2,), (2,), (0,))).tolist() == [False, True, True]
    chosen = np.array([[1, 1], [0, 1], [1, 0.5]], np.float32)
    assert hiding(Coalitions(np.array([0, 0, 1]), chosen)).tolist() == [False, True, True]
    assert hiding(RandomGrids((8, 8), 130, 4, 0.5, (0, 0))).shape == (130,)


def test_hiding_what_is_the_background_already_hides_nothing() -> None:
    plan = Windows((4,), (2,), (2,), (0,))
    assert hiding(plan, np.array([False, False, True, False])).tolist() == [False, False, True]
    assert hiding(plan, np.zeros(4, bool)).tolist() == [False, False, False]
