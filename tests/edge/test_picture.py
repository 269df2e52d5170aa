import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from samewhy_edge.errors import OutputError
from samewhy_edge.picture import AGAINST, FOR, NEUTRAL, as_drawn, contact_sheet, diverging, enlarge, grey, write_png


def chunks(content: bytes) -> dict[bytes, bytes]:
    """The chunks of a PNG file, each with its checksum verified."""
    assert content[:8] == b"\x89PNG\r\n\x1a\n"
    found, at = {}, 8
    while at < len(content):
        (size,), kind = struct.unpack(">I", content[at : at + 4]), content[at + 4 : at + 8]
        body = content[at + 8 : at + 8 + size]
        assert content[at + 8 + size : at + 12 + size] == struct.pack(">I", zlib.crc32(kind + body))
        found[kind] = body
        at += 12 + size
    return found


def pixels_of(path: Path) -> Any:
    """Decodes what write_png writes: 8 bits, RGB, no filter."""
    parts = chunks(path.read_bytes())
    width, height, *rest = struct.unpack(">IIBBBBB", parts[b"IHDR"])
    assert rest == [8, 2, 0, 0, 0]
    assert list(parts) == [b"IHDR", b"IDAT", b"IEND"]
    lines = np.frombuffer(zlib.decompress(parts[b"IDAT"]), np.uint8).reshape(height, 1 + 3 * width)
    assert not lines[:, 0].any()
    return lines[:, 1:].reshape(height, width, 3)


def noise(*shape: int) -> Any:
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


def test_a_png_holds_the_pixels_that_were_written(tmp_path: Path, rng: np.random.Generator) -> None:
    pixels = rng.integers(0, 256, (5, 9, 3)).astype(np.uint8)
    write_png(tmp_path / "a.png", pixels)
    assert np.array_equal(pixels_of(tmp_path / "a.png"), pixels)


def test_another_reader_sees_the_same_pixels(tmp_path: Path, rng: np.random.Generator) -> None:
    image = pytest.importorskip("PIL.Image")
    pixels = rng.integers(0, 256, (5, 9, 3)).astype(np.uint8)
    write_png(tmp_path / "a.png", pixels)
    with image.open(tmp_path / "a.png") as opened:
        assert np.array_equal(np.asarray(opened), pixels)


def test_a_png_below_a_file_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot be written"):
        write_png(tmp_path / "file" / "a.png", np.zeros((1, 1, 3), np.uint8))


def test_zero_is_white_and_the_ends_are_blue_and_red() -> None:
    one = diverging(np.array([[0, 2], [-2, 1]], np.float32))
    assert [tuple(one[place]) for place in ((0, 0), (0, 1), (1, 0))] == [NEUTRAL, FOR, AGAINST]
    assert all(min(high, low) < half < max(high, low) for half, high, low in zip(one[1, 1], FOR, NEUTRAL, strict=True))


def test_a_map_without_a_lower_end_does_not_stretch_to_blue() -> None:
    one = diverging(np.array([[1, 2]], np.float32))
    assert tuple(one[0, 1]) == FOR
    assert one[0, 0, 0] > one[0, 0, 2]  # redder than blue


def test_a_map_of_zeros_is_white() -> None:
    assert (diverging(np.zeros((2, 3), np.float32)) == NEUTRAL).all()


def test_a_sample_is_stretched_to_its_own_range() -> None:
    found = grey(np.array([[[5.0], [7.0]], [[6.0], [5.0]]], np.float32))
    assert found[..., 0].tolist() == [[0, 255], [127, 0]]
    assert np.array_equal(found[..., 0], found[..., 2])


def test_three_channels_are_colours_and_two_are_averaged() -> None:
    colours = np.zeros((1, 2, 3), np.float32)
    colours[0, 1, 0] = 1
    assert grey(colours).tolist() == [[[0, 0, 0], [255, 0, 0]]]
    assert grey(colours[..., :2])[0, 1].tolist() == [127] * 3


def test_a_flat_sample_is_no_division_by_zero() -> None:
    assert not grey(np.full((2, 2, 1), 3, np.float32)).any()


def test_a_series_is_a_strip_with_a_row_a_channel() -> None:
    strip = grey(np.array([[0, 1], [1, 0], [1, 1]], np.float32))
    assert strip[..., 0].tolist() == [[0, 255, 255], [255, 0, 255]]


