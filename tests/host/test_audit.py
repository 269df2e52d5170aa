from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from samewhy_edge.agreement import MEASURES
from samewhy_edge.arrays import Maps
from samewhy_edge.explain import Explainer, of_targets, shuffled
from samewhy_edge.occlusion import Occlusion
from samewhy_edge.plan import Each, digest
from samewhy_edge.quant import Affine
from samewhy_edge.query import ask
from samewhy_edge.record import Arrays
from samewhy_edge.resolution import hiding
from samewhy_edge.rise import Rise
from samewhy_edge.rung import Artifact, Rung
from samewhy_host import audit, stats, verdict
from samewhy_host.asking import Given
from samewhy_host.audit import Asked, Explained
from samewhy_host.data.dataset import Split
from tests.host import small
from tests.worlds import Additive, additive

SHAPE = (8, 7)
REFERENCE = Rung(Artifact("0" * 64, 400), "torch 2.6", "aten", "here")
NAMES = ("float", "onnx", "int8")
EXPLAINER = Rise(queries=60, grid=3)
PLAN = EXPLAINER.plan((*SHAPE, 2), seed=0)


def maps(count: int, seed: int) -> Maps:
    return small.noise(count, *SHAPE, seed=seed)


def asked(*scores: NDArray[np.float32]) -> list[Asked]:
    rungs = [
        REFERENCE,
        replace(REFERENCE, artifact=Artifact("1" * 64, 500), runtime="onnxruntime 1.2", kernels="CPU"),
        replace(REFERENCE, artifact=Artifact("1" * 64, 500), runtime="onnxruntime 1.2", kernels="GPU"),
    ]
    return [Asked(name, rung, one, {}) for name, rung, one in zip(NAMES, rungs, scores, strict=False)]


def explained(of: dict[str, Maps], other: Maps | None = None, random: Maps | None = None) -> Explained:
    first = next(iter(of.values()))
    zero = np.zeros_like(first)
    arrays = {name: Arrays(one) for name, one in of.items()}
    return Explained(
        EXPLAINER, PLAN, "digest", arrays, zero if other is None else other, zero if random is None else random
    )


def three(count: int = 6) -> tuple[list[Asked], Explained]:
    scores = [small.noise(9, 3, seed=seed) for seed in range(3)]
    of = {name: maps(count, seed) for seed, name in enumerate(NAMES)}
    return asked(*scores), explained(of, maps(count, 8), maps(count, 9))


def chosen(rows: list[audit.Row], measure: str) -> dict[tuple[str, str], audit.Row]:
    return {(row["rung"], row["reference"]): row for row in rows if row["measure"] == measure}


def test_every_rung_meets_the_reference_and_its_neighbour_above_once() -> None:
    ladder = [Asked(name, REFERENCE, np.zeros((1, 2), np.float32), {}) for name in "abcd"]
    found = [(below.name, above.name) for below, above in audit.pairs(ladder)]
    assert found == [("b", "a"), ("c", "a"), ("d", "a"), ("c", "b"), ("d", "c")]


@pytest.mark.parametrize("count", [1, 2])
def test_short_ladders_have_few_pairs(count: int) -> None:
    ladder = [Asked(name, REFERENCE, np.zeros((1, 2), np.float32), {}) for name in "ab"[:count]]
    assert len(audit.pairs(ladder)) == count - 1


def test_a_row_says_what_the_rung_is_and_what_changed_above_it() -> None:
    ladder, _ = three()
    test = Split(small.noise(9, 2, 2, 1), np.zeros(9, np.int64), tuple("abcdefghi"))
    rows = audit.rung_rows(ladder, test, np.array([0, 1]))
    assert [row["name"] for row in rows] == list(NAMES)
    assert [row["changed"] for row in rows] == [[], ["artifact", "runtime", "kernels"], ["kernels"]]
    assert [rows[1][key] for key in ("artifact", "bytes", "runtime")] == ["1" * 64, 500, "onnxruntime 1.2"]


