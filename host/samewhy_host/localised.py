"""Where the data says which positions a right answer is about: how well every rung's maps find them.

A map can agree with the reference's and still be about the background, and one that moved can have moved to the object.
So each measure stands beside what a map that knows nothing scores, and beside the difference from the reference's map
of the same sample.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from samewhy_edge.arrays import Maps
from samewhy_edge.localisation import LOCALISATION, Masks, localised
from samewhy_host import stats

Row = dict[str, Any]


class Mapped(Protocol):
    """Maps of one making."""

    @property
    def name(self) -> str:
        """Of the explainer or the method."""
        ...

    @property
    def maps(self) -> Mapping[str, Maps]:
        """By rung name: (N, *shape)."""
        ...


def localisation_rows(
    names: Sequence[str],
    all_explained: Sequence[Mapped],
    masks: Masks | None,
    resamples: int,
    seed: int,
    level: float = stats.LEVEL,
) -> list[Row]:
    """A row for each rung, explainer and measure; none where the data has no masks (N, *S)."""
    if masks is None or not masks.any():
        return []
    rows = []
    for one in all_explained:
        maps = {name: over_channels(one.maps[name], masks) for name in names}
        for measure in LOCALISATION:
            chance = stats.mean(np.array([measure.chance(mask) for mask in masks], np.float64), 1, 0).value
            found = {name: localised(measure, maps[name], masks) for name in names}
            for name in names:
                mean = stats.mean(found[name], resamples, seed, level)
                moved = stats.mean(found[name] - found[names[0]], resamples, seed, level)  # sample by sample
                rows.append(
                    {
                        "rung": name,
                        "explainer": one.name,
                        "measure": measure.name,
                        **mean.row(),
                        "chance": chance,
                        "moved": moved.value,
                        "moved_low": moved.low,
                        "moved_high": moved.high,
                    }
                )
    return rows


def over_channels(maps: Maps, masks: Masks) -> Maps:
    """Maps (N, *S); those with channels are summed over them."""
    return maps if maps.ndim == masks.ndim else maps.sum(axis=-1)


def localisation_measures(masks: Masks | None) -> list[Row]:
    """What a reader must know of each measure; none where the data has no masks."""
    if masks is None or not masks.any():
        return []
    return [
        {
            "name": one.name,
            "better": one.better,
            "span": list(one.span),
            "source": one.source,
            "convention": one.convention,
        }
        for one in LOCALISATION
    ]
