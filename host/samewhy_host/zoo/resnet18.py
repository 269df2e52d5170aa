"""ResNet-18 for small images.

11,173,962 parameters (11,183,562 with batch norm's running statistics) with 10 classes and 3 channels.

Source: He, Zhang, Ren & Sun 2016, arXiv 1512.03385, table 1, with the 3 x 3 stem without pooling of section 4.2;
shortcuts that change the shape are 1 x 1 convolutions with batch norm.
"""

from collections import OrderedDict

from torch import Tensor, nn


def resnet18(classes: int, channels: int, width: int = 64) -> nn.Sequential:
    """A 3 x 3 stem, four stages of two residual blocks, global average pooling and a linear layer."""
    conv = nn.Conv2d(channels, width, 3, padding=1, bias=False)
    layers: list[tuple[str, nn.Module]] = [
        ("stem", nn.Sequential(OrderedDict(conv=conv, norm=nn.BatchNorm2d(width), relu=nn.ReLU())))
    ]
    inputs = width
    for stage in range(4):
        outputs = width * 2**stage
        layers.append((f"stage{stage + 1}_1", Basic(inputs, outputs, 2 if stage else 1)))
        layers.append((f"stage{stage + 1}_2", Basic(outputs, outputs, 1)))
        inputs = outputs
    layers += [("pool", nn.AdaptiveAvgPool2d(1)), ("flatten", nn.Flatten()), ("classifier", nn.Linear(inputs, classes))]
    return nn.Sequential(OrderedDict(layers))


class Basic(nn.Module):
    """Two 3 x 3 convolutions beside an identity, or beside a 1 x 1 convolution where the shape changes."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(outputs)
        self.relu1 = nn.ReLU()
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(outputs)
        self.shortcut: nn.Module = nn.Identity()
        if stride > 1 or inputs != outputs:
            narrow = nn.Conv2d(inputs, outputs, 1, stride=stride, bias=False)
            self.shortcut = nn.Sequential(OrderedDict(conv=narrow, norm=nn.BatchNorm2d(outputs)))
        self.relu2 = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) to (N, outputs, H / stride, W / stride)."""
        inner = self.norm2(self.conv2(self.relu1(self.norm1(self.conv1(x)))))
        joined: Tensor = self.relu2(inner + self.shortcut(x))
        return joined