def test_accuracy_is_against_the_labels_and_flips_are_against_the_reference() -> None:
    labels = np.array([0, 1, 2, 0, 1])
    reference = np.eye(3, dtype=np.float32)[[0, 1, 2, 0, 2]]  # 4 of 5 right
    deployed = np.eye(3, dtype=np.float32)[[0, 1, 0, 1, 1]]  # 3 of 5 right, 3 flipped
    rows = audit.rung_rows(
        asked(reference, deployed), Split(small.noise(5, 2, 2, 1), labels, tuple("abcde")), np.array([0, 1, 4, 3])
    )
    assert [row["accuracy"] for row in rows] == [0.8, 0.6]
    assert [row["flips"] for row in rows] == [0, 3]
    assert [row["tested"] for row in rows] == [5, 5]
    assert rows[1]["flipped_samples"] == [2, 3]  # places among the audited samples, 4 and 3 of the test split
    assert rows[1]["audited_labels"] == [0, 1, 1, 1]


def test_a_copy_of_the_reference_agrees_with_it_in_every_measure() -> None:
    scores = small.noise(9, 3)
    same = {name: maps(6, 0) for name in NAMES}
    rows = audit.agreement_rows(asked(scores, scores, scores), [explained(same)], 50, 0)
    assert len(rows) == 3 * len(MEASURES)
    for row in rows:
        assert (row["low"], row["value"], row["high"]) == (1, 1, 1)
        assert (row["samples"], row["undefined"]) == (6, 0)


@pytest.mark.parametrize("measure", MEASURES, ids=lambda measure: measure.name)
def test_an_agreement_is_the_mean_over_samples_of_its_pair(measure: audit.Measure) -> None:
    ladder, one = three()
    rows = chosen(audit.agreement_rows(ladder, [one], 50, 0), measure.name)
    assert list(rows) == [("onnx", "float"), ("int8", "float"), ("int8", "onnx")]
    for (below, above), row in rows.items():
        values = [measure.of(one.maps[above][i], one.maps[below][i]) for i in range(6)]
        assert row["value"] == pytest.approx(sum(values) / 6, abs=1e-6)


def test_a_row_says_what_changed_between_its_two_rungs() -> None:
    ladder, one = three()
    rows = chosen(audit.agreement_rows(ladder, [one], 50, 0), "spearman")
    assert rows["int8", "float"]["changed"] == ["artifact", "runtime", "kernels"]
    assert rows["int8", "onnx"]["changed"] == ["kernels"]
    assert rows["int8", "onnx"]["explainer"] == "rise-centred"


def test_the_interval_is_the_bootstrap_of_the_values() -> None:
    ladder, one = three(40)
    row = chosen(audit.agreement_rows(ladder, [one], 300, 4), "pearson")["int8", "float"]
    values = np.array([MEASURES[1].of(a, b) for a, b in zip(one.maps["float"], one.maps["int8"], strict=True)])
    known = stats.mean(values, 300, 4)
    assert (row["low"], row["high"]) == (known.low, known.high)
    assert row["low"] < row["value"] < row["high"]


def test_undefined_samples_are_counted_and_left_out() -> None:
    ladder, one = three()
    one.maps["int8"][[1, 4]] = 0.5  # flat: no rank
    row = chosen(audit.agreement_rows(ladder, [one], 50, 0), "spearman")["int8", "float"]
    assert (row["samples"], row["undefined"]) == (4, 2)
    values = [MEASURES[0].of(one.maps["float"][i], one.maps["int8"][i]) for i in (0, 2, 3, 5)]
    assert row["value"] == pytest.approx(np.mean(values), abs=1e-6)


def test_where_all_is_undefined_there_is_no_value() -> None:
    ladder, one = three()
    one.maps["int8"][:] = 0.5
    row = chosen(audit.agreement_rows(ladder, [one], 50, 0), "spearman")["int8", "onnx"]
    assert (row["value"], row["low"], row["high"], row["undefined"]) == (None, None, None, 6)


