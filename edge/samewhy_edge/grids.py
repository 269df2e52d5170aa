"""Plans of coarse grids of kept and filled cells, upsampled to smooth masks and shifted.

Weights and cells are whole numbers, so that masks are byte-equal on every machine: where `grid` cells become `full`
positions each weight is a multiple of 1 / (2 full), and sums of whole numbers do not round.

Source: Petsiuk, Das & Saenko 2018, "Mask Generation", as in the authors' code (ceil, mirrored border); the geometry of
other libraries in `Upsampling`.
"""

import math
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import pairwise
from typing import Any, Literal, Protocol, final

import numpy as np
from numpy.typing import NDArray

from samewhy_edge.arrays import Keep
from samewhy_edge.lowdiscrepancy import scrambled
from samewhy_edge.plan import words

Cells = tuple[NDArray[np.float32], NDArray[np.int64]]  # (m, *grid) of 0 and 1, and shifts (m, axes)
Border = Literal["mirror", "clamp"]
Convention = Literal["rise", "xplique", "torchray"]

ARRAY, PAIRS = 5, 6  # keep the words of an array apart from those of random grids with the same seed
HELD = 2**20  # float32 values of all masks of a plan that are kept in memory, at most: 4 MiB
BORDERS: dict[Convention, Border] = {"rise": "mirror", "xplique": "clamp", "torchray": "mirror"}


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

    @property
    def shape(self) -> tuple[int, ...]:
        """The axes of every mask, *S."""
        ...

    def __len__(self) -> int:
        """M."""
        ...

    def drawn(self, start: int, stop: int) -> Cells:
        """Cells and shifts of masks `start` to `stop` (not included)."""
        ...

    def keep(self, start: int, stop: int) -> Keep:
        """Masks in [0, 1], shape (stop - start, *S)."""
        ...


@final
@dataclass(frozen=True)
class Upsampling:
    """Bilinear, and a shift of less than a cell.

    Beyond the border a cell is the next but one inside (`mirror`, as scikit-image's ``resize(order=1,
    mode="reflect")``) or the last one (`clamp`, as ``tf.image.resize`` and torch's ``interpolate(mode="bilinear",
    align_corners=False)``).

    With C = ceil(size / grid), `rise` stretches the grid to (grid + 1) * C positions, so that a cell is somewhat larger
    than C; `torchray` makes a cell ceil((size + C) / grid) positions; both shift by less than C. `xplique` stretches
    to int(size * (1 + 1 / grid)) positions and shifts by 0 to what that leaves over, that included.

    Source: the authors' ``explanations.py``; ``attribution/rise.py`` of TorchRay 1.0, ``attributions/rise.py`` of
    Xplique 1.5.
    """

    spatial: tuple[int, ...]
    grid: int
    border: Border = "mirror"
    convention: Convention = "rise"

    def masks(self, cells: NDArray[np.float32], shifts: NDArray[np.int64]) -> Keep:
        """Masks (m, *S) of cells (m, *grid) moved by shifts (m, axes)."""
        values: NDArray[Any] = cells
        for axis, weights in enumerate(self._weights):
            # each mask has its own shifted weights (m, size, grid); the axes before are upsampled, those behind are not
            rows = weights[shifts[:, axis, None] + np.arange(self.spatial[axis])]
            before, behind = math.prod(self.spatial[:axis]), self.grid ** (len(self.spatial) - axis - 1)
            if behind == 1:
                values = values.reshape(len(cells), before, self.grid) @ rows.transpose(0, 2, 1)
            else:
                values = rows[:, None] @ values.reshape(len(cells), before, self.grid, behind)
        values /= values.dtype.type(self._scale)
        return np.ascontiguousarray(values.reshape(len(cells), *self.spatial), np.float32)

    def overlap(self, axis: int) -> NDArray[np.float64]:
        """How much two positions of an axis share their cells, mean over all shifts: (size, size)."""
        return np.asarray(sum(rows @ rows.T for rows in self.moved[axis]) / self.shifts[axis])

    @cached_property
    def moved(self) -> list[NDArray[np.float64]]:
        """Weight of each cell at each position under each shift: (shifts, size, grid), an axis each."""
        axes = zip(self._weights, self._fulls, self.spatial, self.shifts, strict=True)
        return [
            np.stack([weights[shift : shift + size] for shift in range(shifts)]).astype(np.float64) / (2 * full)
            for weights, full, size, shifts in axes
        ]

    @property
    def sizes(self) -> list[int]:
        """Positions of a cell before it is stretched, an axis each."""
        return [math.ceil(size / self.grid) for size in self.spatial]

    @property
    def shifts(self) -> list[int]:
        """How many shifts an axis has, from 0."""
        if self.convention == "xplique":
            return [full - size + 1 for full, size in zip(self._fulls, self.spatial, strict=True)]
        return self.sizes

    @property
    def _fulls(self) -> list[int]:
        """Positions that the grid is stretched to."""
        if self.convention == "xplique":
            return [int(size * (1.0 + 1.0 / self.grid)) for size in self.spatial]  # its rounding, in its own order
        if self.convention == "torchray":
            cells = zip(self.spatial, self.sizes, strict=True)
            return [self.grid * math.ceil((size + cell) / self.grid) for size, cell in cells]
        return [(self.grid + 1) * cell for cell in self.sizes]

    @property
    def _scale(self) -> int:
        return math.prod(2 * full for full in self._fulls)

    @cached_property
    def _weights(self) -> list[NDArray[Any]]:
        exact = np.float32 if self._scale < 2**24 else np.float64
        return [linear_weights(full, self.grid, self.border).astype(exact) for full in self._fulls]


