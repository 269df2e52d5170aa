"""What every operator of a `.tflite` file gives, and where two runs of one file part ways."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from samewhy_edge.arrays import Codes
from samewhy_edge.errors import InputError


@final
@dataclass(frozen=True, slots=True)
class Layer:
    """An output of an operator: its place in the order of execution, and what the tensor held for each sample."""

    place: int
    operator: str  # empty where whoever tells does not know
    tensor: str
    values: NDArray[Any]  # (N, ...), codes or real numbers

    @property
    def name(self) -> str:
        """How tables call it."""
        return f"{self.place} {self.operator}"


@final
@dataclass(frozen=True, slots=True)
class Difference:
    """How two tensors of codes differ: elements by signed difference in steps, second less first."""

    elements: int
    differing: int
    largest: int  # of the absolute differences
    histogram: dict[int, int]

    def row(self) -> dict[str, Any]:
        """As JSON holds it."""
        counts = {str(step): count for step, count in self.histogram.items()}
        return {"elements": self.elements, "differing": self.differing, "largest": self.largest, "histogram": counts}


def difference(first: Codes, second: Codes) -> Difference:
    """Of two tensors of one shape.

    Raises:
        InputError: two shapes.
    """
    if first.shape != second.shape:
        raise InputError(f"codes of shape {first.shape} and {second.shape}; expected those of one tensor, of one shape")
    steps, counts = np.unique(second.astype(np.int64) - first.astype(np.int64), return_counts=True)
    histogram = {int(step): int(count) for step, count in zip(steps, counts, strict=True)}
    return Difference(
        first.size,
        int(first.size - histogram.get(0, 0)),
        max((abs(step) for step in histogram), default=0),
        histogram,
    )


def parted(first: Sequence[Layer], second: Sequence[Layer]) -> list[tuple[Layer, Difference]]:
    """Every integer layer with its difference, in order; the first whose `differing` is not 0 is where two runs part.

    A board knows neither the operator's name nor the tensor's shape: there the other side's hold.

    Raises:
        InputError: the layers are not those of one file.
    """
    if len(first) != len(second) or not all(map(alike, first, second)):
        raise InputError(
            f"{len(first)} layers ({told(first)}) beside {len(second)} ({told(second)}); expected those of one file"
        )
    pairs = [(a, b) for a, b in zip(first, second, strict=True) if a.values.dtype.kind in "iu"]
    return [(a if a.operator else b, difference(*in_rows(a, b))) for a, b in pairs]


def alike(first: Layer, second: Layer) -> bool:
    """Whether both can be the same operator's."""
    unknown = not first.operator or not second.operator
    return first.place == second.place and (unknown or first.operator == second.operator)


def in_rows(first: Layer, second: Layer) -> tuple[Codes, Codes]:
    """Codes of two layers, in rows where one of them does not know its shape."""
    if first.operator and second.operator:
        return first.values, second.values
    ours, theirs = (one.values.reshape(len(one.values), -1) for one in (first, second))
    return ours, theirs


def told(found: Sequence[Layer]) -> str:
    """The first operators, for a message."""
    return ", ".join(one.operator or "unnamed" for one in found[:3]) + (", ..." if len(found) > 3 else "")
