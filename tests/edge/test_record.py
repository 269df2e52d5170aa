import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from samewhy_edge.budget import spend
from samewhy_edge.errors import InputError, OutputError
from samewhy_edge.explain import explain, of_all_classes, of_targets, reliability
from samewhy_edge.files import sha256
from samewhy_edge.occlusion import Occlusion
from samewhy_edge.plan import digest
from samewhy_edge.query import ask
from samewhy_edge.record import SCHEMA, Arrays, Record, arrays_of, load, record_of, save
from samewhy_edge.rise import Rise
from samewhy_edge.shapley import KernelShap, Permutation
from tests.worlds import RUNG, Recording, additive, subject

SAMPLES = np.random.default_rng(2).normal(size=(2, 8, 7, 1)).astype(np.float32)
TARGETS = np.array([2, 0])


def made(
    seed: int = 5,
    explainer: Any = Occlusion((3,), (2,), fill=0.5),  # noqa: B008  # frozen
    world: Any = None,
    every_class: bool = False,
    **more: Any,
) -> tuple[Record, Arrays]:
    known = subject(world or additive(8, 7, 1), (8, 7, 1), 3)
    spent = spend(known, SAMPLES, TARGETS, explainer, seed)
    found = (spent.explainer, spent.plan, spent.answers, TARGETS, spent.maps, spent.errors)
    arrays = arrays_of(*found, every_class=every_class)
    plan = digest(spent.plan)
    seconds = more.pop("seconds", spent.seconds)
    record = record_of(RUNG, explainer, plan, spent.queries, arrays, seconds, seed, SAMPLES, TARGETS, **more)
    return record, arrays


def edited(path: Path, **changes: Any) -> Path:
    table = json.loads(path.read_text())
    path.write_text(json.dumps({**table, **changes}))
    return path


@pytest.fixture
def written(tmp_path: Path) -> Path:
    save(*made(), tmp_path / "one")
    return tmp_path / "one.json"


def test_a_record_names_all_that_makes_its_maps_again() -> None:
    record, arrays = made()
    explainer = Occlusion((3,), (2,), fill=0.5)
    assert record.rung == RUNG
    known = {"name": "occlusion", "window": (3,), "stride": (2,), "fill": 0.5, "convention": "captum"}
    assert record.explainer == known
    assert record.plan == digest(explainer.plan((8, 7, 1), 5))
    assert (record.queries, record.seed, record.targets) == (len(explainer.plan((8, 7, 1), 5)), 5, (2, 0))
    assert record.samples == (sha256(SAMPLES[0]), sha256(SAMPLES[1]))
    assert np.array_equal(arrays.maps, explain(additive(8, 7, 1), SAMPLES, TARGETS, explainer, 5))


def test_the_number_of_queries_is_what_a_sample_was_asked() -> None:
    world = Recording(additive(8, 7, 1))
    record, _ = made(explainer=Rise(70, 3), world=world)
    assert sum(map(len, world.asked)) == 2 * record.queries == 140


def test_seconds_are_told_to_the_millisecond() -> None:
    assert made(seconds=2.50049)[0].seconds == 2.5


def test_the_seed_is_the_seed_of_the_masks() -> None:
    plans = [made(seed, Rise(10, 3))[0].plan for seed in (1, 1, 2)]
    assert plans[0] == plans[1] != plans[2]


@pytest.mark.parametrize(
    ("explainer", "names"),
    [
        (Rise(40, 3), {"maps", "errors", "reliability", "class_maps"}),
        (Permutation((2,), 3), {"maps", "errors", "reliability", "class_maps"}),
        (Permutation((2,), 1), {"maps", "class_maps"}),  # one order has no errors and no halves
        (Occlusion(), {"maps", "errors", "class_maps"}),  # nothing is drawn
    ],
    ids=["rise", "permutation", "one order", "occlusion"],
)
def test_a_record_comes_back_as_it_was(tmp_path: Path, explainer: Any, names: set[str]) -> None:
    record, arrays = made(explainer=explainer, every_class=True)
    save(record, arrays, tmp_path / "one-0.5")
    found, read = load(tmp_path / "one-0.5.json")
    assert replace(found, explainer=record.explainer) == record
    assert found.explainer == json.loads(json.dumps(record.explainer))  # sizes as lists
    with np.load(tmp_path / "one-0.5.npz") as content:
        assert set(content) == names
    for name in Arrays.__slots__:
        one, other = getattr(arrays, name), getattr(read, name)
        assert (one is None and other is None) or (one.tobytes(), one.dtype) == (other.tobytes(), other.dtype)
    assert read.maps.dtype == np.float32


