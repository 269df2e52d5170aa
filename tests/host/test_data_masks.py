from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from samewhy_edge.errors import InputError
from samewhy_host.data.composites import Garments
from samewhy_host.data.dataset import Dataset, checked
from samewhy_host.data.masks import file_of, read_image, with_masks
from samewhy_host.data.sources import Data, open_dataset
from tests.host import small
from tests.host.test_data_folder import colours, paint
from tests.host.test_data_npz import saved

DATA = small.dataset()  # 30 test samples (8, 8, 1), with ids made-2/0 to made-2/29


def squares(count: int = 30) -> NDArray[np.bool_]:
    """Another mask for every sample."""
    return np.random.default_rng(1).uniform(size=(count, 8, 8)) < 0.3


def painted(folder: Path, masks: NDArray[np.bool_], value: int = 255) -> Path:
    for place, mask in enumerate(masks):
        paint(folder / "made-2" / f"{place}.png", (mask * value).astype(np.uint8))
    return folder


def written(folder: Path, **arrays: NDArray[np.generic]) -> Path:
    np.savez(folder / "truth.npz", **arrays)
    return folder / "truth.npz"


def test_images_named_like_the_samples_become_their_masks(tmp_path: Path) -> None:
    found = with_masks(DATA, painted(tmp_path, squares()))
    assert np.array_equal(found.test.masks, squares())  # type: ignore[arg-type]  # it has masks now
    assert found.train.masks is None
    assert checked(found) is found


def test_whatever_is_above_zero_is_inside(tmp_path: Path) -> None:
    assert np.array_equal(with_masks(DATA, painted(tmp_path, squares(), value=1)).test.masks, squares())  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("test/7", "test/7.png"),
        ("test/cat/1.png", "test/cat/1.png"),
        ("test/cat/1.JPG", "test/cat/1.png"),
        ("test/v1.2", "test/v1.2.png"),
        ("person-8/recording-3/150", "person-8/recording-3/150.png"),
    ],
)
def test_a_mask_has_the_name_of_its_sample(name: str, file: str) -> None:
    assert file_of(name) == file


@pytest.mark.parametrize("kind", [np.bool_, np.uint8, np.float32, np.int64])
def test_an_archive_of_any_numbers_becomes_masks(kind: type[np.generic], tmp_path: Path) -> None:
    found = with_masks(DATA, written(tmp_path, masks=squares().astype(kind)))
    assert np.array_equal(found.test.masks, squares())  # type: ignore[arg-type]


def test_series_take_an_archive_of_their_own_axis(tmp_path: Path) -> None:
    data = small.dataset((8, 3))
    masks = squares()[:, 0]
    assert np.array_equal(with_masks(data, written(tmp_path, masks=masks)).test.masks, masks)  # type: ignore[arg-type]


def test_a_colour_counts_in_any_channel_and_a_palette_by_its_number(tmp_path: Path) -> None:
    pixels = np.zeros((8, 8, 3), np.uint8)
    pixels[2, 3, 2] = 1  # as grey this would round to 0
    paint(tmp_path / "colour.png", pixels)
    assert np.argwhere(read_image(tmp_path / "colour.png", (8, 8))).tolist() == [[2, 3]]
    image = Image.fromarray((pixels[..., 2]).astype(np.uint8), mode=None)
    palette = image.convert("P")
    palette.putdata(list(pixels[..., 2].ravel()))
    palette.putpalette([255, 255, 255, 0, 0, 0])  # number 1 is black
    palette.save(tmp_path / "palette.png")
    assert np.argwhere(read_image(tmp_path / "palette.png", (8, 8))).tolist() == [[2, 3]]


def test_a_mask_of_one_bit_and_one_of_sixteen_are_read(tmp_path: Path) -> None:
    mask = squares()[0]
    Image.fromarray(mask).save(tmp_path / "one.png")
    Image.fromarray(mask.astype(np.uint16) * 300).save(tmp_path / "sixteen.png")
    for name in ("one", "sixteen"):
        assert np.array_equal(read_image(tmp_path / f"{name}.png", (8, 8)), mask)


def test_transparency_is_refused_because_it_can_mean_either(tmp_path: Path) -> None:
    paint(tmp_path / "a.png", np.full((8, 8, 4), 255, np.uint8))
    with pytest.raises(InputError, match=r"a\.png: an image of mode RGBA; expected grey without transparency"):
        read_image(tmp_path / "a.png", (8, 8))


def test_missing_masks_are_counted_and_one_is_named(tmp_path: Path) -> None:
    painted(tmp_path, squares())
    for place in (4, 9):
        (tmp_path / "made-2" / f"{place}.png").unlink()
    with pytest.raises(InputError, match=r"no mask for 2 of 30 test samples; expected .*made-2.4\.png"):
        with_masks(DATA, tmp_path)


