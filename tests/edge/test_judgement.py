import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from samewhy_edge.cli import app
from samewhy_edge.complexity import SHAPE
from samewhy_edge.errors import InputError
from samewhy_edge.explain import explain
from samewhy_edge.judge import Case, judge, softmax
from samewhy_edge.judgement import MEASURES, judged_record, probabilities
from samewhy_edge.occlusion import Occlusion
from samewhy_edge.record import Arrays, record_of, save
from tests.worlds import RUNG, additive, subject

SAMPLES = np.random.default_rng(0).normal(size=(3, 6, 5, 2)).astype(np.float32)
TARGETS = np.array([0, 2, 1])
WORLD = additive(6, 5, 2)
ASKED = subject(WORLD, (6, 5, 2), 3)
EXPLAINER = Occlusion((2,), (1,))


@pytest.fixture
def record(tmp_path: Path) -> Path:
    maps = explain(ASKED, SAMPLES, TARGETS, EXPLAINER, 0)
    made = record_of(RUNG, EXPLAINER, "digest", 31, Arrays(maps), 1.0, 4, SAMPLES, TARGETS)
    save(made, Arrays(maps), tmp_path / "occlusion")
    return tmp_path / "occlusion.json"


def row_of(found: dict[str, Any], name: str) -> dict[str, Any]:
    (row,) = (row for row in (*found["faithfulness"], *found["shape"]) if row["name"] == name)
    return row


def test_values_are_those_of_the_measures_with_the_records_targets_and_seed(record: Path) -> None:
    found = judged_record(ASKED, record, SAMPLES)
    maps = explain(ASKED, SAMPLES, TARGETS, EXPLAINER, 0)
    known = judge(Case(ASKED, SAMPLES, TARGETS, maps, seed=4, probability=softmax), MEASURES)
    for measure in MEASURES:
        values = [np.nan if one is None else one for one in row_of(found, measure.name)["values"]]
        np.testing.assert_allclose(values, known[measure.name], atol=1e-6)
    for measure in SHAPE:
        assert row_of(found, measure.name)["values"] == pytest.approx([measure.of(one) for one in maps], abs=1e-6)


def test_maps_of_one_rung_are_judged_on_another(record: Path) -> None:
    found = judged_record(subject(additive(6, 5, 2, seed=9), (6, 5, 2), 3), record, SAMPLES)
    own = judged_record(ASKED, record, SAMPLES)
    assert row_of(found, "deletion")["values"] != row_of(own, "deletion")["values"]
    assert found["shape"] == own["shape"]


@pytest.mark.parametrize("samples", [SAMPLES[::-1].copy(), SAMPLES[:2]], ids=["order", "number"])
def test_other_samples_than_the_records_are_refused(record: Path, samples: Any) -> None:
    with pytest.raises(InputError, match=rf"a record of 3 samples, and these {len(samples)} are not the same"):
        judged_record(ASKED, record, samples)


def test_nothing_that_explains_again_is_among_the_measures() -> None:
    names = {one.name for one in MEASURES}
    assert {"deletion", "insertion", "average-drop"} <= names
    assert not {"coherency", "adcc", "max-sensitivity"} & names


@pytest.mark.parametrize(
    ("scores", "known"),
    [([[0.25, 0.75]], True), ([[0.5, 0.48]], True), ([[0.5, 0.4]], False), ([[-0.1, 1.1]], False), ([[3, 4]], False)],
)
def test_probabilities_are_told_from_logits(scores: Any, known: bool) -> None:
    assert probabilities(np.array(scores, np.float32)) == known


def test_the_verb_prints_every_measure_and_writes_all_values(tmp_path: Path) -> None:
    samples = np.random.default_rng(1).random((2, 8, 8, 1), np.float32)
    np.save(tmp_path / "samples.npy", samples)
    address, runner = "litert:tests/golden/files/image_int8.tflite", CliRunner()
    given = ["--input", str(tmp_path / "samples.npy")]
    assert runner.invoke(app, ["explain", address, *given, "--out", str(tmp_path)]).exit_code == 0
    words = ["judge", address, *given, "--record", str(tmp_path / "records" / "occlusion.json")]
    done = runner.invoke(app, [*words, "--out", str(tmp_path / "judged.json")])
    assert done.exit_code == 0, done.output
    found = json.loads((tmp_path / "judged.json").read_text())
    assert {row["name"] for row in found["faithfulness"]} == {one.name for one in MEASURES}
    assert all(len(row["values"]) == 2 for row in (*found["faithfulness"], *found["shape"]))
    assert "deletion" in done.output
