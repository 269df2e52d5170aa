from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from samewhy_edge.errors import InputError
from samewhy_edge.explain import adapted, explain, explainer_from
from samewhy_edge.features import (
    CellsByChannel,
    Channels,
    Coalitions,
    Features,
    Superpixels,
    cells,
    coins,
    labels_of,
)
from samewhy_edge.plan import Each, Windows, digest, own
from samewhy_edge.shapley import KernelShap, Permutation
from tests.worlds import Recording, additive

GAPS = np.array([[-3, -3, 7], [7, 90, 90]])


def noise(*shape: int, seed: int = 3) -> Any:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def saved(folder: Path, content: Any) -> Superpixels:
    np.save(folder / "labels.npy", content)
    return Superpixels(str(folder / "labels.npy"))


def of_features(shares: Any, labels: Any) -> Any:
    """The sum of shares over each feature, at every position of it, by loops."""
    found = np.zeros(labels.shape)
    for feature in set(labels.ravel().tolist()):
        found[labels == feature] = shares[labels == feature].sum()
    return found


def whole_shares(world: Any, sample: Any, target: int, fill: float) -> Any:
    """What each value of a sample adds to the score, (*S, C)."""
    return world.weights[target] * (sample - fill)


def every_shapley(features: Features) -> list[Any]:
    return [Permutation(features, 2, 0.25), KernelShap(features, 200, fill=0.25)]


# What features are


def test_cells_are_near_equal_and_numbered_row_by_row() -> None:
    assert cells((5,), (2,)).tolist() == [0, 0, 0, 1, 1]
    assert cells((2, 4), (2, 2)).tolist() == [[0, 0, 1, 1], [2, 2, 3, 3]]


@given(sizes=st.lists(st.integers(2, 9), min_size=1, max_size=2), parts=st.integers(2, 5))
def test_no_cell_is_empty_or_more_than_one_position_longer_than_another(sizes: list[int], parts: int) -> None:
    counts = tuple(min(size, parts) for size in sizes)
    found = cells(tuple(sizes), counts)
    assert set(found.ravel().tolist()) == set(range(int(np.prod(counts))))
    first = np.bincount(found.reshape(sizes[0], -1)[:, 0])
    assert first[first > 0].max() - first[first > 0].min() <= 1


def test_channels_are_the_same_feature_everywhere() -> None:
    (labels,), count = labels_of(Channels(), (2, 2, 3))
    assert count == 3
    assert labels.tolist() == [[[0, 1, 2]] * 2] * 2


def test_cells_by_channel_number_the_channels_of_a_cell_in_a_row() -> None:
    (labels,), count = labels_of(CellsByChannel((2,)), (4, 3))
    assert count == 6
    assert labels.tolist() == [[0, 1, 2], [0, 1, 2], [3, 4, 5], [3, 4, 5]]


def test_superpixels_are_numbered_in_the_order_of_their_labels_whatever_gaps_and_signs(tmp_path: Path) -> None:
    (labels,), count = labels_of(saved(tmp_path, GAPS), (2, 3, 1))
    assert count == 3
    assert labels.tolist() == [[0, 0, 1], [1, 2, 2]]


def test_superpixels_of_each_sample_share_their_numbers(tmp_path: Path) -> None:
    labels, count = labels_of(saved(tmp_path, np.array([[4, 4, 9], [9, 7, 7]], np.uint8)), (3, 2))
    assert count == 3
    assert [one.tolist() for one in labels] == [[0, 0, 2], [2, 1, 1]]


@pytest.mark.parametrize("count", [1, 4])
def test_a_single_map_serves_all_samples(tmp_path: Path, count: int) -> None:
    features = saved(tmp_path, GAPS[None])
    plan = KernelShap(features, 8).plan((2, 3, 1), 0)
    assert isinstance(plan, Coalitions)
    assert explain(
        additive(2, 3, 1), noise(count, 2, 3, 1), np.zeros(count, np.int64), KernelShap(features, 8), 0
    ).any()


