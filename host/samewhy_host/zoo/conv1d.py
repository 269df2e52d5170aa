"""A convolutional network for time series: windows of sensors, one kernel over time and all sensors.

17,799 parameters (batch norm's running statistics counted) with 7 classes and 6 channels.

The convolutions are Conv2d with kernels (k, 1), because TFLite has none of one axis: a single reshape is left in the
file, at the entrance. It holds the batch size that it was converted with, so the file is asked one sample at a time;
samples of shape (T, 1, C) need no reshape and are asked in batches.

Source: Wang, Yan & Oates 2017, arXiv 1611.06455 (fully convolutional network), narrower and with pooling.
"""

from collections import OrderedDict

from torch import Tensor, nn

from samewhy_host.zoo.ds_cnn import convolution


def conv1d(
    classes: int, channels: int, width: int = 32, kernels: tuple[int, int, int] = (7, 5, 5), dropout: float = 0.0
) -> nn.Sequential:
    """Three convolutions over time, halved twice, global average pooling and a linear layer.

    It takes (N, C, T), or (N, C, T, W) with W series side by side, filtered alike and averaged.
    """
    widths = (channels, width, width, 2 * width)
    stem, block1, block2 = (
        convolution(inputs, outputs, (kernel, 1), padding=(kernel // 2, 0))
        for inputs, outputs, kernel in zip(widths[:-1], widths[1:], kernels, strict=True)
    )
    layers: list[tuple[str, nn.Module]] = [
        ("upright", Upright()),
        ("stem", stem),
        ("halve1", nn.MaxPool2d((2, 1))),
        ("block1", block1),
        ("halve2", nn.MaxPool2d((2, 1))),
        ("block2", block2),
        ("dropout", nn.Dropout(dropout)),
        ("pool", nn.AdaptiveAvgPool2d(1)),
        ("flatten", nn.Flatten()),
        ("classifier", nn.Linear(2 * width, classes)),
    ]
    return nn.Sequential(OrderedDict(layers))


class Upright(nn.Module):
    """A series as an image that is one position wide."""

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, T) to (N, C, T, 1)."""
        return x.unsqueeze(-1) if x.ndim == 3 else x
