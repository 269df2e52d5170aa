import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from samewhy_edge.errors import InputError
from samewhy_edge.inputs import read_inputs

SAMPLE = (4, 5, 1)


def good(count: int = 3) -> Any:
    return np.arange(count * 20, dtype=np.float32).reshape(count, *SAMPLE)


def saved(folder: Path, **arrays: Any) -> Path:
    np.savez(folder / "in.npz", **arrays)
    return folder / "in.npz"


def npy(folder: Path, array: Any) -> Path:
    np.save(folder / "in.npy", array)
    return folder / "in.npy"


def test_a_npy_holds_samples_alone(tmp_path: Path) -> None:
    found = read_inputs(npy(tmp_path, good()), SAMPLE)
    assert np.array_equal(found.samples, good())
    assert found.targets is None


def test_one_sample_is_a_batch_of_one(tmp_path: Path) -> None:
    assert np.array_equal(read_inputs(npy(tmp_path, good()[0]), SAMPLE).samples, good()[:1])


def test_a_npz_may_hold_targets(tmp_path: Path) -> None:
    found = read_inputs(saved(tmp_path, samples=good(), targets=np.array([2, 0, 1], np.uint8)), SAMPLE)
    assert np.array_equal(found.samples, good())
    assert found.targets is not None
    assert found.targets.dtype == np.int64
    assert found.targets.tolist() == [2, 0, 1]


def test_a_npz_may_hold_samples_alone(tmp_path: Path) -> None:
    assert read_inputs(saved(tmp_path, samples=good()), SAMPLE).targets is None


@pytest.mark.parametrize("kind", [np.float64, np.float16])
def test_other_real_numbers_become_float32(tmp_path: Path, kind: Any) -> None:
    found = read_inputs(npy(tmp_path, good().astype(kind)), SAMPLE).samples
    assert found.dtype == np.float32
    assert np.array_equal(found, good())


@pytest.mark.parametrize("kind", [np.uint8, np.int64, bool, np.complex64])
def test_numbers_of_unknown_unit_are_not_guessed_at(tmp_path: Path, kind: Any) -> None:
    with pytest.raises(InputError, match=rf"samples are {np.dtype(kind)}, expected float32 .* 255"):
        read_inputs(npy(tmp_path, good().astype(kind)), SAMPLE)


def test_no_samples_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"0 samples found in an array of shape \(0, 4, 5, 1\), expected at least one"):
        read_inputs(npy(tmp_path, good(0)), SAMPLE)


@pytest.mark.parametrize("array", [np.float32(3), good()[..., 0], good()[:, :3]], ids=["number", "flat", "small"])
def test_another_shape_is_refused_as_it_stands_in_the_file(tmp_path: Path, array: Any) -> None:
    shape = re.escape(str(np.shape(array)))
    with pytest.raises(InputError, match=rf"samples have shape {shape}, expected \(N, 4, 5, 1\)"):
        read_inputs(npy(tmp_path, array), SAMPLE)


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e300])
def test_values_that_no_float32_holds_are_refused(tmp_path: Path, value: float) -> None:
    samples = good().astype(np.float64)
    samples.flat[7] = value
    with pytest.raises(InputError, match="samples hold 1 NaN or infinite values"):
        read_inputs(npy(tmp_path, samples), SAMPLE)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"in\.npy: no such file; expected a \.npy or \.npz .* \(4, 5, 1\)"):
        read_inputs(tmp_path / "in.npy", SAMPLE)


@pytest.mark.parametrize(("name", "found"), [("cat.png", r"\.png"), ("samples", "no suffix")])
def test_another_kind_of_file_is_refused(tmp_path: Path, name: str, found: str) -> None:
    (tmp_path / name).touch()
    with pytest.raises(InputError, match=rf"found {found}, expected \.npy or \.npz"):
        read_inputs(tmp_path / name, SAMPLE)


def test_a_wrong_name_in_a_npz_is_refused_with_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"unknown array 'sample'; did you mean 'samples'\? known: samples, targets"):
        read_inputs(saved(tmp_path, sample=good()), SAMPLE)


def test_targets_without_samples_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no array 'samples' in it; found: targets"):
        read_inputs(saved(tmp_path, targets=np.array([1])), SAMPLE)


@pytest.mark.parametrize("targets", [np.array([0.7, 1.2, 2.0]), np.array(["a", "b", "c"]), np.array([True] * 3)])
def test_targets_that_are_no_whole_numbers_are_not_rounded(tmp_path: Path, targets: Any) -> None:
    with pytest.raises(InputError, match=r"targets are .*, expected whole numbers"):
        read_inputs(saved(tmp_path, samples=good(), targets=targets), SAMPLE)


def broken(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("left", [0, 5, 60, -1])
def test_a_truncated_npy_is_refused(tmp_path: Path, left: int) -> None:
    path = npy(tmp_path, good())
    with pytest.raises(InputError, match=r"in\.npy: not readable as \.npy .*save it anew with numpy"):
        read_inputs(broken(path, path.read_bytes()[:left]), SAMPLE)


@pytest.mark.parametrize("left", [0, 5, 60, -1])
def test_a_truncated_npz_is_refused(tmp_path: Path, left: int) -> None:
    path = saved(tmp_path, samples=good())
    with pytest.raises(InputError, match=r"in\.npz: not readable as \.npz .*save it anew with numpy"):
        read_inputs(broken(path, path.read_bytes()[:left]), SAMPLE)


def test_a_npz_with_a_spoiled_array_is_refused(tmp_path: Path) -> None:
    path = saved(tmp_path, samples=good())
    content = bytearray(path.read_bytes())
    content[250:260] = bytes(10)
    with pytest.raises(InputError, match=r"not readable as \.npz .*CRC"):
        read_inputs(broken(path, bytes(content)), SAMPLE)


@pytest.mark.parametrize("name", ["in.npy", "in.npz"])
def test_pickles_are_never_opened(tmp_path: Path, name: str) -> None:
    saved(tmp_path, samples=np.array([object()]))
    np.save(tmp_path / "in.npy", np.array([object()]), allow_pickle=True)
    with pytest.raises(InputError, match=r"not readable .*allow_pickle=False"):
        read_inputs(tmp_path / name, SAMPLE)
