"""The only user of TensorFlow, run as a process of its own: ONNX to a SavedModel to float and quantized `.tflite`.

``python -m samewhy_host.tensorflow_worker JOB.json``, where the job holds ``onnx`` (batch 1), ``samples`` (.npy, for
calibration), ``float`` and ``quantized`` (files to write), ``scheme`` (of `samewhy_host.schemes`) and ``scratch`` (a
folder for the SavedModel).
"""

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

Settings = Callable[[Any, Any], None]  # of TensorFlow and a converter


def main() -> None:
    """Do the job; all that TensorFlow prints is the caller's to hide."""
    import numpy as np
    import onnx2tf

    job = json.loads(Path(sys.argv[1]).read_text())
    onnx2tf.convert(
        input_onnx_file_path=job["onnx"],
        output_folder_path=job["scratch"],
        output_signaturedefs=True,
        copy_onnx_input_output_names_to_tflite=True,
        non_verbose=True,
    )
    real = converted(job["scratch"])
    Path(job["float"]).write_bytes(real)
    samples = np.load(job["samples"])
    scheme = job["scheme"]
    four = scheme in FOUR_BITS
    content = of_four_bits(real, samples, FOUR_BITS[scheme]) if four else converted(job["scratch"], scheme, samples)
    Path(job["quantized"]).write_bytes(content)


def converted(saved: str, scheme: str | None = None, samples: Any = ()) -> bytes:
    """A `.tflite` of a SavedModel; without a scheme it is float."""
    import tensorflow as tf

    def calibration() -> Iterator[list[Any]]:
        for sample in samples:
            yield [sample[None]]

    converter = tf.lite.TFLiteConverter.from_saved_model(saved)
    if scheme is not None:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = calibration
        TENSORFLOW[scheme](tf, converter)
    return bytes(converter.convert())


def int8(tf: Any, converter: Any) -> None:
    """Integers throughout; weights have a scale a channel."""
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.int8


def int8_per_tensor(tf: Any, converter: Any) -> None:
    """One scale for all weights of a layer, as older accelerators want it."""
    int8(tf, converter)
    converter._experimental_disable_per_channel = True


def int16x8(tf: Any, converter: Any) -> None:
    """Activations of 16 bits."""
    operators = tf.lite.OpsSet.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8
    converter.target_spec.supported_ops = [operators]
    converter.inference_input_type = converter.inference_output_type = tf.int16


def float16(tf: Any, converter: Any) -> None:
    """Weights of 16 bits, arithmetic in float."""
    converter.representative_dataset = None
    converter.target_spec.supported_types = [tf.float16]


def dynamic_range(tf: Any, converter: Any) -> None:
    """Weights of 8 bits; the kernels find the range of activations when they run."""
    converter.representative_dataset = None


TENSORFLOW: dict[str, Settings] = {
    "int8": int8,
    "int8-per-tensor": int8_per_tensor,
    "int16x8": int16x8,
    "float16": float16,
    "dynamic-range": dynamic_range,
}
FOUR_BITS: dict[str, int | None] = {  # bits of activations; None where the kernels find their range
    "int8x4": 8,
    "int16x4": 16,
    "dynamic-range-int4": None,
}


def of_four_bits(real: bytes, samples: Any, activations: int | None) -> bytes:
    """A `.tflite` with weights of four bits, made of the float file; `activations` are the bits of activations."""
    from ai_edge_quantizer.qtyping import TFLOperationName
    from ai_edge_quantizer.quantizer import Quantizer
    from ai_edge_quantizer.recipe_manager import RecipeManager

    everything = (".*", TFLOperationName.ALL_SUPPORTED)
    recipe = RecipeManager()
    if activations is None:
        recipe.add_dynamic_config(*everything, num_bits=4)
        return bytes(Quantizer(real, recipe.get_quantization_recipe()).quantize().quantized_model)
    recipe.add_static_config(*everything, activation_num_bits=activations, weight_num_bits=4)
    ranges = ranges_of(real, samples, recipe)
    return bytes(Quantizer(real, recipe.get_quantization_recipe()).quantize(ranges).quantized_model)


def ranges_of(real: bytes, samples: Any, recipe: Any) -> Any:
    """Smallest and largest value of each tensor over all samples, as TensorFlow's converter takes them.

    The package's own choice is a moving average, which cuts off what is rare.
    """
    from ai_edge_quantizer.calibrator import Calibrator
    from ai_edge_quantizer.utils.calibration_utils import min_max_update
    from ai_edge_quantizer.utils.tfl_interpreter_utils import create_tfl_interpreter

    ((signature, ends),) = create_tfl_interpreter(real).get_signature_list().items()
    (entry,) = ends["inputs"]
    calibrator = Calibrator(real, num_threads=1)
    data = {signature: ({entry: sample[None]} for sample in samples)}
    calibrator.calibrate(data, recipe, qsv_update_func=min_max_update)
    return calibrator.get_model_qsvs()


if __name__ == "__main__":
    main()