@pytest.mark.parametrize("measure", MEASURES, ids=lambda measure: measure.name)
def test_ceiling_and_floor_compare_the_reference_with_itself_and_with_nothing(measure: audit.Measure) -> None:
    ladder, one = three()
    ceiling = np.mean([measure.of(a, b) for a, b in zip(one.maps["float"], one.other_masks, strict=True)])
    floor = np.mean([measure.of(a, b) for a, b in zip(one.maps["float"], one.random, strict=True)])
    for row in chosen(audit.agreement_rows(ladder, [one], 50, 0), measure.name).values():
        assert row["ceiling"] == pytest.approx(ceiling, abs=1e-6)
        assert row["floor"] == pytest.approx(floor, abs=1e-6)


def answered(world: Additive, explainer: Explainer, draw: int = 0) -> Given:
    return Given(ask(world, SAMPLES, explainer.plan((*SHAPE, 2), 3, draw), explainer.fill), 1.0)


SAMPLES = small.noise(5, *SHAPE, 2)
TARGETS = np.array([0, 1, 2, 1, 0])


@pytest.mark.parametrize("explainer", [Occlusion((2,), (2,)), EXPLAINER], ids=lambda one: one.name)
def test_maps_are_the_estimates_of_the_reference_s_targets_for_every_rung(explainer: Explainer) -> None:
    worlds = {"float": additive(*SHAPE, 2, seed=1), "int8": additive(*SHAPE, 2, seed=2)}
    plan, other = explainer.plan((*SHAPE, 2), 3), explainer.plan((*SHAPE, 2), 3, 1)
    ladder = [
        Asked(name, REFERENCE, np.zeros((5, 3), np.float32), {explainer.name: answered(world, explainer)})
        for name, world in worlds.items()
    ]
    moved = answered(worlds["float"], explainer, draw=1)
    found = audit.explained(explainer, plan, digest(plan), ladder, (other, moved), SAMPLES, TARGETS, seed=3)
    for row in ladder:
        scores = of_targets(row.given[explainer.name].answers, TARGETS)
        assert np.array_equal(found.maps[row.name], explainer.estimate(plan, scores))
        assert np.array_equal(found.arrays[row.name].errors, explainer.errors(plan, scores))
    scores = of_targets(ladder[0].given[explainer.name].answers, TARGETS)
    assert np.array_equal(found.other_masks, explainer.estimate(other, of_targets(moved.answers, TARGETS)))
    assert np.array_equal(found.random, explainer.estimate(plan, shuffled(plan, scores, 3)))
    assert found.digest == digest(plan)
    for row in ladder:
        scores = of_targets(row.given[explainer.name].answers, TARGETS)
        halves = explainer.halves(plan, scores)
        known = found.halves[row.name]
        assert len(known) == (0 if halves is None else audit.WAYS)
        if halves is not None:
            assert all(np.array_equal(one, other) for one, other in zip(known[0], halves, strict=True))
        assert np.array_equal(found.echoes[row.name], explainer.estimate(plan, verdict.echo(scores, 3)))


def test_the_ceiling_of_an_honest_explainer_lies_far_above_its_floor() -> None:
    explainer = Rise(queries=2000, grid=3)
    world = additive(*SHAPE, 2, seed=1)
    given = answered(world, explainer)
    ladder = [Asked("float", REFERENCE, np.zeros((5, 3), np.float32), {explainer.name: given})]
    other = (explainer.plan((*SHAPE, 2), 3, 1), answered(world, explainer, draw=1))
    found = audit.explained(
        explainer, explainer.plan((*SHAPE, 2), 3), "digest", ladder, other, SAMPLES, TARGETS, seed=3
    )
    bounds = audit.bounds_of(found, "float", MEASURES[0])
    assert bounds["ceiling"] is not None
    assert bounds["floor"] is not None
    assert bounds["ceiling"] > 0.9
    assert abs(bounds["floor"]) < 0.4


