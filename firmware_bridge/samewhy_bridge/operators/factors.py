"""Factors of layers with weights, and their bias."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from samewhy_bridge.calls import Field
from samewhy_bridge.fixed_point import INT32, Factor, factor
from samewhy_bridge.graph import Tensor
from samewhy_bridge.operators.view import View, held

SPAN = 255  # the largest difference of a code and a zero point


def weights(view: View, place: int, axis: int, outputs: int) -> Tensor:
    """The constant weights: int8 around zero, with one scale or one for each output."""
    view.constant(place)
    found = view.input(place)
    if found.dtype != "int8" or len(found.scales) not in (1, outputs):
        raise view.wrong(f"weights hold {held(found)}", f"int8 with one scale or {outputs}")
    if any(found.zero_points):
        raise view.wrong(f"weights have zero point {next(filter(None, found.zero_points))}", "0, as the format asks")
    if len(found.scales) > 1 and found.axis != axis:
        raise view.wrong(f"weights have a scale along axis {found.axis}", f"along axis {axis}")
    return found


def bias(view: View, place: int, outputs: int) -> NDArray[np.int64]:
    """The bias, zeros where there is none."""
    found = view.optional(place)
    if found is None:
        return np.zeros(outputs, np.int64)
    values = view.constant(place)
    if found.dtype != "int32" or values.size != outputs:
        raise view.wrong(f"bias holds {values.size} of {found.dtype}", f"{outputs} of int32")
    return values.reshape(-1).astype(np.int64)


def each_factor(view: View, source: Tensor, filter: Tensor, output: Tensor, outputs: int) -> list[Factor]:
    """One for each output; all scales are widened before they are multiplied.

    Source: TFLite Micro, ``PopulateConvolutionQuantizationParams``.
    """
    scales = filter.scales if len(filter.scales) > 1 else filter.scales * outputs
    return [factor(source.scale * scale / output.scale) for scale in scales]


def sums(view: View, start: NDArray[np.int32], factors: Sequence[Factor]) -> dict[str, Field]:
    """The struct ``samewhy_sums_spec``: where sums start, and how they become codes."""
    low, high = view.bounds()
    return {
        "bias": start,
        "factors": np.array([one.value for one in factors], np.int32),
        "shifts": np.array([one.shift for one in factors], np.int8),
        "each": int(len(factors) > 1),
        "zero_point": view.output().zero_point,
        "low": low,
        "high": high,
    }


def bounded(view: View, start: NDArray[np.int64], rows: NDArray[np.int64], largest: int) -> NDArray[np.int32]:
    """Where sums start, if no sum of codes up to `largest` times weights can leave 32 bits.

    Args:
        view: the operator.
        start: (outputs,).
        rows: weights (outputs, inputs).
        largest: what a weight is multiplied with.
    """
    reach = np.abs(start) + largest * np.abs(rows).sum(axis=1)
    if reach.max(initial=0) >= INT32:
        raise view.wrong(f"sums may reach {int(reach.max())}", "less than 2^31, or they overflow in every runtime")
    return start.astype(np.int32)
