"""What operators become: calls of C kernels over tensors."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias, final

import numpy as np
from numpy.typing import NDArray

Values: TypeAlias = NDArray[Any]  # emitted as an array in flash; the field points to it
Field: TypeAlias = (
    "int | float | tuple[int, ...] | Values | Mapping[str, Field]"  # a mapping is a struct within the struct
)


@final
@dataclass(frozen=True, slots=True)
class Call:
    """One call of ``samewhy_<kernel>(&spec, inputs..., outputs..., scratch)``, which is in ``kernels/<kernel>.c``."""

    kernel: str
    spec: Mapping[str, Field]  # of the kernel's ``samewhy_<kernel>_spec``
    inputs: tuple[int, ...]  # tensors
    outputs: tuple[int, ...]
    scratch: int | None = None  # bytes, of kernels that take an address for it
    spec_type: str | None = None  # where kernels share one


@final
@dataclass(frozen=True, slots=True)
class Lowered:
    """What one operator becomes."""

    calls: tuple[Call, ...]
    macs: int = 0
    over: tuple[int, ...] = ()  # inputs over which the output may be written
    tight: "Lowered | None" = None  # the same in less memory, where the output may be written over the input
    same_bytes: tuple[int, ...] = ()  # the input whose bytes are the output's: nothing is done at all


def elements(*values: int) -> int:
    """The product, as a whole number of Python."""
    return int(np.prod(values, dtype=object)) if values else 1
