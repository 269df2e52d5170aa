"""Our server, asked by NVIDIA's client."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from samewhy_edge import open_predictor
from samewhy_edge.testing import random_samples
from tests.edge.serving import port_of, served
from tests.golden import golden

http = pytest.importorskip("tritonclient.http", reason="asks our server as others do; pip install 'samewhy[dev]'")
NAMES = ("image_int8", "image_uint8", "image_int16", "series_float")


@pytest.fixture(scope="module", params=NAMES)
def served_file(request: pytest.FixtureRequest) -> Iterator[tuple[Any, Any]]:
    """A client, and the subject that it asks."""
    subject = open_predictor(golden(request.param))
    with served(subject, name="m") as listener:
        client = http.InferenceServerClient(f"127.0.0.1:{port_of(listener)}")
        yield client, open_predictor(golden(request.param))
        client.close()


def test_it_finds_the_server_and_the_model(served_file: tuple[Any, Any]) -> None:
    client, subject = served_file
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("m")
    assert client.is_model_ready("m", "1")
    assert not client.is_model_ready("n")
    assert client.get_server_metadata()["name"] == "samewhy"
    found = client.get_model_metadata("m", "1")
    assert found["inputs"][0]["shape"] == [-1, *subject.spec.sample]
    assert found["outputs"][0]["shape"] == [-1, subject.spec.classes]


@pytest.mark.parametrize("answered", [False, True, None], ids=["JSON back", "bytes back", "as it likes"])
@pytest.mark.parametrize("sent", [False, True], ids=["JSON", "bytes"])
def test_it_gets_the_scores_of_the_file_bit_for_bit(
    served_file: tuple[Any, Any], sent: bool, answered: bool | None
) -> None:
    client, subject = served_file
    samples = random_samples(subject, 5)
    given = http.InferInput("samples", samples.shape, "FP32")
    given.set_data_from_numpy(samples, binary_data=sent)
    wanted = None if answered is None else [http.InferRequestedOutput("scores", binary_data=answered)]
    found = client.infer("m", [given], outputs=wanted, request_id="7", model_version="1")
    assert found.as_numpy("scores").tobytes() == subject(samples).tobytes()
    assert found.get_response()["id"] == "7"


@pytest.mark.parametrize("sent", [False, True], ids=["JSON", "bytes"])
def test_it_asks_by_codes_too(served_file: tuple[Any, Any], sent: bool) -> None:
    client, subject = served_file
    if not subject.coded:
        pytest.skip("this file takes real numbers")
    codes = subject.spec.input.encode(random_samples(subject, 5))
    given = http.InferInput("samples", codes.shape, codes.dtype.name.upper())
    given.set_data_from_numpy(codes, binary_data=sent)
    assert client.infer("m", [given]).as_numpy("scores").tobytes() == subject.coded(codes).tobytes()


def test_it_is_told_what_is_wrong(served_file: tuple[Any, Any]) -> None:
    client, _ = served_file
    given = http.InferInput("samples", (1, 2), "FP32")
    given.set_data_from_numpy(np.zeros((1, 2), np.float32))
    with pytest.raises(http.InferenceServerException, match=r"samples have shape \(1, 2\), expected \(N, "):
        client.infer("m", [given])
    with pytest.raises(http.InferenceServerException, match="no model n; known: m of version 1"):
        client.infer("n", [given])
    with pytest.raises(http.InferenceServerException, match="a compressed body; expected a plain one"):
        client.infer("m", [given], request_compression_algorithm="gzip")
