from dataclasses import replace

import numpy as np
import pytest

from samewhy_edge.errors import InputError
from samewhy_host.data import embedded
from samewhy_host.data.canvases import ITEM, SIDE, Canvases, canvases, f1, halved, shuffled
from samewhy_host.data.dataset import Dataset

FEW = Canvases(canvases=(60, 40), garments=(1, 3))
BARE = replace(FEW, clutter=0.0, noise=0.0)


@pytest.fixture(scope="module")
def bare() -> Dataset:
    return canvases(BARE, "unit", 3)


@pytest.fixture(scope="module")
def full() -> Dataset:
    return canvases(FEW, "unit", 3)


def test_every_lit_pixel_is_owned_where_nothing_but_garments_lies(bare: Dataset) -> None:
    assert bare.test.owners is not None
    assert not ((bare.test.samples[..., 0] > 0) & (bare.test.owners < 0)).any()


def test_owned_pixels_show_the_garment_whatever_lies_around(bare: Dataset, full: Dataset) -> None:
    """The same seed with and without clutter and noise: inside the masks nothing changes."""
    assert bare.test.owners is not None
    assert np.array_equal(bare.test.owners, full.test.owners)
    inside = bare.test.owners >= 0
    assert np.array_equal(bare.test.samples[inside], full.test.samples[inside])
    assert (full.test.samples[~inside] > 0).mean() > 0.9


def test_what_is_present_is_what_owns_pixels(full: Dataset) -> None:
    for split in (full.train, full.test):
        assert split.present is not None
        assert split.owners is not None
        for present, owners in zip(split.present, split.owners, strict=True):
            assert set(np.flatnonzero(present)) == set(np.unique(owners)) - {-1}


def test_a_canvas_has_as_many_classes_as_garments(full: Dataset) -> None:
    assert full.train.present is not None
    assert set(full.train.present.sum(axis=1)) == {1, 2, 3}


def test_the_label_is_present_and_its_mask_is_where_it_is(full: Dataset) -> None:
    test = full.test
    assert test.present is not None
    assert test.masks is not None
    assert test.present[np.arange(len(test.labels)), test.labels].all()
    assert np.array_equal(test.masks, test.owners == test.labels[:, None, None])


def test_a_split_about_other_classes_has_their_masks(full: Dataset) -> None:
    other = full.test.present.argmax(axis=1)  # type: ignore[union-attr]
    split = full.test.about(other)
    assert split.masks is not None
    assert split.distractors is not None
    assert np.array_equal(split.masks, full.test.owners == other[:, None, None])
    assert np.array_equal(split.masks | split.distractors, full.test.owners >= 0)  # type: ignore[operator]
    assert not (split.masks & split.distractors).any()


def test_a_canvas_follows_from_the_seed_and_its_number_alone(full: Dataset) -> None:
    again = canvases(replace(FEW, canvases=(20, 40)), "unit", 3)
    assert np.array_equal(again.train.owners, full.train.owners[:20])  # type: ignore[index,arg-type]
    assert not np.array_equal(canvases(FEW, "unit", 4).test.owners, full.test.owners)  # type: ignore[arg-type]


def test_splits_show_garments_of_their_own_files(bare: Dataset) -> None:
    """Every garment on a canvas is one of its split, halved."""
    known = {item.tobytes() for item in halved(embedded.fashion_mnist("unit").test.samples[..., 0])}
    found = 0
    for canvas in bare.test.samples[:10, ..., 0]:
        boxes = [canvas[t : t + ITEM, x : x + ITEM] for t in range(0, SIDE + 3) for x in range(0, SIDE + 3)]
        boxes += [canvas[t : t + ITEM, x : x + ITEM] for t in range(SIDE, SIDE + 3) for x in range(0, SIDE + 3)]
        found += any(np.ascontiguousarray(box).tobytes() in known for box in boxes)
    assert found >= 8


def test_clutter_has_the_ink_of_a_garment_and_not_its_shape() -> None:
    item = halved(embedded.fashion_mnist("unit").test.samples[:1, ..., 0])[0]
    mixed = shuffled(item, np.uint64(7))
    assert sorted(mixed.ravel()) == sorted(item.ravel())
    assert not np.array_equal(mixed, item)


def test_f1_counts_over_classes_and_samples_together() -> None:
    present = np.array([[True, False], [True, True]])
    assert f1(np.array([[1.0, 2.0], [3.0, -1.0]], np.float32), present) == pytest.approx(2 * 2 / (3 + 3))
    assert np.isnan(f1(-np.ones((1, 2), np.float32), np.zeros((1, 2), bool)))


@pytest.mark.parametrize(
    ("settings", "found"),
    [
        ({"garments": (0, 2)}, "garments = \\[0, 2\\]"),
        ({"garments": (2, 4)}, "garments = \\[2, 4\\]"),
        ({"clutter": 1.5}, "clutter = 1.5"),
        ({"canvases": (5,)}, "canvases = \\[5\\]"),
    ],
)
def test_settings_that_mean_nothing_are_refused(settings: dict[str, object], found: str) -> None:
    with pytest.raises(InputError, match=found):
        Canvases(**settings)  # type: ignore[arg-type]
