from pathlib import Path
from typing import Any

import numpy as np
import pytest

from samewhy_edge.errors import InputError
from samewhy_host.data.npz import ARRAYS, read_npz
from samewhy_host.data.sources import Data, open_dataset
from tests.host.small import split


def arrays() -> dict[str, Any]:
    train, test = split(12), split(6, seed=1)
    return dict(zip(ARRAYS, (train.samples, train.labels, test.samples, test.labels), strict=True))


def saved(folder: Path, **others: Any) -> Path:
    path = folder / "made.npz"
    np.savez(path, **(arrays() | others))
    return path


def test_real_numbers_are_taken_as_they_are(tmp_path: Path) -> None:
    given = arrays()
    data = read_npz(saved(tmp_path, train_samples=given["train_samples"] * 100 - 7), "unit")
    assert np.array_equal(data.train.samples, given["train_samples"] * 100 - 7)
    assert np.array_equal(data.test.labels, given["test_labels"])
    assert data.name == "made"
    assert data.classes == ("0", "1", "2")


def test_double_precision_becomes_single(tmp_path: Path) -> None:
    path = saved(tmp_path, train_samples=arrays()["train_samples"].astype(np.float64))
    assert read_npz(path, "unit").train.samples.dtype == np.float32


def test_bytes_are_scaled(tmp_path: Path) -> None:
    pixels = np.full((12, 8, 8, 1), 255, np.uint8)
    data = read_npz(saved(tmp_path, train_samples=pixels), "signed")
    assert np.unique(data.train.samples).tolist() == [1]


def test_samples_with_one_spatial_axis_are_taken(tmp_path: Path) -> None:
    given = arrays()
    path = saved(tmp_path, train_samples=given["train_samples"][..., 0], test_samples=given["test_samples"][..., 0])
    assert read_npz(path, "unit").sample == (8, 8)


def test_class_names_come_from_the_file(tmp_path: Path) -> None:
    assert read_npz(saved(tmp_path, classes=np.array(["a", "b", "c"])), "unit").classes == ("a", "b", "c")


@pytest.mark.parametrize("name", ARRAYS)
def test_a_missing_array_is_named(name: str, tmp_path: Path) -> None:
    np.savez(tmp_path / "made.npz", **{key: value for key, value in arrays().items() if key != name})
    with pytest.raises(InputError, match=f"no array '{name}' in it"):
        read_npz(tmp_path / "made.npz", "unit")


@pytest.mark.parametrize(
    ("name", "value", "found"),
    [
        ("train_labels", np.zeros(12), r"float64 labels \(12,\)"),
        ("train_labels", np.zeros((12, 1), np.int64), r"int64 labels \(12, 1\)"),
        ("train_labels", np.zeros(11, np.int64), r"int64 labels \(11,\)"),
        ("train_labels", np.int64(0), r"int64 labels \(\)"),
        ("test_samples", np.zeros((6, 8), np.float32), r"test samples \(6, 8\)"),
        ("test_samples", np.zeros((6, 2, 8, 8, 1), np.float32), r"test samples \(6, 2, 8, 8, 1\)"),
    ],
)
def test_shapes_and_kinds_that_do_not_fit_are_refused(name: str, value: Any, found: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=found):
        read_npz(saved(tmp_path, **{name: value}), "unit")


def test_nan_is_refused_when_the_study_opens_the_file(tmp_path: Path) -> None:
    samples = arrays()["test_samples"]
    samples[4, 0, 0] = np.nan
    saved(tmp_path, test_samples=samples)
    with pytest.raises(InputError, match="test sample test/4 holds NaN"):
        open_dataset(Data("npz", "made.npz"), tmp_path)


def test_a_class_index_beyond_the_names_is_refused_when_the_study_opens_the_file(tmp_path: Path) -> None:
    saved(tmp_path, classes=np.array(["a", "b"]))
    with pytest.raises(InputError, match="class index 2 is out of range in train; there are 2 classes"):
        open_dataset(Data("npz", "made.npz"), tmp_path)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.99])
def test_a_truncated_archive_is_refused(share: float, tmp_path: Path) -> None:
    path = saved(tmp_path)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(InputError, match=r"not readable as \.npz"):
        read_npz(path, "unit")


def test_a_damaged_archive_is_refused(tmp_path: Path) -> None:
    path = saved(tmp_path)
    content = bytearray(path.read_bytes())
    content[300] ^= 0xFF
    path.write_bytes(bytes(content))
    with pytest.raises(InputError, match=r"not readable as \.npz"):
        read_npz(path, "unit")


def test_an_array_file_is_not_an_archive(tmp_path: Path) -> None:
    np.save(tmp_path / "made.npy", np.zeros(3))
    with pytest.raises(InputError, match=r"not readable as \.npz"):
        read_npz(tmp_path / "made.npy", "unit")


def test_an_archive_that_holds_code_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"not readable as \.npz"):
        read_npz(saved(tmp_path, classes=np.array([{"a": 1}], object)), "unit")


def test_a_missing_file_is_told_with_what_it_should_hold(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.npz: no such file; expected a \.npz with train_samples"):
        read_npz(tmp_path / "none.npz", "unit")
