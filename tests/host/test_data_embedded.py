from pathlib import Path
from shutil import copy

import numpy as np
import pytest

from samewhy_edge.errors import InputError
from samewhy_edge.files import write_npz
from samewhy_host.data import embedded
from samewhy_host.data.dataset import Dataset, Values, checked
from tests.host.test_data_idx import write_idx


@pytest.fixture(scope="module")
def data() -> Dataset:
    return embedded.fashion_mnist("unit")


def test_the_subset_has_the_sizes_of_its_card(data: Dataset) -> None:
    assert data.train.samples.shape == (12_000, 28, 28, 1)
    assert data.test.samples.shape == (2_000, 28, 28, 1)
    assert len(data.classes) == 10


def test_its_classes_are_even(data: Dataset) -> None:
    assert np.bincount(data.train.labels).tolist() == [1200] * 10
    assert np.bincount(data.test.labels).tolist() == [200] * 10


def test_no_id_stands_twice(data: Dataset) -> None:
    ids = data.train.ids + data.test.ids
    assert len(set(ids)) == len(ids) == 14_000


def test_no_image_is_in_both_splits(data: Dataset) -> None:
    train = {sample.tobytes() for sample in data.train.samples}
    assert not any(sample.tobytes() in train for sample in data.test.samples)


def test_it_passes_the_check_that_every_other_source_passes(data: Dataset) -> None:
    assert checked(data) is data


def test_samples_are_images_of_their_class(data: Dataset) -> None:
    """A nearest-mean classifier is right far more often than by chance, so labels and images belong together."""
    means = np.stack([data.train.samples[data.train.labels == label].mean(axis=0).ravel() for label in range(10)])
    flat = data.test.samples.reshape(2000, -1)
    distance = (flat**2).sum(axis=1)[:, None] - 2 * flat @ means.T + (means**2).sum(axis=1)
    assert (distance.argmin(axis=1) == data.test.labels).mean() > 0.6


@pytest.mark.parametrize(("values", "low", "high"), [("unit", 0, 1), ("byte", 0, 255), ("signed", -1, 1)])
def test_values_fill_the_range_that_the_study_names(values: Values, low: float, high: float) -> None:
    samples = embedded.fashion_mnist(values).test.samples
    assert samples.dtype == np.float32
    assert (samples.min(), samples.max()) == (low, high)


@pytest.mark.parametrize("split", ["train", "test"])
def test_a_damaged_copy_is_refused(split: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("train", "test"):
        copy(embedded.HOME / f"{name}.npz", tmp_path)
    with np.load(tmp_path / f"{split}.npz") as loaded:
        arrays = dict(loaded)
    arrays["images"][3, 14, 14] ^= 1
    write_npz(tmp_path / f"{split}.npz", **arrays)
    monkeypatch.setattr(embedded, "HOME", tmp_path)
    with pytest.raises(InputError, match=f"{split}.npz: SHA-256 .*expected {embedded.DIGESTS[split]}"):
        embedded.fashion_mnist("unit")


def test_a_subset_is_made_from_the_official_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pixels = np.arange(40 * 4, dtype=np.uint8).reshape(40, 2, 2)
    for prefix in ("train", "t10k"):
        write_idx(tmp_path / f"{prefix}-images-idx3-ubyte", pixels)
        write_idx(tmp_path / f"{prefix}-labels-idx1-ubyte", (np.arange(40) % 10).astype(np.uint8))
    monkeypatch.setattr(embedded, "HOME", tmp_path / "home")
    monkeypatch.setattr(embedded, "COUNTS", {"train": 20, "test": 10})
    embedded.embed(tmp_path)
    printed = dict(line.split(": ") for line in capsys.readouterr().out.splitlines())
    monkeypatch.setattr(embedded, "DIGESTS", printed)
    made = embedded.fashion_mnist("byte")
    assert np.bincount(made.train.labels).tolist() == [2] * 10
    place = int(made.train.ids[7].removeprefix("train/"))
    assert np.array_equal(made.train.samples[7, ..., 0], pixels[place])
