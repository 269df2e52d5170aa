from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from samewhy_edge.errors import AddressError, ArtifactError
from samewhy_edge.predictor import Subject, open_predictor
from samewhy_edge.rung import artifact
from samewhy_edge.testing import check_predictor
from samewhy_host.export import to_onnx
from samewhy_host.module_file import Recipe
from samewhy_host.onnx_runtime import open_session
from samewhy_host.torch_runtime import Torch
from tests.host import small
from tests.host.small import noise, onnx_bytes

WEIGHTS = noise(24, 5)  # 2 channels of 3 x 4 positions, 5 classes


def opened(folder: Path, content: bytes, options: str = "") -> Subject:
    (folder / "model.onnx").write_bytes(content)
    return open_predictor(f"onnx:{folder / 'model.onnx'}{options}")


def expected(samples: np.ndarray) -> np.ndarray:
    return samples.transpose(0, 3, 1, 2).reshape(len(samples), 24) @ WEIGHTS


@pytest.mark.parametrize("recipe", [small.ds_cnn((8, 8, 3)), small.resnet8((9, 7, 1))], ids=["ds_cnn", "resnet8"])
def test_scores_are_those_of_torch(recipe: Recipe, tmp_path: Path) -> None:
    module, samples = small.network(recipe), noise(70, *recipe.sample)
    subject = opened(tmp_path, to_onnx(recipe, module))
    assert subject.spec.sample == recipe.sample
    np.testing.assert_allclose(subject(samples), Torch(module)(samples), rtol=0, atol=1e-5)


@pytest.mark.parametrize("batch", ["N", 1], ids=["free batch", "batch of one"])
def test_channels_and_positions_reach_their_weights(batch: int | str, tmp_path: Path) -> None:
    subject = opened(tmp_path, onnx_bytes([batch, 2, 3, 4], WEIGHTS))
    samples = noise(6, 3, 4, 2, seed=1)
    assert (subject.spec.sample, subject.spec.classes) == ((3, 4, 2), 5)
    np.testing.assert_allclose(subject(samples), expected(samples), rtol=0, atol=1e-5)


def test_samples_with_one_spatial_axis_are_taken(tmp_path: Path) -> None:
    subject = opened(tmp_path, onnx_bytes(["N", 2, 12], WEIGHTS))
    samples = noise(6, 12, 2, seed=1)
    assert subject.spec.sample == (12, 2)
    np.testing.assert_allclose(subject(samples), samples.transpose(0, 2, 1).reshape(6, 24) @ WEIGHTS, rtol=0, atol=1e-5)


@pytest.mark.parametrize("batch", ["N", 1], ids=["free batch", "batch of one"])
def test_an_opened_file_keeps_the_promises_of_a_predictor(batch: int | str, tmp_path: Path) -> None:
    checks = check_predictor(opened(tmp_path, onnx_bytes([batch, 2, 3, 4], WEIGHTS)))
    assert not [check for check in checks if not check.kept]


def test_the_rung_names_file_and_runtime(tmp_path: Path) -> None:
    rung = opened(tmp_path, onnx_bytes(["N", 2, 3, 4], WEIGHTS)).spec.rung
    assert rung.artifact == artifact(tmp_path / "model.onnx")
    assert rung.runtime.startswith("onnxruntime 1.")
    assert rung.kernels == "CPUExecutionProvider"


@pytest.mark.parametrize("shape", [["N", 2, "H", "W"], ["N", "C", 3, 4], ["N", 24], ["N", 1, 2, 3, 4]])
def test_an_input_without_a_fixed_shape_of_one_or_two_axes_is_refused(shape: list[int | str], tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=r"input shape .*expected \(N, C, \*S\) with fixed sizes"):
        opened(tmp_path, onnx_bytes(shape, WEIGHTS))


def test_two_inputs_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="2 inputs and 1 outputs; expected one of each"):
        opened(tmp_path, onnx_bytes(["N", 2, 3, 4], WEIGHTS, inputs=2))


def test_two_outputs_are_refused(tmp_path: Path) -> None:
    model = onnx.load_from_string(onnx_bytes(["N", 2, 3, 4], WEIGHTS))
    model.graph.output.append(helper.make_tensor_value_info("flat", TensorProto.FLOAT, ["N", 24]))
    with pytest.raises(ArtifactError, match="1 inputs and 2 outputs; expected one of each"):
        opened(tmp_path, model.SerializeToString())


def test_an_input_in_double_precision_is_refused(tmp_path: Path) -> None:
    content = onnx.load_from_string(onnx_bytes(["N", 2, 3, 4], WEIGHTS))
    content.graph.input[0].type.tensor_type.elem_type = TensorProto.DOUBLE
    cast = helper.make_node("Cast", ["input0"], ["real"], to=TensorProto.FLOAT)
    content.graph.node[0].input[0] = "real"
    content.graph.node.insert(0, cast)
    with pytest.raises(ArtifactError, match=r"tensor\(double\).*expected tensor\(float\)"):
        opened(tmp_path, content.SerializeToString())


def test_an_output_without_a_fixed_number_of_classes_is_refused(tmp_path: Path) -> None:
    model = onnx.load_from_string(onnx_bytes(["N", 2, 3, 4], WEIGHTS))
    model.graph.node[-1].CopyFrom(helper.make_node("Compress", ["flat", "chosen"], ["scores"], axis=1))
    model.graph.initializer.append(numpy_helper.from_array(np.arange(24) < 7, "chosen"))
    model.graph.output[0].type.tensor_type.shape.dim[1].dim_param = "K"
    with pytest.raises(ArtifactError, match=r"expected tensor\(float\) to \(N, K\)"):
        opened(tmp_path, model.SerializeToString())


@pytest.mark.parametrize("content", [b"", b"no model", onnx_bytes(["N", 2, 3, 4], WEIGHTS)[:100]])
def test_a_broken_file_is_refused(content: bytes, tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=r"model\.onnx: ONNX Runtime refuses it"):
        opened(tmp_path, content)


def test_broken_bytes_are_refused_without_a_path() -> None:
    with pytest.raises(ArtifactError, match="the model: ONNX Runtime refuses it"):
        open_session(b"no model")


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="found no file"):
        open_predictor(f"onnx:{tmp_path / 'none.onnx'}")


def test_an_unknown_option_is_refused_with_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(AddressError, match="'kernels'; known: threads"):
        opened(tmp_path, onnx_bytes(["N", 2, 3, 4], WEIGHTS), "?kernels=reference")


def test_the_number_of_threads_reaches_the_session(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(onnx_bytes(["N", 2, 3, 4], WEIGHTS))
    session = open_session(tmp_path / "model.onnx", threads=3)
    assert session.get_session_options().intra_op_num_threads == 3
