"""MobileNetV1, by default at a quarter of the width: the person detector of MLPerf Tiny.

219,058 parameters (batch norm's running statistics counted) with 2 classes and 3 channels.

Source: Howard et al. 2017, arXiv 1704.04861, table 1, alpha 0.25; shape as in MLPerf Tiny, visual wake words.
"""

from collections import OrderedDict

from torch import nn

BLOCKS = ((2, 1), (4, 2), (4, 1), (8, 2), (8, 1), (16, 2), *((16, 1),) * 5, (32, 2), (32, 1))  # times the width, stride


def mobilenet(classes: int, channels: int, width: int = 8) -> nn.Sequential:
    """A strided stem, thirteen depthwise separable blocks, global average pooling and a linear layer."""
    layers: list[tuple[str, nn.Module]] = [("stem", block(channels, width, 3, stride=2))]
    inputs = width
    for place, (times, stride) in enumerate(BLOCKS):
        depthwise = block(inputs, inputs, 3, stride=stride, groups=inputs)
        pointwise = block(inputs, times * width, 1)
        layers.append((f"block{place + 1}", nn.Sequential(OrderedDict(depthwise=depthwise, pointwise=pointwise))))
        inputs = times * width
    layers += [("pool", nn.AdaptiveAvgPool2d(1)), ("flatten", nn.Flatten()), ("classifier", nn.Linear(inputs, classes))]
    return nn.Sequential(OrderedDict(layers))


def block(inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1) -> nn.Sequential:
    """Convolution without bias, batch norm, ReLU."""
    conv = nn.Conv2d(inputs, outputs, kernel, stride=stride, padding=kernel // 2, groups=groups, bias=False)
    return nn.Sequential(OrderedDict(conv=conv, norm=nn.BatchNorm2d(outputs), relu=nn.ReLU()))
