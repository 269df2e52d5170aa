import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from samewhy_edge.errors import OutputError
from samewhy_edge.files import sha256, writable, write_bytes, write_json, write_npz


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_is_written_with_its_folders_and_nothing_beside_it(tmp_path: Path) -> None:
    write_bytes(tmp_path / "a" / "b" / "c.bin", b"whole")
    assert (tmp_path / "a" / "b" / "c.bin").read_bytes() == b"whole"
    assert names(tmp_path / "a" / "b") == ["c.bin"]


def test_a_later_write_replaces_the_earlier_one(tmp_path: Path) -> None:
    write_bytes(tmp_path / "c.bin", b"a long first content")
    write_bytes(tmp_path / "c.bin", b"second")
    assert (tmp_path / "c.bin").read_bytes() == b"second"


def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: Path, content: bytes) -> int:
        with self.open("wb") as half:
            half.write(content[:3])
        raise OSError(28, "No space left on device")

    write_bytes(tmp_path / "c.bin", b"old")
    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OutputError, match=r"c\.bin: cannot be written \(No space left on device\); choose another"):
        write_bytes(tmp_path / "c.bin", b"new content")
    assert (tmp_path / "c.bin").read_bytes() == b"old"


def test_a_killed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(self: Path, target: Path) -> Path:
        raise KeyboardInterrupt

    write_bytes(tmp_path / "c.bin", b"old")
    monkeypatch.setattr(Path, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        write_bytes(tmp_path / "c.bin", b"new")
    assert (tmp_path / "c.bin").read_bytes() == b"old"


@pytest.mark.parametrize(
    "write",
    [
        lambda path: write_bytes(path, b""),
        lambda path: write_json(path, {}),
        lambda path: write_npz(path, a=np.ones(1)),
    ],
    ids=["bytes", "json", "npz"],
)
def test_a_place_below_a_file_cannot_be_written(tmp_path: Path, write: Callable[[Path], None]) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match=r"cannot be written \(Not a directory\); choose another --out"):
        write(tmp_path / "file" / "below" / "c")


def test_json_is_sorted_and_indented_and_ends_with_a_newline(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"b": 1, "a": {"d": 2, "c": 3}})
    assert (tmp_path / "a.json").read_text() == '{\n  "a": {\n    "c": 3,\n    "d": 2\n  },\n  "b": 1\n}\n'


def test_json_has_no_nan(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "a.json", {"a": float("nan")})
    assert names(tmp_path) == []


def test_equal_arrays_give_equal_bytes_at_any_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    arrays: dict[str, Any] = {"maps": np.arange(12.0).reshape(3, 4), "more": np.ones(3, np.int8)}
    write_npz(tmp_path / "a.npz", **arrays)
    monkeypatch.setattr("time.time", lambda: 2e9)
    write_npz(tmp_path / "b.npz", **arrays)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


def test_arrays_come_back_as_they_were(tmp_path: Path) -> None:
    write_npz(tmp_path / "a.npz", maps=np.arange(3, dtype=np.float32))
    with np.load(tmp_path / "a.npz") as arrays:
        assert arrays["maps"].dtype == np.float32
        assert arrays["maps"].tolist() == [0, 1, 2]


def test_an_array_is_digested_by_its_bytes_in_reading_order() -> None:
    array = np.arange(6, dtype=np.float32).reshape(2, 3)
    known = hashlib.sha256(array.tobytes()).hexdigest()
    assert sha256(array) == sha256(np.asfortranarray(array)) == sha256(array.tobytes()) == known
    assert sha256(array.T) != known


def test_a_writable_folder_is_made_and_left_empty(tmp_path: Path) -> None:
    folder = writable(tmp_path / "a" / "b")
    assert folder == tmp_path / "a" / "b"
    assert names(folder) == []


def test_a_file_in_the_place_of_a_folder_is_found_before_any_work(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot be written"):
        writable(tmp_path / "file")


def test_what_is_in_a_writable_folder_stays(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", json.loads("{}"))
    writable(tmp_path)
    assert names(tmp_path) == ["a.json"]
