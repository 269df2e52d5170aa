"""ONNX to TFLite, float and quantized by a scheme, with the gates behind both."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from samewhy_edge import litert
from samewhy_edge.arrays import Samples, Scores
from samewhy_edge.errors import ArtifactError, GateError
from samewhy_edge.predictor import Subject, open_predictor
from samewhy_edge.quant import affine
from samewhy_edge.quarantine import examine
from samewhy_edge.rung import artifact
from samewhy_host.divergence import first_unmatched, onnx_layers
from samewhy_host.schemes import Quantize

FLOAT_BOUND = 1e-3  # largest |onnx - tflite float| of a score
# For colour images onnx2tf fetches pictures to compare its layers on, unless this file lies where it runs.
PICTURES = "calibration_image_sample_data_20x128x128x3_float32.npy"
INT8 = Quantize()


def to_tflite(source: Path, calibration: Samples, folder: Path, how: Quantize = INT8) -> tuple[Path, Path]:
    """``float.tflite`` and ``SCHEME.tflite`` in `folder`, made by TensorFlow in a process of its own.

    Raises:
        GateError: the conversion failed; the whole output of TensorFlow is kept in ``tensorflow.log``.
    """
    np.save(folder / "calibration.npy", calibration)
    np.save(folder / PICTURES, np.resize(calibration, (20, *calibration.shape[1:])))
    write_single(source, folder / "single.onnx")
    job = {
        "onnx": "single.onnx",
        "samples": "calibration.npy",
        "float": "float.tflite",
        "quantized": how.file,
        "scheme": how.scheme,
        "scratch": "saved_model",
    }
    (folder / "job.json").write_text(json.dumps(job))
    command = [sys.executable, "-m", "samewhy_host.tensorflow_worker", "job.json"]
    quiet = {"TF_CPP_MIN_LOG_LEVEL": "3", "TF_ENABLE_ONEDNN_OPTS": "0", "CUDA_VISIBLE_DEVICES": "-1"}
    log = folder / "tensorflow.log"
    with log.open("w") as stream:
        done = subprocess.run(
            command, cwd=folder, stdout=stream, stderr=stream, env={**os.environ, **quiet}, check=False
        )
    if done.returncode:
        raise GateError(
            f"ONNX to TFLite: the converter stopped {stopped_at(log.read_text())}; its whole output is in {log}"
        )
    return folder / "float.tflite", folder / how.file


def stopped_at(log: str) -> str:
    """Where the converter stopped, and what to try, from what it printed."""
    layer = re.search(r"onnx_op_name: (?:wa/)?(\S+)", log)
    if layer:
        return f"at layer {layer[1]}; give that operation another form in the network"
    errors = [line for line in log.splitlines() if re.match(r"\w*(Error|Exception)\b", line)]
    return f"({(errors or ['it gave no reason'])[-1]}); check that the file is a plain ONNX network with fixed sizes"


def write_single(source: Path, place: Path) -> None:
    """A copy of an ONNX file for one sample at a time.

    onnx2tf writes its simplified form over the file that it is given, and with a free batch size it mistakes the axes
    of residual connections.

    Raises:
        GateError: the file is no ONNX.
    """
    try:
        model = onnx.load(source)
    except Exception as error:  # protobuf has an error of its own for a broken file
        raise GateError(f"{source}: not readable as ONNX ({error}); export it anew") from error
    for end in (*model.graph.input, *model.graph.output):
        end.type.tensor_type.shape.dim[0].dim_value = 1
    onnx.save(model, place)


def gate_float(source: Path, tflite: Path, samples: Samples) -> dict[str, Any]:
    """Parity of the float file with ONNX, and its operators, for the manifest.

    Raises:
        GateError: scores differ by more than the bound, or a TRANSPOSE is left in the file.
    """
    operators = operators_of(tflite)
    if "TRANSPOSE" in operators:
        raise GateError(
            f"ONNX to TFLite: TRANSPOSE is left in {tflite.name} ({', '.join(operators)}); a layer between two layouts "
            "keeps its axes in the network's order; avoid reshape and permute before the classifier"
        )
    moved = np.ascontiguousarray(np.moveaxis(samples, -1, 1))
    expected = open_predictor(f"onnx:{source}")(samples)
    found = open_predictor(f"litert:{tflite}?kernels=reference")(samples)
    apart = float(np.abs(expected - found).max())
    if not apart <= FLOAT_BOUND:
        layers = onnx_layers(source.read_bytes(), moved)
        layer = first_unmatched(layers, tensors(tflite, samples).values(), FLOAT_BOUND)
        raise GateError(
            f"ONNX to TFLite float: scores differ by {apart:.3g}, at most {FLOAT_BOUND:g} is allowed; the first layer "
            f"that differs is {layer}; replace it by a plainer operation (padding and dilation are the usual causes)"
        )
    return {"max_difference": apart, "bound": FLOAT_BOUND, "samples": len(samples), "operators": list(operators)}


def gate_quantized(tflite: Path, quantized: Path, samples: Samples, how: Quantize = INT8) -> dict[str, Any]:
    """What quantization did to the scores, for the manifest.

    Raises:
        GateError: ends are not what the scheme gives, answers collapse, or scores and labels drift too far.
    """
    kernels = first_runnable(quantized)
    subject = open_predictor(f"litert:{quantized}?kernels={kernels}")
    expected, found = open_predictor(f"litert:{tflite}?kernels=reference")(samples), subject(samples)
    bounds = {"bounds": {"label_agreement": how.labels, "sqnr_db": how.sqnr}, "samples": len(samples)}
    report = {**ends(subject, samples, how), **drift(expected, found), **bounds}
    problem = trouble(report, how)
    if problem:
        layer, noise = noisiest(tflite, quantized, samples[:32], kernels)
        raise GateError(
            f"{how.scheme} quantization: {problem}; the noisiest layer is {layer} ({noise:.1f} dB); {remedy(how)}"
        )
    return report


def remedy(how: Quantize) -> str:
    """What to try where a file lost too much."""
    calibrate = "calibrate with more, and more typical, samples, or " if how.kind.calibrated else ""
    return f"{calibrate}narrow that layer's range (ReLU6, smaller weights, batch norm before it)"


def runnable(path: Path) -> tuple[list[str], dict[str, str]]:
    """The kernel sets of LiteRT that run a file, and of the others what they said."""
    refused = {}
    for kernels in litert.KERNELS:
        try:
            open_predictor(f"litert:{path}?kernels={kernels}")
        except ArtifactError as error:
            refused[kernels] = str(error)
    return [kernels for kernels in litert.KERNELS if kernels not in refused], refused


def first_runnable(path: Path) -> str:
    """The plainest kernel set that runs a file.

    Raises:
        GateError: none does.
    """
    kernels, refused = runnable(path)
    if not kernels:
        raise GateError(f"no kernels of the installed runtime run the quantized file: {'; '.join(refused.values())}")
    return kernels[-1]


def ends(subject: Subject, samples: Samples, how: Quantize = INT8) -> dict[str, Any]:
    """Scale and zero point of both ends, and whether the input's range holds the samples; nothing where they are real.

    Raises:
        GateError: an end of the file is of another type than the scheme gives.
    """
    entry, exit_ = subject.spec.input, subject.spec.output
    found = {end.dtype if end else None for end in (entry, exit_)}
    if found != {how.kind.ends}:
        expected = f"expected {'integer' if how.kind.ends else 'real'} input and output"
        raise GateError(f"{how.scheme} quantization: an end of the file is not {how.kind.ends or 'float'}; {expected}")
    if entry is None or exit_ is None:
        return {}
    back = np.abs(entry.decode(entry.encode(samples)) - samples).max()
    return {
        "input": {"scale": entry.scale, "zero_point": entry.zero_point, "max_error_steps": float(back) / entry.scale},
        "output": {"scale": exit_.scale, "zero_point": exit_.zero_point},
    }


def drift(expected: Scores, found: Scores) -> dict[str, float]:
    """Label agreement, SQNR in dB, and the share of distinct answers."""
    return {
        "label_agreement": float((expected.argmax(1) == found.argmax(1)).mean()),
        "sqnr_db": sqnr(expected, found),
        "distinct_outputs": len(np.unique(found, axis=0)) / len(found),
    }


def trouble(report: dict[str, Any], how: Quantize = INT8) -> str | None:
    """The first limit that is broken, in words."""
    outside = report["input"]["max_error_steps"] if how.kind.ends else 0.0
    if outside > how.kind.room:
        return f"samples fall outside the input's range by {outside:.4g} steps, at most {how.kind.room} is allowed"
    if report["distinct_outputs"] < 0.1:
        return f"only {report['distinct_outputs']:.1%} of the outputs are distinct"
    if report["label_agreement"] < how.labels:
        found = f"labels agree on {report['label_agreement']:.1%} of the samples"
        return f"{found}, at least {how.labels:.0%} is expected (labels of [quantize])"
    if not report["sqnr_db"] >= how.sqnr:
        found = f"scores have an SQNR of {report['sqnr_db']:.1f} dB"
        return f"{found}, at least {how.sqnr:.0f} dB is expected (sqnr of [quantize])"
    return None


def sqnr(signal: NDArray[np.float32], noisy: NDArray[np.float32]) -> float:
    """Signal to quantization noise ratio in dB; 200 where nothing was lost, -200 where there was no signal."""
    noise = float(((signal - noisy) ** 2).sum(dtype=np.float64))
    power = float((signal**2).sum(dtype=np.float64))
    if not noise or not power:
        return -200.0 if noise else 200.0
    return float(10 * np.log10(power / noise))


def noisiest(tflite: Path, quantized: Path, samples: Samples, kernels: str = "reference") -> tuple[str, float]:
    """The layer with the lowest SQNR, among the tensors that both files name alike."""
    expected, found = tensors(tflite, samples), tensors(quantized, samples, kernels)
    shared = {name: sqnr(expected[name], found[name]) for name in expected if name in found}
    return min(shared.items(), key=lambda item: item[1]) if shared else ("unknown", float("nan"))


def tensors(path: Path, samples: Samples, kernels: str = "reference") -> dict[str, NDArray[np.float32]]:
    """Every inner tensor that depends on the sample, decoded, by name: (N, ...)."""
    interpreter = litert.load(path, kernels, tensors=True)
    interpreter.allocate_tensors()
    entry = interpreter.get_input_details()[0]
    rows: dict[str, list[NDArray[np.float32]]] = {}
    for sample in samples:
        interpreter.set_tensor(entry["index"], encoded(sample[None], entry))
        interpreter.invoke()
        for detail in interpreter.get_tensor_details():
            if is_activation(detail):
                rows.setdefault(detail["name"], []).append(decoded(interpreter.get_tensor(detail["index"]), detail))
    return {name: np.concatenate(values) for name, values in rows.items()}


def is_activation(detail: dict[str, Any]) -> bool:
    """Whether a tensor may depend on the sample; what has a scale a channel is weights."""
    shape, scales = detail["shape"], detail["quantization_parameters"]["scales"]
    return len(shape) > 1 and shape[0] == 1 and bool(detail["name"]) and len(scales) <= 1


def encoded(values: Samples, detail: dict[str, Any]) -> NDArray[Any]:
    """Samples as the codes of a tensor."""
    coding = affine(detail["dtype"], *detail["quantization"])
    return coding.encode(values) if coding else values


def decoded(codes: NDArray[Any], detail: dict[str, Any]) -> NDArray[np.float32]:
    """Real values of a tensor."""
    coding = affine(detail["dtype"], *detail["quantization"]) if detail["quantization"][0] else None
    return coding.decode(codes) if coding else codes.astype(np.float32)


def operators_of(path: Path) -> tuple[str, ...]:
    """Names of the operators of a `.tflite` file, in order."""
    return examine(path, "reference", artifact(path).sha256).operators