@final
@dataclass(frozen=True)
class RandomGrids:
    """Independent masks: a coin a cell and a shift a mask, as published."""

    shape: tuple[int, ...]
    count: int
    grid: int
    share: float  # probability that a cell is kept
    key: tuple[int, int]  # (seed, draw): two draws of a seed share no mask
    border: Border = "mirror"
    convention: Convention = "rise"

    def __len__(self) -> int:
        """M."""
        return self.count

    @property
    def block(self) -> int:
        """Each mask is a draw of its own."""
        return 1

    @cached_property
    def upsampling(self) -> Upsampling:
        """From grids to masks."""
        return Upsampling(self.shape, self.grid, self.border, self.convention)

    def keep(self, start: int, stop: int) -> Keep:
        """Masks in [0, 1], shape (stop - start, *S)."""
        return held(self, start, stop)

    def weigh(self, weights: NDArray[Any], hidden: bool = False) -> NDArray[np.float64]:
        """Sum over queries of weight * keep (or weight * (1 - keep)): (N, M) to (N, *S)."""
        return weighed(self, weights, hidden)

    def drawn(self, start: int, stop: int) -> Cells:
        """Cells and shifts of masks `start` to `stop` (not included)."""
        axes = len(self.shape)
        raw = words(self.key, start, stop, self.grid**axes + axes)
        shifts = (raw[:, :axes] % np.array(self.upsampling.shifts, np.uint64)).astype(np.int64)
        return kept(raw[:, axes:], self.share, self.grid, axes), shifts


