import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, final

import numpy as np
import onnx
import pytest
import torch
from ai_edge_litert import schema_py_generated as schema

from samewhy_edge.arrays import Samples
from samewhy_edge.errors import ArtifactError, GateError
from samewhy_edge.litert import KERNELS
from samewhy_edge.predictor import open_predictor
from samewhy_host import quantize
from samewhy_host.export import to_onnx
from samewhy_host.module_file import build
from samewhy_host.quantize import (
    drift,
    ends,
    first_runnable,
    gate_float,
    gate_quantized,
    noisiest,
    runnable,
    sqnr,
    tensors,
    to_tflite,
    trouble,
)
from samewhy_host.schemes import SCHEMES, Quantize, Scheme
from samewhy_host.train import train
from tests.host import small
from tests.worlds import additive, subject

SAMPLE = (16, 16, 1)


@final
@dataclass(frozen=True)
class Converted:
    """A trained network of eight channels, as ONNX and as both TFLite files."""

    onnx: Path
    before: bytes  # of the ONNX file, before it was converted
    float: Path
    int8: Path
    calibration: Samples
    samples: Samples  # others, of the same kind


@pytest.fixture(scope="session")
def converted(tmp_path_factory: pytest.TempPathFactory) -> Converted:
    folder = tmp_path_factory.mktemp("converted")
    recipe = small.ds_cnn(SAMPLE)
    torch.manual_seed(0)
    module = build(recipe.factory, recipe.options)
    train(module, small.split(96, SAMPLE), replace(small.QUICK, epochs=10), 0, folder / "checkpoint.pt")
    content = to_onnx(recipe, module)
    (folder / "model.onnx").write_bytes(content)
    calibration = small.split(48, SAMPLE, seed=4).samples
    real, integer = to_tflite(folder / "model.onnx", calibration, folder)
    return Converted(
        folder / "model.onnx", content, real, integer, calibration, small.split(60, SAMPLE, seed=5).samples
    )


def report(**changed: Any) -> dict[str, Any]:
    good = {
        "input": {"scale": 0.004, "zero_point": -128, "max_error_steps": 0.5},
        "label_agreement": 1.0,
        "sqnr_db": 30.0,
        "distinct_outputs": 1.0,
    }
    return good | changed


@pytest.mark.slow
def test_colour_images_and_residual_connections_are_converted_without_a_network(tmp_path: Path) -> None:
    """Without pictures of its own, onnx2tf would fetch some; with a free batch it mistakes the axes of an addition."""
    recipe = small.resnet8((16, 16, 3), width=4)
    (tmp_path / "model.onnx").write_bytes(to_onnx(recipe, small.network(recipe)))
    samples = small.noise(24, 16, 16, 3)
    real, _ = to_tflite(tmp_path / "model.onnx", samples, tmp_path)
    assert gate_float(tmp_path / "model.onnx", real, samples)["max_difference"] <= 1e-3
    assert "http" not in (tmp_path / "tensorflow.log").read_text()


@pytest.mark.slow
def test_the_float_file_answers_like_onnx_and_its_gate_says_so(converted: Converted) -> None:
    report = gate_float(converted.onnx, converted.float, converted.samples)
    found = open_predictor(f"litert:{converted.float}")(converted.samples)
    expected = open_predictor(f"onnx:{converted.onnx}")(converted.samples)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-3)
    assert report["max_difference"] <= 1e-3


@pytest.mark.slow
def test_no_transpose_is_left_in_either_file(converted: Converted) -> None:
    for path in (converted.float, converted.int8):
        operators = quantize.operators_of(path)
        assert "TRANSPOSE" not in operators
        assert operators.count("DEPTHWISE_CONV_2D") == 4
    assert gate_float(converted.onnx, converted.float, converted.samples)["operators"] == list(
        quantize.operators_of(converted.float)
    )


