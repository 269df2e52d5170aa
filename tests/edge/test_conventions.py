"""What other libraries call RISE and occlusion, against loops over their definitions."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from samewhy_edge.errors import InputError
from samewhy_edge.explain import describe, explain, explainer_from
from samewhy_edge.grids import ArrayGrids, RandomGrids, SobolGrids
from samewhy_edge.occlusion import Occlusion
from samewhy_edge.plan import Windows
from samewhy_edge.rise import Rise
from tests.oracles import positions
from tests.worlds import OnePatch, additive

SAMPLE = (9, 7, 1)


def drawn(explainer: Rise) -> tuple[Any, np.ndarray, np.ndarray]:
    """A plan, its masks, and a score each."""
    plan = explainer.plan(SAMPLE, 0)
    return plan, plan.keep(0, len(plan)), np.random.default_rng(1).normal(2, 1, (1, len(plan))).astype(np.float32)


@pytest.mark.parametrize(
    ("explainer", "name"),
    [
        (Rise(), "rise-centred"),
        (Rise(estimator="published", border="mirror"), "rise-published"),
        (Rise(estimator="surrogate", design="array"), "rise-array-surrogate"),
        (Rise(estimator="corrected", design="sobol"), "rise-sobol-corrected"),
        (Rise(design="sobol", border="clamp"), "rise-clamp-sobol-centred"),
        (Rise(convention="xplique"), "rise-xplique"),
        (Rise(convention="xplique", estimator="mask-sum", border="clamp"), "rise-xplique"),
        (Rise(convention="torchray"), "rise-torchray"),
        (Rise(convention="torchray", design="sobol"), "rise-torchray-sobol"),
        (Occlusion(), "occlusion"),
        (Occlusion(convention="xplique"), "occlusion-xplique"),
    ],
    ids=lambda one: one if isinstance(one, str) else "",
)
def test_names_say_the_convention_and_all_that_departs_from_it(explainer: Rise | Occlusion, name: str) -> None:
    assert explainer.name == name
    assert describe(explainer)["name"] == name
    assert describe(explainer)["convention"] == explainer.convention


def test_xplique_divides_by_the_sum_of_clamped_masks_and_a_little() -> None:
    explainer = Rise(4, 3, 0.5, convention="xplique")  # so few that the little counts
    plan, keep, scores = drawn(explainer)
    assert plan == RandomGrids((9, 7), 4, 3, 0.5, (0, 0), "clamp", "xplique")
    known = sum(f * m for f, m in zip(scores[0], keep, strict=True)) / (keep.sum(axis=0) + 1e-4)
    np.testing.assert_allclose(explainer.estimate(plan, scores)[0], known, rtol=1e-5)


def test_a_position_that_xplique_never_keeps_is_zero_there_and_its_error_unknown() -> None:
    explainer = Rise(2, 3, 0.02, convention="xplique")
    plan = next(plan for seed in range(9) if not (plan := explainer.plan(SAMPLE, seed)).keep(0, 2).any())
    assert not explainer.estimate(plan, np.ones((1, 2), np.float32)).any()
    assert np.isnan(explainer.errors(plan, np.ones((1, 2), np.float32))).all()


def test_torchray_divides_by_the_number_of_masks_alone() -> None:
    explainer = Rise(40, 3, 0.25, convention="torchray")
    plan, keep, scores = drawn(explainer)
    assert plan == RandomGrids((9, 7), 40, 3, 0.25, (0, 0), "mirror", "torchray")
    known = sum(f * m for f, m in zip(scores[0], keep, strict=True)) / 40
    np.testing.assert_allclose(explainer.estimate(plan, scores)[0], known, rtol=1e-5)


def test_errors_of_torchray_are_in_its_own_unit() -> None:
    """The spread of score * mask over masks, by the formula for a mean."""
    explainer = Rise(40, 3, 0.25, convention="torchray")
    plan, keep, scores = drawn(explainer)
    terms = scores[0][:, None, None] * keep.astype(np.float64)
    np.testing.assert_allclose(explainer.errors(plan, scores)[0], terms.std(axis=0, ddof=1) / math.sqrt(40), rtol=1e-4)


@pytest.mark.parametrize(("design", "kind"), [("array", ArrayGrids), ("sobol", SobolGrids)])
def test_every_design_serves_every_convention(design: str, kind: type) -> None:
    for convention in ("rise", "xplique", "torchray"):
        explainer = Rise(70, 3, 0.5, design=design, convention=convention)  # type: ignore[arg-type]
        plan, keep, scores = drawn(explainer)
        assert isinstance(plan, kind)
        assert plan.upsampling.convention == convention
        assert keep.shape == (70, 9, 7)
        assert np.isfinite(explainer.estimate(plan, scores)).all()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"convention": "xplique", "estimator": "centred"}, r"xplique and estimator=centred.*estimator = mask-sum"),
        ({"convention": "xplique", "border": "mirror"}, r"xplique and border=mirror.*border = clamp"),
        ({"convention": "torchray", "estimator": "mask-sum"}, r"torchray and estimator=mask-sum.*= published"),
        ({"convention": "torchray", "border": "clamp"}, r"torchray and border=clamp.*border = mirror"),
    ],
)
def test_settings_that_contradict_a_convention_are_refused(settings: dict[str, str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        explainer_from({"method": "rise", **settings}).plan((28, 28, 1), 0)


def test_tables_name_conventions_designs_and_borders() -> None:
    table = {"method": "rise", "design": "sobol", "border": "clamp", "estimator": "surrogate"}
    assert explainer_from(table) == Rise(design="sobol", border="clamp", estimator="surrogate")
    assert explainer_from({"method": "rise", "convention": "xplique"}) == Rise(convention="xplique")
    assert explainer_from({"method": "occlusion", "convention": "xplique"}) == Occlusion(convention="xplique")
    with pytest.raises(InputError, match="unknown value 'dianna'; known: rise, torchray, xplique"):
        explainer_from({"method": "rise", "convention": "dianna"})


@given(st.integers(1, 30), st.data())
def test_windows_of_xplique_are_whole_and_counted_as_it_does(size: int, data: st.DataObject) -> None:
    window = data.draw(st.integers(1, size))
    stride = data.draw(st.integers(1, window))
    plan = Occlusion((window,), (stride,), convention="xplique").plan((size, 1), 0)
    anchors = [i * stride for i in range(math.ceil((size - window + 1) / stride))]
    hidden = [np.flatnonzero(mask == 0).tolist() for mask in plan.keep(0, len(plan))]
    assert hidden == [[], *(list(range(anchor, anchor + window)) for anchor in anchors)]


@pytest.mark.parametrize(
    ("window", "stride"), [((3,), (3,)), ((4, 3), (2, 1)), ((5, 2), (3, 2)), ((9, 7), (1, 1)), ((2, 2), (1, 1))]
)
def test_occlusion_of_xplique_sums_the_drops_of_whole_windows(window: tuple[int, ...], stride: tuple[int, ...]) -> None:
    world, sample = additive(9, 7, 2, seed=4), np.random.default_rng(5).uniform(0.2, 1, (1, 9, 7, 2)).astype(np.float32)
    one = explain(world, sample, np.array([1]), Occlusion(window, stride, 0.25, "xplique"), seed=0)[0]
    share = (world.weights[1].astype(np.float64) * (sample[0] - 0.25)).sum(axis=-1)
    rows, columns = (
        range(0, size - w + 1, s) for size, w, s in zip((9, 7), np.resize(window, 2), np.resize(stride, 2), strict=True)
    )
    known, (high, wide) = np.zeros((9, 7)), np.resize(window, 2)
    for x in rows:
        for y in columns:
            place = slice(x, x + high), slice(y, y + wide)
            known[place] += share[place].sum()
    np.testing.assert_allclose(one, known, atol=1e-5)


def test_a_border_that_no_whole_window_reaches_is_zero_with_xplique_and_not_with_captum() -> None:
    world, sample = OnePatch((slice(6, 8), slice(6, 8))), np.ones((1, 8, 8, 1), np.float32)
    ours, theirs = (
        explain(world, sample, np.array([1]), Occlusion((3,), (3,), 0.0, convention), seed=0)[0]  # type: ignore[arg-type]
        for convention in ("captum", "xplique")
    )
    assert ours[6:, 6:].min() == 1
    assert not theirs.any()


def test_moved_windows_of_xplique_are_whole_too() -> None:
    plan = Occlusion((4,), (2,), convention="xplique").plan((9, 1), 0, draw=1)
    assert plan.shape == (9,)
    hidden = [np.flatnonzero(mask == 0).tolist() for mask in plan.keep(0, len(plan))]
    assert hidden == [[], [1, 2, 3, 4], [3, 4, 5, 6], [5, 6, 7, 8]]


def test_captum_is_what_occlusion_was() -> None:
    assert Occlusion().convention == "captum"
    assert Occlusion((3,), (2,)).plan((8, 6, 1), 0) == Windows((8, 6), (3, 3), (2, 2), (0, 0))


def test_positions_are_all_covered_by_captum() -> None:
    keep = Occlusion((3,), (3,)).plan((8, 8, 1), 0).keep(0, 10)
    assert all(keep[(slice(None), *position)].min() == 0 for position in positions((8, 8)))


def test_occlusion_draws_nothing_so_its_errors_are_known_to_be_zero() -> None:
    explainer = Occlusion(convention="xplique")
    plan = explainer.plan(SAMPLE, 0)
    scores = np.ones((2, len(plan)), np.float32)
    errors = explainer.errors(plan, scores)
    assert errors.shape == (2, 9, 7)
    assert not errors.any()
    assert explainer.freedom(plan) == math.inf
    assert explainer.halves(plan, scores) is None
