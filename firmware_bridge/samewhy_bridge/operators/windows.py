"""Convolutions and pools: what moves a window over an image."""

from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from samewhy_bridge.calls import Call, Field, Lowered, elements
from samewhy_bridge.graph import Padding, Tensor
from samewhy_bridge.operators.dense import matmul
from samewhy_bridge.operators.factors import SPAN, bias, bounded, each_factor, sums, weights
from samewhy_bridge.operators.view import View


@final
@dataclass(frozen=True, slots=True)
class Geometry:
    """Sizes as (height, width)."""

    input: tuple[int, int]
    output: tuple[int, int]
    kernel: tuple[int, int]
    stride: tuple[int, int]
    dilation: tuple[int, int]
    padding: tuple[int, int]  # cells before the image; those behind it follow from the rest

    def spec(self, *names: str) -> dict[str, Field]:
        """As C structs hold them; the padding is called by its sides."""
        pairs = {name: getattr(self, name) for name in names}
        sides = {
            f"{name}_{side}": pair[i] for name, pair in pairs.items() for i, side in enumerate(("height", "width"))
        }
        return {**sides, "padding_top": self.padding[0], "padding_left": self.padding[1]}

    @property
    def direct(self) -> bool:
        """Whether the cells under each window lie one behind the other, and inside the image."""
        one_row = self.kernel[0] == 1 and (self.dilation[1] == 1 or self.kernel[1] == 1)
        whole_rows = self.kernel[1] == self.input[1] and self.dilation == (1, 1)
        return (one_row or whole_rows) and not any(self._outside(axis) for axis in (0, 1))

    def _outside(self, axis: int) -> bool:
        reach = (self.output[axis] - 1) * self.stride[axis] + (self.kernel[axis] - 1) * self.dilation[axis] + 1
        return self.padding[axis] > 0 or reach > self.input[axis]


def geometry(view: View, kernel: tuple[int, int], dilated: bool) -> Geometry:
    """Of an operator over one image."""
    source, output = view.input(0), view.output()
    if len(source.shape) != 4 or len(output.shape) != 4 or source.shape[0] != 1:
        raise view.wrong(f"input of shape {source.shape}", "one image (1, height, width, channels)")
    stride = (int(view.option("strideH")), int(view.option("strideW")))
    dilation = (int(view.option("dilationHFactor")), int(view.option("dilationWFactor"))) if dilated else (1, 1)
    view.sixteen_bits(*source.shape, *output.shape, *kernel, *stride, *dilation)
    sizes = [_axis(view, axis, kernel[axis], stride[axis], dilation[axis]) for axis in (0, 1)]
    return Geometry(
        input=(source.shape[1], source.shape[2]),
        output=(output.shape[1], output.shape[2]),
        kernel=kernel,
        stride=stride,
        dilation=dilation,
        padding=(sizes[0], sizes[1]),
    )


def _axis(view: View, axis: int, kernel: int, stride: int, dilation: int) -> int:
    """Cells of padding before the image; the smaller half comes first."""
    size, given = view.input(0).shape[1 + axis], view.output().shape[1 + axis]
    reach = (kernel - 1) * dilation + 1
    same = view.option("padding") == Padding.SAME
    expected = -(-size // stride) if same else -(-(size - reach + 1) // stride)
    if given != expected:
        raise view.wrong(f"output of size {given} along axis {1 + axis}", f"{expected}, check the file")
    return max((given - 1) * stride + reach - size, 0) // 2 if same else 0


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
    direct = found.direct and groups == 1
    spec: dict[str, Field] = {
        "matmul": matmul(view, rows, bias(view, 2, outputs), factors, groups),
        **found.spec("input", "output", "kernel", "stride", "dilation"),
        "input_channels": source.shape[-1],
        "output_channels": outputs,
        "groups": groups,
        "direct": int(direct),
        "input_zero_point": source.zero_point,
    }
    scratch = 0 if direct else rows.shape[1]
    call = Call("conv_2d", spec, (source.number,), (output.number,), scratch)
    return Lowered((call,), macs=elements(*found.output) * rows.size)


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
    factors = each_factor(view, source, filter, output, outputs)
    spec: dict[str, Field] = {
        "weights": values.reshape(-1),
        "sums": sums(view, bounded(view, bias(view, 2, outputs), columns, SPAN), factors),
        "row_step": found.dilation[0] * source.shape[2] * source.shape[3],
        "step": found.dilation[1] * source.shape[3],
        **found.spec("input", "output", "kernel", "stride", "dilation"),
        "input_channels": source.shape[-1],
        "output_channels": outputs,
        "input_zero_point": source.zero_point,
    }
    call = Call("depthwise_conv_2d", spec, (source.number,), (output.number,))
    return Lowered((call,), macs=elements(*found.output) * values.size)


def average_pool_2d(view: View) -> Lowered:
    """Over codes, whose scale the output shares."""
    return _pool(view, "average_pool_2d")


def max_pool_2d(view: View) -> Lowered:
    """As the average."""
    return _pool(view, "max_pool_2d")


def _pool(view: View, kernel: str) -> Lowered:
    source, output = view.codes(view.input(0)), view.codes(view.output())
    view.same_steps(source, output)
    size = (int(view.option("filterHeight")), int(view.option("filterWidth")))
    found = geometry(view, size, dilated=False)
    low, high = view.bounds()
    spec = {**found.spec("input", "output", "kernel", "stride"), "channels": source.shape[-1], "low": low, "high": high}
    call = Call(kernel, spec, (source.number,), (output.number,), spec_type="pool")
    apart = found.padding == (0, 0) and all(s >= k for s, k in zip(found.stride, found.kernel, strict=True))
    return Lowered((call,), over=(source.number,) if apart else ())