def test_features_on_channels_make_masks_and_maps_with_channels() -> None:
    plan = Permutation(CellsByChannel((2,)), 1).plan((4, 3), 0)
    assert plan.keep(0, len(plan)).shape == (len(plan), 4, 3)  # type: ignore[union-attr]
    assert explain(additive(4, 3), noise(2, 4, 3), np.zeros(2, np.int64), Permutation(Channels(), 1), 0).shape == (
        2,
        4,
        3,
    )


# Shapley values over them


@pytest.mark.parametrize(
    ("features", "sample"), [(Channels(), (5, 4)), (Channels(), (4, 3, 3)), (CellsByChannel((3,)), (7, 2))]
)
def test_values_of_an_additive_world_are_the_sums_over_each_feature(
    features: Features, sample: tuple[int, ...]
) -> None:
    world, samples, (labels,) = additive(*sample), noise(2, *sample), labels_of(features, sample)[0]
    for explainer in every_shapley(features):
        maps = explain(world, samples, np.array([0, 2]), explainer, seed=1)
        for one, target, found in zip(samples, (0, 2), maps, strict=True):
            np.testing.assert_allclose(found, of_features(whole_shares(world, one, target, 0.25), labels), atol=2e-5)


def test_every_sample_has_its_own_superpixels(tmp_path: Path) -> None:
    maps_of_labels = np.array([GAPS, GAPS.T.reshape(2, 3), [[7, 7, 7], [7, 7, -3]]])
    features = saved(tmp_path, maps_of_labels)
    world, samples = additive(2, 3, 2), noise(3, 2, 3, 2)
    for explainer in every_shapley(features):
        plan, _ = adapted(world, samples, np.arange(3), explainer, 0)
        assert isinstance(plan, Each)
        assert len({digest(one) for one in plan.plans}) == 3
        found = explain(world, samples, np.arange(3), explainer, seed=0)
        for i in range(3):
            wanted = of_features(whole_shares(world, samples[i], i, 0.25).sum(axis=-1), maps_of_labels[i])
            np.testing.assert_allclose(found[i], wanted, atol=1e-5)


# What a sample shows of them


def test_present_features_are_those_with_a_position_that_is_not_the_fill() -> None:
    shown = np.zeros((4, 3), bool)
    shown[3, 1] = shown[0, 2] = True
    grid, by_channel, channels = (
        Coalitions(labels_of(features, (4, 3))[0][0], np.zeros((1, 6), np.float32))
        for features in ((2,), CellsByChannel((2,)), Channels())
    )
    assert grid.present(shown).tolist() == [0, 1]
    assert by_channel.present(shown).tolist() == [2, 4]
    assert channels.present(shown).tolist() == [1, 2]
    assert grid.present(np.zeros((4, 3), bool)).tolist() == []


@pytest.mark.parametrize(("features", "asked"), [(Channels(), 4), ((2,), 2), (CellsByChannel((2,)), 4)])
def test_coalitions_that_differ_in_features_equal_to_the_fill_alone_are_asked_once(
    features: Features, asked: int
) -> None:
    series = np.full((1, 4, 3), 0.5, np.float32)
    series[0, 2:, 0] = 2
    series[0, 2:, 2] = 2  # of three channels two, of two cells one, of six parts two
    world = Recording(additive(4, 3))
    explain(world, series, np.array([0]), KernelShap(features, 64, fill=0.5), seed=0)
    assert sum(map(len, world.asked)) == asked