@pytest.mark.slow
def test_the_int8_gate_reports_its_scales_and_what_was_lost(converted: Converted) -> None:
    report = gate_quantized(converted.float, converted.int8, converted.samples)
    spec = open_predictor(f"litert:{converted.int8}?kernels=reference").spec
    assert spec.input is not None
    assert spec.output is not None
    assert report["input"]["scale"] == spec.input.scale
    assert report["input"]["zero_point"] == spec.input.zero_point == -128
    assert report["input"]["scale"] == pytest.approx(1 / 255, rel=0.03)  # calibrated on samples of [0, 1]
    assert report["output"] == {"scale": spec.output.scale, "zero_point": spec.output.zero_point}
    assert report["input"]["max_error_steps"] <= 0.51
    real, integer = (
        open_predictor(f"litert:{path}?kernels=reference")(converted.samples)
        for path in (converted.float, converted.int8)
    )
    assert report["label_agreement"] == np.mean(real.argmax(1) == integer.argmax(1)) >= 0.9
    assert report["sqnr_db"] == sqnr(real, integer) > 10
    assert report["samples"] == 60
    assert json.loads(json.dumps(report)) == report


@pytest.mark.slow
@pytest.mark.parametrize("by", [4.0, -1.0], ids=["too large", "negative"])
def test_samples_outside_the_calibrated_range_do_not_pass(by: float, converted: Converted) -> None:
    """As if the file had been calibrated with samples of a fourth of the range, or of the other sign."""
    with pytest.raises(GateError, match=r"samples fall outside the input's range by .*the noisiest layer is \S+"):
        gate_quantized(converted.float, converted.int8, converted.samples * np.float32(by))


@pytest.mark.slow
def test_a_float_file_has_no_integer_ends(converted: Converted) -> None:
    with pytest.raises(GateError, match="an end of the file is not int8"):
        gate_quantized(converted.float, converted.float, converted.samples)


@pytest.mark.slow
@pytest.mark.parametrize("layer", ["stem", "block2/depthwise", "block3/pointwise"])
def test_a_float_file_of_other_weights_is_found_by_the_name_of_the_layer(
    layer: str, converted: Converted, tmp_path: Path
) -> None:
    changed, node = small.with_moved_weights(converted.before, layer)
    (tmp_path / "changed.onnx").write_bytes(changed)
    with pytest.raises(GateError, match=rf"the first layer that differs is {node};"):
        gate_float(tmp_path / "changed.onnx", converted.float, converted.samples[:8])


@pytest.mark.slow
def test_a_transpose_is_refused(converted: Converted, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quantize, "operators_of", lambda _: ("CONV_2D", "TRANSPOSE"))
    with pytest.raises(GateError, match=r"TRANSPOSE is left in float\.tflite \(CONV_2D, TRANSPOSE\)"):
        gate_float(converted.onnx, converted.float, converted.samples[:2])


@pytest.mark.slow
def test_a_conversion_leaves_the_onnx_file_as_it_is(converted: Converted) -> None:
    assert converted.onnx.read_bytes() == converted.before


@pytest.mark.slow
def test_the_same_calibration_gives_the_same_files(converted: Converted, tmp_path: Path) -> None:
    real, integer = to_tflite(converted.onnx, converted.calibration, tmp_path)
    assert integer.read_bytes() == converted.int8.read_bytes()
    assert real.read_bytes() == converted.float.read_bytes()


