"""Plans of coarse grids that are upsampled to smooth masks."""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import final

import numpy as np
from numpy.typing import NDArray

from samewhy_edge.arrays import Keep


@final
@dataclass(frozen=True)
class RandomGrids:
    """Coarse random grids, upsampled bilinearly and shifted, one shift a mask.

    Weights and coins are whole numbers, so that masks are byte-equal on every machine: with ``cell = ceil(size/grid)``
    and ``full = (grid + 1) * cell`` each weight is a multiple of 1 / (2 full), and sums of whole numbers do not round.

    Source: Petsiuk, Das & Saenko 2018, "Mask Generation", as in the authors' code (ceil, mirrored border).
    """

    spatial: tuple[int, ...]
    count: int
    grid: int
    share: float  # probability that a cell is kept
    key: tuple[int, int]  # (seed, draw): two draws of a seed share no mask

    def __len__(self) -> int:
        """M."""
        return self.count

    def keep(self, start: int, stop: int) -> Keep:
        """Masks in [0, 1], shape (stop - start, *S)."""
        cells, shifts = self._draw(start, stop)
        for axis, weights in enumerate(self._weights):
            # (m, ..., grid, ...) x (m, size, grid) over the grid axis: each mask has its own shifted weights
            rows = weights[shifts[:, axis, None] + np.arange(self.spatial[axis])]
            moved = np.moveaxis(cells, axis + 1, -1)
            flat = moved.reshape(len(moved), -1, self.grid) @ rows.transpose(0, 2, 1)
            cells = np.moveaxis(flat.reshape(*moved.shape[:-1], -1), -1, axis + 1)
        return np.ascontiguousarray(cells / cells.dtype.type(self._scale), np.float32)

    @property
    def _scale(self) -> int:
        return math.prod(2 * full for full in self._fulls)

    @property
    def _sizes(self) -> list[int]:
        return [math.ceil(size / self.grid) for size in self.spatial]

    @property
    def _fulls(self) -> list[int]:
        return [(self.grid + 1) * cell for cell in self._sizes]

    @cached_property
    def _weights(self) -> list[NDArray[np.float32]]:
        exact = np.float32 if self._scale < 2**24 else np.float64
        return [mirrored_weights(full, self.grid).astype(exact) for full in self._fulls]

    def _draw(self, start: int, stop: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Grids (m, *grid) of 0 and 1, and shifts (m, axes), from raw Philox words numbered by mask."""
        axes = len(self.spatial)
        words = self.grid**axes + axes
        blocks = math.ceil(words / 4)  # Philox gives four words a counter value
        source = np.random.Philox(key=np.array(self.key, np.uint64)).advance(start * blocks)
        raw = source.random_raw((stop - start) * 4 * blocks).reshape(stop - start, -1)[:, :words]
        coins = (raw[:, axes:] >> np.uint64(11)) < np.uint64(round(self.share * 2**53))
        shifts = (raw[:, :axes] % np.array(self._sizes, np.uint64)).astype(np.int64)
        return coins.astype(np.float32).reshape(-1, *[self.grid] * axes), shifts


def mirrored_weights(full: int, grid: int) -> NDArray[np.float32]:
    """Linear weights (full, grid) that upsample `grid` cells to `full` positions, times 2 * full: whole numbers.

    Position i reads coordinate (i + 1/2) * grid / full - 1/2; cell -1 is cell 1 (mirror), as in scikit-image's
    ``resize(order=1, mode="reflect")``.
    """
    position = (2 * np.arange(full) + 1) * grid - full  # coordinate times 2 * full
    below, part = position // (2 * full), position % (2 * full)
    weights = np.zeros((full, grid), np.float32)
    for cell, weight in ((below, 2 * full - part), (below + 1, part)):
        np.add.at(weights, (np.arange(full), _mirror(cell, grid)), weight)
    return weights


def _mirror(cell: NDArray[np.int64], grid: int) -> NDArray[np.int64]:
    last = grid - 1
    return np.asarray(last - np.abs(last - np.abs(cell)))
