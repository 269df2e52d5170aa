"""Several garments on one canvas, so that more than one class is present and it is known which pixels show which.

A canvas has four places. One to three of them hold a Fashion-MNIST garment, each of another class; of the others, some
hold clutter, a garment cut into tiles and put together anew, so that ink alone tells nothing. Over all lies noise. A
garment is halved in size (means of 2 x 2 pixels) and moved by a few pixels within its place. A canvas follows from the
seed, its split and its number alone.

The garment whose class is a canvas's label is the first that was drawn; `present` has all of them.
"""

from dataclasses import dataclass
from functools import cache
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from samewhy_edge.arrays import Scores
from samewhy_edge.errors import InputError
from samewhy_edge.plan import words
from samewhy_host.data import embedded
from samewhy_host.data.composites import Name, below, filled
from samewhy_host.data.dataset import Dataset, Split, Values

PLACES, SIDE, ITEM, TILE = 4, 16, 14, 2  # of a canvas; pixels of a place, of a halved garment, of a tile of clutter
ROOM = SIDE - ITEM + 1  # offsets of a garment within its place, along an axis
STREAMS = {"train": 2**34, "test": 2**34 + 1}  # other keys than the draws of plans have
COUNT, ORDER, ITEMS, CORNERS, CLUTTER, TILES = 0, slice(1, 5), slice(5, 9), slice(9, 17), slice(17, 21), slice(21, 25)
WIDTH = 25  # words of a canvas


@final
@dataclass(frozen=True, slots=True)
class Canvases:
    """What is put on a canvas."""

    garments: tuple[int, ...] = (1, 2)  # least and most
    clutter: float = 0.5  # chance of clutter in a place without a garment
    noise: float = 0.1  # largest brightness of it, drawn evenly
    canvases: tuple[int, ...] = (8_000, 1_000)  # training and test samples

    def __post_init__(self) -> None:
        if len(self.garments) != 2 or not 1 <= self.garments[0] <= self.garments[1] <= PLACES - 1:
            raise InputError(f"garments = {list(self.garments)}; expected [least, most], 1 to {PLACES - 1}")
        if not 0 <= self.clutter <= 1 or not 0 <= self.noise <= 1:
            raise InputError(f"clutter = {self.clutter}, noise = {self.noise}; expected shares from 0 to 1")
        if len(self.canvases) != 2 or min(self.canvases) < 1:
            raise InputError(f"canvases = {list(self.canvases)}; expected [training, test], each at least 1")


def canvases(how: Canvases, values: Values, seed: int) -> Dataset:
    """Both splits; garments of the official training and test files stay apart.

    Raises:
        InputError: the embedded files are damaged, or values other than [0, 1].
    """
    if values != "unit":
        raise InputError(f'canvases with values = "{values}"; expected "unit", [0, 1]')
    source = embedded.fashion_mnist("unit")
    train, test = _split("train", source.train, how, seed), _split("test", source.test, how, seed)
    return Dataset("garments-on-canvases", source.classes, train, test, made(how, seed))


def made(how: Canvases, seed: int) -> dict[str, Any]:
    """The settings, for provenance."""
    return {"garments": list(how.garments), "clutter": how.clutter, "noise": how.noise, "seed": seed}


def halved(images: NDArray[np.float32]) -> NDArray[np.float32]:
    """Means of 2 x 2 pixels: (N, 28, 28) to (N, 14, 14)."""
    return np.asarray(images.reshape(len(images), ITEM, 2, ITEM, 2).mean(axis=(2, 4)), np.float32)


def shuffled(item: NDArray[np.float32], word: np.uint64) -> NDArray[np.float32]:
    """The tiles of a garment in another order: its ink without its shape."""
    across = ITEM // TILE
    tiles = item.reshape(across, TILE, across, TILE).swapaxes(1, 2).reshape(-1, TILE, TILE)
    order = np.argsort(np.random.Philox(key=np.array([word, 0], np.uint64)).random_raw(len(tiles)), kind="stable")
    return tiles[order].reshape(across, across, TILE, TILE).swapaxes(1, 2).reshape(ITEM, ITEM)


