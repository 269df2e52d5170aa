import math
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pytest

from samewhy_edge.errors import InputError
from samewhy_host import verdict
from samewhy_host.stats import Values, estimate
from samewhy_host.study import Audit, Head, Model, Study, fits
from samewhy_host.verdict import Case, Ends, Masks, Reason, causes, echo, judged, loss, masks_of, more, reason_of

MARGIN, LEVEL = 0.05, 0.95


def around(mean: float, spread: float, count: int = 50) -> Values:
    """Losses with exactly that mean and spread, and no skewness."""
    steps = np.linspace(-1, 1, count)
    return np.asarray(mean + spread * steps / steps.std(ddof=1))


def case(losses: Values, floor: float | None = 0.0) -> Case:
    return Case(losses, None, False, 256, floor)


def one(losses: Values, floor: float | None = 0.0) -> dict[str, Any]:
    return judged([case(losses, floor)], MARGIN, LEVEL)[0]


@pytest.mark.parametrize(
    ("mean", "spread", "word", "beyond"),
    [
        (0.0, 0.0, "same", False),  # a copy
        (0.0, 0.01, "same", False),  # rounding to both sides
        (0.02, 0.01, "same", True),  # real, and too small to matter
        (0.045, 0.1, "undecided", True),
        (0.05, 0.0, "undecided", True),  # on the margin to the last digit
        (0.06, 0.3, "undecided", False),
        (0.06, 0.01, "changed", True),
        (0.05 + 1e-6, 0.0, "changed", True),
        (0.3, 0.1, "changed", True),
    ],
)
def test_what_is_known_of_the_loss_makes_the_verdict(mean: float, spread: float, word: str, beyond: bool) -> None:
    row = one(around(mean, spread))
    assert (row["verdict"], row["beyond_noise"]) == (word, beyond)
    assert row["loss"] == pytest.approx(mean, abs=1e-6)
    assert (row["reason"] is None) == (word != "undecided")


GRID = [-0.02, 0.0, 0.03, 0.0499, 0.05, 0.0501, 0.08, 0.5]


@pytest.mark.parametrize(("mean", "spread"), list(product(GRID, [0.0, 0.002, 0.02, 0.2])))
def test_verdicts_follow_their_bounds(mean: float, spread: float) -> None:
    row = one(around(mean, spread))
    known = estimate(around(mean, spread))
    assert row["low"] == pytest.approx(known.low(0.05), abs=1e-6)
    assert row["high"] == pytest.approx(known.high(0.05), abs=1e-6)
    expected = (
        "same" if known.high(0.05) < MARGIN - 1e-9 else "changed" if known.low(0.05) > MARGIN + 1e-9 else "undecided"
    )
    assert row["verdict"] == expected


@pytest.mark.parametrize(
    ("hidden", "word", "reason"),
    [(0, "same", None), (1, "undecided", "undefined"), (4, "undecided", "undefined"), (50, "undecided", "undefined")],
)
def test_undefined_samples_count_as_no_loss_and_as_a_whole_one(hidden: int, word: str, reason: str | None) -> None:
    losses = around(0.005, 0.002)
    losses[:hidden] = np.nan
    row = one(losses)
    assert (row["verdict"], row["reason"], row["samples"], row["undefined"]) == (word, reason, 50 - hidden, hidden)
    assert (row["loss"] is None) == (hidden == 50)


def test_undefined_samples_do_not_hide_a_change() -> None:
    losses = around(0.3, 0.02)
    losses[:5] = np.nan
    row = one(losses)
    assert row["verdict"] == "changed"
    assert row["low"] < 0.27 < row["high"]  # 45 of 50 at 0.3, the others at 0 at least


def test_an_explainer_whose_random_maps_agree_cannot_call_anything_the_same() -> None:
    row = one(around(0.005, 0.002), floor=0.96)
    assert (row["verdict"], row["reason"]) == ("undecided", "floor")
    assert one(around(0.005, 0.002), floor=0.94)["verdict"] == "same"
    assert one(around(0.005, 0.002), floor=None)["reason"] == "floor"
    assert one(around(0.3, 0.01), floor=0.96)["verdict"] == "changed"


@pytest.mark.parametrize("count", [0, 1])
def test_too_few_samples_are_told(count: int) -> None:
    row = one(np.zeros(count))
    assert (row["verdict"], row["reason"], row["more"]) == ("undecided", "few", None)
    assert [row[key] for key in ("low", "high", "sample_error")] == [None, None, None]


