"""A plain network of five layers: three convolutions and two linear layers.

111,946 parameters (batch norm's running statistics counted) with 10 classes and 3 channels.

Source: the shallow student of github.com/peterliht/knowledge-distillation-pytorch (`model/net.py`), which flattens what
its convolutions give; here they are averaged, so that any input size fits and the converter leaves no TRANSPOSE.
"""

from collections import OrderedDict

from torch import nn

from samewhy_host.zoo.ds_cnn import convolution


def cnn5(classes: int, channels: int, width: int = 32, dropout: float = 0.0) -> nn.Sequential:
    """Three 3 x 3 convolutions, halved in between, global average pooling and two linear layers."""
    layers: list[tuple[str, nn.Module]] = [
        ("stem", convolution(channels, width, (3, 3), padding=(1, 1))),
        ("halve1", nn.MaxPool2d(2)),
        ("block1", convolution(width, 2 * width, (3, 3), padding=(1, 1))),
        ("halve2", nn.MaxPool2d(2)),
        ("block2", convolution(2 * width, 4 * width, (3, 3), padding=(1, 1))),
        ("pool", nn.AdaptiveAvgPool2d(1)),
        ("flatten", nn.Flatten()),
        ("hidden", nn.Linear(4 * width, 4 * width)),
        ("relu", nn.ReLU()),
        ("dropout", nn.Dropout(dropout)),
        ("classifier", nn.Linear(4 * width, classes)),
    ]
    return nn.Sequential(OrderedDict(layers))
