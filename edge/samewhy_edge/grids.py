"""Plans of coarse grids of kept and filled cells, upsampled to smooth masks and shifted.

Weights and cells are whole numbers, so that masks are byte-equal on every machine: with ``cell = ceil(size / grid)``
and ``full = (grid + 1) * cell`` each weight is a multiple of 1 / (2 full), and sums of whole numbers do not round.

Source: Petsiuk, Das & Saenko 2018, "Mask Generation", as in the authors' code (ceil, mirrored border).
"""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol, final

import numpy as np
from numpy.typing import NDArray

from samewhy_edge.arrays import Keep
from samewhy_edge.plan import words

ARRAY = 5  # keeps the words of an array apart from those of random grids with the same seed


class Grids(Protocol):
    """A plan of grids: what estimators that know how masks come about need of it."""

    @property
    def upsampling(self) -> "Upsampling":
        """From grids to masks."""
        ...

    @property
    def share(self) -> float:
        """Probability that a cell is kept."""
        ...

    def __len__(self) -> int:
        """M."""
        ...

    def keep(self, start: int, stop: int) -> Keep:
        """Masks in [0, 1], shape (stop - start, *S)."""
        ...


@final
@dataclass(frozen=True)
class Upsampling:
    """Bilinear, mirrored at the border, a shift of less than a cell."""

    spatial: tuple[int, ...]
    grid: int

    def masks(self, cells: NDArray[np.float32], shifts: NDArray[np.int64]) -> Keep:
        """Masks (m, *S) of cells (m, *grid) moved by shifts (m, axes)."""
        values: NDArray[Any] = cells
        for axis, weights in enumerate(self._weights):
            # (m, ..., grid, ...) x (m, size, grid) over the grid axis: each mask has its own shifted weights
            rows = weights[shifts[:, axis, None] + np.arange(self.spatial[axis])]
            moved = np.moveaxis(values, axis + 1, -1)
            flat = moved.reshape(len(moved), -1, self.grid) @ rows.transpose(0, 2, 1)
            values = np.moveaxis(flat.reshape(*moved.shape[:-1], -1), -1, axis + 1)
        return np.ascontiguousarray(values / values.dtype.type(self._scale), np.float32)

    def overlap(self, axis: int) -> NDArray[np.float64]:
        """How much two positions of an axis share their cells, mean over all shifts: (size, size)."""
        size, weights = self.spatial[axis], self._weights[axis].astype(np.float64) / (2 * self._fulls[axis])
        moved = [weights[shift : shift + size] for shift in range(self.sizes[axis])]
        return np.asarray(sum(rows @ rows.T for rows in moved) / len(moved))

    @property
    def sizes(self) -> list[int]:
        """Positions of a cell, an axis each; shifts lie below."""
        return [math.ceil(size / self.grid) for size in self.spatial]

    @property
    def _fulls(self) -> list[int]:
        return [(self.grid + 1) * cell for cell in self.sizes]

    @property
    def _scale(self) -> int:
        return math.prod(2 * full for full in self._fulls)

    @cached_property
    def _weights(self) -> list[NDArray[Any]]:
        exact = np.float32 if self._scale < 2**24 else np.float64
        return [mirrored_weights(full, self.grid).astype(exact) for full in self._fulls]


@final
@dataclass(frozen=True)
class RandomGrids:
    """Independent masks: a coin a cell and a shift a mask, as published."""

    spatial: tuple[int, ...]
    count: int
    grid: int
    share: float  # probability that a cell is kept
    key: tuple[int, int]  # (seed, draw): two draws of a seed share no mask

    def __len__(self) -> int:
        """M."""
        return self.count

    @cached_property
    def upsampling(self) -> Upsampling:
        """From grids to masks."""
        return Upsampling(self.spatial, self.grid)

    def keep(self, start: int, stop: int) -> Keep:
        """Masks in [0, 1], shape (stop - start, *S)."""
        return self.upsampling.masks(*self._draw(start, stop))

    def _draw(self, start: int, stop: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Cells (m, *grid) of 0 and 1, and shifts (m, axes)."""
        axes = len(self.spatial)
        raw = words(self.key, start, stop, self.grid**axes + axes)
        coins = (raw[:, axes:] >> np.uint64(11)) < np.uint64(round(self.share * 2**53))
        shifts = (raw[:, :axes] % np.array(self.upsampling.sizes, np.uint64)).astype(np.int64)
        return coins.astype(np.float32).reshape(-1, *[self.grid] * axes), shifts


@final
@dataclass(frozen=True)
class ArrayGrids:
    """Balanced masks: blocks of a two-level orthogonal array, each mask followed by its complement, a shift a block.

    A block takes the columns of a Hadamard matrix (Sylvester's, of the smallest order above the number of cells) in a
    random choice with random signs, its rows in a random order. Within a whole block every cell is kept in half of the
    queries, no two cells are confounded, and pairs of cells do not leak into single ones. So `count` is best a multiple
    of `block`.

    Source: Hedayat, Sloane & Stufken 1999, Orthogonal Arrays, chapter 7 (arrays of strength 3 by fold-over).
    """

    spatial: tuple[int, ...]
    count: int
    grid: int
    key: tuple[int, int]  # (seed, draw)

    def __len__(self) -> int:
        """M."""
        return self.count

    @property
    def share(self) -> float:
        """Half of the queries keep a cell."""
        return 0.5

    @property
    def block(self) -> int:
        """Queries of a whole block: twice the order of the matrix."""
        return 2 * self._order

    @cached_property
    def upsampling(self) -> Upsampling:
        """From grids to masks."""
        return Upsampling(self.spatial, self.grid)

    def keep(self, start: int, stop: int) -> Keep:
        """Masks in [0, 1], shape (stop - start, *S)."""
        first, last = start // self.block, (stop - 1) // self.block + 1
        blocks = [self._masks(number) for number in range(first, last)]
        return np.concatenate(blocks)[start - first * self.block : stop - first * self.block]

    @property
    def _order(self) -> int:
        return int(1 << (self.grid ** len(self.spatial)).bit_length())

    def _masks(self, number: int) -> Keep:
        """All masks of a block."""
        kept, shift = self._draw(number)
        return self.upsampling.masks(kept, np.repeat(shift[None], len(kept), axis=0))

    def _draw(self, number: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Cells (block, *grid) of 0 and 1, and the shift (axes,) of a block."""
        axes, cells, order = len(self.spatial), self.grid ** len(self.spatial), self._order
        raw = words((self.key[0], self.key[1] + (ARRAY << 32)), number, number + 1, axes + 2 * order + cells)[0]
        shift = (raw[:axes] % np.array(self.upsampling.sizes, np.uint64)).astype(np.int64)
        rows, columns = np.argsort(raw[axes : axes + order]), 1 + np.argsort(raw[axes + order : axes + 2 * order - 1])
        signs = 1 - 2 * (raw[-cells:] >> np.uint64(63)).astype(np.int64)
        levels = sylvester(order)[rows][:, columns[:cells]] * signs
        kept = np.stack([levels > 0, levels < 0], axis=1).reshape(-1, *[self.grid] * axes)
        return kept.astype(np.float32), shift


def sylvester(order: int) -> NDArray[np.int64]:
    """The Hadamard matrix of an order that is a power of two; column 0 is all ones."""
    matrix = np.ones((1, 1), np.int64)
    while len(matrix) < order:
        matrix = np.block([[matrix, matrix], [matrix, -matrix]])
    return matrix


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
