"""Small networks of the field, one architecture a file; each says its paper and its parameter count.

A factory takes ``classes``, ``channels`` and options, and returns a module that maps (N, C, H, W), or (N, C, T) in the
network for time series, to logits (N, K) for any input size. It is named by ``module:factory``, so a user's own network
enters by the same door.
"""

ZOO = {
    "cnn5": "samewhy_host.zoo.cnn5:cnn5",
    "conv1d": "samewhy_host.zoo.conv1d:conv1d",
    "ds_cnn": "samewhy_host.zoo.ds_cnn:ds_cnn",
    "mobilenet": "samewhy_host.zoo.mobilenet:mobilenet",
    "resnet18": "samewhy_host.zoo.resnet18:resnet18",
    "resnet8": "samewhy_host.zoo.resnet8:resnet8",
    "vgg": "samewhy_host.zoo.vgg:vgg",
    "wide_resnet": "samewhy_host.zoo.wide_resnet:wide_resnet",
}