@pytest.mark.slow
def test_a_conversion_that_stops_is_told_with_the_place_of_its_log(tmp_path: Path) -> None:
    model = onnx.load_from_string(small.onnx_bytes(["N", 1, 4, 4], small.noise(16, 3)))
    model.graph.node[-1].op_type = "NoSuchOperator"
    (tmp_path / "model.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(GateError, match="the converter stopped") as caught:
        to_tflite(tmp_path / "model.onnx", small.noise(2, 4, 4, 1), tmp_path)
    assert str(tmp_path / "tensorflow.log") in str(caught.value)
    assert "NoSuchOperator" in (tmp_path / "tensorflow.log").read_text()


def test_a_file_that_is_no_onnx_is_told(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_text("no model")
    with pytest.raises(GateError, match=r"model\.onnx"):
        to_tflite(tmp_path / "model.onnx", small.noise(2, *SAMPLE), tmp_path)


@pytest.mark.parametrize(
    ("log", "found"),
    [
        ("INFO: fine\nERROR: onnx_op_name: wa/block1/Conv\nValueError: no", "at layer block1/Conv; give"),
        ("ERROR: onnx_op_name: /block1/Conv\n", "at layer /block1/Conv; give"),
        ("Traceback\nValueError: no\nRuntimeError: that is why\nbye", r"\(RuntimeError: that is why\); check"),
        ("", r"\(it gave no reason\); check"),
    ],
)
def test_where_the_converter_stopped_is_read_from_its_log(log: str, found: str) -> None:
    assert re.match(found, quantize.stopped_at(log))


def test_the_copy_to_convert_takes_one_sample_and_the_file_stays(tmp_path: Path) -> None:
    content = small.onnx_bytes(["N", 1, 4, 4], small.noise(16, 3))
    (tmp_path / "model.onnx").write_bytes(content)
    quantize.write_single(tmp_path / "model.onnx", tmp_path / "single.onnx")
    graph = onnx.load(tmp_path / "single.onnx").graph
    ends = [graph.input[0], graph.output[0]]
    assert [[dim.dim_value for dim in end.type.tensor_type.shape.dim] for end in ends] == [[1, 1, 4, 4], [1, 3]]
    assert (tmp_path / "model.onnx").read_bytes() == content


@pytest.mark.slow
def test_inner_tensors_are_decoded_and_named_alike_in_both_files(converted: Converted) -> None:
    samples = converted.samples[:5]
    real, integer = tensors(converted.float, samples), tensors(converted.int8, samples)
    shared = [name for name in real if name in integer]
    assert len(shared) >= 9  # a stem, four blocks of two, and the classifier
    assert all(real[name].shape == integer[name].shape for name in shared)
    assert all(sqnr(real[name], integer[name]) > 10 for name in shared)


@pytest.mark.slow
def test_inner_tensors_hold_the_scores(converted: Converted) -> None:
    expected = open_predictor(f"litert:{converted.int8}?kernels=reference")(converted.samples[:5])
    assert any(np.array_equal(values, expected) for values in tensors(converted.int8, converted.samples[:5]).values())


@pytest.mark.slow
def test_the_noisiest_layer_is_that_of_the_lowest_ratio(converted: Converted) -> None:
    samples = converted.samples[:4]
    real, integer = tensors(converted.float, samples), tensors(converted.int8, samples)
    name, noise = noisiest(converted.float, converted.int8, samples)
    assert noise == min(sqnr(real[one], integer[one]) for one in real if one in integer)
    assert sqnr(real[name], integer[name]) == noise


def test_where_no_tensor_is_shared_the_noisiest_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quantize, "tensors", lambda path, *_: {str(path): np.zeros((1, 2), np.float32)})
    name, noise = noisiest(Path("a"), Path("b"), small.noise(1, 2, 2, 1))
    assert name == "unknown"
    assert np.isnan(noise)


@pytest.mark.parametrize(
    ("signal", "noisy", "ratio"),
    [
        ([1, 1, 1, 1], [1.1, 0.9, 1.1, 0.9], 20),
        ([3, 4], [3, 3], 10 * np.log10(25)),
        ([1, 2], [0, 0], 0),
        ([1, 0], [11, 0], -20),
        ([1, 2], [1, 2], 200),
        ([0, 0], [0, 0], 200),
        ([0, 0], [0, 1], -200),
    ],
)
def test_the_ratio_is_that_of_signal_power_to_noise_power(
    signal: Sequence[float], noisy: Sequence[float], ratio: float
) -> None:
    found = sqnr(np.array(signal, np.float32), np.array(noisy, np.float32))
    assert found == pytest.approx(ratio, abs=1e-5)


def test_the_ratio_does_not_depend_on_the_unit() -> None:
    signal, noisy = small.noise(8, 5), small.noise(8, 5, seed=1)
    assert sqnr(signal, noisy) == pytest.approx(sqnr(64 * signal, 64 * noisy), abs=1e-6)


def test_drift_counts_labels_and_distinct_answers() -> None:
    expected = np.array([[1, 0], [0, 1], [1, 0], [0, 1]], np.float32)
    found = np.array([[1, 0], [1, 0], [1, 0], [0, 3]], np.float32)
    measured = drift(expected, found)
    assert measured["label_agreement"] == 0.75
    assert measured["distinct_outputs"] == 0.5
    assert measured["sqnr_db"] == sqnr(expected, found)


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"input": {"max_error_steps": 1.5}}, "samples fall outside the input's range by 1.5 steps, at most 1 is"),
        ({"distinct_outputs": 0.05}, "only 5.0% of the outputs are distinct"),
        ({"label_agreement": 0.85}, "labels agree on 85.0% of the samples, at least 90% is expected"),
        ({"sqnr_db": 9.9}, "scores have an SQNR of 9.9 dB, at least 10 dB is expected"),
        ({"sqnr_db": float("nan")}, "scores have an SQNR of nan dB"),
    ],
)
def test_every_limit_is_told_when_it_is_broken(changed: dict[str, Any], sentence: str) -> None:
    assert str(trouble(report(**changed))).startswith(sentence)