@pytest.mark.parametrize("count", range(1, 25))
@pytest.mark.parametrize("flipped", [[], [3], [9, 3, 5, 1, 0, 2]])
def test_a_gallery_shows_no_sample_twice_and_none_that_is_not_there(count: int, flipped: list[int]) -> None:
    ladder, one = three(10)
    shown = audit.gallery(ladder, one, [{"flipped_samples": flipped}], count)
    assert len(set(shown)) == len(shown)
    assert set(shown) <= set(range(10))
    assert len(shown) == min(count, 10)


def test_a_gallery_begins_with_flipped_samples_then_with_maps_that_moved_most() -> None:
    ladder, one = three(40)
    one.maps["int8"][:] = one.maps["float"]
    one.maps["int8"][17] *= -1
    one.maps["int8"][5] = maps(1, 50)[0]
    rows = [{"flipped_samples": []}, {"flipped_samples": [30]}, {"flipped_samples": [21, 30]}]
    shown = audit.gallery(ladder, one, rows, 8)
    assert shown[:4] == [21, 30, 17, 5]
    assert len(shown) == 8


def test_the_other_half_of_a_gallery_is_spread_from_the_first_sample_to_the_last() -> None:
    ladder, one = three(40)
    shown = audit.gallery(ladder, one, [], 8)
    rest = [place for place in range(40) if place not in shown[:4]]
    assert shown[4:] == [rest[0], rest[11], rest[23], rest[35]]  # steps of 35 / 3, rounded down


def test_a_sample_whose_agreement_is_undefined_is_striking() -> None:
    ladder, one = three(40)
    one.maps["int8"][:] = one.maps["float"]
    one.maps["int8"][23] = 0
    assert audit.gallery(ladder, one, [], 4)[0] == 23


def test_what_a_reader_must_know_of_a_measure_stands_beside_it() -> None:
    rows = audit.measure_rows()
    assert [row["name"] for row in rows] == [measure.name for measure in MEASURES]
    assert all(row["better"] == "higher" and row["source"] and len(row["span"]) == 2 for row in rows)


def test_an_explainer_is_described_with_its_queries_and_masks() -> None:
    (row,) = audit.explainer_rows([three()[1]])
    assert row["name"] == "rise-centred"
    assert (row["queries"], row["grid"], row["plan"]) == (60, 3, "digest")


def sure(*arrays: Arrays) -> audit.Row:
    zero = np.zeros_like(arrays[0].maps)
    named = {f"{place}": one for place, one in enumerate(arrays)}
    (row,) = audit.explainer_rows([Explained(EXPLAINER, PLAN, "digest", named, zero, zero)])
    return row


def test_an_explainer_s_row_says_how_sure_the_maps_of_the_reference_are() -> None:
    of = maps(3, 0)
    spans = np.ptp(of.reshape(3, -1), axis=1)
    errors = np.zeros_like(of)
    errors[:, 2, 3] = spans * [0.1, 0.2, 0.3]
    other = Arrays(of, errors * 2, np.array([0.1, 0.1, 0.1]))
    row = sure(Arrays(of, errors, np.array([0.9, np.nan, 0.8])), other)
    assert row["reliability"] == pytest.approx(0.85)
    assert row["relative_error"] == pytest.approx(0.2, abs=1e-6)


def test_where_nothing_is_drawn_or_known_no_number_says_that_it_is() -> None:
    of = maps(3, 0)
    for arrays in (Arrays(of), Arrays(of, np.full_like(of, np.inf))):
        row = sure(arrays)
        assert (row["reliability"], row["relative_error"]) == (None, None)
    row = sure(Arrays(of, np.zeros_like(of)))
    assert (row["reliability"], row["relative_error"]) == (None, 0)
    some = np.zeros_like(of)
    some[0], some[1] = np.nan, np.ptp(of[1]) / 4
    assert sure(Arrays(of, some))["relative_error"] == pytest.approx(0.125, abs=1e-6)  # of the two that are known