def test_many_comparisons_ask_for_more() -> None:
    """A comparison at 0.02 of the level alone, and one of three."""
    losses = around(0.03, 0.067)
    alone = one(losses)
    assert alone["verdict"] == "same"
    assert 0.05 / 3 < alone["p_same"] < 0.05
    rest = [case(around(0.05, 0.1)), case(around(0.05, 0.1))]
    among = judged([case(losses), *rest], MARGIN, LEVEL)[0]
    assert among["verdict"] == "undecided"
    assert among["p_same"] == pytest.approx(3 * alone["p_same"], rel=1e-4)
    assert among["high"] == pytest.approx(estimate(losses).high(0.05 / 3), abs=1e-6)
    copies = judged([case(losses), case(np.zeros(50)), case(np.zeros(50))], MARGIN, LEVEL)[0]
    assert copies["verdict"] == "same"  # the surer ones are out of its way


def drawn(first: Values, second: Values) -> Case:
    return Case((first + second) / 2, (first - second)[None], True, 256, 0.0)


def test_masks_that_move_all_samples_alike_are_no_matter_of_their_number() -> None:
    base = around(0.03, 0.01, 100)
    found = masks_of(drawn(base + 0.02, base - 0.02))
    assert found is not None
    assert [found.shared, found.own] == pytest.approx([0.02**2, 0])
    assert found.rests == 1
    row = judged([drawn(base + 0.02, base - 0.02)], MARGIN, LEVEL)[0]
    assert row["mask_error"] == pytest.approx(0.02)
    assert (row["verdict"], one(base)["verdict"]) == ("undecided", "same")


def test_ways_to_halve_are_taken_together() -> None:
    base = around(0.03, 0.01, 100)
    ways = np.stack([np.full(100, 0.04), np.full(100, -0.02), np.zeros(100), np.full(100, 0.04)])
    found = masks_of(Case(base, ways, True, 256, 0.0))
    assert found is not None
    assert (found.shared, found.rests) == (pytest.approx((0.02**2 + 0.01**2 + 0 + 0.02**2) / 4), 4)
    ways[2, :99] = np.nan
    assert masks_of(Case(base, ways, True, 256, 0.0)) is None  # a single sample has all of them


def test_masks_that_move_each_sample_by_itself_count_at_least_as_that_makes_likely() -> None:
    base, apart = np.zeros(100), np.tile([0.1, -0.1], 50)
    found = masks_of(drawn(base + apart, base - apart))
    own = 0.04 * 100 / 99 / 4  # a quarter of the variance of the halves' differences
    assert found is not None
    assert [found.shared, found.own] == pytest.approx([own / 100, own])
    assert found.rests is None


def test_mask_noise_is_0_where_nothing_is_drawn_and_unknown_without_halves() -> None:
    losses = around(0.02, 0.01)
    assert masks_of(case(losses)) == Masks(0, 0, None)
    assert masks_of(replace(case(losses), drawn=True)) is None
    assert one(losses)["mask_error"] == 0
    row = judged([replace(case(losses), drawn=True)], MARGIN, LEVEL)[0]
    assert (row["mask_error"], row["verdict"]) == (None, "same")


def test_masks_are_no_part_of_whether_there_is_a_difference_at_all() -> None:
    base = around(0.03, 0.01, 100)
    assert judged([drawn(base + 0.5, base - 0.5)], MARGIN, LEVEL)[0]["beyond_noise"]


def test_the_projected_number_of_samples_decides() -> None:
    losses = around(0.04, 0.1, 100)
    row = one(losses)
    assert row["reason"] == "noise"
    # (1.644854 + 0.841621)^2 = 6.182557 times 0.1^2 / 0.01^2
    assert row["more"] == {"samples": math.ceil(618.2557 - 100), "queries": None, "times": None}
    assert one(around(0.04, 0.1, 620))["verdict"] == "same"


def test_the_projection_works_from_above_the_margin_too() -> None:
    assert one(around(0.06, 0.1, 100))["more"]["samples"] == 519


def test_a_loss_on_the_margin_has_no_remedy() -> None:
    assert one(around(0.05 + 1e-7, 0.1))["more"] == {"samples": None, "queries": None, "times": None}


def needs(masks: Masks, spread: float = 0.1, mean: float = 0.04, count: int = 100) -> Any:
    known = estimate(around(mean, spread, count), masks.shared)
    whole = Case(around(mean, spread, count), None, True, 256, 0.0)
    return more(whole, Ends(known, known, masks), MARGIN, (0.05, 0.05))


WANTED = 0.01**2 / 6.182557  # variance of the mean that decides


def test_noise_of_masks_is_cured_by_queries_alone() -> None:
    found = needs(Masks(0.01**2, 0.0, None), spread=0.01)
    assert found["samples"] is None  # shared by all of them
    grown = 0.01**2 / (WANTED - 0.01**2 / 100)
    assert found["queries"] == pytest.approx((grown - 1) * 256, abs=2)


def test_noise_of_samples_is_not_cured_by_queries() -> None:
    found = needs(Masks(1e-6, 0.0, None))
    assert found["queries"] is None
    assert found["samples"] == pytest.approx(0.1**2 / (WANTED - 1e-6) - 100, abs=2)


