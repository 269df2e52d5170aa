from pathlib import Path

import numpy as np
import pytest

from samewhy_edge.errors import InputError
from samewhy_edge.files import write_npz
from samewhy_edge.localisation import LOCALISATION, localised
from samewhy_host.data import digits as module
from samewhy_host.data.dataset import Dataset, checked
from samewhy_host.data.digits import FILE, digits


@pytest.fixture(scope="module")
def data() -> Dataset:
    return digits("unit")


def test_classes_are_even_and_splits_apart(data: Dataset) -> None:
    assert np.bincount(data.train.labels).tolist() == [400] * 10
    assert np.bincount(data.test.labels).tolist() == [100] * 10
    places = [name.rpartition("/")[2] for split in (data.train, data.test) for name in split.ids]
    assert len(set(places)) == 5000


def test_no_digit_is_in_both_splits(data: Dataset) -> None:
    train, test = ({one.tobytes() for one in split.samples} for split in (data.train, data.test))
    assert not train & test


def test_a_mask_is_the_stroke(data: Dataset) -> None:
    assert data.test.masks is not None
    assert data.test.samples[data.test.masks].min() >= 128 / 255 - 1e-6
    assert data.test.samples[~data.test.masks].max() < 128 / 255
    assert data.test.masks.any(axis=(1, 2)).all()


def test_the_picture_itself_is_a_perfect_map(data: Dataset) -> None:
    measure = next(one for one in LOCALISATION if one.name == "mask-auc")
    assert data.test.masks is not None
    assert localised(measure, data.test.samples[:50, ..., 0], data.test.masks[:50]) == pytest.approx(1.0)


def test_it_passes_the_check_of_every_source(data: Dataset) -> None:
    assert checked(data).sample == (28, 28, 1)


def test_values_are_scaled_as_asked() -> None:
    assert digits("byte").test.samples.max() == 255
    assert digits("signed").test.samples.min() == -1


def test_a_damaged_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with np.load(FILE) as arrays:
        known = {name: arrays[name].copy() for name in arrays.files}
    known["images"][0, 0, 0] ^= 1
    write_npz(tmp_path / "digits.npz", **known)
    monkeypatch.setattr(module, "FILE", tmp_path / "digits.npz")
    with pytest.raises(InputError, match=r"expected .*; install samewhy-data anew"):
        digits("unit")
