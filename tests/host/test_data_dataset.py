from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from samewhy_edge.arrays import Targets
from samewhy_edge.errors import InputError
from samewhy_edge.files import sha256
from samewhy_host.data.dataset import Dataset, Split, Values, checked, scaled, stratified
from tests.host import small

LABELS = st.lists(st.integers(0, 5), min_size=1, max_size=60).map(lambda labels: np.array(labels, np.int64))
SEEDS = st.integers(0, 2**64 - 1)


def with_train(data: Dataset, split: Split) -> Dataset:
    return replace(data, train=split)


@pytest.mark.parametrize(
    ("values", "expected"),
    [("unit", [0, 51 / 255, 1]), ("byte", [0, 51, 255]), ("signed", [-1, 2 * 51 / 255 - 1, 1])],
)
def test_bytes_become_the_numbers_that_the_study_names(values: Values, expected: list[float]) -> None:
    found = scaled(np.array([0, 51, 255], np.uint8), values)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-7)


def test_scaling_leaves_the_bytes_as_they_are() -> None:
    pixels = np.array([0, 51, 255], np.uint8)
    scaled(pixels, "signed")
    assert pixels.tolist() == [0, 51, 255]


def test_taking_keeps_samples_labels_and_ids_together() -> None:
    split = small.split(10)
    taken = split.take(np.array([7, 2]))
    assert taken.ids == ("made-0/7", "made-0/2")
    assert taken.labels.tolist() == [1, 2]
    assert np.array_equal(taken.samples, split.samples[[7, 2]])


def test_places_are_found_by_id_in_the_order_that_is_asked_for() -> None:
    assert small.split(10).places(("made-0/7", "made-0/2")).tolist() == [7, 2]


def test_provenance_holds_sizes_and_digests_of_both_splits() -> None:
    data = small.dataset()
    known = data.provenance()
    assert known["sample"] == [8, 8, 1]
    assert [known["train"]["count"], known["test"]["count"]] == [60, 30]
    assert known["train"]["sha256"] == sha256(data.train.samples)
    assert known["test"]["labels"] == sha256(data.test.labels)


def test_a_usable_data_set_passes_unchanged() -> None:
    data = small.dataset()
    assert checked(data) is data


def test_a_split_without_samples_is_refused() -> None:
    data = small.dataset()
    with pytest.raises(InputError, match="no train samples"):
        checked(with_train(data, data.train.take(np.array([], np.int64))))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_value_that_is_not_finite_is_refused_by_the_id_of_its_sample(value: float) -> None:
    data = small.dataset()
    samples = data.train.samples.copy()
    samples[17, 3, 3, 0] = value
    with pytest.raises(InputError, match="train sample made-1/17 holds NaN or infinite"):
        checked(with_train(data, replace(data.train, samples=samples)))


@pytest.mark.parametrize("label", [-1, 3])
def test_a_class_index_out_of_range_is_refused(label: int) -> None:
    data = small.dataset()
    labels = data.train.labels.copy()
    labels[5] = label
    with pytest.raises(InputError, match=rf"class index {label} is out of range in train; there are 3 classes, 0 to 2"):
        checked(with_train(data, replace(data.train, labels=labels)))


def test_splits_of_two_sample_shapes_are_refused() -> None:
    data = with_train(small.dataset(), small.split(60, (8, 6, 1)))
    with pytest.raises(InputError, match=r"train samples have shape \(8, 6, 1\), test samples \(8, 8, 1\)"):
        checked(data)


@given(LABELS, SEEDS, st.data())
def test_classes_take_turns_until_one_has_no_more(labels: Targets, seed: int, data: st.DataObject) -> None:
    count = data.draw(st.integers(0, len(labels)))
    places = stratified(labels, count, seed)
    assert places.tolist() == sorted(set(places.tolist()))
    assert len(places) == count
    taken = {int(label): int((labels[places] == label).sum()) for label in np.unique(labels)}
    unfinished = [taken[label] for label in taken if taken[label] < (labels == label).sum()]
    assert all(max(taken.values()) - few <= 1 for few in unfinished)


@given(LABELS, SEEDS)
def test_the_same_labels_and_seed_give_the_same_places(labels: Targets, seed: int) -> None:
    count = (len(labels) + 1) // 2
    assert stratified(labels, count, seed).tobytes() == stratified(labels.copy(), count, seed).tobytes()


def test_places_stay_the_same_from_release_to_release() -> None:
    assert stratified(np.arange(20) % 2, 6, 2017).tolist() == [0, 3, 10, 13, 15, 18]


def test_another_seed_gives_other_places() -> None:
    labels = np.arange(100) % 10
    assert len({stratified(labels, 20, seed).tobytes() for seed in range(10)}) == 10


def test_every_sample_of_a_class_has_the_same_chance() -> None:
    labels = np.arange(20) % 2
    times = np.bincount(np.concatenate([stratified(labels, 4, seed) for seed in range(1000)]), minlength=20)
    # 2 of 10 in 1000 trials: 200 expected, standard deviation 12.6
    assert np.abs(times - 200).max() < 60


def test_every_class_has_the_same_chance_of_what_is_left_over() -> None:
    times = np.bincount(np.concatenate([stratified(np.arange(10), 3, seed) for seed in range(1000)]), minlength=10)
    # 300 expected, standard deviation 14.5
    assert np.abs(times - 300).max() < 70


def test_more_samples_than_there_are_is_refused() -> None:
    with pytest.raises(InputError, match="5 samples asked for, found 4"):
        stratified(np.zeros(4, np.int64), 5, 0)
