"""Makes the `.tflite` files beside it, in ``files/``: ``python tests/golden/make_files.py`` (TensorFlow 2.19).

Weights and calibration samples come from fixed seeds, so that another run gives the same networks. The files are
committed; the tests need no TensorFlow. Where the converter changes and the codes with it, the golden codes in
``tests/edge/test_litert.py`` are to be recorded anew.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

FILES = Path(__file__).with_name("files")
IMAGE, SERIES, CLASSES = (8, 8, 1), (16, 2), 3
INTEGERS = {
    "int8": (tf.lite.OpsSet.TFLITE_BUILTINS_INT8, tf.int8),
    "uint8": (tf.lite.OpsSet.TFLITE_BUILTINS_INT8, tf.uint8),
    "int16": (tf.lite.OpsSet.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8, tf.int16),
}


def weights(*shape: int, seed: int = 0) -> tf.Tensor:
    fan_in = int(np.prod(shape[:-1]))
    return tf.constant(np.random.default_rng(seed).normal(0, 1.5 / np.sqrt(fan_in), shape), tf.float32)


def image_net(x: tf.Tensor) -> tf.Tensor:
    hidden = tf.nn.relu(tf.nn.conv2d(x, weights(3, 3, 1, 4), 2, "SAME"))
    hidden = tf.nn.relu(tf.nn.conv2d(hidden, weights(4, 4, 4, 6, seed=1), 1, "VALID"))
    return tf.matmul(tf.reduce_mean(hidden, (1, 2)), weights(6, CLASSES, seed=2))


def series_net(x: tf.Tensor) -> tf.Tensor:
    hidden = tf.nn.relu(tf.nn.conv1d(x, weights(5, 2, 6), 1, "SAME"))
    return tf.matmul(tf.reduce_mean(hidden, 1), weights(6, CLASSES, seed=3))


def fixed_batch_net(x: tf.Tensor) -> tf.Tensor:
    hidden = tf.nn.relu(tf.nn.conv2d(x, weights(3, 3, 1, 2), 2, "SAME"))
    return tf.matmul(tf.reshape(hidden, (1, 32)), weights(32, CLASSES, seed=4))


def mixing_net(x: tf.Tensor) -> tf.Tensor:
    return image_net(x) + tf.reduce_max(x)


def any_size_net(x: tf.Tensor) -> tf.Tensor:
    return tf.reduce_mean(tf.nn.conv2d(x, weights(3, 3, 1, CLASSES), 1, "SAME"), (1, 2))


def two_inputs_net(x: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
    return image_net(x + y)


def two_outputs_net(x: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    return image_net(x), tf.reduce_mean(x, (1, 2))


def picture_net(x: tf.Tensor) -> tf.Tensor:
    return tf.nn.conv2d(x, weights(3, 3, 1, CLASSES), 1, "SAME")


def custom_net(x: tf.Tensor) -> tf.Tensor:
    return image_net(tf.raw_ops.Betainc(a=x, b=x, x=x))


def raw_bytes_net(x: tf.Tensor) -> tf.Tensor:
    return image_net(tf.cast(x, tf.float32) / 255)


class Counter(tf.Module):
    """Adds what it has seen so far to its answers."""

    def __init__(self) -> None:
        super().__init__()
        self.seen = tf.Variable(tf.zeros((1, CLASSES)))

    def __call__(self, x: tf.Tensor) -> tf.Tensor:
        return self.seen.assign_add(image_net(x))


def converter(net: Callable[..., Any], *inputs: tf.TensorSpec, owner: Any = None) -> Any:
    concrete = tf.function(net, input_signature=inputs).get_concrete_function()
    return tf.lite.TFLiteConverter.from_concrete_functions([concrete], owner)


def image(name: str = "x", dtype: Any = tf.float32) -> tf.TensorSpec:
    return tf.TensorSpec((1, *IMAGE), dtype, name)


def series() -> tf.TensorSpec:
    return tf.TensorSpec((1, *SERIES), tf.float32, "x")


def integer(made: Any, kind: str, sample: tuple[int, ...]) -> Any:
    """The converter, set to full integer arithmetic calibrated on noise in [-1, 1]."""

    def calibration() -> Iterator[list[np.ndarray]]:
        noise = np.random.default_rng(9)
        for _ in range(64):
            yield [noise.uniform(-1, 1, (1, *sample)).astype(np.float32)]

    operators, dtype = INTEGERS[kind]
    made.optimizations = [tf.lite.Optimize.DEFAULT]
    made.representative_dataset = calibration
    made.target_spec.supported_ops = [operators]
    made.inference_input_type = made.inference_output_type = dtype
    return made


def custom() -> Any:
    made = converter(custom_net, image())
    made.allow_custom_ops = True
    return made


def stateful() -> Any:
    counter = Counter()
    made = converter(counter.__call__, image(), owner=counter)
    made.experimental_enable_resource_variables = True
    return made


MAKERS: dict[str, Callable[[], Any]] = {
    "image_float": lambda: converter(image_net, image()),
    "image_int8": lambda: integer(converter(image_net, image()), "int8", IMAGE),
    "image_uint8": lambda: integer(converter(image_net, image()), "uint8", IMAGE),
    "image_int16": lambda: integer(converter(image_net, image()), "int16", IMAGE),
    "fixed_batch_int8": lambda: integer(converter(fixed_batch_net, image()), "int8", IMAGE),
    "series_float": lambda: converter(series_net, series()),
    "series_int8": lambda: integer(converter(series_net, series()), "int8", SERIES),
    "mixes_batch": lambda: converter(mixing_net, image()),
    "any_size": lambda: converter(any_size_net, tf.TensorSpec((1, None, None, 1), tf.float32, "x")),
    "two_inputs": lambda: converter(two_inputs_net, image("x"), image("y")),
    "two_outputs": lambda: converter(two_outputs_net, image()),
    "picture_out": lambda: converter(picture_net, image()),
    "custom_operator": custom,
    "raw_bytes": lambda: converter(raw_bytes_net, image(dtype=tf.uint8)),
    "stateful": stateful,
}


def main() -> None:
    FILES.mkdir(exist_ok=True)
    for name, make in MAKERS.items():
        (FILES / f"{name}.tflite").write_bytes(make().convert())


if __name__ == "__main__":
    main()