def chosen(drawn: NDArray[np.uint64], labels: NDArray[np.int64], count: int) -> list[int]:
    """Garments of `count` classes, as places in `labels`: the first is drawn from all, others from other classes."""
    found: list[int] = []
    for word in drawn[:count]:
        free = np.flatnonzero(~np.isin(labels, labels[found]))
        found.append(int(free[below(word[None], len(free))[0]]))
    return found


def corner(place: int, drawn: NDArray[np.uint64]) -> tuple[slice, slice]:
    """Where a garment of a place lies on the canvas."""
    row, column = below(drawn, ROOM)
    top, left = SIDE * (place // 2) + row, SIDE * (place % 2) + column
    return slice(top, top + ITEM), slice(left, left + ITEM)


def _split(name: Name, source: Split, how: Canvases, seed: int) -> Split:
    count = how.canvases[0 if name == "train" else 1]
    items, shapes = _items(name)
    drawn = words((seed, STREAMS[name]), 0, count, WIDTH)
    pixels = _noise(seed, name, count, how.noise)
    owners = np.full(pixels.shape, -1, np.int8)
    present, labels = np.zeros((count, len(embedded.CLASSES)), np.bool_), np.zeros(count, np.int64)
    for i, row in enumerate(drawn):
        found = _paint(pixels[i], owners[i], row, items, shapes, source.labels, how)
        present[i, source.labels[found]], labels[i] = True, source.labels[found[0]]
    ids = tuple(f"{name}/{i}" for i in range(count))
    masks = owners == labels[:, None, None]
    others = (owners >= 0) & ~masks
    return Split(pixels[..., None], labels, ids, masks, others, None, present, owners)


@cache
def _items(name: Name) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """All garments of a split, halved, and where they are."""
    whole = embedded.fashion_mnist("unit")
    items = halved((whole.train if name == "train" else whole.test).samples[..., 0])
    return items, filled(items > 0)


def _noise(seed: int, name: Name, count: int, most: float) -> NDArray[np.float32]:
    generator = np.random.Generator(np.random.Philox(key=np.array([seed, STREAMS[name] + 2], np.uint64)))
    return generator.random((count, 2 * SIDE, 2 * SIDE), np.float32) * np.float32(most)


def _paint(
    canvas: NDArray[np.float32],
    owners: NDArray[np.int8],
    row: NDArray[np.uint64],
    items: NDArray[np.float32],
    shapes: NDArray[np.bool_],
    labels: NDArray[np.int64],
    how: Canvases,
) -> list[int]:
    """Garments and clutter onto one canvas, in place; which garments."""
    least, most = how.garments
    found = chosen(row[ITEMS], labels, least + int(below(row[COUNT : COUNT + 1], most - least + 1)[0]))
    for turn, place in enumerate(np.argsort(row[ORDER], kind="stable")):
        box = corner(int(place), row[CORNERS][2 * turn : 2 * turn + 2])
        if turn < len(found):
            shape = shapes[found[turn]]
            canvas[box] = np.where(shape, items[found[turn]], canvas[box])
            owners[box] = np.where(shape, np.int8(labels[found[turn]]), owners[box])
        elif (row[CLUTTER][turn] >> np.uint64(11)) * 2.0**-53 < how.clutter:
            word = row[TILES][turn]
            canvas[box] = np.maximum(canvas[box], shuffled(items[int(below(word[None], len(items))[0])], word))
    return found


def f1(scores: Scores, present: NDArray[np.bool_]) -> float:
    """F1 over all classes and samples together, in [0, 1], for scores (N, K): a class is said where its score is above
    0, a chance of one half. NaN where nothing is present and nothing is said.
    """
    said = scores > 0
    both, either = int((said & present).sum()), int(said.sum() + present.sum())
    return 2 * both / either if either else float("nan")
