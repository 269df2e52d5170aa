import json
from collections.abc import Callable
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import pytest

from samewhy_edge.errors import GateError, OutputError
from samewhy_host.steps import Steps


def writing(text: str, calls: list[str]) -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        calls.append(text)
        (folder / "made.txt").write_text(text)

    return make


def module(path: Path, source: str) -> ModuleType:
    path.write_text(source)
    spec = spec_from_file_location("made_up_step", path)
    assert spec
    return module_from_spec(spec)


@pytest.fixture
def calls() -> list[str]:
    return []


def test_a_step_is_done_once(tmp_path: Path, calls: list[str]) -> None:
    first = Steps(tmp_path).once("make", {"a": 1}, [], writing("one", calls))
    again = Steps(tmp_path).once("make", {"a": 1}, [], writing("two", calls))
    assert first == again
    assert calls == ["one"]
    assert (again / "made.txt").read_text() == "one"


def test_the_folder_is_named_by_the_step_and_says_what_went_in(tmp_path: Path, calls: list[str]) -> None:
    done = Steps(tmp_path).once("make", {"b": [1, 2], "a": "x"}, [], writing("one", calls))
    assert done.name.startswith("make-")
    assert json.loads((done / "inputs.json").read_text()) == {"a": "x", "b": [1, 2]}


def test_the_order_of_the_inputs_does_not_matter(tmp_path: Path, calls: list[str]) -> None:
    steps = Steps(tmp_path)
    assert steps.once("make", {"a": 1, "b": 2}, [], writing("one", calls)) == steps.once(
        "make", {"b": 2, "a": 1}, [], writing("two", calls)
    )


@pytest.mark.parametrize(("name", "inputs"), [("other", {"a": 1}), ("make", {"a": 2}), ("make", {"a": 1, "b": 0})])
def test_another_name_or_input_is_another_step(
    name: str, inputs: dict[str, int], tmp_path: Path, calls: list[str]
) -> None:
    one = Steps(tmp_path).once("make", {"a": 1}, [], writing("one", calls))
    two = Steps(tmp_path).once(name, inputs, [], writing("two", calls))
    assert calls == ["one", "two"]
    assert [(folder / "made.txt").read_text() for folder in (one, two)] == ["one", "two"]


def test_changed_code_is_another_step(tmp_path: Path, calls: list[str]) -> None:
    steps, source = Steps(tmp_path / "steps"), tmp_path / "code.py"
    one = steps.once("make", {}, [module(source, "VALUE = 1\n")], writing("one", calls))
    same = steps.once("make", {}, [module(source, "VALUE = 1\n")], writing("two", calls))
    other = steps.once("make", {}, [module(source, "VALUE = 2\n")], writing("three", calls))
    assert one == same != other
    assert calls == ["one", "three"]


def test_a_step_that_fails_leaves_its_work_for_the_next_attempt(tmp_path: Path) -> None:
    def failing(folder: Path) -> None:
        (folder / "half.txt").write_text("half of the work")
        raise GateError("no")

    def going_on(folder: Path) -> None:
        (folder / "whole.txt").write_text((folder / "half.txt").read_text() + " and the rest")

    with pytest.raises(GateError, match="no"):
        Steps(tmp_path).once("make", {}, [], failing)
    (left,) = tmp_path.iterdir()
    assert left.suffix == ".partial"
    done = Steps(tmp_path).once("make", {}, [], going_on)
    assert (done / "whole.txt").read_text() == "half of the work and the rest"
    assert list(tmp_path.iterdir()) == [done]


def test_a_folder_has_its_final_name_only_when_all_is_in_it(tmp_path: Path) -> None:
    seen: list[tuple[str, bool]] = []

    def make(folder: Path) -> None:
        seen.append((folder.suffix, folder.with_suffix("").exists()))

    done = Steps(tmp_path).once("make", {}, [], make)
    assert seen == [(".partial", False)]
    assert sorted(path.name for path in done.iterdir()) == ["inputs.json"]


def test_folders_above_are_made(tmp_path: Path, calls: list[str]) -> None:
    assert Steps(tmp_path / "a" / "b").once("make", {}, [], writing("one", calls)).is_dir()


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path, calls: list[str]) -> None:
    (tmp_path / "steps").write_text("a file")
    with pytest.raises(OutputError, match=r"cannot be written .*choose another --out"):
        Steps(tmp_path / "steps").once("make", {}, [], writing("one", calls))
    assert not calls