def test_enlarging_repeats_pixels_and_never_shrinks() -> None:
    assert enlarge(np.zeros((28, 28, 3), np.uint8)).shape == (84, 84, 3)
    assert enlarge(np.zeros((200, 97, 3), np.uint8)).shape == (200, 97, 3)
    assert enlarge(np.array([[[1, 2, 3], [4, 5, 6]]], np.uint8))[95, 47:49].tolist() == [[1, 2, 3], [4, 5, 6]]


def test_a_contact_sheet_has_a_row_a_sample_and_a_column_a_map() -> None:
    sheet = contact_sheet(noise(3, 28, 28, 1), [noise(3, 28, 28), noise(3, 28, 28)])
    assert sheet.dtype == np.uint8
    assert sheet.shape == (3 * (84 + 4), 3 * (84 + 4), 3)
    assert (sheet[84:88] == 255).all()


def test_each_map_of_a_contact_sheet_stands_beside_its_sample() -> None:
    maps = np.zeros((2, 96, 96), np.float32)
    maps[1, 0, 0] = 1
    sheet = contact_sheet(noise(2, 96, 96, 1), [maps])
    assert tuple(sheet[100, 100]) == FOR
    assert tuple(sheet[0, 100]) == NEUTRAL


def test_a_map_of_channels_of_a_series_has_a_row_a_channel_as_its_sample_has() -> None:
    one = np.arange(6, dtype=np.float32).reshape(3, 2)  # (T, C)
    assert as_drawn(one, 2).tolist() == [[0, 2, 4], [1, 3, 5]]
    assert as_drawn(one[:, 0], 2).tolist() == [[0, 2, 4]]
    sample = noise(1, 3, 2)
    sheet = contact_sheet(sample, [one[None]])
    assert tuple(sheet[95, 4 + 96 * 2 - 1]) == FOR  # the last step of the last channel
    assert tuple(sheet[0, 4 + 96]) == NEUTRAL


def test_channels_of_an_image_stand_side_by_side_with_a_gap() -> None:
    one = np.zeros((2, 2, 3), np.float32)
    one[0, 1] = (1, 2, -1)
    one[1, 0] = (-1, 0, 1)
    gap = np.nan
    expected = [[0, 1, gap, 0, 2], [-1, 0, gap, 0, 0], [gap] * 5, [0, -1, gap, gap, gap], [1, 0, gap, gap, gap]]
    assert np.array_equal(as_drawn(one, 3), expected, equal_nan=True)
    assert as_drawn(one[..., :1], 3).tolist() == as_drawn(one[..., 0], 3).tolist() == [[0, 1], [-1, 0]]


def test_whole_channels_are_no_single_colour() -> None:
    one = np.broadcast_to(np.array([1, -1], np.float32), (4, 4, 2))  # their sum would be 0 everywhere
    sheet = contact_sheet(noise(1, 4, 4, 2), [one[None]])[:, 96 + 4 :]
    assert [int((sheet == colour).all(axis=-1).sum()) for colour in (FOR, AGAINST, NEUTRAL)] == [40 * 96, 40 * 96, 0]


def test_what_is_undefined_is_blank_and_stretches_nothing() -> None:
    one = diverging(np.array([[np.nan, 2], [np.inf, 1]], np.float32))
    assert one[:, 0].tolist() == [[255] * 3] * 2
    assert tuple(one[0, 1]) == FOR


@pytest.mark.parametrize("shape", [(8, 6, 3), (40, 2), (49, 10, 1)])
def test_a_contact_sheet_takes_maps_with_channels_beside_maps_without(shape: tuple[int, ...]) -> None:
    samples, whole, parts = noise(2, *shape), noise(2, *shape[:-1]), noise(2, *shape)
    left, right = contact_sheet(samples, [whole]), contact_sheet(samples, [whole, parts])
    assert len(right) >= len(left)
    assert right.shape[1] > left.shape[1]
    assert np.array_equal(right[: len(left) // 2, : left.shape[1]], left[: len(left) // 2])


@pytest.mark.parametrize("channels", [1, 2, 3, 9, 100])
def test_a_contact_sheet_of_series_has_rows_of_one_height(channels: int) -> None:
    sheet = contact_sheet(noise(2, 50, channels), [noise(2, 50)])
    assert sheet.shape[1:] == (2 * (50 + 4), 3)
    assert len(sheet) == 2 * (max(96, channels) + 4)
