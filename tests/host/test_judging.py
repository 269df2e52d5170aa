import json
import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from samewhy_edge.errors import InputError
from samewhy_edge.explain import estimated, explain, of_targets
from samewhy_edge.faithfulness import Joint, explains_again, named
from samewhy_edge.fill import Background, Blur, Mean
from samewhy_edge.judge import Case, judge
from samewhy_edge.occlusion import Occlusion
from samewhy_edge.plan import Each
from samewhy_edge.quant import Affine
from samewhy_edge.query import ask
from samewhy_edge.shapley import Permutation
from samewhy_host.faithful import judgings
from samewhy_host.judging import Court, Faithfulness, Judging, Put
from tests.worlds import Recording, additive, subject

SAMPLE = (6, 5, 1)
SAMPLES = np.random.default_rng(0).normal(size=(4, *SAMPLE)).astype(np.float32)
TARGETS = np.array([0, 2, 1, 1])
EXPLAINER = Occlusion((2,), (1,))
ENTRY = Affine(0.05, 3, "int8")
FLOAT, INT8 = additive(*SAMPLE), additive(*SAMPLE, seed=1)


def put(world: Any, again: bool = True) -> Put:
    maps = explain(world, SAMPLES, TARGETS, EXPLAINER, 0)
    return Put(EXPLAINER, EXPLAINER.plan(SAMPLE, 0), maps, again)


def judged(world: Any, here: Court, *puts: Put, progress: Any = lambda _: None) -> Any:
    """Values (maps, measures, N)."""
    return Judging(here, puts)(subject(world, SAMPLE, 3), progress)["values"]


def court(*names: str) -> Court:
    return Court(SAMPLES, TARGETS, Faithfulness(names).chosen(ENTRY), 0, ENTRY)


def test_own_maps_are_as_the_judge_finds_them() -> None:
    here = court("all")
    (found,) = judged(INT8, here, put(INT8))
    remade = Case(
        INT8,
        SAMPLES,
        TARGETS,
        put(INT8).maps,
        0,
        explain=lambda samples, targets: explain(INT8, samples, targets, EXPLAINER, 0),
        entry=ENTRY,
    )
    known = judge(remade)
    for row, measure in zip(found, here.measures, strict=True):
        np.testing.assert_allclose(row, known[measure.name], atol=1e-6, err_msg=measure.name)


def test_the_maps_of_another_world_are_less_faithful() -> None:
    here = court("insertion", "mu-fidelity", "sensitivity-n")
    own, lent = judged(INT8, here, put(INT8), put(FLOAT, again=False))
    assert (own.mean(axis=1) > lent.mean(axis=1) + 0.05).all()


def test_maps_that_another_rung_made_are_not_made_again() -> None:
    here = court("all")
    (found,) = judged(INT8, here, put(FLOAT, again=False))
    undefined = [measure.name for row, measure in zip(found, here.measures, strict=True) if np.isnan(row).all()]
    assert undefined == [one.name for one in here.measures if explains_again(one)]
    assert "adcc" in undefined


def test_the_bill_is_what_is_asked() -> None:
    here, told = court("deletion", "coherency", "average-drop"), list[int]()
    asked = Recording(INT8)
    judged(asked, here, put(INT8), progress=told.append)
    assert sum(told) == Judging(here, (put(INT8),)).bill()
    assert sum(map(len, asked.asked)) <= here.bill(put(INT8)) + len(SAMPLES)  # and the whole samples once


def test_without_an_integer_input_there_is_no_last_bit_to_change() -> None:
    names = [one.name for one in Faithfulness(("all",)).chosen(None)]
    assert "max-sensitivity" not in names
    assert "max-sensitivity" in [one.name for one in Faithfulness(("all",)).chosen(ENTRY)]


def test_a_fill_of_the_study_hides_everywhere_but_where_a_blur_is_the_definition() -> None:
    measures = Faithfulness(("all",), Mean()).chosen(ENTRY)
    fills = {one.name: one.how.fill for one in measures if not isinstance(one.how, Joint)}
    assert fills.pop("insertion") == Blur()
    assert set(fills.values()) == {Mean()}
    (joint,) = (one for one in measures if one.name == "adcc")
    assert isinstance(joint.how, Joint)
    assert [part.how.fill for part in joint.how.parts if not isinstance(part.how, Joint)] == [Mean(), Mean()]


