"""Which positions are kept in which query: known before the first query, the same on every rung and machine.

Polarity is one and said in the name: *keep* is 1 where a position is shown and 0 where it is filled.
"""

import hashlib
import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol, TypeVar, final, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from samewhy_edge.arrays import Keep
from samewhy_edge.errors import InputError

Own = TypeVar("Own")


class Plan(Protocol):
    """Masks by index; equal plans give equal bytes whatever the batch, process or machine."""

    @property
    def shape(self) -> tuple[int, ...]:
        """The axes of every mask: *S, or (*S, C) where channels are kept and filled apart."""
        ...

    def __len__(self) -> int:
        """M, the number of queries for one sample."""
        ...

    def keep(self, start: int, stop: int) -> Keep:
        """Masks `start` to `stop` (not included), shape (stop - start, *shape)."""
        ...


@final
@dataclass(frozen=True)
class Each:
    """A plan for every sample, all of one length: where the sample decides what its features are."""

    plans: tuple[Plan, ...]

    def __len__(self) -> int:
        """M."""
        return len(self.plans[0])


@runtime_checkable
class Weighing(Protocol):
    """A plan that need not make its masks to weigh them."""

    def weigh(self, weights: NDArray[Any], hidden: bool = False) -> NDArray[np.float64]:
        """Sum over queries of weight * keep (or weight * (1 - keep)): (N, M) to (N, *shape)."""
        ...


class Indexed(Protocol):
    """A plan whose masks can be taken in any order."""

    @property
    def shape(self) -> tuple[int, ...]:
        """The axes of every mask."""
        ...

    def at(self, places: NDArray[np.int64]) -> Keep:
        """The masks with these numbers, (len(places), *shape)."""
        ...


@final
@dataclass(frozen=True)
class Some:
    """Some queries of a plan, in the order given."""

    plan: Indexed
    places: NDArray[np.int64]

    @property
    def shape(self) -> tuple[int, ...]:
        """The axes of every mask."""
        return self.plan.shape

    def __len__(self) -> int:
        """How many."""
        return len(self.places)

    def keep(self, start: int, stop: int) -> Keep:
        """Masks (stop - start, *shape)."""
        return self.plan.at(self.places[start:stop])


def digest(plan: Plan | Each) -> str:
    """SHA-256 over the shape and the bytes of all masks: what makes two records comparable."""
    if isinstance(plan, Each):
        return hashlib.sha256("".join(digest(one) for one in plan.plans).encode()).hexdigest()
    state = hashlib.sha256(repr((type(plan).__name__, plan.shape, len(plan))).encode())
    for start in range(0, len(plan), 64):
        state.update(plan.keep(start, min(start + 64, len(plan))).astype("<f4").tobytes())
    return state.hexdigest()