def deciding(of: dict[str, Maps]) -> Explained:
    """With a floor near 0, so that a verdict is possible."""
    return explained(of, random=maps(len(of["float"]), 99))


def told(rows: list[audit.Row]) -> dict[tuple[str, str], str]:
    return {(row["rung"], row["reference"]): row["verdict"] for row in rows}


def test_every_pair_gets_a_verdict_and_a_copy_is_the_same() -> None:
    scores = small.noise(9, 3)
    of = {"float": maps(40, 0), "onnx": maps(40, 0), "int8": maps(40, 1)}
    rows = audit.verdict_rows(asked(scores, scores, scores), [deciding(of)], 0.05)
    assert told(rows) == {("onnx", "float"): "same", ("int8", "float"): "changed", ("int8", "onnx"): "changed"}
    copy, other = rows[:2]
    assert (copy["loss"], copy["low"], copy["high"], copy["beyond_noise"]) == (0, 0, 0, False)
    assert (other["explainer"], other["measure"], other["changed"]) == (
        "rise-centred",
        "spearman",
        ["artifact", "runtime", "kernels"],
    )
    agreements = audit.compare(of["float"], of["int8"], MEASURES[0])
    assert other["loss"] == pytest.approx(1 - agreements.mean(), abs=1e-6)


def test_the_margin_and_the_level_decide() -> None:
    scores = small.noise(9, 3)
    of = {"float": maps(40, 0), "onnx": maps(40, 0) + 0.4 * maps(40, 1)}  # about 0.93
    found = [told(audit.verdict_rows(asked(scores, scores), [deciding(of)], margin)) for margin in (0.01, 0.3)]
    assert [row["onnx", "float"] for row in found] == ["changed", "same"]
    near = float(1 - audit.compare(of["float"], of["onnx"], MEASURES[0]).mean()) + 0.006
    words = [
        told(audit.verdict_rows(asked(scores, scores), [deciding(of)], near, level))["onnx", "float"]
        for level in (0.6, 0.9999)
    ]
    assert words == ["same", "undecided"]


def test_all_explainers_and_pairs_share_one_correction() -> None:
    ladder, _ = three(30)
    of = {name: maps(30, 0) + 0.1 * maps(30, seed + 1) for seed, name in enumerate(NAMES)}
    one = deciding(of)
    (first, *_) = audit.verdict_rows(ladder, [one], 0.05)
    margin = first["loss"] + 2.5 * first["sample_error"]
    alone, twice = (audit.verdict_rows(ladder, [one] * count, margin) for count in (1, 2))
    unsure = [(a, b) for a, b in zip(alone, twice, strict=False) if 0 < a["p_same"] < 0.4]
    assert unsure
    assert all(b["p_same"] > a["p_same"] for a, b in unsure)


def test_a_flat_map_of_the_rung_may_hide_anything_and_one_of_the_reference_nothing() -> None:
    scores = small.noise(9, 3)
    of = {"float": maps(40, 0), "onnx": maps(40, 0)}
    of["onnx"][:3] = 0
    of["float"][5:9] = 0
    (row,) = audit.verdict_rows(asked(scores, scores), [deciding(of)], 0.05)
    assert (row["samples"], row["undefined"], row["silent"]) == (33, 3, 4)
    assert (row["verdict"], row["reason"]) == ("undecided", "undefined")
    of["onnx"][:3] = of["float"][:3]
    (row,) = audit.verdict_rows(asked(scores, scores), [deciding(of)], 0.05)
    assert (row["verdict"], row["samples"], row["undefined"], row["silent"]) == ("same", 36, 0, 4)