# Refusals


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (np.zeros((3, 2), int), r"int64 of shape \(3, 2\); expected whole numbers of shape \(2, 3\), or \(N, 2, 3\)"),
        (np.zeros((4, 2, 3, 1), int), r"of shape \(4, 2, 3, 1\); expected whole numbers"),
        (np.zeros(6, int), r"of shape \(6,\); expected whole numbers"),
        (np.zeros((0, 2, 3), int), r"of shape \(0, 2, 3\); expected whole numbers"),
        (np.zeros((2, 3)), r"float64 of shape \(2, 3\); expected whole numbers"),
        (np.zeros((2, 3), bool), r"bool of shape \(2, 3\); expected whole numbers"),
        (np.full((2, 3), 5), r"features superpixels of a sample \[2, 3, 1\] are a single one; expected at least 2"),
    ],
)
def test_a_file_that_is_no_label_map_is_refused(tmp_path: Path, content: Any, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        labels_of(saved(tmp_path, content), (2, 3, 1))


def test_a_file_that_is_missing_or_no_array_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"not readable as \.npy .*; save it with numpy\.save"):
        labels_of(Superpixels(str(tmp_path / "none.npy")), (2, 3, 1))
    (tmp_path / "text.npy").write_text("0 1 2")
    with pytest.raises(InputError, match=r"not readable as \.npy"):
        labels_of(Superpixels(str(tmp_path / "text.npy")), (2, 3, 1))
    np.save(tmp_path / "objects.npy", np.array([{}, 1]), allow_pickle=True)
    with pytest.raises(InputError, match=r"not readable as \.npy"):
        labels_of(Superpixels(str(tmp_path / "objects.npy")), (2, 3, 1))


def test_label_maps_of_another_number_of_samples_are_refused(tmp_path: Path) -> None:
    features = saved(tmp_path, np.stack([GAPS] * 3))
    with pytest.raises(InputError, match="features of 3 samples, expected one set for each of the 2 samples"):
        explain(additive(2, 3, 1), noise(2, 2, 3, 1), np.zeros(2, np.int64), KernelShap(features, 8), 0)


@pytest.mark.parametrize(
    ("features", "sample", "sentence"),
    [
        (Channels(), (8, 1), r"features channels of a sample \[8, 1\] are a single one"),
        (CellsByChannel((1,)), (8, 1), r"features cells-by-channel of a sample \[8, 1\] are a single one"),
        (CellsByChannel((9,)), (8, 2), r"cells \[9\] does not fit spatial axes \[8\]"),
        ((3, 3, 3), (8, 8, 1), r"features \[3, 3, 3\] does not fit spatial axes \[8, 8\]"),
    ],
)
def test_features_that_do_not_fit_are_refused(features: Features, sample: tuple[int, ...], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        labels_of(features, sample)


def test_a_plan_without_features_is_refused() -> None:
    with pytest.raises(InputError, match="a plan of Windows; expected Coalitions, from the explainer"):
        own(Windows((4,), (1,), (1,), (0,)), Coalitions)


# In files, and by chance


def test_a_study_names_them_by_method_or_as_a_grid() -> None:
    tables: list[Any] = [7, [3, 4], "channels", {"method": "cells-by-channel", "cells": 4}]
    found = [explainer_from({"method": "lime", "features": one}).features for one in tables]  # type: ignore[attr-defined]
    assert found == [(7,), (3, 4), Channels(), CellsByChannel((4,))]


def test_superpixels_are_told_apart_by_what_they_hold_not_where_they_lie(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    here, there = saved(tmp_path, GAPS), saved(tmp_path / "other", GAPS)
    assert here.identity() == there.identity()
    assert saved(tmp_path, GAPS + 1).identity() != there.identity()


def test_coins_are_uniform_and_the_same_row_by_row() -> None:
    many = coins((3, 4), (4000, 5))
    assert np.array_equal(coins((3, 4), (10, 5)), many[:10])
    assert ((many >= 0) & (many < 1)).all()
    np.testing.assert_allclose(np.histogram(many, 10, (0, 1))[0] / many.size, 0.1, atol=0.01)
    np.testing.assert_allclose(np.corrcoef(many.T), np.eye(5), atol=0.06)
