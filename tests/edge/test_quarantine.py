from pathlib import Path
from typing import Any

import numpy as np
import pytest

from samewhy_edge import quarantine
from samewhy_edge.errors import ArtifactError
from samewhy_edge.examination import asking, fixed_shapes, reason, refuse_memory, refuse_operators
from tests.golden import FILES

# What runs in quarantine is replaced by a shell script, for what no file does reliably.


def with_child(lines: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    child = folder / "child"
    child.write_text(f"#!/bin/sh\n{lines}\n")
    child.chmod(0o755)
    monkeypatch.setattr("samewhy_edge.quarantine.sys.executable", str(child))


def examined(folder: Path) -> quarantine.Findings:
    return quarantine.examine(folder / "m.tflite", "xnnpack", "0" * 64)


@pytest.mark.parametrize("name", ["SEGV", "BUS", "ABRT"])
def test_a_crash_of_the_interpreter_is_an_error_with_its_signal(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_child(f"kill -{name} $$", tmp_path, monkeypatch)
    with pytest.raises(ArtifactError, match=rf"m\.tflite: crashed the interpreter \(SIG{name}\); .* export it anew"):
        examined(tmp_path)


def test_a_file_that_hangs_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with_child("exec sleep 30", tmp_path, monkeypatch)
    monkeypatch.setattr(quarantine, "PATIENCE", 0.1)
    with pytest.raises(ArtifactError, match=r"m\.tflite: no answer within 0\.1 s; expected a model that ends"):
        examined(tmp_path)


def test_another_failure_is_told_by_its_last_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with_child("echo Traceback >&2; echo MemoryError: too large >&2; exit 1", tmp_path, monkeypatch)
    with pytest.raises(ArtifactError, match=r"m\.tflite: MemoryError: too large"):
        examined(tmp_path)


def test_silence_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with_child("true", tmp_path, monkeypatch)
    with pytest.raises(ArtifactError, match=r"m\.tflite: no message"):
        examined(tmp_path)


def test_chatter_before_the_findings_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    findings = (
        '{"sample": [4, 1], "classes": 2, "input": ["int8", 0.5, 3], "output": ["float32", 0, 0], "operators": []}'
    )
    with_child(f"echo INFO: hello; echo '{findings}'", tmp_path, monkeypatch)
    found = examined(tmp_path)
    assert found == quarantine.Findings((4, 1), 2, ("int8", 0.5, 3), ("float32", 0, 0), ())


def test_a_file_is_examined_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "m.tflite"
    path.write_bytes((FILES / "image_int8.tflite").read_bytes())
    first = quarantine.examine(path, "reference", "1" * 64)
    with_child("exit 1", tmp_path, monkeypatch)
    assert quarantine.examine(path, "reference", "1" * 64) is first
    with pytest.raises(ArtifactError):
        quarantine.examine(path, "reference", "2" * 64)


def test_the_findings_name_every_operator() -> None:
    found = quarantine.examine(FILES / "image_int8.tflite", "builtin", "3" * 64)
    assert found.operators == ("CONV_2D", "CONV_2D", "MEAN", "FULLY_CONNECTED")


def test_operators_with_small_letters_are_custom() -> None:
    refuse_operators(["CONV_2D", "SOFTMAX"])
    with pytest.raises(ArtifactError, match="custom operators FlexErf, TFLite_Detection_PostProcess; expected"):
        refuse_operators(["TFLite_Detection_PostProcess", "CONV_2D", "FlexErf", "FlexErf"])


@pytest.mark.parametrize("name", ["VAR_HANDLE", "READ_VARIABLE", "ASSIGN_VARIABLE", "CALL_ONCE"])
def test_operators_that_keep_state_are_refused_by_name(name: str) -> None:
    with pytest.raises(ArtifactError, match=f"stateful operators {name}; expected the same answer"):
        refuse_operators(["CONV_2D", name])


class FakeInterpreter:
    """Answers the sum of what it was given, and of all that it was given before where it has a memory."""

    def __init__(self, memory: bool) -> None:
        self.memory, self.total = memory, 0

    def set_tensor(self, index: int, value: Any) -> None:
        self.total = self.memory * self.total + int(value.sum())

    def invoke(self) -> None:
        pass

    def get_tensor(self, index: int) -> Any:
        return np.array([[self.total]])


def test_a_memory_that_no_operator_tells_of_is_found_by_asking() -> None:
    entry, exit_ = {"index": 0, "shape": [1, 2, 1], "dtype": np.int8}, {"index": 1}
    refuse_memory(asking(FakeInterpreter(memory=False), entry, exit_))
    with pytest.raises(ArtifactError, match="stateful: the same sample got another answer the second time; expected"):
        refuse_memory(asking(FakeInterpreter(memory=True), entry, exit_))


def ends(entry: list[int], exit_: list[int]) -> tuple[dict[str, Any], dict[str, Any]]:
    return {"shape_signature": np.array(entry)}, {"shape": np.array(exit_)}


@pytest.mark.parametrize(
    ("entry", "exit_", "shapes"),
    [
        ([1, 8, 8, 3], [1, 10], ((8, 8, 3), 10)),
        ([-1, 8, 8, 3], [1, 10], ((8, 8, 3), 10)),
        ([1, 128, 6], [1, 5], ((128, 6), 5)),
        ([1, 8, 8, 1], [1, 1, 1, 10], ((8, 8, 1), 10)),
        ([1, 8, 8, 1], [1, 1], ((8, 8, 1), 1)),
    ],
    ids=["image", "any batch", "series", "spatial output", "one score"],
)
def test_shapes_of_a_classifier_are_read(entry: list[int], exit_: list[int], shapes: Any) -> None:
    assert fixed_shapes(*ends(entry, exit_)) == shapes


@pytest.mark.parametrize(
    ("entry", "exit_", "sentence"),
    [
        ([1, -1, 8, 1], [1, 10], r"dynamic input shape \(1, -1, 8, 1\)"),
        ([4, 8, 8, 1], [4, 10], r"input shape \(4, 8, 8, 1\); expected \(1, \*S, C\)"),
        ([1, 64], [1, 10], r"input shape \(1, 64\); expected"),
        ([1, 4, 4, 4, 1], [1, 10], r"input shape \(1, 4, 4, 4, 1\); expected"),
        ([1, 8, 8, 1], [1, 2, 5], r"output shape \(1, 2, 5\); expected one row of class scores"),
        ([1, 8, 8, 1], [10], r"output shape \(10,\); expected one row of class scores"),
        ([], [1, 10], r"input shape \(\); expected"),
    ],
    ids=["dynamic", "batch of 4", "no axis", "three axes", "matrix out", "no batch out", "scalar in"],
)
def test_other_shapes_are_refused(entry: list[int], exit_: list[int], sentence: str) -> None:
    with pytest.raises(ArtifactError, match=sentence):
        fixed_shapes(*ends(entry, exit_))


@pytest.mark.parametrize("said", ["Encountered unresolved custom op: X.\nSee", "Select TensorFlow op(s), included"])
def test_unresolved_operators_are_told_from_broken_files(said: str) -> None:
    assert reason(said) == f"custom operators ({said.splitlines()[0]}); " + (
        "expected built-in operators only, export without custom operators"
    )
    assert "truncated or of a newer version" in reason("No subgraph in the model.")
    assert "(no message)" in reason("\n")
