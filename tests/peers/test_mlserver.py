"""Our client, asking Seldon's MLServer, which runs in an environment of its own."""

import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from samewhy_edge import open_predictor
from samewhy_edge.errors import WireError
from samewhy_edge.explain import explain
from samewhy_edge.occlusion import Occlusion
from samewhy_edge.quant import Affine
from samewhy_edge.testing import check_predictor

MLSERVER = os.environ.get("MLSERVER") or shutil.which("mlserver") or ""
pytestmark = pytest.mark.skipif(not MLSERVER, reason="MLServer is not installed; make peers-test does it")
MODEL = Path(__file__).with_name("mlserver_model.py")
PLACES = [0, 7, -1]
PATIENCE = 120  # seconds until it must be ready
MODELS = {"reals": ("FP32", [-1, 4, 5, 2]), "codes": ("UINT8", [-1, 6, 6, 1]), "several": ("FP32", [3, 4, 5, 2])}


def free_ports(count: int) -> list[int]:
    taken = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports: list[int] = [one.getsockname()[1] for one in taken]
    for one in taken:
        one.close()
    return ports


def laid_out(folder: Path) -> int:
    """Settings of MLServer and of its models; the port on which it will listen."""
    http, grpc, metrics = free_ports(3)
    ports = {"http_port": http, "grpc_port": grpc, "metrics_port": metrics}
    (folder / "settings.json").write_text(json.dumps({"host": "127.0.0.1", "parallel_workers": 0, **ports}))
    for name, (datatype, shape) in MODELS.items():
        (folder / name).mkdir()
        shutil.copy(MODEL, folder / name / f"{name}_model.py")
        settings = {
            "name": name,
            "implementation": f"{name}_model.Picks",
            "inputs": [{"name": "x", "datatype": datatype, "shape": shape}],
            "outputs": [{"name": "scores", "datatype": datatype, "shape": [-1, 3]}],
        }
        (folder / name / "model-settings.json").write_text(json.dumps(settings))
    return http


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where a running MLServer is found."""
    folder = tmp_path_factory.mktemp("mlserver")
    found = f"http://127.0.0.1:{laid_out(folder)}"
    with (folder / "log").open("w") as log:
        process = subprocess.Popen([MLSERVER, "start", "."], cwd=folder, stdout=log, stderr=subprocess.STDOUT)
    try:
        end = time.monotonic() + PATIENCE
        while not opens(f"{found}/reals"):
            assert process.poll() is None, (folder / "log").read_text()
            assert time.monotonic() < end, (folder / "log").read_text()
            time.sleep(0.5)
        yield found
    finally:
        process.terminate()
        process.wait(30)


def opens(address: str) -> bool:
    try:
        open_predictor(f"{address}?tries=1")
    except WireError:
        return False
    return True


def picked(samples: Any) -> Any:
    return samples.reshape(len(samples), -1)[:, PLACES]


def noise(*shape: int) -> Any:
    return np.random.default_rng(1).uniform(-3, 3, shape).astype(np.float32)


def test_it_keeps_all_promises_and_answers_bit_for_bit(address: str) -> None:
    subject = open_predictor(f"{address}/reals")
    assert [one for one in check_predictor(subject) if not one.kept] == []
    samples = noise(100, 4, 5, 2)
    assert subject(samples).tobytes() == picked(samples).tobytes()


def test_the_rung_says_what_is_known(address: str) -> None:
    rung = open_predictor(f"{address}/reals").spec.rung
    assert rung.runtime.startswith("mlserver 1.")
    assert rung.artifact.sha256.startswith("unknown-")
    assert rung.machine == f"unknown, behind {address}"


def test_codes_are_those_that_the_address_describes(address: str) -> None:
    codes = "scale=0.25&zero_point=100&output_scale=0.25&output_zero_point=100"
    subject = open_predictor(f"{address}/codes?{codes}")
    coding = Affine(0.25, 100, "uint8")
    samples = noise(9, 6, 6, 1) * 5
    assert (subject.spec.input, subject.spec.output) == (coding, coding)
    assert np.array_equal(subject(samples), coding.decode(coding.encode(picked(samples))))


def test_a_batch_of_three_is_filled_up(address: str) -> None:
    samples = noise(7, 4, 5, 2)
    assert np.array_equal(open_predictor(f"{address}/several")(samples), picked(samples))


def test_its_maps_are_those_of_the_same_function_here(address: str) -> None:
    samples, targets, explainer = noise(2, 4, 5, 2), np.array([0, 2]), Occlusion((2,), (1,))
    here = explain(picked, samples, targets, explainer, seed=0)
    assert np.array_equal(explain(open_predictor(f"{address}/reals"), samples, targets, explainer, seed=0), here)


def test_what_it_refuses_is_told_in_its_words(address: str) -> None:
    with pytest.raises(WireError, match="refused with 404: Model nobody"):
        open_predictor(f"{address}/nobody")