def test_a_loss_that_an_echo_has_too_is_none() -> None:
    """The rung's maps are those of rounded scores; so are the echo's, by another rounding of the same size."""
    scores, base = small.noise(9, 3), maps(40, 0)
    of = {"float": base, "onnx": base + 0.2 * maps(40, 1)}
    one = replace(deciding(of), echoes={"float": base + 0.2 * maps(40, 2)})
    (row,) = audit.verdict_rows(asked(scores, scores), [one], 0.05)
    assert abs(row["loss"]) < 0.005
    assert not row["beyond_noise"]
    (row,) = audit.verdict_rows(asked(scores, scores), [deciding(of)], 0.05)
    assert row["loss"] > 0.01
    assert row["beyond_noise"]


def test_the_noise_of_masks_is_that_between_the_halves_of_both_rungs() -> None:
    scores, base = small.noise(9, 3), maps(40, 0)
    of = {"float": base, "onnx": base + 0.2 * maps(40, 1)}
    halves = {"float": [(base, base)], "onnx": [(base + 0.1 * maps(40, 1), base + 0.9 * maps(40, 2))]}
    one = replace(deciding(of), halves=halves)
    (row,) = audit.verdict_rows(asked(scores, scores), [one], 0.05)
    first, second = (audit.compare(base, halves["onnx"][0][half], MEASURES[0]) for half in (0, 1))
    assert row["mask_error"] == pytest.approx((first - second).mean() / 2, abs=1e-6)
    (row,) = audit.verdict_rows(asked(scores, scores), [deciding(of)], 0.05)
    assert row["mask_error"] is None  # errors unknown, and no halves
    known = {name: Arrays(one_, np.zeros_like(one_)) for name, one_ in of.items()}
    (row,) = audit.verdict_rows(asked(scores, scores), [replace(deciding(of), arrays=known)], 0.05)
    assert row["mask_error"] == 0


def test_halves_of_plans_of_each_sample_are_put_together() -> None:
    plans = [EXPLAINER.plan((*SHAPE, 2), seed) for seed in range(3)]
    scores = small.noise(3, 60)
    found = audit.halved(EXPLAINER, Each(tuple(plans)), scores)
    assert found is not None
    for half in (0, 1):
        for i, plan in enumerate(plans):
            known = EXPLAINER.halves(plan, scores[i : i + 1])
            assert known is not None
            assert np.array_equal(found[half][i], known[half][0])
    grid = Occlusion((2,), (2,)).plan((*SHAPE, 2), 0)
    assert audit.halved(Occlusion((2,), (2,)), Each((grid, grid)), small.noise(2, len(grid))) is None


def test_masks_are_halved_by_the_digits_of_their_numbers() -> None:
    scores = small.noise(3, 60)
    ways = audit.halvings(EXPLAINER, PLAN, scores)
    assert len(ways) == audit.WAYS
    numbers = np.arange(60)
    for digit, both in enumerate(ways):
        for side in (0, 1):
            mine = numbers // 2**digit % 2 == side
            kept = PLAN.keep(0, 60)[mine].astype(np.float64)
            chosen = scores[:, mine].astype(np.float64)
            weights = chosen - chosen.mean(axis=1, keepdims=True)
            expected = np.tensordot(weights, kept, axes=1) / (mine.sum() * 0.5)
            assert both[side] == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("design", ["array", "pairs"])
def test_a_single_block_of_an_array_is_halved_by_its_pairs(design: Any) -> None:
    explainer = Rise(queries=32, grid=3, design=design)
    plan: Any = explainer.plan((*SHAPE, 2), seed=0)
    scores = small.noise(2, 32)
    ways = audit.halvings(explainer, plan, scores)
    assert len(ways) == audit.WAYS
    side = np.arange(32) // 2 >> 1 & 1 == 1
    chosen = scores[:, side].astype(np.float64)
    kept = plan.keep(0, 32)[side].astype(np.float64)
    expected = np.tensordot(chosen - chosen.mean(axis=1, keepdims=True), kept, axes=1) / (side.sum() * 0.5)
    assert ways[1][1] == pytest.approx(expected, abs=1e-5)


