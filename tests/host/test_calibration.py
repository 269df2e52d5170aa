from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from samewhy_edge.arrays import Samples
from samewhy_edge.blend import blend
from samewhy_edge.errors import InputError
from samewhy_edge.explain import Explainer
from samewhy_edge.features import Superpixels
from samewhy_edge.fill import Background, backgrounds
from samewhy_edge.occlusion import Occlusion
from samewhy_edge.rise import Rise
from samewhy_edge.shapley import KernelShap
from samewhy_host.calibration import calibrating, shown_masked
from tests.host import small

SPLIT = small.split(24)
WINDOWS = Occlusion(window=(3,), stride=(3,), fill=-1.0)
GRIDS = Rise(queries=16, grid=3, fill=-2.0)


def masked(share: float, explainers: Sequence[Explainer] = (WINDOWS, GRIDS), seed: int = 5) -> Samples:
    return shown_masked(SPLIT, share, explainers, seed)


def moved(shown: Samples) -> NDArray[np.int64]:
    return np.flatnonzero((shown != SPLIT.samples).reshape(len(shown), -1).any(axis=1))


def test_without_a_share_samples_are_shown_as_they_are_whatever_the_fill(tmp_path: Path) -> None:
    np.save(tmp_path / "each.npy", small.noise(3, 8, 8, 1))
    own = Occlusion(window=(3,), stride=(3,), fill=Background(str(tmp_path / "each.npy")))
    assert np.array_equal(masked(0.0, [own]), SPLIT.samples)


def test_the_split_itself_is_left_alone() -> None:
    before = SPLIT.samples.copy()
    masked(1.0)
    assert np.array_equal(SPLIT.samples, before)


def test_a_share_of_the_samples_is_masked_with_even_classes() -> None:
    places = moved(masked(0.5, [GRIDS]))
    assert np.bincount(SPLIT.labels[places]).tolist() == [4, 4, 4]


def test_each_masked_sample_is_one_query_of_an_explainer() -> None:
    shown = masked(1.0)
    queries = [
        [blend(SPLIT.samples[i], plan.keep(0, len(plan)), backgrounds(one.fill, SPLIT.samples[i : i + 1])[0])]
        for one in (WINDOWS, GRIDS)
        for plan in [one.plan((8, 8, 1), 5)]
        for i in range(24)
    ]
    for place, sample in enumerate(shown):
        known = np.concatenate([queries[place][0], queries[24 + place][0]])
        assert (known == sample).reshape(len(known), -1).all(axis=1).any()


def test_explainers_take_turns_with_their_own_fill() -> None:
    shown = masked(1.0)
    lowest = shown.reshape(24, -1).min(axis=1)
    assert (lowest[1::2] < -1).all()  # grids, whose fill is -2, hide something in every query
    assert (lowest[0::2] >= -1).all()
    assert (lowest[0::2] == -1).any()


def test_masks_differ_from_sample_to_sample_and_follow_from_the_seed() -> None:
    hidden = masked(1.0, [WINDOWS]).reshape(24, -1) == -1
    assert len(np.unique(hidden, axis=0)) > 6  # of 10 queries: 9 windows, and one that hides nothing
    assert np.array_equal(masked(0.5), masked(0.5))
    assert not np.array_equal(masked(0.5), masked(0.5, seed=6))


def test_features_of_other_samples_mask_too(tmp_path: Path) -> None:
    labels = np.arange(64).reshape(8, 8) // 16
    np.save(tmp_path / "labels.npy", np.stack([labels, labels.T]))
    explainer = KernelShap(features=Superpixels(str(tmp_path / "labels.npy")), queries=16, fill=-1.0)
    shown = masked(1.0, [explainer])
    assert len(moved(shown)) > 12
    hidden = shown[moved(shown)] == -1
    assert all(row.sum() % 16 == 0 for row in hidden)


def test_a_fill_of_the_audited_samples_alone_is_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "each.npy", small.noise(3, 8, 8, 1))
    explainer = Occlusion(window=(3,), stride=(3,), fill=Background(str(tmp_path / "each.npy")))
    with pytest.raises(InputError, match=r"masked: the fill of occlusion does not fit .*each\.npy.*or calibrate with"):
        masked(1.0, [explainer])


def test_no_calibration_sample_equals_an_audited_one() -> None:
    twins = small.split(24)
    audited = twins.take(np.arange(6))
    taken = calibrating(twins, audited, 9, seed=1)
    assert not set(taken.ids) & set(audited.ids)
    assert np.bincount(taken.labels).tolist() == [3, 3, 3]
