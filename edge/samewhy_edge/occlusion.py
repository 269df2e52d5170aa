"""Occlusion: how much the score falls when a window is hidden."""

from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from samewhy_edge.arrays import Maps
from samewhy_edge.errors import InputError
from samewhy_edge.plan import Plan, Windows, axes_of, weigh


@final
@dataclass(frozen=True, slots=True)
class Occlusion:
    """How much the score falls when a window is filled, averaged over the windows that cover a position.

    Unit: score. Deterministic; other masks are the same windows moved by half a stride (with a stride of 1 there are no
    others).

    Source: Zeiler & Fergus 2014, section 4.2; averaging and cut-off last window as in Captum 0.9.
    """

    window: tuple[int, ...] = (4,)
    stride: tuple[int, ...] = (2,)
    fill: float = 0.0

    @property
    def name(self) -> str:
        """occlusion"""
        return "occlusion"

    def plan(self, spatial: tuple[int, ...], seed: int, draw: int = 0) -> Windows:
        """Every window position; the seed plays no part.

        Raises:
            InputError: a window that does not fit, or a stride that leaves positions uncovered.
        """
        window, stride = axes_of("window", self.window, spatial), axes_of("stride", self.stride, spatial)
        if any(step > size for step, size in zip(stride, window, strict=True)):
            raise InputError(
                f"stride {list(stride)} is larger than window {list(window)}; positions would stay uncovered"
            )
        return Windows(spatial, window, stride, tuple(draw * step // 2 for step in stride))

    def estimate(self, plan: Plan, scores: NDArray[np.float32]) -> Maps:
        """Maps (N, *S); the first query of the plan is the whole sample."""
        drops = scores[:, :1] - scores
        covered = weigh(plan, np.ones((1, len(plan))), hidden=True)
        return (weigh(plan, drops, hidden=True) / covered).astype(np.float32)