def test_a_mask_of_another_size_is_named(tmp_path: Path) -> None:
    paint(painted(tmp_path, squares()) / "made-2" / "5.png", colours(8, 9))
    with pytest.raises(InputError, match=r"5\.png: mask of size \[8, 9\], expected the samples' \[8, 8\]"):
        with_masks(DATA, tmp_path)


def test_a_broken_image_is_named(tmp_path: Path) -> None:
    (painted(tmp_path, squares()) / "made-2" / "5.png").write_text("no image")
    with pytest.raises(InputError, match=r"5\.png: not readable as an image"):
        with_masks(DATA, tmp_path)


@pytest.mark.parametrize("shape", [(29, 8, 8), (30, 8, 8, 1), (30, 64)])
def test_an_archive_of_another_count_or_shape_is_refused(shape: tuple[int, ...], tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"truth\.npz: masks \(.*\), expected \(30, 8, 8\): one for every test sample"):
        with_masks(DATA, written(tmp_path, masks=np.ones(shape, bool)))


@pytest.mark.parametrize("value", [np.full((30, 8, 8), np.nan), np.full((30, 8, 8), "a")])
def test_values_that_are_no_numbers_are_refused(value: NDArray[np.generic], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="expected 0 outside, 1 inside"):
        with_masks(DATA, written(tmp_path, masks=value))


def test_an_archive_without_masks_is_refused_with_what_it_has(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no array 'masks' in it, found truth"):
        with_masks(DATA, written(tmp_path, truth=squares()))


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no such file; expected a folder of images, or a \.npz"):
        with_masks(DATA, tmp_path / "none.npz")


def test_a_file_that_is_no_archive_is_refused(tmp_path: Path) -> None:
    (tmp_path / "truth.npz").write_text("no archive")
    with pytest.raises(InputError, match=r"not readable as \.npz"):
        with_masks(DATA, tmp_path / "truth.npz")


def test_images_do_not_fit_series(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"samples have axes \[8\]; expected a \.npz"):
        with_masks(small.dataset((8, 3)), tmp_path)


def test_empty_masks_are_counted_in_the_provenance(tmp_path: Path) -> None:
    masks = squares()
    masks[[3, 8]] = False
    known = with_masks(DATA, written(tmp_path, masks=masks)).provenance()
    assert known["test"]["masks"]["empty"] == 2
    assert "masks" not in known["train"]


def test_masks_that_are_all_empty_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="all 30 masks are empty; expected values above 0 inside"):
        with_masks(DATA, written(tmp_path, masks=np.zeros((30, 8, 8))))


def test_masks_of_another_shape_than_the_samples_fail_the_check_of_data_sets() -> None:
    wrong: Dataset = replace(DATA, test=replace(DATA.test, masks=squares()[:, :4]))
    with pytest.raises(InputError, match=r"test masks have shape \(30, 4, 8\), expected \(30, 8, 8\)"):
        checked(wrong)


def test_a_study_names_masks_beside_its_file(tmp_path: Path) -> None:
    saved(tmp_path)
    plain = open_dataset(Data("npz", "made.npz"), tmp_path)
    masks = np.random.default_rng(0).uniform(size=plain.test.samples.shape[:-1]) < 0.5
    written(tmp_path, masks=masks)
    found = open_dataset(Data("npz", "made.npz", masks="truth.npz"), tmp_path)
    assert np.array_equal(found.test.masks, masks)  # type: ignore[arg-type]  # it has masks
    assert "masks" not in plain.provenance()["test"]


def test_a_source_that_knows_its_own_masks_takes_no_others(tmp_path: Path) -> None:
    written(tmp_path, masks=squares())
    data = Data("garments", masks="truth.npz", garments=Garments(composites=(10, 10)))
    with pytest.raises(InputError, match="garments-on-photographs knows its own masks; remove masks from"):
        open_dataset(data, tmp_path)


def test_the_watch_and_the_garments_need_no_path(tmp_path: Path) -> None:
    few = Garments("biased", canvas=40, composites=(10, 10))
    assert open_dataset(Data("garments", garments=few), tmp_path, seed=3).sample == (40, 40, 1)
    assert open_dataset(Data("watch"), tmp_path).sample == (100, 6)


def test_garments_follow_from_the_seed_of_the_study(tmp_path: Path) -> None:
    data = Data("garments", garments=Garments(composites=(10, 10)))
    first, again, other = (open_dataset(data, tmp_path, seed).provenance() for seed in (3, 3, 4))
    assert first == again
    assert first["test"]["sha256"] != other["test"]["sha256"]
    assert first["made"]["seed"] == 3
