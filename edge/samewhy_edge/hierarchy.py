"""Hierarchical occlusion: windows that matter are split into smaller ones, until the queries are spent."""

import math
from dataclasses import dataclass, field
from itertools import pairwise, product
from typing import final

import numpy as np
from numpy.typing import NDArray

from samewhy_edge.arrays import Keep, Maps
from samewhy_edge.errors import InputError
from samewhy_edge.fill import Fill
from samewhy_edge.plan import Each, Plan, axes_of, own

Shown = NDArray[np.bool_]  # (*S, C), where a sample is not its background
Span = tuple[int, int]  # from, to (not included)
Box = tuple[Span, ...]  # a span an axis


@final
@dataclass(frozen=True)
class Boxes:
    """The whole sample first, then boxes that are filled; an empty box hides nothing and stands where others ask more.

    Parents come before their children, which cover them without overlap.
    """

    shape: tuple[int, ...]
    spans: NDArray[np.int32] = field(repr=False)  # (M, axes, 2)
    parents: NDArray[np.int32] = field(repr=False)  # (M,) the query of which each box is a part, -1 for none

    def __len__(self) -> int:
        """M."""
        return len(self.spans)

    def keep(self, start: int, stop: int) -> Keep:
        """1 outside the box, 0 inside; shape (stop - start, *shape)."""
        return self.at(np.arange(start, stop))

    def at(self, places: NDArray[np.int64]) -> Keep:
        """The masks with these numbers, (len(places), *shape)."""
        masks = np.ones((len(places), *self.shape), np.float32)
        for row, place in enumerate(places):
            masks[(row, *self.place(place))] = 0
        return masks

    def place(self, query: int) -> tuple[slice, ...]:
        """Where the box of a query is."""
        return tuple(slice(start, stop) for start, stop in self.spans[query])

    def hide_any(self, shown: Shown) -> NDArray[np.bool_]:
        """Whether each query hides any of the positions `shown`, (M,)."""
        return np.array([bool(shown[self.place(query)].any()) for query in range(len(self))])

    @property
    def sizes(self) -> NDArray[np.int64]:
        """Positions of each box, (M,)."""
        return np.asarray(np.diff(self.spans).prod(axis=(1, 2)), np.int64)

    def longer(self, boxes: list[Box], parents: list[int], count: int) -> "Boxes":
        """This plan and `count` more boxes, empty ones where fewer are given."""
        spare = count - len(boxes)
        nothing: Box = ((0, 0),) * len(self.shape)
        more = np.array([*boxes, *[nothing] * spare], np.int32).reshape(count, len(self.shape), 2)
        origin = np.array([*parents, *[-1] * spare], np.int32)
        return Boxes(self.shape, np.concatenate([self.spans, more]), np.concatenate([self.parents, origin]))


