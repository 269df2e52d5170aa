"""ResNet8, the image classification network of MLPerf Tiny.

78,666 parameters (batch norm's running statistics counted) with 10 classes and 3 channels.

Source: He, Zhang, Ren & Sun 2016, arXiv 1512.03385, reduced to three stacks as in MLPerf Tiny v1.2.
"""

from collections import OrderedDict

from torch import Tensor, nn


def resnet8(classes: int, channels: int, width: int = 16) -> nn.Sequential:
    """A 3 x 3 stem, three residual blocks of 1, 2 and 4 times the width, global average pooling and a linear layer."""
    stem = OrderedDict(conv=nn.Conv2d(channels, width, 3, padding=1), norm=nn.BatchNorm2d(width), relu=nn.ReLU())
    layers: list[tuple[str, nn.Module]] = [
        ("stem", nn.Sequential(stem)),
        ("block1", Residual(width, width, stride=1)),
        ("block2", Residual(width, 2 * width, stride=2)),
        ("block3", Residual(2 * width, 4 * width, stride=2)),
        ("pool", nn.AdaptiveAvgPool2d(1)),
        ("flatten", nn.Flatten()),
        ("classifier", nn.Linear(4 * width, classes)),
    ]
    return nn.Sequential(OrderedDict(layers))


class Residual(nn.Module):
    """Two 3 x 3 convolutions beside an identity, or beside a strided 1 x 1 convolution where the shape changes."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1)
        self.norm1 = nn.BatchNorm2d(outputs)
        self.relu1 = nn.ReLU()
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1)
        self.norm2 = nn.BatchNorm2d(outputs)
        self.shortcut = nn.Identity() if stride == 1 else nn.Conv2d(inputs, outputs, 1, stride=stride)
        self.relu2 = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) to (N, outputs, H / stride, W / stride)."""
        inner = self.norm2(self.conv2(self.relu1(self.norm1(self.conv1(x)))))
        joined: Tensor = self.relu2(inner + self.shortcut(x))
        return joined