def test_too_few_masks_are_halved_in_fewer_ways() -> None:
    explainer = Rise(queries=6, grid=3)
    plan = explainer.plan((*SHAPE, 2), seed=0)
    assert len(audit.halvings(explainer, plan, small.noise(2, 6))) == 3  # 3 and 3, 4 and 2, 4 and 2; 6 and 0 is none


def test_the_step_that_changed_the_reasons_names_its_field() -> None:
    scores = small.noise(9, 3)
    ladder = asked(scores, scores, scores)
    of = {"float": maps(40, 0), "onnx": maps(40, 0), "int8": maps(40, 1)}
    one = deciding(of)
    rows = audit.verdict_rows(ladder, [one], 0.05)
    (cause,) = audit.cause_rows(ladder, [one], rows)
    assert cause == {
        "explainer": "rise-centred",
        "step": {"reference": "onnx", "rung": "int8", "changed": ["kernels"]},
    }


LABELS = np.array([0, 0, 0, 1, 1, 2])
SPLIT = Split(small.noise(6, 2, 2, 1), LABELS, tuple("abcdef"))
AUDITED = np.array([0, 1, 3, 4, 5])


def answering(*answers: int) -> NDArray[np.float32]:
    return np.eye(3, dtype=np.float32)[list(answers)]


def test_each_class_has_its_accuracy_flips_and_agreement_on_every_rung() -> None:
    ladder = asked(answering(0, 0, 1, 1, 1, 0), answering(0, 2, 1, 1, 0, 2))
    one = explained({"float": maps(5, 0), "onnx": maps(5, 1)})
    rows = audit.class_rows(ladder, [one], SPLIT, AUDITED)
    assert [(row["class"], row["rung"], row["tested"]) for row in rows] == [
        (label, name, tested) for label, tested in ((0, 3), (1, 2), (2, 1)) for name in ("float", "onnx")
    ]
    assert [row["accuracy"] for row in rows] == pytest.approx([2 / 3, 1 / 3, 1, 0.5, 0, 1], abs=1e-6)
    assert [row["flips"] for row in rows] == [0, 1, 0, 1, 0, 1]
    assert rows[0]["agreements"] == []
    values = audit.compare(one.maps["float"], one.maps["onnx"], MEASURES[0])
    (found,) = rows[3]["agreements"]
    assert (found["explainer"], found["samples"], found["undefined"]) == ("rise-centred", 2, 0)
    assert found["value"] == pytest.approx(values[2:4].mean(), abs=1e-6)


def test_few_values_have_an_interval_of_student_s_and_one_has_none() -> None:
    found = audit.mean_of_few(np.array([0.5, 0.6, 0.7, np.nan]), 0.95)
    assert (found["value"], found["samples"], found["undefined"]) == (0.6, 3, 1)
    assert found["low"] == pytest.approx(0.6 - 4.302653 * 0.1 / 3**0.5, abs=1e-6)
    assert found["high"] == pytest.approx(0.6 + 4.302653 * 0.1 / 3**0.5, abs=1e-6)
    assert audit.mean_of_few(np.array([0.95, 0.5]), 0.95)["high"] == 1  # no agreement is more
    alone, none = (audit.mean_of_few(np.array(row, np.float64), 0.95) for row in ([0.5], []))
    assert (alone["value"], alone["low"], alone["high"]) == (0.5, None, None)
    assert (none["value"], none["samples"]) == (None, 0)


def test_the_class_that_moved_most_is_found_among_many_comparisons() -> None:
    scores = small.noise(9, 3)
    of = {"float": maps(40, 0), "onnx": maps(40, 0), "int8": maps(40, 0) + 0.1 * maps(40, 3)}
    labels = np.arange(40) % 4
    of["int8"][labels == 2] = maps(10, 1)
    rows = audit.moved_rows(asked(scores, scores, scores), [deciding(of)], labels, 999, 0)
    by_rung = {row["rung"]: row for row in rows}
    assert by_rung["int8"]["class"] == 2
    assert by_rung["int8"]["p"] == pytest.approx(2 / 1000)  # of two comparisons, one deal in a thousand: its own
    assert by_rung["onnx"]["p"] == 1