@final
@dataclass(frozen=True, slots=True)
class Hierarchy:
    """How much the score falls when a box is filled, a position of it: the smallest box that was asked counts.

    A coarse grid of boxes is asked first. Then the boxes whose drop is largest, up or down, for what their halves on
    every axis cost, are asked in halves; a few at a time, until the queries are spent. Equal ones are taken by size,
    then in the order asked. Boxes that hide nothing but the fill are never split. Unit: score a position, so that boxes
    of different sizes compare.

    What is asked depends on the scores of the predictor that is asked first, which must be the reference: every other
    rung is then asked the same boxes. Nothing is drawn; other masks begin from a grid that is moved by half a box.

    Queries: at most `queries`.

    Source: Cooper, Arandjelovic & Harrison 2021 (hierarchical perturbation, coarse to fine; there all boxes above a
    threshold are split, and drops are summed over sizes); Zeiler & Fergus 2014, section 4.2 (occlusion).
    """

    queries: int = 256
    start: tuple[int, ...] = (2,)
    splits: int = 4  # boxes split at a time; 1 takes the best of all each time, in more and smaller batches
    fill: Fill = 0.0

    @property
    def name(self) -> str:
        """hierarchy"""
        return "hierarchy"

    def plan(self, sample: tuple[int, ...], seed: int, draw: int = 0) -> Boxes:
        """The whole sample and the coarse grid: what is asked before anything is known. The seed plays no part.

        Raises:
            InputError: a grid that does not fit or costs more than the queries, or no splits.
        """
        spatial = sample[:-1]
        edges = [
            coarse(size, parts, draw)
            for size, parts in zip(spatial, axes_of("start", self.start, spatial), strict=True)
        ]
        grid: list[Box] = list(product(*(pairwise(one) for one in edges)))
        if self.queries <= len(grid) or self.splits < 1:
            raise InputError(
                f"hierarchy with queries={self.queries}, start={list(self.start)}, splits={self.splits}; expected at "
                f"least {len(grid) + 1} queries for the whole sample and its coarse boxes, and at least 1 split"
            )
        empty = Boxes(spatial, np.zeros((1, len(spatial), 2), np.int32), np.full(1, -1, np.int32))
        return empty.longer(grid, [-1] * len(grid), len(grid))

    def refine(self, plan: Plan | Each, scores: NDArray[np.float32], shown: Shown) -> Each | None:
        """Longer plans, from scores (N, M) and where samples are not their background (N, *S, C); None when done."""
        plans = [own(one, Boxes) for one in (plan.plans if isinstance(plan, Each) else (plan,) * len(scores))]
        found = [self._children(*one) for one in zip(plans, scores, shown, strict=True)]
        count = max(len(boxes) for boxes, _ in found)
        if not count:
            return None
        return Each(tuple(one.longer(*more, count) for one, more in zip(plans, found, strict=True)))

    def estimate(self, plan: Plan, scores: NDArray[np.float32]) -> Maps:
        """Maps (N, *S); the first query of the plan is the whole sample."""
        boxes = own(plan, Boxes)
        each = (scores[:, :1] - scores).astype(np.float64) / np.maximum(boxes.sizes, 1)
        maps = np.zeros((len(scores), *boxes.shape))
        for query in range(1, len(boxes)):  # children after their parents
            maps[(slice(None), *boxes.place(query))] = each[:, query].reshape(-1, *[1] * len(boxes.shape))
        return maps.astype(np.float32)

    def errors(self, plan: Plan, scores: NDArray[np.float32]) -> Maps:
        """Zeros (N, *S): nothing is drawn."""
        return np.zeros((len(scores), *plan.shape), np.float32)

    def freedom(self, plan: Plan) -> float:
        """Infinite: nothing is drawn."""
        return math.inf

    def halves(self, plan: Plan, scores: NDArray[np.float32]) -> None:
        """None: nothing is drawn."""

    def _children(self, boxes: Boxes, scores: NDArray[np.float32], shown: Shown) -> tuple[list[Box], list[int]]:
        """What to ask next of one sample, and of which query each box is a part."""
        room = min(self.splits * 2 ** len(boxes.shape), self.queries - len(boxes))
        found: list[Box] = []
        parents: list[int] = []
        for query in promising(boxes, np.abs(scores[0] - scores)):
            if room < 2:
                break
            parts = halved(boxes.spans[query])
            if len(parts) <= room and shown[boxes.place(query)].any():
                found += parts
                parents += [query] * len(parts)
                room -= len(parts)
        return found, parents


def promising(boxes: Boxes, drops: NDArray[np.float32]) -> list[int]:
    """Boxes that can be split and are not yet: first those with the largest drop for the queries that it costs."""
    sides = np.diff(boxes.spans)[:, :, 0]
    cost = 2 ** (sides > 1).sum(axis=1)
    order = np.lexsort((np.arange(len(boxes)), -boxes.sizes, -drops / cost))
    fresh = (boxes.sizes > 1) & ~np.isin(np.arange(len(boxes)), boxes.parents)
    return [int(query) for query in order if fresh[query]]


def halved(spans: NDArray[np.int32]) -> list[Box]:
    """The halves of a box on every axis that is longer than one position."""
    middles = [(start, (start + stop) // 2, stop) for start, stop in spans.tolist()]
    return list(product(*([one for one in pairwise(edges) if one[0] < one[1]] for edges in middles)))


def coarse(size: int, parts: int, draw: int) -> list[int]:
    """Edges of near-equal parts of an axis; the next draw's are moved by half a part, and cut off by the border."""
    moved = draw * size // (2 * parts) % (size // parts)
    return sorted({0, size, *(edge for part in range(parts) if (edge := part * size // parts + moved) < size)})