@pytest.mark.parametrize(
    "changed", [{}, {"label_agreement": 0.9}, {"sqnr_db": 10.0}, {"input": {"max_error_steps": 1.0}}]
)
def test_what_stays_within_the_limits_is_no_trouble(changed: dict[str, Any]) -> None:
    assert trouble(report(**changed)) is None


def test_the_study_says_how_much_may_be_lost() -> None:
    lossy = report(label_agreement=0.7, sqnr_db=4.0)
    assert trouble(lossy, Quantize(labels=0.7, sqnr=4.0)) is None
    assert str(trouble(lossy, Quantize(labels=0.71, sqnr=4.0))).startswith("labels agree on 70.0% of the samples")
    assert trouble(lossy, Quantize(labels=0.7, sqnr=5)) == (
        "scores have an SQNR of 4.0 dB, at least 5 dB is expected (sqnr of [quantize])"
    )


def test_a_range_is_as_wide_in_steps_of_sixteen_bits_as_in_steps_of_eight() -> None:
    near, far = ({"input": {"max_error_steps": steps}} for steps in (256.0, 257.0))
    assert trouble(report(**near), Quantize("int16x8")) is None
    assert "outside the input's range by 257 steps, at most 256" in str(trouble(report(**far), Quantize("int16x8")))


def test_where_the_ends_hold_real_numbers_no_range_is_in_trouble() -> None:
    real = {key: value for key, value in report().items() if key != "input"}
    assert trouble(real, Quantize("float16")) is None


def test_ends_are_those_of_the_scheme_or_refused() -> None:
    real, samples = subject(additive(4, 4, 1), (4, 4, 1), 3), small.noise(2, 4, 4, 1)
    with pytest.raises(GateError, match="int8 quantization: an end of the file is not int8; expected integer input"):
        ends(real, samples)
    with pytest.raises(GateError, match="int16x8 quantization: an end of the file is not int16"):
        ends(real, samples, Quantize("int16x8"))
    assert ends(real, samples, Quantize("float16")) == {}


def test_integer_ends_are_refused_where_the_scheme_has_real_ones() -> None:
    integer = open_predictor("litert:models/fashion_ds_cnn/int8.tflite?kernels=reference")
    with pytest.raises(GateError, match="float16 quantization: an end of the file is not float; expected real input"):
        ends(integer, small.noise(2, 28, 28, 1), Quantize("float16"))


def refusing(*kernels: str) -> Any:
    """What opens an address, unless it names one of these kernels."""

    def opened(address: str) -> None:
        if address.partition("kernels=")[2] in kernels:
            raise ArtifactError(f"{address}: no such operator")

    return opened


def test_kernels_that_do_not_run_a_file_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quantize, "open_predictor", refusing("reference"))
    kernels, refused = runnable(Path("a.tflite"))
    assert kernels == ["xnnpack", "builtin"]
    assert refused == {"reference": "litert:a.tflite?kernels=reference: no such operator"}
    assert first_runnable(Path("a.tflite")) == "builtin"


