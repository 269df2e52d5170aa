"""Garments pasted on photographs, so that it is known which pixels a right answer is about.

Every sample is a grey crop of a photograph with one Fashion-MNIST garment on it, in its own size, never resampled: a
pixel inside the mask is the garment's, a pixel outside is the photograph's, and the photograph says nothing about the
label unless `biased` makes it so. A sample follows from the seed, its split and its number alone.

Source: BAM (Yang & Kim 2019, arXiv 1907.09701) for objects pasted on scenes and common backgrounds; Xiao et al. 2020,
arXiv 2006.09994, for backgrounds apart from foregrounds.
"""

from dataclasses import dataclass
from typing import Any, Literal, final

import numpy as np
from numpy.typing import NDArray

from samewhy_data import HOME
from samewhy_edge.arrays import Targets
from samewhy_edge.errors import InputError
from samewhy_edge.files import sha256
from samewhy_edge.plan import words
from samewhy_host.data import embedded
from samewhy_host.data.dataset import Dataset, Split, Values, scaled

Images = NDArray[np.uint8]  # (N, H, W)
Masks = NDArray[np.bool_]  # (N, H, W)
Name = Literal["train", "test"]

FILE = HOME / "photographs" / "photographs.npz"
DIGEST = "033e2344536b1cb78daf02ec35a705666eaf21417dc121b33743caf10ed5990d"  # SHA-256 of the pixels
POOL = ("astronaut", "brick", "camera", "cell", "chelsea", "clock", "grass", "hubble", "retina", "rocket")
HELD_OUT = ("coffee", "gravel")  # never in training
ITEM, SIDE = 28, 288  # pixels of a garment and of a photograph, along either axis
ROOM = 48  # least canvas on which one garment cannot hide another
STREAMS = {"train": 2**32, "test": 2**32 + 1}  # other keys than the draws of plans have
PHOTOGRAPH, COIN, CROP, PLACE, OTHER, WIDTH = 0, 1, slice(2, 4), slice(4, 6), 6, 7  # what each word of a row decides


@final
@dataclass(frozen=True, slots=True)
class Garments:
    """What is pasted on what. `biased` changes the training split; the other variants change the test split alone."""

    variant: Literal["plain", "distractor", "biased", "background-only"] = "plain"
    backgrounds: Literal["pool", "held-out"] = "pool"  # of the test split
    bias: float = 0.95  # biased: chance that a training sample has the photograph of its class
    canvas: int = 48  # height and width of a sample
    composites: tuple[int, ...] = (12_000, 2_000)  # training and test samples

    def __post_init__(self) -> None:
        least = ROOM if self.variant == "distractor" else ITEM
        if not least <= self.canvas <= SIDE:
            raise InputError(f"canvas = {self.canvas}; expected {least} to {SIDE} for variant {self.variant!r}")
        if not 0 <= self.bias <= 1:
            raise InputError(f"bias = {self.bias}; expected a chance from 0 to 1")
        if len(self.composites) != 2 or min(self.composites) < 1:
            raise InputError(f"composites = {list(self.composites)}; expected [training, test], each at least 1")


@final
@dataclass(frozen=True, slots=True)
class Layout:
    """What a split is made of: a garment, a photograph, and the upper left corner of its crop and of the garment."""

    items: NDArray[np.int64]  # (N,), places in the embedded split
    photographs: NDArray[np.int64]  # (N,), places in the file
    crops: NDArray[np.int64]  # (N, 2)
    corners: NDArray[np.int64]  # (N, 2)
    others: NDArray[np.uint64]  # (N,), a word that decides the distractor


def garments(how: Garments, values: Values, seed: int) -> Dataset:
    """Both splits with their masks; garments of the official training and test files stay apart.

    Raises:
        InputError: the embedded files are damaged.
    """
    source = embedded.fashion_mnist("byte")
    train = _split("train", source.train, how, values, seed)
    test = _split("test", source.test, how, values, seed)
    return Dataset("garments-on-photographs", source.classes, train, test, made(how, seed))


def made(how: Garments, seed: int) -> dict[str, Any]:
    """The settings, for provenance."""
    known = {"variant": how.variant, "backgrounds": how.backgrounds, "canvas": how.canvas, "seed": seed}
    shortcut = {"bias": how.bias, "shortcut": dict(zip(embedded.CLASSES, POOL, strict=True))}
    return {**known, "photographs": DIGEST, **(shortcut if how.variant == "biased" else {})}


def photographs() -> tuple[Images, tuple[str, ...]]:
    """The photographs and their names.

    Raises:
        InputError: the embedded file is damaged.
    """
    with np.load(FILE) as arrays:
        pixels, names = arrays["photographs"], tuple(map(str, arrays["names"]))
    if sha256(pixels) != DIGEST:
        raise InputError(f"{FILE}: SHA-256 {sha256(pixels)}, expected {DIGEST}; install samewhy anew")
    return pixels, names


