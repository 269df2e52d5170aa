"""Small networks of the field, one architecture a file; each says its paper and its parameter count.

A factory takes ``classes``, ``channels`` and options, and returns a module that maps (N, C, H, W), or (N, C, T) in the
network for time series, to logits (N, K) for any input size. It is named by ``module:factory``, so a user's own network
enters by the same door.
"""

ZOO = {
    "conv1d": "samewhy_host.zoo.conv1d:conv1d",
    "ds_cnn": "samewhy_host.zoo.ds_cnn:ds_cnn",
    "resnet8": "samewhy_host.zoo.resnet8:resnet8",
}
