import gzip
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from samewhy_edge.errors import InputError
from samewhy_host.data.idx import FILES, read_folder, read_idx

PIXELS = np.arange(5 * 3 * 2, dtype=np.uint8).reshape(5, 3, 2)
LABELS = np.array([0, 1, 2, 1, 0], np.uint8)


def idx_bytes(array: NDArray[np.uint8]) -> bytes:
    return bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">i4").tobytes() + array.tobytes()


def write_idx(path: Path, array: NDArray[np.uint8]) -> None:
    path.write_bytes(idx_bytes(array))


def write_folder(folder: Path) -> None:
    for name, array in zip(FILES, (PIXELS, LABELS, PIXELS[:3] + 100, LABELS[:3]), strict=True):
        write_idx(folder / name, array)


def test_a_folder_of_four_files_is_read(tmp_path: Path) -> None:
    write_folder(tmp_path)
    data = read_folder(tmp_path, "byte")
    assert data.classes == ("0", "1", "2")
    assert np.array_equal(data.train.samples[..., 0], PIXELS)
    assert np.array_equal(data.test.samples[..., 0], PIXELS[:3] + 100)
    assert data.train.labels.tolist() == LABELS.tolist()
    assert data.train.samples.dtype == np.float32
    assert data.test.ids == ("test/0", "test/1", "test/2")


def test_a_gzipped_file_is_read_like_a_plain_one(tmp_path: Path) -> None:
    write_folder(tmp_path)
    plain = tmp_path / FILES[0]
    (tmp_path / f"{FILES[0]}.gz").write_bytes(gzip.compress(plain.read_bytes()))
    plain.unlink()
    assert np.array_equal(read_folder(tmp_path, "byte").train.samples[..., 0], PIXELS)


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_named(name: str, tmp_path: Path) -> None:
    write_folder(tmp_path)
    (tmp_path / name).unlink()
    with pytest.raises(InputError, match=f"no {name} or {name}.gz"):
        read_folder(tmp_path, "unit")


def test_a_truncated_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "images").write_bytes(idx_bytes(PIXELS)[:-4])
    with pytest.raises(InputError, match="26 bytes of data, expected 30; it is truncated"):
        read_idx(tmp_path / "images")


@pytest.mark.parametrize("size", [0, 1, 3, 4, 7, 15, 16])
def test_a_file_that_ends_with_its_header_or_earlier_is_refused(size: int, tmp_path: Path) -> None:
    (tmp_path / "images").write_bytes(idx_bytes(PIXELS)[:size])
    with pytest.raises(InputError, match="images"):
        read_idx(tmp_path / "images")


def test_a_truncated_gzip_is_refused(tmp_path: Path) -> None:
    (tmp_path / "images.gz").write_bytes(gzip.compress(idx_bytes(PIXELS))[:-9])
    with pytest.raises(InputError, match=r"images\.gz: not readable"):
        read_idx(tmp_path / "images.gz")


def test_a_gzip_with_a_damaged_body_is_refused(tmp_path: Path) -> None:
    content = bytearray(gzip.compress(idx_bytes(PIXELS)))
    content[10] = 0xFF  # no such kind of block
    (tmp_path / "images.gz").write_bytes(bytes(content))
    with pytest.raises(InputError, match=r"images\.gz: not readable"):
        read_idx(tmp_path / "images.gz")


def test_another_kind_of_file_is_refused_by_its_first_bytes(tmp_path: Path) -> None:
    (tmp_path / "images").write_bytes(b"\x89PNG\r\n")
    with pytest.raises(InputError, match=r"starts with b'\\x89PNG', expected an idx file of bytes"):
        read_idx(tmp_path / "images")


def test_an_idx_file_of_another_type_than_bytes_is_refused(tmp_path: Path) -> None:
    (tmp_path / "images").write_bytes(b"\0\0\x0d" + idx_bytes(PIXELS)[3:])  # 0x0d: float
    with pytest.raises(InputError, match="expected an idx file of bytes"):
        read_idx(tmp_path / "images")


def test_as_many_labels_as_images_are_expected(tmp_path: Path) -> None:
    write_folder(tmp_path)
    write_idx(tmp_path / FILES[1], LABELS[:4])
    with pytest.raises(InputError, match="train: 5 images and 4 labels"):
        read_folder(tmp_path, "unit")
