import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from samewhy_edge.errors import InputError, OutputError
from samewhy_edge.explain import explain
from samewhy_edge.files import sha256
from samewhy_edge.occlusion import Occlusion
from samewhy_edge.plan import digest
from samewhy_edge.record import Record, load, record_of, save
from samewhy_edge.rise import Rise
from tests.worlds import RUNG, Recording, additive, subject

SAMPLES = np.random.default_rng(2).normal(size=(2, 8, 7, 1)).astype(np.float32)
TARGETS = np.array([2, 0])


def made(seed: int = 5, explainer: Any = Occlusion((3,), (2,), fill=0.5)) -> tuple[Record, Any]:  # noqa: B008  # frozen
    return record_of(subject(additive(8, 7, 1), (8, 7, 1), 3), SAMPLES, TARGETS, explainer, seed)


def edited(path: Path, **changes: Any) -> Path:
    table = json.loads(path.read_text())
    path.write_text(json.dumps({**table, **changes}))
    return path


@pytest.fixture
def written(tmp_path: Path) -> Path:
    save(*made(), tmp_path / "one")
    return tmp_path / "one.json"


def test_a_record_names_all_that_makes_its_maps_again() -> None:
    record, maps = made()
    explainer = Occlusion((3,), (2,), fill=0.5)
    assert record.rung == RUNG
    assert record.explainer == {"name": "occlusion", "window": (3,), "stride": (2,), "fill": 0.5}
    assert record.plan == digest(explainer.plan((8, 7), 5))
    assert (record.queries, record.seed, record.targets) == (len(explainer.plan((8, 7), 5)), 5, (2, 0))
    assert record.samples == (sha256(SAMPLES[0]), sha256(SAMPLES[1]))
    assert np.array_equal(maps, explain(additive(8, 7, 1), SAMPLES, TARGETS, explainer, 5))


def test_the_number_of_queries_is_what_a_sample_was_asked() -> None:
    world = Recording(additive(8, 7, 1))
    record, _ = record_of(subject(world, (8, 7, 1), 3), SAMPLES, TARGETS, Rise(70, 3))
    assert sum(map(len, world.asked)) == 2 * record.queries == 140


def test_seconds_are_those_of_asking_to_the_millisecond() -> None:
    clock = iter([10.0, 12.50049])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("samewhy_edge.record.time.perf_counter", lambda: next(clock))
        assert made()[0].seconds == 2.5


def test_the_seed_is_the_seed_of_the_masks() -> None:
    plans = [made(seed, Rise(10, 3))[0].plan for seed in (1, 1, 2)]
    assert plans[0] == plans[1] != plans[2]


def test_a_record_comes_back_as_it_was(tmp_path: Path) -> None:
    record, maps = made(explainer=Rise(20, 3))
    save(record, maps, tmp_path / "rise-0.5")
    found, found_maps = load(tmp_path / "rise-0.5.json")
    assert found == record
    assert np.array_equal(found_maps, maps)
    assert found_maps.dtype == np.float32


def test_two_saves_of_a_record_are_equal_byte_by_byte(tmp_path: Path) -> None:
    record, maps = made()
    for name in ("a", "b"):
        save(record, maps, tmp_path / name)
    for suffix in (".json", ".npz"):
        assert (tmp_path / f"a{suffix}").read_bytes() == (tmp_path / f"b{suffix}").read_bytes()


def test_a_record_is_sorted_text(written: Path) -> None:
    pairs = json.loads(written.read_text(), object_pairs_hook=lambda pairs: [key for key, _ in pairs])
    assert pairs == sorted(pairs)
    assert len(written.read_text().splitlines()) > 20


@pytest.mark.parametrize("schema", [0, 2, "1", None])
def test_another_schema_is_refused(written: Path, schema: Any) -> None:
    with pytest.raises(InputError, match=f"record schema {schema}, expected 1; make the record anew"):
        load(edited(written, schema=schema))


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (lambda path: path.unlink(), r"no such record; expected a \.json with its \.npz"),
        (lambda path: path.with_suffix(".npz").unlink(), r"no one\.npz beside it"),
        (lambda path: path.write_text(path.read_text()[:-40]), "not readable as JSON"),
        (lambda path: path.write_text("[1]"), "record schema None, expected 1"),
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
    record, maps = made()
    save(replace(record, study="ab" * 32), maps, tmp_path / "one")
    assert record.study is None
    assert load(tmp_path / "one.json")[0].study == "ab" * 32