def test_calibration_of_every_rung_by_hand() -> None:
    sure = np.log(np.array([[0.9, 0.05, 0.05]] * 6))
    rows = audit.calibration_rows(asked(sure.astype(np.float32), answering(*LABELS)), SPLIT, 400, 0)
    assert [row["rung"] for row in rows] == ["float", "onnx"]
    # half are right at a confidence of 0.9
    assert rows[0]["calibration_error"] == pytest.approx(0.4, abs=1e-6)
    assert rows[0]["brier"] == pytest.approx((3 * (0.01 + 0.005) + 3 * (0.81 + 0.9025 + 0.0025)) / 6, abs=1e-5)
    assert rows[0]["brier_low"] < rows[0]["brier"] < rows[0]["brier_high"]
    assert rows[0]["calibrated"] == pytest.approx(0.098, abs=0.02)  # mean |B(6, 0.9) / 6 - 0.9|
    assert (rows[0]["probabilities"], rows[1]["probabilities"]) == ("softmax", "as given")
    assert (rows[1]["calibration_error"], rows[1]["brier"], rows[1]["calibrated"]) == (0, 0, 0)


def test_resolution_is_that_of_the_rung_s_own_answers() -> None:
    explainer = Occlusion((4,), (4,))
    plan = explainer.plan((*SHAPE, 2), 0)
    fine = small.noise(5, len(plan), 3)
    coarse = np.round(fine).astype(np.float32)
    coarse[3] = 0
    ladder = asked(fine[:, 0], coarse[:, 0])
    given = [
        replace(one, given={explainer.name: Given(rows, 1.0)}) for one, rows in zip(ladder, (fine, coarse), strict=True)
    ]
    estimates = {
        one.name: explainer.estimate(plan, of_targets(one.given[explainer.name].answers, TARGETS)) for one in given
    }
    known = replace(explained(estimates), explainer=explainer, plan=plan)
    rows = audit.resolution_rows(given, [known], [None, Affine(0.5, 0, "int8")], SAMPLES, np.arange(5), TARGETS)
    assert [(row["rung"], row["unresolvable"], row["samples"]) for row in rows] == [("float", 0, 5), ("onnx", 1, 5)]
    assert rows[1]["step"] == 0.5
    assert rows[0]["dead"] == 0
    scores = of_targets(coarse, TARGETS)
    assert rows[1]["dead"] == pytest.approx(
        (scores[:, 1:] == scores[:, :1]).mean(), abs=1e-6
    )  # the first hides nothing
    assert rows[1]["levels"] == pytest.approx(np.mean([len(set(row.tolist())) for row in scores]))


@pytest.mark.parametrize("explainer", [Occlusion((2,), (2,)), EXPLAINER], ids=lambda one: one.name)
def test_a_query_hides_only_where_the_sample_is_not_its_background(explainer: Explainer) -> None:
    plan: Any = explainer.plan((*SHAPE, 2), 0)
    shown = SAMPLES > 1
    found = audit.hidden_by(plan, shown)
    each = audit.hidden_by(Each((plan,) * len(shown)), shown)
    for i, one in enumerate(shown.any(axis=-1)):
        assert np.array_equal(found[i], hiding(plan, one))
        assert np.array_equal(each[i], hiding(plan, one))
    assert not audit.hidden_by(plan, np.zeros_like(shown)).any()
    corner = np.zeros_like(shown)
    corner[:, 0, 0] = True
    assert 0 < audit.hidden_by(plan, corner).mean() < 1


def test_samples_are_described_by_id_label_and_explained_class() -> None:
    split = Split(small.noise(2, 2, 2, 1), np.array([4, 0]), ("test/9", "test/3"))
    assert audit.sample_rows(split, np.array([4, 1])) == [
        {"id": "test/9", "label": 4, "target": 4},
        {"id": "test/3", "label": 0, "target": 1},
    ]