def test_what_goes_with_the_maps_is_from_the_same_answers() -> None:
    explainer = Rise(60, 3)
    plan, world = explainer.plan((8, 7, 1), 5), additive(8, 7, 1)
    answers = ask(world, SAMPLES, plan)
    scores = of_targets(answers, TARGETS)
    record, arrays = made(explainer=explainer, every_class=True)
    assert arrays.errors is not None
    assert np.array_equal(arrays.errors, explainer.errors(plan, scores))
    assert arrays.reliability is not None
    assert np.array_equal(arrays.reliability, reliability(explainer, plan, scores))
    assert record.reliability == pytest.approx(arrays.reliability.mean(), abs=1e-6)
    assert arrays.class_maps is not None
    assert arrays.class_maps.shape == (2, 3, 8, 7)
    assert np.array_equal(arrays.class_maps, of_all_classes(explainer.estimate, plan, answers))
    assert np.array_equal(arrays.class_maps[[0, 1], TARGETS], arrays.maps)


def test_maps_of_all_classes_are_left_out_unless_asked_for() -> None:
    assert made()[1].class_maps is None


def test_a_reliability_that_some_samples_do_not_define_is_the_mean_of_the_others() -> None:
    world = additive(8, 7, 1)
    maps = np.zeros((2, 8, 7), np.float32)
    arrays = Arrays(maps, None, np.array([0.5, np.nan]))
    known = ("digest", 1, arrays, 1.0, 0, SAMPLES, TARGETS)
    assert record_of(RUNG, Rise(), *known).reliability == 0.5
    flat = np.zeros_like(SAMPLES)  # masked or not, it is the same
    explainer = Rise(20, 3)
    plan = explainer.plan((8, 7, 1), 5)
    answers = ask(world, flat, plan)
    assert arrays_of(explainer, plan, answers, TARGETS, maps, maps).reliability is None


def test_a_record_says_what_ended_it_and_which_file_told_the_method() -> None:
    plain, told = made()[0], made(stopped="error", methods="ab" * 32, study="cd" * 32)[0]
    assert (plain.stopped, plain.methods, plain.study) == ("plan", None, None)
    assert (told.stopped, told.methods, told.study) == ("error", "ab" * 32, "cd" * 32)


def test_a_record_of_a_method_without_halves_has_no_reliability(tmp_path: Path) -> None:
    save(*made(explainer=KernelShap((2,), 16)), tmp_path / "one")  # all coalitions: exact
    assert json.loads((tmp_path / "one.json").read_text())["reliability"] is None


def test_two_saves_of_a_record_are_equal_byte_by_byte(tmp_path: Path) -> None:
    record, arrays = made()
    for name in ("a", "b"):
        save(record, arrays, tmp_path / name)
    for suffix in (".json", ".npz"):
        assert (tmp_path / f"a{suffix}").read_bytes() == (tmp_path / f"b{suffix}").read_bytes()


def test_a_record_is_sorted_text(written: Path) -> None:
    pairs = json.loads(written.read_text(), object_pairs_hook=lambda pairs: [key for key, _ in pairs])
    assert pairs == sorted(pairs)
    assert len(written.read_text().splitlines()) > 20


@pytest.mark.parametrize("schema", [0, 1, 3, "2", None])
def test_another_schema_is_refused(written: Path, schema: Any) -> None:
    with pytest.raises(InputError, match=f"record schema {schema}, expected {SCHEMA}; make the record anew"):
        load(edited(written, schema=schema))


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (lambda path: path.unlink(), r"no such record; expected a \.json with its \.npz"),
        (lambda path: path.with_suffix(".npz").unlink(), r"no one\.npz beside it"),
        (lambda path: path.write_text(path.read_text()[:-40]), "not readable as JSON"),
        (lambda path: path.write_text("[1]"), "record schema None, expected 2"),
    ],
    ids=["missing", "half missing", "truncated", "list"],
)
def test_a_broken_record_is_refused(written: Path, spoil: Callable[[Path], Any], sentence: str) -> None:
    spoil(written)
    with pytest.raises(InputError, match=rf"one\.json: {sentence}"):
        load(written)


def test_a_record_below_a_file_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot be written"):
        save(*made(), tmp_path / "file" / "one")


def test_records_know_their_study(tmp_path: Path) -> None:
    record, arrays = made()
    save(replace(record, study="ab" * 32), arrays, tmp_path / "one")
    assert record.study is None
    assert load(tmp_path / "one.json")[0].study == "ab" * 32