def test_measures_stand_in_the_order_of_the_table_and_unknown_ones_are_refused() -> None:
    assert [one.name for one in named(["insertion", "deletion"])] == ["deletion", "insertion"]
    with pytest.raises(InputError, match=r"measure of faithfulness .deletoin.*deletion"):
        named(["deletoin"])


def test_a_court_without_measures_asks_for_nothing() -> None:
    here = replace(court("deletion"), measures=())
    (found,) = judged(INT8, here, put(INT8))
    assert found.shape[0] == 0


class Told:
    """What judgings read of an explained reference and a rung."""

    explainer, plan = EXPLAINER, EXPLAINER.plan(SAMPLE, 0)
    maps = {"float": put(FLOAT).maps, "int8": put(INT8).maps}  # noqa: RUF012  # never changed
    random = put(FLOAT).maps[::-1]


def test_rungs_judge_their_own_maps_then_the_references_and_the_reference_judges_noise() -> None:
    first, second = judgings(["float", "int8"], [Told()], court("deletion"))  # type: ignore[list-item]  # all that is read
    assert [one.maps is maps for one, maps in zip(first.puts, (Told.maps["float"], Told.random), strict=True)] == [
        True
    ] * 2
    assert [one.maps is Told.maps[name] for one, name in zip(second.puts, ("int8", "float"), strict=True)] == [True] * 2
    assert [one.again for one in (*first.puts, *second.puts)] == [True, False, True, False]


def test_work_travels_and_is_known_by_all_that_decides_it() -> None:
    work = Judging(court("all"), (put(INT8),))
    there = pickle.loads(pickle.dumps(work))
    np.testing.assert_array_equal(*(one(subject(INT8, SAMPLE, 3), lambda _: None)["values"] for one in (there, work)))
    others = (
        replace(work, court=replace(work.court, seed=1)),
        replace(work, court=replace(work.court, measures=work.court.measures[:3])),
        replace(work, court=replace(work.court, measures=Faithfulness(("all",), Mean()).chosen(ENTRY))),
        replace(work, court=replace(work.court, entry=replace(ENTRY, scale=0.1))),
        replace(work, puts=(put(FLOAT),)),
    )
    known = [json.dumps(one.inputs(), sort_keys=True) for one in (work, *others)]
    assert len(set(known)) == len(known)
    assert json.dumps(there.inputs(), sort_keys=True) == known[0]


@pytest.mark.parametrize("fill", [0.0, Mean(), "background"], ids=str)
def test_parts_find_what_the_whole_finds(fill: Any, tmp_path: Path) -> None:
    np.save(tmp_path / "others.npy", np.random.default_rng(5).normal(size=SAMPLES.shape).astype(np.float32))
    own = Background(str(tmp_path / "others.npy")) if fill == "background" else fill
    explainer = Permutation(features=(3,), permutations=2, fill=own)
    plans = Each(tuple(explainer.plan(SAMPLE, seed) for seed in range(len(SAMPLES))))  # type: ignore[arg-type]  # plans, none of plans
    answers = ask(INT8, SAMPLES, plans, own)
    maps = estimated(explainer.estimate, plans, of_targets(answers, TARGETS))
    here = replace(court("all"), measures=Faithfulness(("all",), own).chosen(ENTRY))
    work = Judging(here, (Put(explainer, plans, maps), Put(explainer, plans, maps[::-1], again=False))).carried()
    (tmp_path / "others.npy").unlink()
    whole = work(subject(INT8, SAMPLE, 3), lambda _: None)["values"]
    parts = [work.part(*span)(subject(INT8, SAMPLE, 3), lambda _: None)["values"] for span in ((0, 1), (1, 4))]
    np.testing.assert_array_equal(np.concatenate(parts, axis=-1), whole)
