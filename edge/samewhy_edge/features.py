"""Plans over features: parts of a sample that are shown or hidden whole, such as cells of a grid or superpixels.

A plain tuple is a grid of cells on the spatial axes: cells of an image, windows of time, time by frequency.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, final

import numpy as np
from numpy.typing import NDArray

from samewhy_edge.arrays import Keep, Maps
from samewhy_edge.errors import InputError
from samewhy_edge.files import sha256
from samewhy_edge.plan import Each, Plan, axes_of, words

Labels = NDArray[np.int64]  # *S or (*S, C), the feature of each position, 0 to D - 1
Chosen = NDArray[np.float32]  # (M, D) in [0, 1]: how much each query keeps of each feature; mostly 0 or 1


@final
@dataclass(frozen=True)
class Coalitions:
    """Query m keeps feature d by ``chosen[m, d]``."""

    labels: Labels = field(repr=False)
    chosen: Chosen = field(repr=False)

    @property
    def shape(self) -> tuple[int, ...]:
        """The axes of a mask."""
        return self.labels.shape

    def __len__(self) -> int:
        """M."""
        return len(self.chosen)

    def keep(self, start: int, stop: int) -> Keep:
        """Masks (stop - start, *shape)."""
        return np.ascontiguousarray(self.chosen[start:stop, self.labels], np.float32)

    def at(self, places: NDArray[np.int64]) -> Keep:
        """The masks with these numbers, (len(places), *shape)."""
        return np.ascontiguousarray(self.chosen[places][:, self.labels], np.float32)

    def present(self, shown: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Features that have any of the positions `shown` (*S, C)."""
        labels = self.labels if self.labels.ndim == shown.ndim else self.labels[..., None]
        return np.asarray(np.unique(np.broadcast_to(labels, shown.shape)[shown]), np.int64)

    def spread(self, values: NDArray[np.float64]) -> Maps:
        """Values of features (N, D) as maps (N, *shape): every position has its feature's value."""
        return np.asarray(values[:, self.labels], np.float32)


@final
@dataclass(frozen=True)
class Stretch:
    """Some queries of a plan that follow each other."""

    plan: Plan
    start: int
    stop: int

    @property
    def shape(self) -> tuple[int, ...]:
        """The axes of a mask."""
        return self.plan.shape

    def __len__(self) -> int:
        """How many."""
        return self.stop - self.start

    def keep(self, start: int, stop: int) -> Keep:
        """Masks (stop - start, *shape)."""
        return self.plan.keep(self.start + start, self.start + stop)


def stretch(plan: Plan | Each, start: int, stop: int) -> Plan | Each:
    """Queries `start` to `stop` (not included)."""
    if isinstance(plan, Each):
        return Each(tuple(_of_one(one, start, stop) for one in plan.plans))
    return _of_one(plan, start, stop)


def _of_one(plan: Plan, start: int, stop: int) -> Plan:
    if isinstance(plan, Coalitions):  # stays what it is, so that queries that repeat others are still left out
        return Coalitions(plan.labels, plan.chosen[start:stop])
    return Stretch(plan, start, stop)


@final
@dataclass(frozen=True, slots=True)
class Channels:
    """Every channel is a feature, over all positions: which sensor matters, which colour."""

    method: ClassVar[str] = "channels"

    def labels(self, sample: tuple[int, ...]) -> Labels:
        """Channel numbers, (*S, C)."""
        return np.array(np.broadcast_to(np.arange(sample[-1]), sample), np.int64)


@final
@dataclass(frozen=True, slots=True)
class CellsByChannel:
    """Every channel of every cell is a feature: time by channel of a sensor, for example."""

    method: ClassVar[str] = "cells-by-channel"

    cells: tuple[int, ...] = (7,)

    def labels(self, sample: tuple[int, ...]) -> Labels:
        """The number of the cell times C, and the channel: (*S, C).

        Raises:
            InputError: cells that do not fit the spatial axes.
        """
        places = cells(sample[:-1], axes_of("cells", self.cells, sample[:-1]))
        return np.asarray(places[..., None] * sample[-1] + np.arange(sample[-1]))


