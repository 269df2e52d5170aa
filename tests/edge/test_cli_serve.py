import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from samewhy_edge import open_predictor
from samewhy_edge.cli_serve import address_of, checked_name, is_loopback, model_name, token_of
from samewhy_edge.errors import InputError
from samewhy_edge.testing import random_samples
from tests.edge.serving import served
from tests.edge.test_cli import Outcome, one_sentence, samewhy, saved
from tests.golden import FILES, golden

__all__ = ["samewhy"]  # the fixture
FILE = FILES / "image_int8.tflite"


@contextmanager
def started(*words: object, **environment: str) -> Iterator[tuple["subprocess.Popen[str]", str]]:
    """A server in a process of its own, and its address, once it listens."""
    command = [sys.executable, "-m", "samewhy_edge.cli", "serve", *map(str, words), "--port", "0", "--threads", "1"]
    wanted = {**os.environ, "PYTHONUNBUFFERED": "1", **environment}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=wanted) as process:
        try:
            yield (
                process,
                next(found[1] for line in process.stdout or () if (found := re.search("ask it at (.*)", line))),
            )
        finally:
            process.kill()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_bare_file_is_served_until_a_signal_and_the_end_is_clean(number: int) -> None:
    home = open_predictor(golden("image_int8"))
    with started(FILE) as (process, address):
        assert address.endswith("/image_int8")
        assert np.array_equal(open_predictor(address)(random_samples(home, 3)), home(random_samples(home, 3)))
        process.send_signal(number)
        said, complaints = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "stopping: what has begun is answered" in said
    assert re.search(r"4 samples answered in \d batches", said)
    assert "Traceback" not in complaints
    assert "without a token" not in complaints


def test_the_token_of_the_environment_is_wanted_and_the_address_of_all_is_warned_of(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with started(golden("image_int8"), SAMEWHY_TOKEN="secret") as (_, address):
        monkeypatch.setenv("MINE", "secret")
        assert open_predictor(f"{address}?token_env=MINE").spec.classes == 3
    with started(FILE, "--host", "0.0.0.0", SAMEWHY_TOKEN="") as (process, _):
        process.send_signal(signal.SIGTERM)
        _, complaints = process.communicate(timeout=60)
    assert "listening on 0.0.0.0 without a token: whoever reaches this machine can ask; give --token-file" in complaints


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["nothing.tflite"], "found no file, expected a model file"),
        (["model"], "expected runtime:path"),
        ([FILE, "--name", "a/b"], "--name a/b: expected letters, digits, '.', '_' and '-'"),
        ([FILE, "--token-file", "nothing.txt"], "--token-file nothing.txt: cannot be read"),
        ([FILE, "--host", "192.0.2.1"], "192.0.2.1:8080 cannot be listened on"),
    ],
)
def test_what_cannot_be_served_is_one_sentence_and_exit_code_two(words: list[Any], sentence: str) -> None:
    command = [sys.executable, "-m", "samewhy_edge.cli", "serve", *map(str, words), "--threads", "1"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    said = [line for line in done.stderr.splitlines() if line.startswith("samewhy: ")]
    assert done.returncode == 2
    assert len(said) == 1
    assert sentence in said[0]


@pytest.mark.parametrize(
    ("text", "address", "name"),
    [
        ("m.tflite", "litert:m.tflite", "m"),
        ("folder/my model.tflite", "litert:folder/my model.tflite", "my-model"),
        ("m.onnx", "onnx:m.onnx", "m"),
        ("litert:a/m.tflite?kernels=reference", "litert:a/m.tflite?kernels=reference", "m"),
        ("http://pi:8080/int8?tries=2", "http://pi:8080/int8?tries=2", "int8"),
        ("litert:ü.tflite", "litert:ü.tflite", "-"),
    ],
)
def test_a_file_has_its_runtime_and_its_name(text: str, address: str, name: str) -> None:
    assert (address_of(text), model_name(address)) == (address, name)
    assert checked_name(name) == name


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "localhost", "::1"])
def test_these_hosts_are_this_machine(host: str) -> None:
    assert is_loopback(host)
    assert not any(is_loopback(other) for other in ("0.0.0.0", "::", "192.168.1.2", "pi.local"))


