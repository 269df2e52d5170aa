"""Windows that move over an image: sizes, steps and padding."""

from dataclasses import dataclass
from typing import final

from samewhy_bridge.calls import Field
from samewhy_bridge.graph import Padding
from samewhy_bridge.operators.view import View

Pair = tuple[int, int]  # (height, width)


@final
@dataclass(frozen=True, slots=True)
class Geometry:
    """Of an operator over one image; padding is before it, that behind it follows from the rest."""

    input: Pair
    output: Pair
    kernel: Pair
    stride: Pair
    dilation: Pair
    padding: Pair

    @property
    def direct(self) -> bool:
        """Whether the cells under each window lie one behind the other, and inside the image."""
        one_row = self.kernel[0] == 1 and (self.dilation[1] == 1 or self.kernel[1] == 1)
        whole_rows = self.kernel[1] == self.input[1] and self.dilation == (1, 1)
        return (one_row or whole_rows) and not any(self._outside(axis) for axis in (0, 1))

    def _outside(self, axis: int) -> bool:
        reach = (self.output[axis] - 1) * self.stride[axis] + (self.kernel[axis] - 1) * self.dilation[axis] + 1
        return self.padding[axis] > 0 or reach > self.input[axis]

    @property
    def apart(self) -> bool:
        """Whether no cell is under two windows, and none is outside before the image."""
        return self.padding == (0, 0) and all(s >= k for s, k in zip(self.stride, self.kernel, strict=True))

    @property
    def again(self) -> int:
        """Rows of the input that windows still need when a row of output is written over the last of them."""
        return self.padding[0] + 1

    def widths(self) -> dict[str, Field]:
        """What the C structs of convolutions hold besides rows."""
        return {
            "input_width": self.input[1],
            "output_height": self.output[0],
            "output_width": self.output[1],
            "kernel_width": self.kernel[1],
            "stride_width": self.stride[1],
            "dilation_width": self.dilation[1],
            "padding_left": self.padding[1],
        }


def geometry(view: View, kernel: Pair, dilated: bool) -> Geometry:
    """Of an operator, as its options and its tensors say."""
    source, output = view.input(0), view.output()
    if len(source.shape) != 4 or len(output.shape) != 4 or source.shape[0] != 1:
        raise view.wrong(f"input of shape {source.shape}", "one image (1, height, width, channels)")
    stride = (int(view.option("strideH")), int(view.option("strideW")))
    dilation = (int(view.option("dilationHFactor")), int(view.option("dilationWFactor"))) if dilated else (1, 1)
    view.sixteen_bits(*source.shape, *output.shape, *kernel, *stride, *dilation)
    before = [_before(view, axis, kernel[axis], stride[axis], dilation[axis]) for axis in (0, 1)]
    return Geometry(
        input=(source.shape[1], source.shape[2]),
        output=(output.shape[1], output.shape[2]),
        kernel=kernel,
        stride=stride,
        dilation=dilation,
        padding=(before[0], before[1]),
    )


def _before(view: View, axis: int, kernel: int, stride: int, dilation: int) -> int:
    """Cells of padding before the image: the smaller half."""
    size, given = view.input(0).shape[1 + axis], view.output().shape[1 + axis]
    reach = (kernel - 1) * dilation + 1
    same = view.option("padding") == Padding.SAME
    expected = -(-size // stride) if same else -(-(size - reach + 1) // stride)
    if given != expected:
        raise view.wrong(f"output of size {given} along axis {1 + axis}", f"{expected}, check the file")
    return max((given - 1) * stride + reach - size, 0) // 2 if same else 0
