"""Convolutions. Each has a second form that writes its output over its input, and keeps a few rows of it aside."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from samewhy_bridge.calls import Call, Field, Lowered, elements
from samewhy_bridge.graph import Tensor
from samewhy_bridge.operators.dense import matmul
from samewhy_bridge.operators.factors import SPAN, bias, bounded, each_factor, sums, weights
from samewhy_bridge.operators.geometry import Geometry, geometry
from samewhy_bridge.operators.view import View

ROWS = 64  # that the C kernels keep in mind


def conv_2d(view: View) -> Lowered:
    """Also with groups: the filter then has fewer channels than the input."""
    source, output = view.codes(view.input(0)), view.codes(view.output())
    outputs = output.shape[-1]
    filter = weights(view, 1, 0, outputs)
    groups = _groups(view, source, filter, outputs)
    return _convolution(view, filter, view.constant(1), groups)


def _groups(view: View, source: Tensor, filter: Tensor, outputs: int) -> int:
    depth = filter.shape[-1]
    groups = source.shape[-1] // depth
    if len(filter.shape) != 4 or source.shape[-1] % depth or outputs % groups or filter.shape[0] != outputs:
        raise view.wrong(f"filter of shape {filter.shape}", f"one that fits {source.shape[-1]} to {outputs} channels")
    return groups


def _convolution(view: View, filter: Tensor, values: NDArray[Any], groups: int) -> Lowered:
    """With weights of shape (outputs, height, width, channels of a group)."""
    source, output = view.input(0), view.output()
    found = geometry(view, (values.shape[1], values.shape[2]), dilated=True)
    outputs, rows = len(values), values.reshape(len(values), -1)
    factors = each_factor(view, source, filter, output, outputs)
    product = matmul(view, rows, bias(view, 2, outputs), factors, groups)

    def call(kept: int) -> Call:
        direct = found.direct and groups == 1 and not (kept and found.kernel[0] > 1)
        spec: dict[str, Field] = {
            "matmul": product,
            "rows": _rows(view, found, kept, 1 if direct else found.kernel[0]),
            **found.widths(),
            "input_channels": source.shape[-1],
            "output_channels": outputs,
            "groups": groups,
            "direct": int(direct),
            "input_zero_point": source.zero_point,
        }
        scratch = kept * _row_bytes(source) + (0 if direct else rows.shape[1])
        return Call("conv_2d", spec, (source.number,), (output.number,), scratch)

    return _both(view, found, call, elements(*found.output) * rows.size)


def depthwise_conv_2d(view: View) -> Lowered:
    """Each channel by itself; of a single one it is a convolution like any other."""
    source, output = view.codes(view.input(0)), view.codes(view.output())
    outputs = output.shape[-1]
    filter = weights(view, 1, 3, outputs)
    values = view.constant(1)
    if values.ndim != 4 or values.shape[0] != 1 or values.shape[3] != outputs or outputs % source.shape[-1]:
        raise view.wrong(f"filter of shape {filter.shape}", f"(1, height, width, {outputs})")
    if source.shape[-1] == 1:
        return _convolution(view, filter, values.transpose(3, 1, 2, 0), 1)
    found = geometry(view, (values.shape[1], values.shape[2]), dilated=True)
    columns = values.reshape(-1, outputs).T.astype(np.int64)
    start = bounded(view, bias(view, 2, outputs), columns, SPAN)
    ends = sums(view, start, each_factor(view, source, filter, output, outputs))

    def call(kept: int) -> Call:
        spec: dict[str, Field] = {
            "weights": values.reshape(-1),
            "sums": ends,
            "rows": _rows(view, found, kept, found.kernel[0]),
            **found.widths(),
            "input_channels": source.shape[-1],
            "output_channels": outputs,
            "input_zero_point": source.zero_point,
        }
        return Call("depthwise_conv_2d", spec, (source.number,), (output.number,), kept * _row_bytes(source))

    return _both(view, found, call, elements(*found.output) * values.size)


def _both(view: View, found: Geometry, call: Callable[[int], Call], macs: int) -> Lowered:
    """The plain form, and one over the input where rows of output are not longer than its rows."""
    source, output = view.input(0), view.output()
    plain = Lowered((call(0),), macs)
    if _row_bytes(output) > _row_bytes(source) or found.output[0] > found.input[0]:
        return plain
    over = Lowered((call(found.again),), macs, over=(source.number,))
    return Lowered(plain.calls, macs, tight=over)


def _rows(view: View, found: Geometry, kept: int, kernel: int) -> dict[str, Field]:
    """The struct ``samewhy_rows_spec``."""
    if kernel > ROWS:
        raise view.wrong(f"a window of {kernel} rows", f"at most {ROWS}; let time lie along the width")
    return {
        "bytes": _row_bytes(view.input(0)),
        "height": found.input[0],
        "kernel": kernel,
        "stride": found.stride[0],
        "dilation": found.dilation[0],
        "padding": found.padding[0],
        "kept": kept,
    }


def _row_bytes(tensor: Tensor) -> int:
    return elements(*tensor.shape[2:])
