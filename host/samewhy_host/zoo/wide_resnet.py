"""Wide residual networks: WRN-28-10 by default.

36,479,194 parameters (36,497,146 with batch norm's running statistics) with 10 classes and 3 channels.

Source: Zagoruyko & Komodakis 2016, arXiv 1605.07146, table 1 (dropout between the convolutions of a block, off unless
asked for).
"""

from collections import OrderedDict

from torch import Tensor, nn

from samewhy_edge.errors import InputError


def wide_resnet(
    classes: int, channels: int, depth: int = 28, widen: int = 10, width: int = 16, dropout: float = 0.0
) -> nn.Sequential:
    """A 3 x 3 stem, three stages of (depth - 4) / 6 blocks, batch norm, global average pooling and a linear layer.

    Raises:
        InputError: a depth that no whole number of blocks makes.
    """
    blocks, left = divmod(depth - 4, 6)
    if left or blocks < 1:
        raise InputError(f"wide_resnet depth = {depth}; expected 6 n + 4, such as 10, 16, 22, 28")
    stem = nn.Sequential(OrderedDict(conv=nn.Conv2d(channels, width, 3, padding=1, bias=False)))
    layers: list[tuple[str, nn.Module]] = [("stem", stem)]
    inputs = width
    for stage in range(3):
        outputs = width * widen * 2**stage
        for place in range(blocks):
            stride = 2 if stage and not place else 1
            layers.append((f"stage{stage + 1}_{place + 1}", Wide(inputs, outputs, stride, dropout)))
            inputs = outputs
    layers += [("norm", nn.BatchNorm2d(inputs)), ("relu", nn.ReLU()), ("pool", nn.AdaptiveAvgPool2d(1))]
    layers += [("flatten", nn.Flatten()), ("classifier", nn.Linear(inputs, classes))]
    return nn.Sequential(OrderedDict(layers))


class Wide(nn.Module):
    """Batch norm and ReLU before each of two convolutions, beside an identity or a 1 x 1 convolution."""

    def __init__(self, inputs: int, outputs: int, stride: int, dropout: float) -> None:
        super().__init__()
        self.norm1 = nn.BatchNorm2d(inputs)
        self.relu1 = nn.ReLU()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(outputs)
        self.relu2 = nn.ReLU()
        self.dropout = nn.Dropout(dropout)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.shortcut: nn.Module | None = None
        if inputs != outputs:
            self.shortcut = nn.Conv2d(inputs, outputs, 1, stride=stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) to (N, outputs, H / stride, W / stride); a shortcut takes what the first ReLU gives."""
        first = self.relu1(self.norm1(x))
        inner = self.conv2(self.dropout(self.relu2(self.norm2(self.conv1(first)))))
        joined: Tensor = inner + (x if self.shortcut is None else self.shortcut(first))
        return joined
