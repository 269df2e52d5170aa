from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from samewhy_edge.agreement import MEASURES
from samewhy_edge.arrays import Maps
from samewhy_edge.explain import Explainer, of_targets, shuffled
from samewhy_edge.occlusion import Occlusion
from samewhy_edge.plan import digest
from samewhy_edge.query import ask
from samewhy_edge.record import Arrays
from samewhy_edge.rise import Rise
from samewhy_edge.rung import Artifact, Rung
from samewhy_host import audit, stats
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


def test_the_ceiling_of_an_honest_explainer_lies_far_above_its_floor() -> None:
    explainer = Rise(queries=2000, grid=3)
    world = additive(*SHAPE, 2, seed=1)
    given = answered(world, explainer)
    ladder = [Asked("float", REFERENCE, np.zeros((5, 3), np.float32), {explainer.name: given})]
    other = (explainer.plan((*SHAPE, 2), 3, 1), answered(world, explainer, draw=1))
    found = audit.explained(explainer, explainer.plan((*SHAPE, 2), 3), "digest", ladder, other, SAMPLES, TARGETS, seed=3)
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


def test_samples_are_described_by_id_label_and_explained_class() -> None:
    split = Split(small.noise(2, 2, 2, 1), np.array([4, 0]), ("test/9", "test/3"))
    assert audit.sample_rows(split, np.array([4, 1])) == [
        {"id": "test/9", "label": 4, "target": 4},
        {"id": "test/3", "label": 0, "target": 1},
    ]
