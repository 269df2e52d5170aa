"""A VGG-style network: stages of 3 x 3 convolutions with batch norm, halved in between.

73,338 parameters (batch norm's running statistics counted) with 10 classes, 1 channel and the default widths; divided
by 4, 4,950.

Source: Simonyan & Zisserman 2015, arXiv 1409.1556, with batch norm and one linear layer behind global average pooling;
narrower students by dividing all widths as in Park et al. 2020, arXiv 2010.15054.
"""

from collections import OrderedDict

from torch import nn

from samewhy_host.zoo.ds_cnn import convolution


def vgg(
    classes: int, channels: int, width: int = 16, stages: int = 3, convolutions: int = 2, divide: int = 1
) -> nn.Sequential:
    """Stages of the width, twice the width, ..., all divided; global average pooling and a linear layer."""
    widths = [max(1, width * 2**stage // divide) for stage in range(stages)]
    layers: list[tuple[str, nn.Module]] = []
    inputs = channels
    for stage, outputs in enumerate(widths):
        if stage:
            layers.append((f"halve{stage}", nn.MaxPool2d(2)))
        for place in range(convolutions):
            name = f"stage{stage + 1}_{place + 1}" if stage or place else "stem"
            layers.append((name, convolution(inputs, outputs, (3, 3), padding=(1, 1))))
            inputs = outputs
    layers += [("pool", nn.AdaptiveAvgPool2d(1)), ("flatten", nn.Flatten()), ("classifier", nn.Linear(inputs, classes))]
    return nn.Sequential(OrderedDict(layers))
