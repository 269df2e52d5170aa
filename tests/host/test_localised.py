from typing import Any

import numpy as np
import pytest

from samewhy_edge.localisation import LOCALISATION, localised
from samewhy_host.localised import localisation_measures, localisation_rows, over_channels

MASKS = np.zeros((6, 5, 4), bool)
MASKS[:, 1:3, 1:3] = True


class Shown:
    """What the rows read of an explained rung."""

    def __init__(self, **maps: Any) -> None:
        self.maps, self.name = maps, "made-up"


def row_of(rows: list[dict[str, Any]], rung: str, measure: str) -> dict[str, Any]:
    (found,) = (row for row in rows if (row["rung"], row["measure"]) == (rung, measure))
    return found


def noise(seed: int = 0) -> Any:
    return np.random.default_rng(seed).normal(size=MASKS.shape).astype(np.float32)


@pytest.mark.parametrize("measure", LOCALISATION, ids=lambda one: one.name)
def test_rows_hold_means_their_chance_and_the_paired_move(measure: Any) -> None:
    exact, random = MASKS + noise() / 100, noise(1)
    rows = localisation_rows(["float", "int8"], [Shown(float=exact, int8=random)], MASKS, 200, 0)  # type: ignore[list-item]  # all that is read
    assert len(rows) == 2 * len(LOCALISATION)
    values = {name: localised(measure, maps, MASKS) for name, maps in (("float", exact), ("int8", random))}
    row = row_of(rows, "int8", measure.name)
    assert row["value"] == pytest.approx(np.nanmean(values["int8"]), abs=1e-6)
    assert row["moved"] == pytest.approx(np.nanmean(values["int8"] - values["float"]), abs=1e-6)
    assert row["moved_low"] <= row["moved"] <= row["moved_high"]
    assert row["chance"] == pytest.approx(measure.chance(MASKS[0]), abs=1e-6)
    assert row_of(rows, "float", measure.name)["moved"] == 0


def test_samples_without_a_mask_are_undefined_and_counted() -> None:
    masks = MASKS.copy()
    masks[0] = False
    rows = localisation_rows(["float"], [Shown(float=noise())], masks, 10, 0)  # type: ignore[list-item]  # all that is read
    assert {(row["samples"], row["undefined"]) for row in rows} == {(5, 1)}


@pytest.mark.parametrize("masks", [None, np.zeros_like(MASKS)], ids=["no masks", "nothing inside"])
def test_without_anything_to_find_there_are_no_rows(masks: Any) -> None:
    assert localisation_rows(["float"], [Shown(float=noise())], masks, 10, 0) == []  # type: ignore[list-item]  # all that is read
    assert localisation_measures(masks) == []


def test_channels_are_summed() -> None:
    maps = np.stack([noise(0), noise(1)], axis=-1)
    assert np.array_equal(over_channels(maps, MASKS), maps.sum(axis=-1))
    assert np.array_equal(over_channels(noise(), MASKS), noise())


def test_measures_say_what_a_reader_must_know() -> None:
    (first, *_) = localisation_measures(MASKS)
    assert set(first) == {"name", "better", "span", "source", "convention"}
