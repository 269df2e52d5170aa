"""The only user of TensorFlow, run as a process of its own: ONNX to a SavedModel to float and int8 `.tflite`.

``python -m samewhy_host.tensorflow_worker JOB.json``, where the job holds ``onnx`` (batch 1), ``samples`` (.npy, for
calibration), ``float`` and ``int8`` (files to write) and ``scratch`` (a folder for the SavedModel).
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any


def main() -> None:
    """Do the job; all that TensorFlow prints is the caller's to hide."""
    import numpy as np
    import onnx2tf
    import tensorflow as tf

    job = json.loads(Path(sys.argv[1]).read_text())
    onnx2tf.convert(
        input_onnx_file_path=job["onnx"],
        output_folder_path=job["scratch"],
        output_signaturedefs=True,
        copy_onnx_input_output_names_to_tflite=True,
        non_verbose=True,
    )
    samples = np.load(job["samples"])

    def calibration() -> Iterator[list[Any]]:
        for sample in samples:
            yield [sample[None]]

    converter = tf.lite.TFLiteConverter.from_saved_model(job["scratch"])
    Path(job["float"]).write_bytes(converter.convert())
    converter = tf.lite.TFLiteConverter.from_saved_model(job["scratch"])
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = calibration
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.int8
    Path(job["int8"]).write_bytes(converter.convert())


if __name__ == "__main__":
    main()