def test_the_token_is_that_of_the_file_before_that_of_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SAMEWHY_TOKEN", " from here ")
    (tmp_path / "token").write_text("from there\n")
    assert token_of(tmp_path / "token") == "from there"
    assert token_of(None) == "from here"
    monkeypatch.delenv("SAMEWHY_TOKEN")
    assert token_of(None) is None
    (tmp_path / "token").write_text("\n")
    with pytest.raises(InputError, match="it is empty; expected a file with the token"):
        token_of(tmp_path / "token")


def test_check_tells_how_a_served_file_is_reached(samewhy: Callable[..., Outcome]) -> None:
    with served() as listener:
        code, said, _ = samewhy("check", listener.url)
    assert code == 0
    assert said.count("kept") == 7
    assert f"by way of {listener.url.removesuffix('/model')}/v2/models/model, binary" in " ".join(said.split())


def record(folder: Path) -> Any:
    return json.loads((folder / "records" / "occlusion.json").read_text())


def test_a_record_over_the_wire_is_that_of_the_served_file_and_names_the_wire(
    samewhy: Callable[..., Outcome], tmp_path: Path
) -> None:
    home = open_predictor(golden("image_int8"))
    source = saved(tmp_path, random_samples(home, 2))
    samewhy("explain", golden("image_int8"), "--input", source, "--out", tmp_path / "home")
    with served(home, open_predictor(golden("image_int8"))) as listener:
        code, _, _ = samewhy("explain", listener.url, "--input", source, "--out", tmp_path / "away")
    assert code == 0
    here, there = record(tmp_path / "home"), record(tmp_path / "away")
    assert there.pop("wire").endswith("/v2/models/model, binary")
    assert here.pop("wire") is None
    assert {**here, "seconds": 0} == {**there, "seconds": 0}
    one, other = ((tmp_path / name / "records" / "occlusion.npz").read_bytes() for name in ("home", "away"))
    assert one == other


def test_a_record_of_a_fleet_says_who_answered_how_much(samewhy: Callable[..., Outcome], tmp_path: Path) -> None:
    source = saved(tmp_path, random_samples(open_predictor(golden("image_int8")), 3))
    with served() as one, served() as other:
        address = f"fleet:{one.url},{other.url}"
        _, said, _ = samewhy("explain", address, "--input", source, "--out", tmp_path)
        shares = {path.stem: json.loads(path.read_text())["answered"] for path in (tmp_path / "records").glob("*.json")}
        samewhy("explain", address, "--input", source, "--out", tmp_path)
    assert all(set(share) == {one.url, other.url} for share in shares.values())
    asked = int(re.search(r"([\d,]+) queries asked now", said)[1].replace(",", ""))  # type: ignore[index]
    assert (
        sum(sum(share.values()) for share in shares.values()) == asked - 3
    )  # but the whole samples, for their targets
    assert record(tmp_path)["answered"] == {one.url: 0, other.url: 0}  # all remembered


@pytest.mark.filterwarnings("default::samewhy_edge.fleet.FleetWarning")
def test_a_device_that_is_left_out_is_a_sentence_on_the_screen(samewhy: Callable[..., Outcome]) -> None:
    with served() as gone:
        lost = gone.url
    with served() as one:
        code, _, said = samewhy("check", f"fleet:{one.url},{lost}?tries=1")
    assert code == 0
    assert said.startswith(f"samewhy: {lost}?tries=1 is left out (")
    assert said.count("\n") == 1


def test_a_server_that_is_gone_is_one_sentence_and_exit_code_two(samewhy: Callable[..., Outcome]) -> None:
    with served() as gone:
        lost = gone.url
    assert "cannot be reached (Connection refused)" in one_sentence(samewhy("check", f"{lost}?tries=1"))
