"""The folder for TFLite Micro: text against the file, and its C++ against a stub of the library."""

import re
import subprocess
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("tflite_micro")

from samewhy_bridge import tflm
from samewhy_bridge.device import device_of
from samewhy_bridge.generate import generate
from samewhy_bridge.graph import OPERATORS
from samewhy_bridge.tflm_project import method, roomy
from samewhy_edge.errors import ArtifactError, ExtraError
from samewhy_edge.rung import artifact
from tests.bridge.boards import needs_gcc
from tests.bridge.single_ops import Coding, File, options
from tests.bridge.test_ecosystems import VENDORS, asked, program
from tests.golden import FILES

MODEL = FILES / "image_int8.tflite"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("made") / "tflm"
    generate(MODEL, "tflm", None, place)
    return place


def test_the_array_is_the_file(folder: Path) -> None:
    text = (folder / "model_data.cc").read_text()
    found = bytes(int(byte, 16) for byte in re.findall(r"0x([0-9a-f]{2})", text.partition("= {")[2]))
    assert found == MODEL.read_bytes()
    assert f"samewhy_model_data[{len(found)}]" in (folder / "model_data.h").read_text()
    assert "alignas(16)" in text


def test_the_resolver_has_the_operators_of_the_file_once_and_no_other(folder: Path) -> None:
    text = (folder / "op_resolver.h").read_text()
    assert re.findall(r"resolver\.(\w+)\(\)", text) == ["AddConv2D", "AddMean", "AddFullyConnected"]
    assert "MicroMutableOpResolver<3>" in text


def test_the_arena_has_a_margin_over_what_was_found(folder: Path) -> None:
    found = tflm.examine(MODEL, artifact(MODEL).sha256).arena
    text = (folder / "samewhy_model.h").read_text()
    (given,) = re.findall(r"SAMEWHY_ARENA_BYTES (\d+)u", text)
    assert int(given) == roomy(found)
    assert f"/* {found} bytes are enough for tflite-micro" in text
    assert [roomy(size) for size in (1, 930, 931, 10_240)] == [1024, 1024, 2048, 11_264]


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("CONV_2D", "AddConv2D"),
        ("DEPTHWISE_CONV_2D", "AddDepthwiseConv2D"),
        ("AVERAGE_POOL_2D", "AddAveragePool2D"),
        ("PADV2", "AddPadV2"),
        ("RELU6", "AddRelu6"),
        ("L2_POOL_2D", "AddL2Pool2D"),
        ("SPACE_TO_DEPTH", "AddSpaceToDepth"),
        ("SPLIT_V", "AddSplitV"),
        ("STRIDED_SLICE", "AddStridedSlice"),
        ("RESIZE_NEAREST_NEIGHBOR", "AddResizeNearestNeighbor"),
        ("LOG_SOFTMAX", "AddLogSoftmax"),
    ],
)
def test_operators_are_called_as_the_library_calls_them(kind: str, name: str) -> None:
    assert kind in OPERATORS.values()
    assert method(kind) == name


@needs_gcc
def test_its_cpp_compiles_and_runs_against_a_stub(folder: Path) -> None:
    """The stub answers the input's first code as the first score."""
    port = folder / "port_host.c"
    port.write_text('#include "port/port_host.c"\n')
    try:
        with asked(program(folder, "tflm")) as board:
            rung = board.spec.rung
            assert rung.artifact == artifact(MODEL)
            assert (rung.runtime, rung.kernels) == ("tflite-micro", "reference")
            assert device_of(board).about.layers == 0
            assert board.spec.input
            assert board.spec.output
            codes = np.arange(-60, 60, 20, dtype=np.int8)
            samples = np.broadcast_to(board.spec.input.decode(codes)[:, None, None, None], (6, 8, 8, 1))
            np.testing.assert_array_equal(board.spec.output.encode(board(samples.copy()))[:, 0], codes)
    finally:
        port.unlink()


def test_a_file_that_the_generator_does_not_know_is_exported_all_the_same(tmp_path: Path) -> None:
    file, one = File(), Coding((0.1,), (0,))
    entry, made = file.tensor((1, 4, 2), one), file.tensor((1, 8), one)
    middle = file.tensor((1, 4, 2), one)
    file.operator("ELU", [entry], middle, None)
    file.operator("RESHAPE", [middle, file.whole([1, 8])], made, options("ReshapeOptions", newShape=[1, 8]))
    (tmp_path / "m.tflite").write_bytes(file.bytes(made))
    with pytest.raises(ArtifactError, match="ELU"):
        generate(tmp_path / "m.tflite", "generic-c", None, tmp_path / "c")
    told = generate(tmp_path / "m.tflite", "tflm", None, tmp_path / "out")
    assert told["operators"] == {"ELU": 1, "RESHAPE": 1}
    assert told["macs"] == 0
    assert "AddElu" in (tmp_path / "out/op_resolver.h").read_text()


def test_without_tflite_micro_the_arena_cannot_be_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tflm, "MISSING", "tflite_micro")
    with pytest.raises(ExtraError, match="tflm needs tflite_micro"):
        generate(MODEL, "tflm", None, tmp_path / "out")


@needs_gcc
def test_no_header_is_missing(folder: Path) -> None:
    places = [folder, folder / "wire", VENDORS / "tflm"]
    for name in ("samewhy_tflm.cc", "model_data.cc"):
        command = ["g++", "-std=c++17", "-fsyntax-only", "-Wall", "-Wextra", "-Wpedantic", "-Werror"]
        subprocess.run([*command, *(f"-I{place}" for place in places), str(folder / name)], check=True)
