"""The one home of integer encoding and decoding.

Source: TFLite 8-bit quantization specification, https://ai.google.dev/edge/litert/models/quantization_spec
"""

from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import DTypeLike, NDArray

from samewhy_edge.arrays import Codes

HALF = np.nextafter(np.float32(0.5), np.float32(0))  # the largest float32 below a half would reach 1 with 0.5 itself


@final
@dataclass(frozen=True, slots=True)
class Affine:
    """real = scale * (code - zero_point), for a tensor of integer `dtype`."""

    scale: float
    zero_point: int
    dtype: str  # "int8" | "uint8" | "int16"

    def encode(self, values: NDArray[np.float32]) -> Codes:
        """Codes of `values`: rounded half away from zero, saturated at the ends of the type."""
        ends = np.iinfo(self.dtype)
        steps = values / np.float32(self.scale)
        steps += np.copysign(HALF, steps)
        np.trunc(steps, out=steps)
        steps += np.float32(self.zero_point)
        if steps.min(initial=0) < ends.min or steps.max(initial=0) > ends.max:  # rare, and looking is cheaper
            np.clip(steps, ends.min, ends.max, out=steps)
        codes: Codes = steps.astype(self.dtype)
        return codes

    def decode(self, codes: Codes) -> NDArray[np.float32]:
        """Real values of `codes`."""
        return (codes.astype(np.float32) - np.float32(self.zero_point)) * np.float32(self.scale)

    def span(self) -> tuple[float, float]:
        """The smallest and the largest real value that the codes can hold."""
        ends = np.iinfo(self.dtype)
        low, high = self.decode(np.array([ends.min, ends.max]))
        return float(low), float(high)


def affine(dtype: DTypeLike, scale: float, zero_point: int) -> Affine | None:
    """The encoding of a tensor, or None where it holds real numbers (TFLite then reports scale 0)."""
    kind = np.dtype(dtype)
    if kind.kind == "f":
        return None
    return Affine(float(scale), int(zero_point), kind.name)
