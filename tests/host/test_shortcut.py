"""The arithmetic of the benchmark of the planted shortcut, where the answer is known."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from benchmarks.shortcut import STUDY, Twin, at_most, described, ratio, row, shares

from samewhy_edge.arrays import Samples, Scores
from samewhy_edge.fill import Mean
from samewhy_edge.occlusion import Occlusion
from samewhy_host.data.dataset import Split
from samewhy_host.study import read_study

MASKS = np.zeros((3, 12, 12), bool)
MASKS[:, 3:9, 3:9] = True
FINE, COARSE = Occlusion((2,), (1,), 0.0), Occlusion((6,), (3,), 0.0)


@dataclass(frozen=True)
class Sums:
    """One score for each region: the sum of a sample over it."""

    regions: np.ndarray

    def __call__(self, samples: Samples, /) -> Scores:
        return np.einsum("nijc,kij->nk", samples, self.regions).astype(np.float32)


def split() -> Split:
    samples = np.random.default_rng(0).uniform(0.5, 1, (3, 12, 12, 1)).astype(np.float32)
    ids = tuple(f"test/{place}" for place in range(3))
    return Split(samples, np.zeros(3, np.int64), ids, masks=MASKS)


def planted(outside: float, inside: float) -> Twin:
    """A network that leans so much on what is outside the mask, and so much on what is inside."""
    region = np.where(MASKS[0], inside, outside)
    return Twin(read_study(STUDY).study, Sums(np.stack([region, -region])), split(), split())


def rows_of(biased: Twin, plain: Twin, explainer: Any = FINE) -> dict[str, object]:
    twins = {"biased": biased, "plain": plain}
    return row(twins, {name: one.answers for name, one in twins.items()}, "its own answer", explainer)


def test_the_share_is_of_what_is_positive_outside() -> None:
    maps = np.where(MASKS, 1.0, -5.0).astype(np.float32)
    maps[0, 0, 0] = 12.0  # beside 36 cells of 1 inside
    assert shares(maps, MASKS) == pytest.approx([0.25, 0, 0])


def test_a_map_without_positive_parts_has_no_share() -> None:
    assert np.isnan(shares(np.zeros((3, 12, 12), np.float32), MASKS)).all()


def test_the_ratio_is_of_the_means_over_samples_that_define_both() -> None:
    found = ratio(np.array([0.9, 0.9, np.nan]), np.array([0.2, 0.4, 0.0]), 200, 0)
    assert found.value == pytest.approx(3.0)  # the mean of ratios would be 3.375
    assert (found.count, found.undefined) == (2, 1)
    assert found.low is not None
    assert found.high is not None
    assert found.low <= 3.0 <= found.high


def test_coarse_windows_cannot_tell_the_twins_as_far_apart() -> None:
    assert at_most(MASKS, COARSE) < 3 < at_most(MASKS, FINE)


def test_a_planted_shortcut_is_found() -> None:
    assert rows_of(planted(1, 0.1), planted(0.02, 1))["wanted"] == "yes"


def test_a_network_beside_itself_leans_no_more() -> None:
    found = rows_of(planted(1, 1), planted(1, 1))
    assert found["wanted"] == "no"
    assert str(found["times"]).startswith("1.00 ")


def test_windows_that_are_too_coarse_find_nothing() -> None:
    assert rows_of(planted(1, 0), planted(0, 1), COARSE)["wanted"] == "no"


def test_explainers_of_one_name_are_told_apart() -> None:
    assert described(Occlusion((3,), (1,), Mean())) == "occlusion, window 3, mean"
    assert described(FINE) != described(COARSE)
