import sys
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from samewhy_edge import open_predictor
from samewhy_edge.errors import AddressError, ArtifactError, ExtraError, InputError
from samewhy_edge.predictor import Subject, check_targets, load_extra
from tests.worlds import Constant, Recording, subject

SAMPLE = (4, 5, 1)


@pytest.fixture
def world() -> Recording:
    return Recording(Constant())


@pytest.fixture
def guarded(world: Recording) -> Subject:
    return subject(world, SAMPLE, 2)


def good(count: int = 2) -> Any:
    return np.zeros((count, *SAMPLE), np.float32)


def with_one(value: float) -> Any:
    samples = good()
    samples.flat[3] = value
    return samples


def test_good_samples_reach_the_predictor_as_they_are(guarded: Subject, world: Recording) -> None:
    samples = with_one(2.5)
    assert guarded(samples).tolist() == [[0.25, 0.75]] * 2
    assert np.array_equal(world.asked[0], samples)


def test_a_batch_of_one_is_a_batch(guarded: Subject) -> None:
    assert guarded(good(1)).shape == (1, 2)


@pytest.mark.parametrize(
    ("samples", "sentence"),
    [
        (good().astype(np.float64), "samples are float64, expected float32 in the network's own units"),
        (good().astype(np.uint8), "samples are uint8, expected float32"),
        (good().tolist(), "samples are list, expected float32"),
        (good()[0], r"samples have shape \(4, 5, 1\), expected \(N, 4, 5, 1\)"),
        (good()[..., 0], r"samples have shape \(2, 4, 5\), expected \(N, 4, 5, 1\)"),
        (good().transpose(0, 3, 1, 2), r"samples have shape \(2, 1, 4, 5\), expected \(N, 4, 5, 1\)"),
        (good()[None], r"samples have shape \(1, 2, 4, 5, 1\)"),
        (with_one(np.nan), "samples hold 1 NaN or infinite values, expected none"),
        (with_one(-np.inf), "samples hold 1 NaN or infinite values, expected none"),
    ],
    ids=["float64", "uint8", "list", "no batch", "no channel", "channels first", "nested", "NaN", "infinite"],
)
def test_bad_samples_are_refused_before_the_predictor_sees_them(
    guarded: Subject, world: Recording, samples: Any, sentence: str
) -> None:
    with pytest.raises(InputError, match=sentence):
        guarded(samples)
    assert world.asked == []


def test_targets_within_the_classes_pass() -> None:
    check_targets(np.array([0, 2, 1]), 3, 3)


@pytest.mark.parametrize(
    ("targets", "sentence"),
    [
        (np.array([0, 3]), "class index 3 is out of range; this predictor has 3 classes, 0 to 2"),
        (np.array([-1, 0]), "class index -1 is out of range"),
        (np.array([0.0, 1.0]), r"targets are float64 of shape \(2,\), expected 2 whole numbers"),
        (np.array([True, False]), "targets are bool"),
        (np.array([0]), r"targets are int64 of shape \(1,\), expected 2 whole numbers"),
        (np.array([[0], [1]]), r"targets are int64 of shape \(2, 1\)"),
    ],
    ids=["too large", "negative", "real", "bool", "too few", "column"],
)
def test_bad_targets_are_refused(targets: Any, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        check_targets(targets, 2, 3)


def test_an_unknown_runtime_is_refused_with_the_nearest_one() -> None:
    with pytest.raises(AddressError, match=r"unknown runtime 'litter'; did you mean 'litert'\? known: .*litert"):
        open_predictor("litter:model.tflite")


def test_an_address_without_a_runtime_is_refused() -> None:
    with pytest.raises(AddressError, match="expected runtime:path"):
        open_predictor("model.tflite")


def test_a_missing_model_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=r"nothing\.tflite: found no file, expected a model file"):
        open_predictor(f"litert:{tmp_path}/nothing.tflite")


@pytest.mark.parametrize("module", ["samewhy_nowhere", "samewhy_nowhere.inner"])
def test_a_runtime_without_its_package_names_the_line_that_installs_it(module: str) -> None:
    with pytest.raises(ExtraError, match=r"board needs samewhy_nowhere, .* pip install samewhy_nowhere"):
        load_extra(EntryPoint("board", f"{module}:open_board", "samewhy.runtimes"))


def test_a_part_of_the_project_is_installed_by_its_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "samewhy_bridge.py").write_text("import a_package_that_nobody_has")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "samewhy_bridge", raising=False)  # another test may have imported the real one
    with pytest.raises(ExtraError, match=r"needs a_package_that_nobody_has, .* pip install 'samewhy\[bridge\]'"):
        load_extra(EntryPoint("board", "samewhy_bridge:open_board", "samewhy.runtimes"))