def test_noise_of_both_is_cured_by_more_of_both() -> None:
    found = needs(Masks(0.005**2, 0.002, None))
    assert (found["samples"], found["queries"]) == (None, None)
    k = found["times"]
    assert (0.01 - 0.002) / 100 / k + 0.005**2 / k + 0.002 / 100 / k**2 == pytest.approx(WANTED, rel=0.02)


def test_a_projection_beyond_a_hundred_times_is_no_advice() -> None:
    assert needs(Masks(0.0, 0.0, None), mean=0.049)["samples"] is None


def test_a_loss_is_what_lies_below_the_echo() -> None:
    found = loss(np.array([0.9, 1.0, np.nan, 0.5]), np.array([0.99, 1.0, 1.0, np.nan]))
    assert found[:2] == pytest.approx([0.09, 0])
    assert np.isnan(found[2:]).all()


def test_rounding_of_the_measure_itself_is_no_loss() -> None:
    assert loss(np.array([1 - 2e-16]), np.array([1.0]))[0] == 0


def test_an_echo_keeps_equal_scores_equal_and_moves_others_by_rounding() -> None:
    scores = np.random.default_rng(0).normal(size=(3, 40)).astype(np.float32)
    scores[:, 20:] = scores[:, :20]
    found = echo(scores, 5)
    assert np.array_equal(found[:, 20:], found[:, :20])
    apart = np.abs(found - scores).max(axis=1) / np.abs(scores).max(axis=1)
    assert (apart > verdict.ROUNDING / 2).all()
    assert (apart <= verdict.ROUNDING * 1.02).all()
    assert np.array_equal(found, echo(scores, 5))
    assert not np.array_equal(found, echo(scores, 6))


def step(above: str, below: str, word: str) -> dict[str, Any]:
    return {"explainer": "rise", "reference": above, "rung": below, "changed": ["kernels"], "verdict": word}


@pytest.mark.parametrize(
    ("words", "blamed"),
    [
        (("same", "same", "same"), None),
        (("same", "undecided", "same"), None),
        (("same", "changed", "changed"), ("b", "c")),
        (("undecided", "same", "changed"), ("c", "d")),
    ],
)
def test_the_first_step_that_changed_the_reasons_is_blamed(
    words: tuple[str, ...], blamed: tuple[str, str] | None
) -> None:
    steps = [("a", "b"), ("b", "c"), ("c", "d")]
    rows = [step(*pair, word) for pair, word in zip(steps, words, strict=True)]
    rows += [step("a", "c", "changed"), step("a", "d", "changed")]  # against the reference: no step of the ladder
    expected = blamed and {"reference": blamed[0], "rung": blamed[1], "changed": ["kernels"]}
    assert causes(rows, ["rise"], steps) == [{"explainer": "rise", "step": expected}]


def test_why_nothing_was_decided_is_told_strongest_first() -> None:
    known = Ends(estimate(around(0.04, 0.1)), estimate(around(0.04, 0.1)), verdict.NO_MASKS)
    assert reason_of(case(around(0.04, 0.1)), known, MARGIN, (0.05, 0.05)) is Reason.NOISE
    assert reason_of(case(around(0.04, 0.1), floor=1.0), known, MARGIN, (0.05, 0.05)) is Reason.FLOOR


@pytest.mark.parametrize(("truth", "wrong"), [(0.0, "changed"), (0.05, "changed"), (0.05, "same")])
def test_verdicts_are_wrong_no_more_often_than_the_level_allows(truth: float, wrong: str) -> None:
    """5 % allowed of 1500 audits of 100 skewed losses, standard deviation 0.6 %."""
    rng = np.random.default_rng(9)
    losses = truth * rng.lognormal(-0.32, 0.8, (1500, 100))
    assert np.mean([one(row)["verdict"] == wrong for row in losses]) < 0.08


def test_a_change_beyond_the_margin_is_seen() -> None:
    losses = 0.1 * np.random.default_rng(10).lognormal(-0.32, 0.8, (300, 100))
    rows = [one(row) for row in losses]
    assert np.mean([row["verdict"] == "changed" for row in rows]) > 0.9
    assert all(row["beyond_noise"] for row in rows)


@pytest.mark.parametrize(
    ("audit", "said"),
    [
        (Audit(margin=0.0), "margin = 0.0; expected a loss of agreement between 0 and 1"),
        (Audit(margin=1.0), "margin = 1.0; expected a loss"),
        (Audit(level=0.5), "level = 0.5; expected a share between 0.5 and 1"),
        (Audit(level=95.0), "level = 95.0; expected a share"),
    ],
)
def test_settings_that_decide_nothing_are_refused(audit: Audit, said: str) -> None:
    with pytest.raises(InputError, match=said):
        fits(Study(Head("Why?"), Model(architecture="ds_cnn"), audit=audit))
