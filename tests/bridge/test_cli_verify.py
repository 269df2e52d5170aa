"""A bundle put to an emulated board: the file of models/fashion_ds_cnn, generated as C."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from samewhy_bridge.cli import firmware
from samewhy_edge import verify as verifying
from samewhy_edge.errors import InputError
from samewhy_edge.predictor import open_predictor
from samewhy_edge.record import load
from samewhy_edge.verify import equal_enough
from tests.bridge.boards import BOARD, needs_arm
from tests.edge.bundles import FILE, write_bundle


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("generated") / "ds-cnn"
    made = CliRunner().invoke(firmware, ["generate", str(FILE), "--out", str(folder)])
    assert made.exit_code == 0, made.output
    return folder


def verified(project: Path, folder: Path, *more: str) -> Result:
    bundle = write_bundle(folder / "made.samewhy")
    return CliRunner().invoke(firmware, ["verify", str(project), str(bundle), "--out", str(folder / "out"), *more])


@pytest.fixture(scope="module")
def done(project: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Result]:
    """Verified once: where, and what was printed."""
    folder = tmp_path_factory.mktemp("verified")
    return folder, verified(project, folder)


@needs_arm
def test_a_board_is_verified_beside_every_rung_of_its_file(done: tuple[Path, Result]) -> None:
    folder, said = done
    assert said.exit_code == 0, said.output
    table: dict[str, Any] = json.loads((folder / "out" / "verify.json").read_text())
    assert table["machine"].startswith("Cortex-M4 (mps2-an386), emulated by QEMU")
    assert [row["name"] for row in table["rungs"]] == ["int8-xnnpack", "int8-reference"]
    for row in table["rungs"]:
        assert row["changed"] == ["runtime", "kernels", "machine"]
        assert row["runtime"].startswith("samewhy-c ")
        assert all(one["kept"] for one in row["promises"])
        assert row["codes"]["elements"] == 100
        assert [one["queries"] for one in row["explainers"]] == [5, 9]
    assert "accuracy" in said.output


@needs_arm
def test_layers_of_a_board_are_held_against_the_bundles(done: tuple[Path, Result]) -> None:
    folder, _ = done
    rungs = json.loads((folder / "out" / "verify.json").read_text())["rungs"]
    assert rungs[0]["layers"] is None
    rows = rungs[1]["layers"]["rows"]
    assert [row["operator"] for row in rows][-2:] == ["MEAN", "FULLY_CONNECTED"]
    # the same arithmetic as that of LiteRT's reference kernels, but for the fully connected layer
    assert not any(row["differing"] for row in rows[:-1])
    assert rows[-1]["largest"] <= 1


@needs_arm
def test_what_was_asked_is_not_asked_again_and_the_records_are_the_boards(
    project: Path, done: tuple[Path, Result]
) -> None:
    folder, _ = done
    log = next((folder / "out" / "journal").glob("*.log"))
    before = log.read_bytes()
    assert verified(project, folder).exit_code == 0
    assert log.read_bytes() == before
    record, arrays = load(next((folder / "out" / "records").glob("int8-reference--occlusion*.json")))
    assert record.rung.kernels == "generated-c"
    assert record.rung.artifact.bytes == FILE.stat().st_size
    assert arrays.maps.shape[0] == 2


@needs_arm
def test_a_board_answers_as_tflite_micro(done: tuple[Path, Result]) -> None:
    pytest.importorskip("tflite_micro", reason="tflite-micro is not installed: pip install 'samewhy[bridge]'")
    folder, _ = done
    with np.load(FILE.parent / "samples.npz") as known:
        samples = known["samples"][:10]
    with np.load(folder / "out" / "scores" / "int8-reference.npz") as found:
        np.testing.assert_array_equal(found["scores"], open_predictor(f"tflm:{FILE}")(samples))


@needs_arm
def test_a_board_with_another_model_is_refused(tmp_path: Path) -> None:
    other = shutil.copytree(BOARD, tmp_path / "hash")
    done = verified(other, tmp_path)
    assert isinstance(done.exception, InputError)
    assert "holds model 0102030405" in str(done.exception)
    assert "the bundle has int8-xnnpack" in str(done.exception)


def test_the_generated_c_promises_the_codes_of_tflite_micro() -> None:
    apart = {"equal": False, "largest": 1}
    rung = verifying.Bundled("int8-tflm", "m", "0", "tflm", "tflite-micro 0.dev1", "x86")
    assert not equal_enough(rung, "samewhy-c 0.1.0", apart, None)
    assert equal_enough(rung, "ai-edge-litert 2.1.0", apart, None)