def test_a_file_that_no_kernels_run_stops_at_its_gate(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quantize, "open_predictor", refusing("reference", "builtin", "xnnpack"))
    with pytest.raises(GateError, match=r"no kernels of the installed runtime run .*xnnpack: no such operator; "):
        first_runnable(Path("a.tflite"))


@pytest.fixture(scope="session")
def by_scheme(converted: Converted, tmp_path_factory: pytest.TempPathFactory) -> Callable[[Scheme], Path]:
    """The quantized file of each scheme, made when it is first asked for."""

    @cache
    def make(scheme: Scheme) -> Path:
        if scheme == "int8":
            return converted.int8
        folder = tmp_path_factory.mktemp(scheme)
        return to_tflite(converted.onnx, converted.calibration, folder, Quantize(scheme))[1]

    return make


WEIGHTS = {  # the type of the classifier's weights, and whether each of its three rows has a scale of its own
    "int8": ("INT8", True),
    "int8-per-tensor": ("INT8", False),
    "int16x8": ("INT8", True),
    "int8x4": ("INT4", True),
    "int16x4": ("INT4", True),
    "dynamic-range-int4": ("INT4", True),
}


@pytest.mark.slow
@pytest.mark.parametrize("scheme", WEIGHTS)
def test_weights_have_the_bits_and_the_scales_of_the_scheme(
    scheme: Scheme, by_scheme: Callable[[Scheme], Path]
) -> None:
    graph = schema.Model.GetRootAs(by_scheme(scheme).read_bytes(), 0).Subgraphs(0)
    named = {value: name for name, value in vars(schema.TensorType).items()}
    tensors = [graph.Tensors(i) for i in range(graph.TensorsLength())]
    (weights,) = (one for one in tensors if one.ShapeLength() == 2 and list(one.ShapeAsNumpy()) == [3, 8])
    several = weights.Quantization().ScaleLength() == 3
    assert (named[weights.Type()], several) == WEIGHTS[scheme]


@pytest.mark.slow
@pytest.mark.parametrize("scheme", SCHEMES)
def test_every_scheme_is_asked_on_every_kernel_set_and_passes_its_gate(
    scheme: Scheme, converted: Converted, by_scheme: Callable[[Scheme], Path]
) -> None:
    path, how = by_scheme(scheme), Quantize(scheme)
    kernels, refused = runnable(path)
    assert (kernels, refused) == (list(KERNELS), {})
    report = gate_quantized(converted.float, path, converted.samples, how)
    assert ("input" in report) == (how.kind.ends is not None)
    expected = open_predictor(f"litert:{converted.float}")(converted.samples)
    for one in kernels:
        asked = open_predictor(f"litert:{path}?kernels={one}")
        assert {end.dtype if end else None for end in (asked.spec.input, asked.spec.output)} == {how.kind.ends}
        assert sqnr(expected, asked(converted.samples)) > 10


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["int8x4", "int16x4"])
def test_ranges_of_four_bit_files_are_those_of_all_calibration_samples(
    scheme: Scheme, converted: Converted, by_scheme: Callable[[Scheme], Path]
) -> None:
    """A moving average, the package's default, cuts off what few samples reach."""
    entry = open_predictor(f"litert:{by_scheme(scheme)}").spec.input
    assert entry is not None
    assert entry.span()[1] == pytest.approx(converted.calibration.max(), rel=0.01)


@pytest.mark.slow
def test_the_finer_scheme_loses_less(converted: Converted, by_scheme: Callable[[Scheme], Path]) -> None:
    def noise(scheme: Scheme) -> float:
        return float(gate_quantized(converted.float, by_scheme(scheme), converted.samples, Quantize(scheme))["sqnr_db"])

    assert noise("float16") > noise("int16x8") > noise("int8") > noise("int8x4")
    assert noise("dynamic-range") > noise("dynamic-range-int4")


@pytest.mark.slow
def test_weights_are_no_layer_whose_noise_counts(converted: Converted, by_scheme: Callable[[Scheme], Path]) -> None:
    """Their codes are decoded with a scale a channel, which a tensor's own pair of numbers does not hold."""
    assert noisiest(converted.float, by_scheme("int16x8"), converted.samples[:4])[1] > 10
