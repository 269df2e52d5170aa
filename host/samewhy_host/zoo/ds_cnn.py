"""DS-CNN, the keyword-spotting network of MLPerf Tiny.

24,908 parameters (batch norm's running statistics counted) with 12 classes, 1 channel and the original 10 x 4 stem.

Source: Zhang, Suda, Lai & Chandra 2017, arXiv 1711.07128; shape as in MLPerf Tiny v1.2, keyword spotting.
"""

from collections import OrderedDict

from torch import nn


def ds_cnn(
    classes: int, channels: int, width: int = 64, stem: tuple[int, int] = (10, 4), dropout: float = 0.2
) -> nn.Sequential:
    """A strided stem, four depthwise separable blocks, global average pooling and a linear layer."""
    padding = (stem[0] // 2, (stem[1] - 1) // 2)
    layers: list[tuple[str, nn.Module]] = [
        ("stem", convolution(channels, width, tuple(stem), stride=2, padding=padding)),
        ("stem_dropout", nn.Dropout(dropout)),
        *((f"block{i}", separable(width)) for i in range(1, 5)),
        ("dropout", nn.Dropout(2 * dropout)),
        ("pool", nn.AdaptiveAvgPool2d(1)),
        ("flatten", nn.Flatten()),
        ("classifier", nn.Linear(width, classes)),
    ]
    return nn.Sequential(OrderedDict(layers))


def separable(width: int) -> nn.Sequential:
    """A 3 x 3 depthwise convolution, then a 1 x 1 one."""
    depthwise = convolution(width, width, (3, 3), padding=(1, 1), groups=width)
    return nn.Sequential(OrderedDict(depthwise=depthwise, pointwise=convolution(width, width, (1, 1))))


def convolution(
    inputs: int,
    outputs: int,
    kernel: tuple[int, ...],
    stride: int = 1,
    padding: tuple[int, int] = (0, 0),
    groups: int = 1,
) -> nn.Sequential:
    """Convolution, batch norm, ReLU."""
    conv = nn.Conv2d(inputs, outputs, (kernel[0], kernel[1]), stride=stride, padding=padding, groups=groups)
    return nn.Sequential(OrderedDict(conv=conv, norm=nn.BatchNorm2d(outputs), relu=nn.ReLU()))
