import json
from collections.abc import Mapping
from dataclasses import replace
from http import HTTPStatus
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from samewhy_edge import open_predictor
from samewhy_edge.batching import BusyError
from samewhy_edge.errors import WireError
from samewhy_edge.service import RefusedError, Reply, Service
from samewhy_edge.tensors import LENGTH, Tensor, packed, tensors_of, unpacked
from samewhy_edge.testing import random_samples
from tests.edge.serving import question, scores_of
from tests.edge.test_tensors import BODIES, LENGTHS
from tests.golden import golden

SUBJECT = open_predictor(golden("image_int8"))
REAL = open_predictor(golden("series_float"))
INFER = "/v2/models/model/infer"


def service(name: str = "image_int8", **changed: Any) -> Service:
    subject = open_predictor(golden(name))
    return replace(
        Service("model", subject.spec, subject.coded or subject.ask, subject.coded is not None, most=40), **changed
    )


def asked(
    one: Service, method: str, path: str, body: Any = b"", headers: Mapping[str, str] | None = None
) -> tuple[int, Any]:
    """Status and JSON of an answer, as a socket would give it."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    reply = replied(one, method, path, content, headers or {})
    return reply.status, json.loads(reply.body)


def replied(one: Service, method: str, path: str, content: bytes, headers: Mapping[str, str]) -> Reply:
    try:
        return one.answer(one.route(method, path, headers), headers, content)
    except RefusedError as refused:
        return refused.reply()


def test_the_server_says_its_name_and_that_it_takes_bytes() -> None:
    status, found = asked(service(), "GET", "/v2")
    assert (status, found["name"], found["extensions"]) == (200, "samewhy", ["binary_tensor_data"])


@pytest.mark.parametrize("path", ["/v2/models/model", "/v2/models/model/versions/1", "/v2/models/model/?x=1"])
def test_the_metadata_name_the_tensors_their_codes_and_the_rung(path: str) -> None:
    spec, (status, found) = SUBJECT.spec, asked(service(), "GET", path)
    assert status == 200
    assert spec.input
    assert spec.output
    for end, name, shape, coding in (
        ("inputs", "samples", [-1, 8, 8, 1], spec.input),
        ("outputs", "scores", [-1, 3], spec.output),
    ):
        codes = {"codes": "INT8", "scale": coding.scale, "zero_point": coding.zero_point}
        assert found[end] == [{"name": name, "datatype": "FP32", "shape": shape, "parameters": codes}]
    told, rung = found["parameters"], spec.rung
    assert (told["artifact_sha256"], told["artifact_bytes"]) == (rung.artifact.sha256, rung.artifact.bytes)
    assert (told["runtime"], told["kernels"], told["machine"]) == (rung.runtime, rung.kernels, rung.machine)
    assert found["versions"] == ["1"]


def test_ends_that_hold_real_numbers_have_no_codes() -> None:
    _, found = asked(service("series_float"), "GET", "/v2/models/model")
    assert found["inputs"] == [{"name": "samples", "datatype": "FP32", "shape": [-1, 16, 2]}]
    assert found["outputs"] == [{"name": "scores", "datatype": "FP32", "shape": [-1, 3]}]


def test_readiness_ends_when_the_server_is_being_stopped() -> None:
    one = service()
    paths = ("/v2/health/live", "/v2/health/ready", "/v2/models/model/ready", "/v2/models/model/versions/1/ready")
    assert [asked(one, "GET", path)[0] for path in paths] == [200, 200, 200, 200]
    one.closing.set()
    assert [asked(one, "GET", path)[0] for path in paths] == [200, 503, 503, 503]


@pytest.mark.parametrize(
    ("method", "path", "status", "sentence"),
    [
        ("GET", "/", 404, "nothing at /; known: /v2, /v2/models/model"),
        ("GET", "/v2/model/model", 404, "nothing at /v2/model/model"),
        ("GET", "/v2/models/model/infer/more", 404, "nothing at"),
        ("GET", "//[", 404, "nothing at"),
        ("GET", "/v2/models/other", 404, "no model other; known: model of version 1"),
        ("POST", "/v2/models/other/infer", 404, "no model other"),
        ("GET", "/v2/models/model/versions/2", 404, "no model model of version 2; known: model of version 1"),
        ("GET", INFER, 405, "GET /v2/models/model/infer: expected POST"),
        ("POST", "/v2", 405, "POST /v2: expected GET"),
    ],
)
def test_a_wrong_place_is_told_with_the_right_ones(method: str, path: str, status: int, sentence: str) -> None:
    found, body = asked(service(), method, path)
    assert found == status
    assert sentence in body["error"]


@pytest.mark.parametrize(
    ("given_token", "status"),
    [
        ({}, 401),
        ({"Authorization": "Bearer wrong"}, 401),
        ({"Authorization": "Basic secret"}, 401),
        ({"Authorization": "Bearer secret-and-more"}, 401),
        ({"Authorization": "Bearer s\xe9cret"}, 401),
        ({"Authorization": "bearer secret"}, 200),
    ],
)
def test_only_who_has_the_token_is_answered(given_token: dict[str, str], status: int) -> None:
    one = service(token="secret")
    assert asked(one, "GET", "/v2/models/model", headers=given_token)[0] == status
    assert asked(one, "GET", "/v2/models/other", headers=given_token)[0] == (404 if status == 200 else 401)
    assert asked(one, "POST", INFER, question(random_samples(SUBJECT, 1)), given_token)[0] == status
    assert asked(one, "GET", "/v2/health/live", headers=given_token)[0] == 200


@pytest.mark.parametrize("name", ["image_int8", "image_uint8", "image_int16", "series_float", "fixed_batch_int8"])
def test_samples_in_json_get_the_scores_of_the_file_bit_for_bit(name: str) -> None:
    subject = open_predictor(golden(name))
    samples = random_samples(subject, 5)
    status, found = asked(service(name), "POST", INFER, question(samples, id="seven"))
    assert (status, found["id"], found["model_name"], found["model_version"]) == (200, "seven", "model", "1")
    assert scores_of(found).tobytes() == subject(samples).tobytes()


@pytest.mark.parametrize("name", ["image_int8", "image_uint8", "image_int16"])
def test_codes_get_the_scores_of_the_file_bit_for_bit(name: str) -> None:
    subject = open_predictor(golden(name))
    assert subject.spec.input
    assert subject.coded
    codes = subject.spec.input.encode(random_samples(subject, 5))
    _, found = asked(service(name), "POST", INFER, question(codes, codes.dtype.name.upper()))
    assert scores_of(found).tobytes() == subject.coded(codes).tobytes()


@pytest.mark.parametrize(
    ("wanted", "binary"),
    [
        ({}, False),
        ({"outputs": []}, False),
        ({"outputs": [{"name": "scores"}]}, False),
        ({"outputs": [{"name": "scores", "parameters": {"binary_data": True}}]}, True),
        ({"parameters": {"binary_data_output": True}}, True),
        ({"parameters": {"binary_data_output": True}, "outputs": [{"name": "scores"}]}, True),
        (
            {
                "parameters": {"binary_data_output": True},
                "outputs": [{"name": "scores", "parameters": {"binary_data": False}}],
            },
            False,
        ),
    ],
)
@pytest.mark.parametrize("sent", [False, True])
def test_scores_come_as_they_are_wanted_however_samples_are_sent(
    wanted: dict[str, Any], binary: bool, sent: bool
) -> None:
    samples = random_samples(SUBJECT, 4)
    body, length = packed(wanted, "inputs", [Tensor("samples", samples)], sent)
    reply = replied(service(), "POST", INFER, body, {} if length is None else {LENGTH: str(length)})
    assert reply.status == 200
    assert (LENGTH in reply.headers) == binary
    (scores,) = tensors_of(unpacked(reply.body, reply.headers.get(LENGTH)), "outputs")
    assert scores.values.tobytes() == SUBJECT(samples).tobytes()


def test_no_samples_get_no_scores() -> None:
    status, found = asked(service(), "POST", INFER, question(random_samples(SUBJECT, 0)))
    assert (status, found["outputs"][0]["shape"]) == (200, [0, 3])


ONE = random_samples(SUBJECT, 1)
BAD: dict[str, tuple[Any, int, str]] = {
    "two inputs": (
        {"inputs": question(ONE)["inputs"] * 2},
        400,
        "inputs 'samples', 'samples'; expected one, 'samples'",
    ),
    "no input": ({"inputs": []}, 400, "inputs none; expected one"),
    "another name": ({"inputs": [question(ONE)["inputs"][0] | {"name": "x"}]}, 400, "inputs 'x'; expected one"),
    "another shape": (question(ONE[:, :7]), 400, r"samples have shape (1, 7, 8, 1), expected (N, 8, 8, 1)"),
    "one sample": (question(ONE[0]), 400, "samples have shape (8, 8, 1), expected (N, 8, 8, 1)"),
    "a number": ({"inputs": [{**question(ONE)["inputs"][0], "shape": [], "data": [1]}]}, 400, "samples have shape ()"),
    "codes of another shape": (question(ONE[:, :7].astype(np.int8), "INT8"), 400, "codes have shape (1, 7, 8, 1)"),
    "FP64": (question(ONE, "FP64"), 400, "tensor samples is FP64, expected FP32 or INT8 codes"),
    "other codes": (question(ONE.astype(np.uint8), "UINT8"), 400, "tensor samples is UINT8, expected FP32 or INT8"),
    "NaN": (question(ONE * np.float32(np.nan)), 400, "samples hold 64 NaN or infinite values, expected none"),
    "too large": (question(ONE.astype(np.float64) * 1e300), 400, "samples hold 64 NaN or infinite values"),
    "too many": (question(random_samples(SUBJECT, 41)), 413, "41 samples, expected at most 40 a request"),
    "another output": (question(ONE, outputs=[{"name": "probabilities"}]), 400, "output 'probabilities'; expected"),
    "two outputs": (question(ONE, outputs=[{"name": "scores"}] * 2), 400, '"outputs" lists no single output'),
    "no output": (question(ONE, outputs=7), 400, '"outputs" lists no single output'),
    "classification": (
        question(ONE, outputs=[{"name": "scores", "parameters": {"classification": 3}}]),
        400,
        "parameter 'classification'; this server gives scores, without it",
    ),
    "parameters": (question(ONE, parameters=[]), 400, "parameters are a list, expected an object"),
    "id": (question(ONE, id=7), 400, "id is a int, expected a string"),
}


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_question_is_refused_with_a_sentence(kind: str) -> None:
    body, status, sentence = BAD[kind]
    found, said = asked(service(), "POST", INFER, body)
    assert (found, sentence in said["error"]) == (status, True), said


def test_a_real_file_takes_no_codes() -> None:
    codes = np.zeros((1, 16, 2), np.int8)
    status, said = asked(service("series_float"), "POST", INFER, question(codes, "INT8"))
    assert status == 400
    assert said["error"].endswith("is INT8, expected FP32")


@given(BODIES, LENGTHS)
@example(json.dumps(question(ONE)).encode(), "0")
def test_whatever_is_no_question_gets_a_4xx_and_a_sentence(body: bytes, length: str | None) -> None:
    headers = {} if length is None else {LENGTH: length}
    reply = replied(SERVICE, "POST", INFER, body, headers)
    said = json.loads(reply.body)
    assert (400 <= reply.status < 500 and said["error"]) or said["outputs"]


@given(st.text(max_size=40), st.sampled_from(["GET", "POST"]))
def test_whatever_is_no_place_gets_a_4xx(path: str, method: str) -> None:
    reply = replied(SERVICE, method, path, b"{}", {})
    assert 400 <= reply.status < 500


SERVICE = service()


@pytest.mark.parametrize(
    ("error", "status", "sentence"),
    [
        (BusyError("8 wait"), 503, "8 wait"),
        (WireError("gone"), 502, "gone"),
        (RuntimeError("broken"), 500, "model failed to answer (RuntimeError: broken)"),
    ],
)
def test_a_predictor_that_fails_is_a_5xx_with_its_reason(error: Exception, status: int, sentence: str) -> None:
    def failing(_: Any) -> Any:
        raise error

    reply = replied(service(ask=failing), "POST", INFER, json.dumps(question(ONE)).encode(), {})
    assert (reply.status, json.loads(reply.body)["error"]) == (status, sentence)
    assert ("Retry-After" in reply.headers) == (status == HTTPStatus.SERVICE_UNAVAILABLE)


def test_scores_that_are_not_finite_are_told_in_json_and_given_as_bytes() -> None:
    one = service(ask=lambda rows: np.full((len(rows), 3), np.inf, np.float32))
    status, said = asked(one, "POST", INFER, question(ONE))
    assert status == 500
    assert "not finite have no JSON; ask for them as binary data" in said["error"]
    wanted = question(ONE, parameters={"binary_data_output": True})
    reply = replied(one, "POST", INFER, json.dumps(wanted).encode(), {})
    assert np.isinf(tensors_of(unpacked(reply.body, reply.headers[LENGTH]), "outputs")[0].values).all()