def layout(split: Name, labels: Targets, how: Garments, names: tuple[str, ...], seed: int) -> Layout:
    """What is drawn for each sample of a split, from the labels of all its garments."""
    count = how.composites[0 if split == "train" else 1]
    drawn = words((seed, STREAMS[split]), 0, count, WIDTH)
    items = np.arange(count) % len(labels)
    chosen = HELD_OUT if split == "test" and how.backgrounds == "held-out" else POOL
    if split == "train" and how.variant == "biased":
        places = shortcut(labels[items], drawn[:, PHOTOGRAPH], drawn[:, COIN], how.bias)
    else:
        places = below(drawn[:, PHOTOGRAPH], len(chosen))
    found = np.array([names.index(name) for name in chosen])[places]
    corners = below(drawn[:, PLACE], how.canvas - ITEM + 1)
    return Layout(items, found, below(drawn[:, CROP], SIDE - how.canvas + 1), corners, drawn[:, OTHER])


def shortcut(labels: Targets, drawn: NDArray[np.uint64], coins: NDArray[np.uint64], bias: float) -> NDArray[np.int64]:
    """Places in the pool (N,): with chance `bias` the one with the number of the class, else any other."""
    own = (coins >> np.uint64(11)) * 2.0**-53 < bias
    other = (labels + 1 + below(drawn, len(POOL) - 1)) % len(POOL)
    return np.where(own, labels, other)


def below(drawn: NDArray[np.uint64], count: int) -> NDArray[np.int64]:
    """Whole numbers from 0 to `count` - 1, from words: in integers, so that every machine has the same."""
    return ((drawn >> np.uint64(32)) * np.uint64(count) >> np.uint64(32)).astype(np.int64)


def filled(inside: Masks) -> Masks:
    """Masks with their holes filled: what cannot be reached from the border through sides of outside pixels."""
    free = np.pad(~inside, ((0, 0), (1, 1), (1, 1)), constant_values=True)
    reached = np.zeros_like(free)
    reached[:, 0], before = True, -1
    while before != (before := int(reached.sum())):
        for axis in (1, 2):
            _flow(reached, free, axis)
            _flow(np.flip(reached, axis), np.flip(free, axis), axis)
    return ~reached[:, 1:-1, 1:-1]


def crops(pixels: Images, plan: Layout, canvas: int) -> Images:
    """The backgrounds, (N, canvas, canvas)."""
    corners = zip(plan.photographs, *plan.crops.T, strict=True)
    return np.stack([pixels[one, top : top + canvas, left : left + canvas] for one, top, left in corners])


def paste(canvases: Images, items: Images, corners: NDArray[np.int64]) -> Masks:
    """Put each item on its canvas, in place, where it is above 0 or has a hole; the masks of where that is."""
    masks, shapes = np.zeros(canvases.shape, np.bool_), filled(items > 0)
    for canvas, mask, item, shape, (top, left) in zip(canvases, masks, items, shapes, corners, strict=True):
        box = slice(top, top + ITEM), slice(left, left + ITEM)
        canvas[box][shape] = item[shape]
        mask[box] = shape
    return masks


def rivals(labels: Targets, items: NDArray[np.int64], drawn: NDArray[np.uint64]) -> NDArray[np.int64]:
    """For each item one of another class, both as places in `labels`."""
    chosen = np.empty(len(items), np.int64)
    for label in np.unique(labels[items]):
        mine, others = labels[items] == label, np.flatnonzero(labels != label)
        chosen[mine] = others[below(drawn[mine], len(others))]
    return chosen


def farthest(corners: NDArray[np.int64], canvas: int) -> NDArray[np.int64]:
    """The corner of the canvas that is farthest from each item, as a place for another one."""
    slack = canvas - ITEM
    return np.where(2 * corners < slack, slack, 0)


def _flow(reached: Masks, free: Masks, axis: int) -> None:
    """Along an axis, in its direction, from pixel to free pixel."""
    reached, free = reached.swapaxes(0, axis), free.swapaxes(0, axis)  # views
    for i in range(1, len(reached)):
        reached[i] |= reached[i - 1] & free[i]


def _split(name: Name, source: Split, how: Garments, values: Values, seed: int) -> Split:
    variant = how.variant if name == "test" else "plain"
    pixels, names = photographs()
    plan = layout(name, source.labels, how, names, seed)
    canvases, images = crops(pixels, plan, how.canvas), source.samples[..., 0].astype(np.uint8)
    masks, under, others = np.zeros(canvases.shape, np.bool_), None, None
    if variant == "distractor":
        second = rivals(source.labels, plan.items, plan.others)
        others = source.labels[second]
        under = paste(canvases, images[second], farthest(plan.corners, how.canvas))
    if variant != "background-only":
        masks = paste(canvases, images[plan.items], plan.corners)
    visible = None if under is None else under & ~masks
    ids = tuple(f"{source.ids[item]}/{i // len(source.ids)}" for i, item in enumerate(plan.items))
    return Split(scaled(canvases[..., None], values), source.labels[plan.items], ids, masks, visible, others)
