"""Occlusion: how much the score falls when a window is hidden."""

import math
from dataclasses import dataclass
from itertools import product
from typing import Literal, final

import numpy as np
from numpy.typing import NDArray

from samewhy_edge.arrays import Maps
from samewhy_edge.errors import InputError
from samewhy_edge.fill import Fill
from samewhy_edge.plan import Plan, Some, Windows, axes_of, weigh


@final
@dataclass(frozen=True, slots=True)
class Occlusion:
    """How much the score falls when a window is filled, over the windows that cover a position.

    `captum` averages over them, and its last window is cut off by the border. `xplique` sums, and has whole windows
    alone: ceil((size - window + 1) / stride) an axis; a position that none covers is 0, there as here.

    Unit: score. Deterministic; other masks are the same windows moved by half a stride (with a stride of 1 there are no
    others).

    Source: Zeiler & Fergus 2014, section 4.2; Captum 0.9 ``attr/_core/occlusion.py``, Xplique 1.5
    ``attributions/occlusion.py``.
    """

    window: tuple[int, ...] = (4,)
    stride: tuple[int, ...] = (2,)
    fill: Fill = 0.0
    convention: Literal["captum", "xplique"] = "captum"

    @property
    def name(self) -> str:
        """occlusion, or occlusion-xplique"""
        return "occlusion" if self.convention == "captum" else f"occlusion-{self.convention}"

    def plan(self, sample: tuple[int, ...], seed: int, draw: int = 0) -> Windows | Some:
        """Every window position; the seed plays no part.

        Raises:
            InputError: a window that does not fit, or a stride that leaves positions uncovered.
        """
        window, stride = axes_of("window", self.window, sample[:-1]), axes_of("stride", self.stride, sample[:-1])
        if any(step > size for step, size in zip(stride, window, strict=True)):
            raise InputError(
                f"stride {list(stride)} is larger than window {list(window)}; positions would stay uncovered"
            )
        windows = Windows(sample[:-1], window, stride, tuple(draw * step // 2 for step in stride))
        return windows if self.convention == "captum" else Some(windows, whole(windows))

    def estimate(self, plan: Plan, scores: NDArray[np.float32]) -> Maps:
        """Maps (N, *S); the first query of the plan is the whole sample."""
        fallen = weigh(plan, scores[:, :1] - scores, hidden=True)
        if self.convention == "xplique":
            return fallen.astype(np.float32)
        covered = weigh(plan, np.ones((1, len(plan))), hidden=True)
        return (fallen / covered).astype(np.float32)

    def errors(self, plan: Plan, scores: NDArray[np.float32]) -> Maps:
        """Zeros (N, *S): every window is asked."""
        return np.zeros((len(scores), *plan.shape), np.float32)

    def freedom(self, plan: Plan) -> float:
        """Infinite: the errors are known."""
        return math.inf

    def halves(self, plan: Plan, scores: NDArray[np.float32]) -> None:
        """None: nothing is drawn."""


def whole(windows: Windows) -> NDArray[np.int64]:
    """The numbers of the queries whose window no border cuts off, and of the whole sample."""
    axes = zip(windows.shape, windows.window, windows.stride, windows.offset, strict=True)
    inside = [_inside(*axis) for axis in axes]
    return np.array([0, *(1 + i for i, fits in enumerate(product(*inside)) if all(fits))], np.int64)


def _inside(size: int, window: int, stride: int, offset: int) -> list[bool]:
    """Of the windows of an axis, whether each lies within it."""
    begins = range(-offset, size - window + stride, stride)
    return [begin >= 0 and begin + window <= size for begin in begins if begin + window > 0]