@final
@dataclass(frozen=True)
class Windows:
    """The whole sample first, then every position of a sliding window that is filled.

    With `offset` 0 the windows are Captum's: ceil((size - window) / stride) + 1 an axis, the last one cut off by
    the border. A positive offset moves the grid that far towards the origin, cut off there too.

    Source: Zeiler & Fergus 2014, section 4.2; Captum 0.9 `attr/_core/occlusion.py`.
    """

    shape: tuple[int, ...]
    window: tuple[int, ...]
    stride: tuple[int, ...]
    offset: tuple[int, ...]

    def __len__(self) -> int:
        """One query for the whole sample and one a window."""
        return 1 + math.prod(len(spans) for spans in self._spans)

    def keep(self, start: int, stop: int) -> Keep:
        """1 outside the window, 0 inside; shape (stop - start, *shape)."""
        return self.at(np.arange(start, stop))

    def at(self, places: NDArray[np.int64]) -> Keep:
        """The masks with these numbers, (len(places), *shape)."""
        windows = np.unravel_index(np.maximum(places - 1, 0), [len(rows) for rows in self._inside])
        hidden = (places > 0).astype(np.float32).reshape(-1, *[1] * len(self.shape))
        for axis, (rows, which) in enumerate(zip(self._inside, windows, strict=True)):
            hidden = hidden * np.expand_dims(
                rows[which], [1 + other for other in range(len(self.shape)) if other != axis]
            )
        return np.asarray(1 - hidden, np.float32)

    def weigh(self, weights: NDArray[Any], hidden: bool = False) -> NDArray[np.float64]:
        """Sum over queries of weight * keep (or weight * (1 - keep)): (N, M) to (N, *shape)."""
        within = weights[:, 1:].astype(np.float64).reshape(-1, *map(len, self._inside))
        for rows in self._inside:
            within = np.tensordot(within, rows, ([1], [0]))  # the axis of windows goes, that of positions comes last
        shown = weights.sum(axis=1, dtype=np.float64).reshape(-1, *[1] * len(self.shape))
        return within if hidden else shown - within

    def hide_any(self, shown: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Whether each query hides any of the positions `shown`, (M,)."""
        counts: NDArray[Any] = shown.reshape(*self.shape, -1).sum(axis=-1, dtype=np.float32)
        for rows in self._inside:
            counts = np.tensordot(counts, rows, ([0], [1]))
        return np.concatenate([[False], counts.ravel() > 0])

    @cached_property
    def _inside(self) -> list[NDArray[np.float32]]:
        """1 where a position of an axis is inside a window of it: (windows, size), an axis each."""
        found = []
        for size, spans in zip(self.shape, self._spans, strict=True):
            rows = np.zeros((len(spans), size), np.float32)
            for row, span in zip(rows, spans, strict=True):
                row[span] = 1
            found.append(rows)
        return found

    @cached_property
    def _spans(self) -> list[list[slice]]:
        return [
            [
                slice(max(begin, 0), min(begin + window, size))
                for begin in range(-offset, size - window + stride, stride)
                if begin + window > 0
            ]
            for size, window, stride, offset in zip(self.shape, self.window, self.stride, self.offset, strict=True)
        ]


def own(plan: Plan, kind: type[Own]) -> Own:
    """The plan, as the kind that an explainer makes itself.

    Raises:
        InputError: a plan of another explainer.
    """
    if not isinstance(plan, kind):
        raise InputError(f"a plan of {type(plan).__name__}; expected {kind.__name__}, from the explainer's own plan()")
    return plan


def axes_of(name: str, sizes: tuple[int, ...], spatial: tuple[int, ...]) -> tuple[int, ...]:
    """`sizes` for every spatial axis; a single one serves all.

    Raises:
        InputError: another number of sizes than axes, or one that does not fit its axis.
    """
    full = sizes * len(spatial) if len(sizes) == 1 else sizes
    if len(full) != len(spatial) or not all(1 <= one <= size for one, size in zip(full, spatial, strict=False)):
        raise InputError(
            f"{name} {list(sizes)} does not fit spatial axes {list(spatial)}; expected 1 to the size, an axis each"
        )
    return full


def weigh(plan: Plan, weights: NDArray[Any], hidden: bool = False) -> NDArray[np.float64]:
    """Sum over queries of weight * keep (or weight * (1 - keep)): (N, M) to (N, *shape), a batch of masks at a time.

    Plans that know a shorter way take it.
    """
    if isinstance(plan, Weighing):
        return plan.weigh(weights, hidden)
    total = np.zeros((len(weights), *plan.shape))
    for start in range(0, len(plan), 64):
        stop = min(start + 64, len(plan))
        keep = plan.keep(start, stop)
        total += np.tensordot(weights[:, start:stop].astype(np.float64), 1 - keep if hidden else keep, axes=1)
    return total


def words(key: tuple[int, int], start: int, stop: int, width: int) -> NDArray[np.uint64]:
    """Raw Philox words (stop - start, width), numbered by row: row 17 is the same whatever the start."""
    blocks = math.ceil(width / 4)  # Philox gives four words a counter value
    source = np.random.Philox(key=np.array(key, np.uint64)).advance(start * blocks)
    return np.asarray(source.random_raw((stop - start) * 4 * blocks).reshape(stop - start, -1)[:, :width])
