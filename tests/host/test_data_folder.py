from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from samewhy_edge.errors import InputError
from samewhy_host.data.folder import read_image, read_images


def paint(path: Path, pixels: NDArray[np.uint8]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def colours(*shape: int, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


@pytest.fixture
def grey(tmp_path: Path) -> Path:
    """Two classes of grey 5 x 4 images, two for training and one for testing each."""
    for i, place in enumerate(["train/cat/1", "train/cat/2", "train/dog/1", "train/dog/2", "test/cat/3", "test/dog/3"]):
        paint(tmp_path / f"{place}.png", colours(5, 4, seed=i))
    return tmp_path


def test_grey_images_are_read_by_class(grey: Path) -> None:
    data = read_images(grey, "byte", (), 1)
    assert data.classes == ("cat", "dog")
    assert data.train.labels.tolist() == [0, 0, 1, 1]
    assert data.train.ids == ("train/cat/1.png", "train/cat/2.png", "train/dog/1.png", "train/dog/2.png")
    for place, sample in enumerate(data.train.samples):
        assert np.array_equal(sample[..., 0], colours(5, 4, seed=place))


def test_colour_images_keep_their_channels_last(tmp_path: Path) -> None:
    for name in ("train", "test"):
        paint(tmp_path / name / "cat" / "1.png", colours(5, 4, 3))
    data = read_images(tmp_path, "byte", (), 3)
    assert np.array_equal(data.train.samples[0], colours(5, 4, 3))


def test_grey_images_fill_three_channels_alike(grey: Path) -> None:
    sample = read_images(grey, "unit", (), 3).train.samples[0]
    assert sample.shape == (5, 4, 3)
    assert np.array_equal(sample[..., 0], sample[..., 2])


def test_images_are_resized_to_height_and_width(tmp_path: Path) -> None:
    upper = np.zeros((10, 8), np.uint8)
    upper[:5] = 200  # the upper half is bright
    for name in ("train", "test"):
        paint(tmp_path / name / "cat" / "1.png", upper)
    sample = read_images(tmp_path, "byte", (6, 3), 1).train.samples[0, ..., 0]
    assert sample.shape == (6, 3)
    assert (sample[:2] == 200).all()
    assert (sample[4:] == 0).all()


def test_different_sizes_are_refused_with_the_setting_that_helps(grey: Path) -> None:
    paint(grey / "train" / "dog" / "9.png", colours(7, 4))
    with pytest.raises(InputError, match=r"9\.png: another size than .*size = \[height, width\]"):
        read_images(grey, "unit", (), 1)


@pytest.mark.parametrize("size", [(28,), (0, 28), (28, 28, 1)])
def test_a_size_that_is_no_height_and_width_is_refused(size: tuple[int, ...], grey: Path) -> None:
    with pytest.raises(InputError, match=r"size = .*expected \[height, width\]"):
        read_images(grey, "unit", size, 1)


@pytest.mark.parametrize("name", ["train", "test"])
def test_an_empty_split_is_refused(name: str, grey: Path) -> None:
    for image in (grey / name).rglob("*.png"):
        image.unlink()
    with pytest.raises(InputError, match=f"{name}: no images in its class folders"):
        read_images(grey, "unit", (), 1)


def test_a_split_without_class_folders_is_refused(tmp_path: Path) -> None:
    (tmp_path / "train").mkdir()
    with pytest.raises(InputError, match="train: empty; expected a folder of images per class"):
        read_images(tmp_path, "unit", (), 1)


def test_a_missing_split_is_refused(grey: Path) -> None:
    (grey / "test").rename(grey / "other")
    with pytest.raises(InputError, match="test: no such folder"):
        read_images(grey, "unit", (), 1)


def test_a_class_that_was_never_trained_is_refused(grey: Path) -> None:
    paint(grey / "test" / "emu" / "1.png", colours(5, 4))
    with pytest.raises(InputError, match="class 'emu' is not in train; found there: cat, dog"):
        read_images(grey, "unit", (), 1)


def test_files_that_are_no_images_are_passed_over(grey: Path) -> None:
    (grey / "train" / "cat" / "notes.txt").write_text("nothing to see")
    assert len(read_images(grey, "unit", (), 1).train.ids) == 4


def test_a_file_that_is_no_image_is_named(grey: Path) -> None:
    (grey / "train" / "cat" / "2.png").write_text("no image")
    with pytest.raises(InputError, match=r"2\.png: not readable as an image"):
        read_images(grey, "unit", (), 1)


@pytest.mark.parametrize("size", [0, 20, 40, 60])
def test_a_truncated_image_is_refused(size: int, tmp_path: Path) -> None:
    paint(tmp_path / "a.png", colours(9, 9))
    (tmp_path / "a.png").write_bytes((tmp_path / "a.png").read_bytes()[:size])
    with pytest.raises(InputError, match=r"a\.png: not readable as an image"):
        read_image(tmp_path / "a.png", (), "L")


def test_a_damaged_header_is_refused(tmp_path: Path) -> None:
    paint(tmp_path / "a.png", colours(9, 9))
    content = bytearray((tmp_path / "a.png").read_bytes())
    content[8:12] = (5).to_bytes(4, "big")  # length of the header
    (tmp_path / "a.png").write_bytes(bytes(content))
    with pytest.raises(InputError, match=r"a\.png: not readable as an image"):
        read_image(tmp_path / "a.png", (), "L")


def test_an_image_that_claims_to_be_enormous_is_refused(tmp_path: Path) -> None:
    paint(tmp_path / "a.bmp", colours(9, 9))
    content = bytearray((tmp_path / "a.bmp").read_bytes())
    content[18:26] = (2**20).to_bytes(4, "little") * 2  # width and height
    (tmp_path / "a.bmp").write_bytes(bytes(content))
    with pytest.raises(InputError, match=r"a\.bmp: not readable as an image"):
        read_image(tmp_path / "a.bmp", (), "L")


def test_one_or_three_channels_are_known(grey: Path) -> None:
    with pytest.raises(InputError, match=r"channels = 2; expected 1 \(grey\) or 3 \(RGB\)"):
        read_images(grey, "unit", (), 2)
