"""Queries that show what another query of the same plan shows, because the features in which they differ are the fill.

A black background is the usual case: windows that hide none of the object, cells that hold nothing. Such queries need
not be asked, and nothing is lost.
"""

from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from samewhy_edge.arrays import Keep, Samples
from samewhy_edge.features import Coalitions
from samewhy_edge.plan import Plan, Some
from samewhy_edge.quant import Affine

Shown = NDArray[np.bool_]  # (*S, C), where a sample is not its background


@runtime_checkable
class Hiding(Protocol):
    """A plan that begins with the whole sample and then hides parts of it, such as windows."""

    @property
    def shape(self) -> tuple[int, ...]:
        """The axes of every mask."""
        ...

    def at(self, places: NDArray[np.int64]) -> Keep:
        """The masks with these numbers."""
        ...

    def hide_any(self, shown: Shown) -> NDArray[np.bool_]:
        """Whether each query hides any of the positions `shown`, (M,)."""
        ...


def without_repeats(
    samples: Samples, filled: Samples, plans: Sequence[Plan], entry: Affine | None
) -> tuple[list[Plan], list[NDArray[np.int64]]]:
    """Plans of what must be asked, and for every query of the given plans its row among those.

    What has one code under `entry` is the same.
    """
    codes = (entry.encode(samples), entry.encode(filled)) if entry else (samples, filled)
    reduced = [distinct(plan, one != other) for plan, one, other in zip(plans, *codes, strict=True)]
    return [plan for plan, _ in reduced], [rows for _, rows in reduced]


def distinct(plan: Plan, shown: Shown) -> tuple[Plan, NDArray[np.int64]]:
    """The plan without queries that show what an earlier one does, and the row of each query among those that stay.

    Plans of soft masks have no such queries to speak of, and stay as they are.
    """
    if isinstance(plan, Coalitions):
        rows = first_seen(plan.chosen[:, plan.present(shown)])
    elif isinstance(plan, Hiding):
        rows = first_seen(np.where(plan.hide_any(shown), np.arange(len(plan)), 0)[:, None])
    else:
        return plan, np.arange(len(plan))
    places = np.unique(rows, return_index=True)[1]
    return (plan if len(places) == len(plan) else Some(plan, places)), rows


def first_seen(marks: NDArray[Any]) -> NDArray[np.int64]:
    """Equal rows of `marks` by one number, counted in the order in which they are first seen."""
    content, width = np.ascontiguousarray(marks).tobytes(), marks[:1].nbytes
    seen: dict[bytes, int] = {}
    numbers = (seen.setdefault(content[i * width : (i + 1) * width], len(seen)) for i in range(len(marks)))
    return np.fromiter(numbers, np.int64, len(marks))
