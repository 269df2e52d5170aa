from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from samewhy_edge.errors import InputError
from samewhy_edge.files import write_npz
from samewhy_host.data import watch as module
from samewhy_host.data.dataset import Dataset, Split, checked
from samewhy_host.data.watch import LENGTH, UNSEEN, Watch, recordings, statistics, watch


@pytest.fixture(scope="module")
def data() -> Dataset:
    return watch(Watch())


def people(split: Split) -> set[str]:
    return {name.split("/")[0] for name in split.ids}


def units(split: Split, made: dict[str, dict[str, float]]) -> NDArray[np.float64]:
    """Samples in g and rad/s."""
    mean, deviation = (np.array(list(made[name].values())) for name in ("mean", "deviation"))
    real: NDArray[np.float64] = split.samples * deviation + mean
    return real


def test_windows_are_two_seconds_of_six_sensors(data: Dataset) -> None:
    assert data.train.samples.shape == (3193, 100, 6)
    assert data.test.samples.shape == (1484, 100, 6)
    assert data.sample == (100, 6)


def test_nobody_is_in_both_splits(data: Dataset) -> None:
    assert people(data.test) == {f"person-{one}" for one in UNSEEN}
    assert len(people(data.train)) == 7
    assert not people(data.train) & people(data.test)


def test_no_window_is_in_both_splits(data: Dataset) -> None:
    train = {sample.tobytes() for sample in data.train.samples}
    assert not any(sample.tobytes() in train for sample in data.test.samples)


def test_no_id_stands_twice(data: Dataset) -> None:
    ids = data.train.ids + data.test.ids
    assert len(set(ids)) == len(ids)


def test_a_window_is_the_stretch_of_the_recording_that_its_id_names(data: Dataset) -> None:
    found = recordings()
    for split in (data.train, data.test):
        real = units(split, data.made)  # type: ignore[arg-type]  # what the source made
        for place in range(0, len(split.ids), 97):
            person, recording, start = (int(part.rpartition("-")[2]) for part in split.ids[place].split("/"))
            expected = found.codes[recording][start : start + LENGTH] * found.scale
            np.testing.assert_allclose(real[place], expected, atol=1e-5)
            assert found.people[recording] == person
            assert found.labels[recording] == split.labels[place]


def test_every_window_that_fits_is_there(data: Dataset) -> None:
    lengths = [len(one) for one in recordings().codes]
    assert len(data.train.ids) + len(data.test.ids) == sum((length - LENGTH) // 50 + 1 for length in lengths)


def test_a_smaller_stride_gives_more_windows_and_keeps_the_old_ones(data: Dataset) -> None:
    dense = watch(Watch(stride=25)).test
    kept = dense.places(data.test.ids)
    assert 1.8 < len(dense.ids) / len(kept) < 2
    assert np.array_equal(dense.samples[kept], data.test.samples)


def test_classes_are_even_enough(data: Dataset) -> None:
    """Chance is a seventh: no class holds more than a fifth or less than a twelfth of a split."""
    for split in (data.train, data.test):
        shares = np.bincount(split.labels, minlength=7) / len(split.labels)
        assert 1 / 12 < shares.min() < shares.max() < 1 / 5


def test_everyone_does_every_exercise_with_either_arm() -> None:
    found = recordings()
    pairs = np.stack([found.people, found.labels])
    assert np.unique(pairs, axis=1, return_counts=True)[1].tolist() == [2] * 70


def test_recordings_of_training_alone_have_mean_zero_and_deviation_one(data: Dataset) -> None:
    found, made = recordings(), data.made
    seen = np.concatenate([one for one, who in zip(found.codes, found.people, strict=True) if who not in UNSEEN])
    np.testing.assert_allclose(list(made["mean"].values()), (seen * found.scale).mean(axis=0), atol=1e-6)
    np.testing.assert_allclose(list(made["deviation"].values()), (seen * found.scale).std(axis=0), rtol=1e-6)
    unseen = np.concatenate([one for one, who in zip(found.codes, found.people, strict=True) if who in UNSEEN])
    assert np.abs((unseen * found.scale).mean(axis=0) - list(made["mean"].values())).max() > 0.01
    assert np.abs(data.train.samples.mean(axis=(0, 1))).max() < 0.05


def test_statistics_are_exact_where_floating_point_would_not_be() -> None:
    codes = np.tile(np.array([[32767], [-32767], [32767], [32766]], np.int16), (1, 6))
    mean, deviation = statistics(codes)
    assert mean[0] == 65533 / 4
    np.testing.assert_allclose(deviation, codes.astype(np.float64).std(axis=0), rtol=1e-14)


def test_gravity_is_in_the_accelerations() -> None:
    """One g on average, so that the scale of the recordings is right."""
    found = recordings()
    real = np.concatenate(found.codes) * found.scale
    assert 0.9 < np.median(np.linalg.norm(real[:, :3], axis=1)) < 1.1


def test_exercises_are_told_apart_by_their_mean_posture(data: Dataset) -> None:
    """A nearest-mean classifier is right far more often than by chance, so labels and windows belong together."""

    def features(split: Split) -> NDArray[np.float64]:
        return np.concatenate([split.samples.mean(axis=1), np.log(split.samples.std(axis=1) + 0.01)], axis=1)

    train, test = features(data.train), features(data.test)
    means = np.stack([train[data.train.labels == label].mean(axis=0) for label in range(7)])
    nearest = ((test[:, None] - means) ** 2).sum(axis=2).argmin(axis=1)
    assert (nearest == data.test.labels).mean() > 0.4


def test_provenance_holds_what_samples_were_made_with(data: Dataset) -> None:
    made = data.provenance()["made"]
    assert made["unseen"] == [8, 9, 10]
    assert made["stride"] == 50
    assert list(made["mean"]) == ["ax", "ay", "az", "wx", "wy", "wz"]


def test_it_passes_the_check_of_every_source(data: Dataset) -> None:
    assert checked(data) is data


def test_samples_stay_the_same_from_release_to_release(data: Dataset) -> None:
    known = data.provenance()
    assert [known[name]["sha256"][:12] for name in ("train", "test")] == ["ee1f6e921e17", "882da7b5e60c"]


def test_a_stride_that_stands_still_is_refused() -> None:
    with pytest.raises(InputError, match="stride = 0; expected at least 1"):
        Watch(stride=0)


def test_damaged_recordings_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with np.load(module.FILE) as loaded:
        arrays = dict(loaded)
    arrays["codes"][1000, 3] ^= 1
    write_npz(tmp_path / "watch.npz", **arrays)
    monkeypatch.setattr(module, "FILE", tmp_path / "watch.npz")
    with pytest.raises(InputError, match=r"watch\.npz: SHA-256 .*install samewhy anew"):
        recordings()