@final
@dataclass(frozen=True)
class SobolGrids:
    """Even masks: blocks of scrambled Sobol' sequences with a dimension a cell and an axis.

    Within a whole block every cell is kept as often as the share says, to one mask, and so for the shifts. Each mask
    alone is distributed as a random one. Each block has a scramble of its own, so that blocks tell the error of a map.
    `count` is best a multiple of `block`.

    Source: `samewhy_edge.lowdiscrepancy`; Owen 2013, Monte Carlo theory, chapter 17 (replicates).
    """

    shape: tuple[int, ...]
    count: int
    grid: int
    share: float
    key: tuple[int, int]  # (seed, draw)
    border: Border = "mirror"
    convention: Convention = "rise"

    def __len__(self) -> int:
        """M."""
        return self.count

    @property
    def dimensions(self) -> int:
        """Of the sequence."""
        return int(len(self.shape) + self.grid ** len(self.shape))

    @property
    def block(self) -> int:
        """Queries of a whole block, the power of two from twice the dimensions: blocks are independent."""
        return 1 << (2 * self.dimensions - 1).bit_length()

    @cached_property
    def upsampling(self) -> Upsampling:
        """From grids to masks."""
        return Upsampling(self.shape, self.grid, self.border, self.convention)

    def keep(self, start: int, stop: int) -> Keep:
        """Masks in [0, 1], shape (stop - start, *S)."""
        return held(self, start, stop)

    def weigh(self, weights: NDArray[Any], hidden: bool = False) -> NDArray[np.float64]:
        """Sum over queries of weight * keep (or weight * (1 - keep)): (N, M) to (N, *S)."""
        return weighed(self, weights, hidden)

    def drawn(self, start: int, stop: int) -> Cells:
        """Cells and shifts of masks `start` to `stop` (not included)."""
        ends = [start, *range((start // self.block + 1) * self.block, stop, self.block), stop]
        cells, shifts = zip(*(self._within(*part) for part in pairwise(ends)), strict=True)
        return np.concatenate(cells), np.concatenate(shifts)

    def _within(self, start: int, stop: int) -> Cells:
        """Cells and shifts of masks of one block.

        Words are scaled to shifts, since a remainder would lose the evenness.
        """
        axes, half, first = len(self.shape), np.uint64(32), start // self.block * self.block
        key = self.key[0], self.key[1] + (start // self.block << 32)
        raw = scrambled(key, start - first, stop - first, self.dimensions)
        shifts = (raw[:, :axes] >> half) * np.array(self.upsampling.shifts, np.uint64) >> half
        return kept(raw[:, axes:], self.share, self.grid, axes), shifts.astype(np.int64)


@final
@dataclass(frozen=True)
class ArrayGrids:
    """Balanced masks: blocks of a two-level orthogonal array, each mask followed by its complement.

    A block takes the columns of a Hadamard matrix (Sylvester's, of the smallest order above the number of cells) in a
    random choice with random signs, its rows in a random order. Within a whole block every cell is kept in half of the
    queries, no two cells are confounded, and pairs of cells do not leak into single ones. So `count` is best a multiple
    of `block`.

    A block has one shift, so that its balance holds for every position; or every mask and its complement have their
    own, each shift as often as any other to one, so that a regression sees more of where cells end.

    Source: Hedayat, Sloane & Stufken 1999, Orthogonal Arrays, chapter 7 (arrays of strength 3 by fold-over).
    """

    shape: tuple[int, ...]
    count: int
    grid: int
    key: tuple[int, int]  # (seed, draw)
    border: Border = "mirror"
    convention: Convention = "rise"
    shifting: Literal["block", "pair"] = "block"

    def __len__(self) -> int:
        """M."""
        return self.count

    @property
    def share(self) -> float:
        """Half of the queries keep a cell."""
        return 0.5

    @property
    def block(self) -> int:
        """Queries of a whole block, twice the order of the matrix: blocks are independent, masks within are not."""
        return 2 * self._order

    @cached_property
    def upsampling(self) -> Upsampling:
        """From grids to masks."""
        return Upsampling(self.shape, self.grid, self.border, self.convention)

    def keep(self, start: int, stop: int) -> Keep:
        """Masks in [0, 1], shape (stop - start, *S)."""
        return held(self, start, stop)

    def weigh(self, weights: NDArray[Any], hidden: bool = False) -> NDArray[np.float64]:
        """Sum over queries of weight * keep (or weight * (1 - keep)): (N, M) to (N, *S)."""
        return weighed(self, weights, hidden)

    def drawn(self, start: int, stop: int) -> Cells:
        """Cells and shifts of masks `start` to `stop` (not included)."""
        first, last = start // self.block, (stop - 1) // self.block + 1
        cells, shifts = zip(*map(self._block, range(first, last)), strict=True)
        wanted = slice(start - first * self.block, stop - first * self.block)
        return np.concatenate(cells)[wanted], np.concatenate(shifts)[wanted]

    @property
    def _order(self) -> int:
        return int(1 << (self.grid ** len(self.shape)).bit_length())

    def _block(self, number: int) -> Cells:
        """Cells and shifts of a whole block."""
        axes, cells, order = len(self.shape), self.grid ** len(self.shape), self._order
        raw = words((self.key[0], self.key[1] + (ARRAY << 32)), number, number + 1, axes + 2 * order + cells)[0]
        shift = (raw[:axes] % np.array(self.upsampling.shifts, np.uint64)).astype(np.int64)
        rows, columns = np.argsort(raw[axes : axes + order]), 1 + np.argsort(raw[axes + order : axes + 2 * order - 1])
        signs = 1 - 2 * (raw[-cells:] >> np.uint64(63)).astype(np.int64)
        levels = sylvester(order)[rows][:, columns[:cells]] * signs
        kept = np.stack([levels > 0, levels < 0], axis=1).reshape(-1, *[self.grid] * axes)
        shifts = shift[None] if self.shifting == "block" else self._of_pairs(number)
        return kept.astype(np.float32), np.repeat(shifts, self.block // len(shifts), axis=0)

    def _of_pairs(self, number: int) -> NDArray[np.int64]:
        """A shift (order, axes) for each pair of a block: every shift in a random order, then again."""
        every = np.indices(self.upsampling.shifts).reshape(len(self.shape), -1).T
        rounds = math.ceil(self._order / len(every))
        raw = words((self.key[0], self.key[1] + (PAIRS << 32)), number, number + 1, rounds * len(every))
        order = raw.reshape(rounds, -1).argsort(axis=1).ravel()[: self._order]
        return np.asarray(every[order], np.int64)


Drawn = RandomGrids | SobolGrids | ArrayGrids


def held(plan: Drawn, start: int, stop: int) -> Keep:
    """Masks of a plan: kept in memory where all of them are few, since asking, estimating and other rungs want them."""
    small = len(plan) * math.prod(plan.shape) <= HELD
    return every(plan)[start:stop] if small else plan.upsampling.masks(*plan.drawn(start, stop))


def weighed(plan: Grids, weights: NDArray[Any], hidden: bool = False) -> NDArray[np.float64]:
    """Sum over queries of weight * keep (or weight * (1 - keep)), (N, M) to (N, *S), without making a mask.

    Cells are summed for each shift, and the sums upsampled: masks are linear in their cells.
    """
    upsampling, (cells, shifts) = plan.upsampling, plan.drawn(0, len(plan))
    shown = 1 - cells if hidden else cells
    flat = np.ravel_multi_index(tuple(shifts.T), upsampling.shifts)
    order = np.argsort(flat, kind="stable")
    used, starts = np.unique(flat[order], return_index=True)
    sums = np.zeros((len(weights), math.prod(upsampling.shifts), shown[0].size))
    for row, weight in zip(sums, weights, strict=True):
        row[used] = np.add.reduceat((weight[:, None] * shown.reshape(len(shown), -1).astype(np.float64))[order], starts)
    return upsampled(upsampling, sums.reshape(len(weights), *upsampling.shifts, *shown.shape[1:]))


def upsampled(upsampling: Upsampling, sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """Cells summed for each shift, (N, *shifts, *grid), as maps (N, *S) over all shifts."""
    axes = len(upsampling.spatial)
    for axis, rows in enumerate(upsampling.moved):  # over the shift and the cell of an axis, which becomes the last
        sums = np.tensordot(sums, rows, ([1, 1 + axes - axis], [0, 2]))
    return sums


@lru_cache(maxsize=2)
def every(plan: Drawn) -> Keep:
    """All masks (M, *S), not to be written to."""
    masks = plan.upsampling.masks(*plan.drawn(0, len(plan)))
    masks.flags.writeable = False
    return masks


@final
@dataclass(frozen=True)
class Part:
    """Some masks of a plan of grids, in the order of their numbers."""

    plan: Drawn
    places: NDArray[np.int64]

    @property
    def shape(self) -> tuple[int, ...]:
        """The axes of every mask, *S."""
        return self.plan.shape

    @property
    def upsampling(self) -> Upsampling:
        """From grids to masks."""
        return self.plan.upsampling

    @property
    def share(self) -> float:
        """Probability that a cell is kept."""
        return self.plan.share

    def __len__(self) -> int:
        """How many."""
        return len(self.places)

    def weigh(self, weights: NDArray[Any], hidden: bool = False) -> NDArray[np.float64]:
        """Sum over queries of weight * keep (or weight * (1 - keep)): (N, M) to (N, *S)."""
        return weighed(self, weights, hidden)

    def drawn(self, start: int, stop: int) -> Cells:
        """Cells and shifts of masks `start` to `stop` (not included)."""
        places = self.places[start:stop]
        cells, shifts = self.plan.drawn(int(places[0]), int(places[-1]) + 1)
        return cells[places - places[0]], shifts[places - places[0]]

    def keep(self, start: int, stop: int) -> Keep:
        """Masks (stop - start, *S)."""
        places = self.places[start:stop]
        masks: Keep = self.plan.keep(int(places[0]), int(places[-1]) + 1)[places - places[0]]
        return masks


def halves(plan: Drawn) -> tuple[Part, Part] | None:
    """Every other mask, every other block, or pair of a single block; None where a half has fewer than 2 queries."""
    together = plan.block if len(plan) >= 2 * plan.block else min(plan.block, 2)
    odd = np.arange(len(plan)) // together % 2 == 1
    if not 2 <= odd.sum() <= len(plan) - 2:
        return None
    return Part(plan, np.flatnonzero(~odd)), Part(plan, np.flatnonzero(odd))


def kept(raw: NDArray[np.uint64], share: float, grid: int, axes: int) -> NDArray[np.float32]:
    """Cells (m, *grid), 1 where a word is below the share of all words and 0 elsewhere."""
    coins = (raw >> np.uint64(11)) < np.uint64(round(share * 2**53))
    return np.asarray(coins, np.float32).reshape(-1, *[grid] * axes)


def sylvester(order: int) -> NDArray[np.int64]:
    """The Hadamard matrix of an order that is a power of two; column 0 is all ones."""
    matrix = np.ones((1, 1), np.int64)
    while len(matrix) < order:
        matrix = np.block([[matrix, matrix], [matrix, -matrix]])
    return matrix


def linear_weights(full: int, grid: int, border: Border = "mirror") -> NDArray[np.float32]:
    """Linear weights (full, grid) that upsample `grid` cells to `full` positions, times 2 * full: whole numbers.

    Position i reads coordinate (i + 1/2) * grid / full - 1/2; cell -1 is cell 1 (mirror) or cell 0 (clamp).
    """
    position = (2 * np.arange(full) + 1) * grid - full  # coordinate times 2 * full
    below, part = position // (2 * full), position % (2 * full)
    inside = _mirror if border == "mirror" else _clamp
    weights = np.zeros((full, grid), np.float32)
    for cell, weight in ((below, 2 * full - part), (below + 1, part)):
        np.add.at(weights, (np.arange(full), inside(cell, grid)), weight)
    return weights


def _mirror(cell: NDArray[np.int64], grid: int) -> NDArray[np.int64]:
    last = grid - 1
    return np.asarray(last - np.abs(last - np.abs(cell)))


def _clamp(cell: NDArray[np.int64], grid: int) -> NDArray[np.int64]:
    return np.asarray(np.clip(cell, 0, grid - 1))