@final
@dataclass(frozen=True, slots=True)
class Superpixels:
    """A label map in a `.npy` of whole numbers: *S for all samples, or (N, *S) with one for each; (1, *S) serves all.

    Labels may have gaps and may be negative: they only say what belongs together. A label means the same feature in all
    label maps of a file; a sample without it has a feature that shows nothing, with no position to carry its value.
    """

    method: ClassVar[str] = "superpixels"

    file: str

    def labels(self, sample: tuple[int, ...]) -> Labels:
        """Features 0 to D - 1, numbered in the order of the labels: *S, or (N, *S).

        Raises:
            InputError: no such file, or an array that is no label map of such samples.
        """
        found = self._content()
        spatial = sample[:-1]
        fits = found.shape[-len(spatial) :] == spatial and found.ndim <= len(sample) and found.size > 0
        if found.dtype.kind not in "iu" or not fits:
            raise InputError(
                f"{self.file}: {found.dtype} of shape {found.shape}; expected whole numbers of shape {spatial}, "
                f"or (N, {', '.join(map(str, spatial))}) with a label map for each sample"
            )
        return np.unique(found, return_inverse=True)[1].reshape(found.shape).astype(np.int64)

    def _content(self) -> NDArray[np.int64]:
        try:
            loaded: NDArray[np.int64] = np.load(self.file, allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise InputError(f"{self.file}: not readable as .npy ({error}); save it with numpy.save") from error
        return loaded

    def identity(self) -> Mapping[str, str]:
        """File name and digest, as records hold them."""
        return {"file": Path(self.file).name, "sha256": sha256(self._content())}


Features = tuple[int, ...] | Channels | CellsByChannel | Superpixels


def labels_of(features: Features, sample: tuple[int, ...]) -> tuple[tuple[Labels, ...], int]:
    """Label maps of a sample (*S, C), one for all samples or one for each, and the number of features.

    Raises:
        InputError: features that do not fit, or a single one.
    """
    if isinstance(features, tuple):
        labels = cells(sample[:-1], axes_of("features", features, sample[:-1]))
    else:
        labels = features.labels(sample)
    count = int(labels.max()) + 1
    if count < 2:
        described = list(features) if isinstance(features, tuple) else features.method
        raise InputError(
            f"features {described} of a sample {list(sample)} are a single one; expected at least 2 to compare"
        )
    of_each = isinstance(features, Superpixels) and labels.ndim == len(sample)
    return (tuple(labels) if of_each else (labels,)), count


def coalitions(labels: tuple[Labels, ...], chosen: Chosen) -> Coalitions | Each:
    """The plan over label maps: one for all samples, or one for each where every sample has its own label map."""
    plans = tuple(Coalitions(one, chosen) for one in labels)
    return plans[0] if len(plans) == 1 else Each(plans)


def cells(spatial: tuple[int, ...], count: tuple[int, ...]) -> Labels:
    """A grid of `count` near-equal cells an axis, numbered row by row."""
    labels = np.zeros(spatial, np.int64)
    for axis, (size, parts) in enumerate(zip(spatial, count, strict=True)):
        place = np.arange(size) * parts // size
        labels = labels * parts + place.reshape([-1 if other == axis else 1 for other in range(len(spatial))])
    return labels


def key(seed: int, draw: int, purpose: int, size: int = 0) -> tuple[int, int]:
    """A Philox key; no two of (draw, purpose, size) share words."""
    return seed, purpose << 56 | size << 32 | draw


def coins(key: tuple[int, int], shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Uniform numbers in [0, 1) from Philox, in rows: row i is the same however many rows there are."""
    raw = words(key, 0, shape[0], int(np.prod(shape[1:], dtype=np.int64)))
    return np.asarray((raw >> np.uint64(11)) / 2.0**53).reshape(shape)
