"""Measures that explain again: what becomes of the map when the sample is changed a little, or reduced to its map.

They cost as many times the explainer's queries as there are samples to explain again. The second map must come from the
same masks as the first, or it differs by chance alone.
"""

from dataclasses import dataclass
from typing import final

import numpy as np

from samewhy_edge.agreement import pearson
from samewhy_edge.arrays import Map, Maps, Sample, Samples
from samewhy_edge.blend import blend
from samewhy_edge.complexity import unit
from samewhy_edge.errors import InputError
from samewhy_edge.features import key
from samewhy_edge.fill import Fill
from samewhy_edge.plan import words
from samewhy_edge.quant import Affine

SIGNS = 19  # what words are for: up or down


@final
@dataclass(frozen=True, slots=True)
class Coherency:
    """(r + 1) / 2, r the correlation of the map with that of the sample shown through the map.

    NaN where the second map is flat.

    Source: Poppi et al. 2021, coherency (the authors' code makes 1/2 of what is undefined).
    """

    fill: Fill = 0.0

    def again(self, shape: tuple[int, ...]) -> int:
        """How many samples are explained again: 1."""
        return 1

    def changed(self, sample: Sample, background: Sample, one: Map, entry: Affine | None, seed: int) -> Samples:
        """The sample under its map as a mask, (1, *S, C)."""
        return blend(sample, unit(one)[None], background)

    def value(self, one: Map, others: Maps) -> float:
        """Of the map and the one of `changed`."""
        return (pearson(one, others[0]) + 1) / 2


@final
@dataclass(frozen=True, slots=True)
class MaxSensitivity:
    """Largest |map of x + d - map of x| / |map of x| over draws of d, Euclidean norms.

    Each value of d is one step of the input tensor up or down, so x + d is what a sensor could have read as well; where
    that would leave the tensor's range the value stays. NaN where any of the maps is.

    Source: Yeh et al. 2019, max-sensitivity, with the last bit of the input as the neighbourhood; over the norm of the
    map as in Captum 0.9 `metrics/_core/sensitivity.py`.
    """

    draws: int = 10
    fill: Fill = 0.0  # plays no part

    def again(self, shape: tuple[int, ...]) -> int:
        """How many samples are explained again."""
        return self.draws

    def changed(self, sample: Sample, background: Sample, one: Map, entry: Affine | None, seed: int) -> Samples:
        """Neighbours of the sample, (draws, *S, C).

        Raises:
            InputError: no encoding to take a step of, or no draws.
        """
        if entry is None or self.draws < 1:
            raise InputError(
                f"max-sensitivity with entry={entry}, draws={self.draws}; expected the encoding of the input of the "
                "rung that has an integer one, the same for all rungs, and at least 1 draw"
            )
        up = words(key(seed, 0, SIGNS), 0, self.draws, sample.size).reshape(-1, *sample.shape) >> np.uint64(63) == 1
        moved = sample + np.where(up, np.float32(entry.scale), -np.float32(entry.scale))
        low, high = entry.span()
        past = (moved < low - entry.scale / 2) | (moved > high + entry.scale / 2)
        return np.asarray(np.where(past, sample, moved), np.float32)

    def value(self, one: Map, others: Maps) -> float:
        """Of the map and those of `changed`."""
        size = np.linalg.norm(one.astype(np.float64))
        moved = (others.astype(np.float64) - one).reshape(len(others), -1)
        return float(np.linalg.norm(moved, axis=1).max() / size) if size > 0 else float("nan")
