import ssl
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from samewhy_edge import exchange, open_predictor
from samewhy_edge.errors import AddressError, WireError
from samewhy_edge.explain import DEFAULTS, explain
from samewhy_edge.predictor import Subject
from samewhy_edge.quant import Affine
from samewhy_edge.serve import Listener
from samewhy_edge.tensors import LENGTH
from samewhy_edge.testing import check_predictor, random_samples
from tests.edge.foreign import address_of, described, foreign
from tests.edge.serving import served
from tests.golden import golden

GOOD = ("image_int8", "image_uint8", "image_int16", "fixed_batch_int8", "series_int8", "image_float", "series_float")
INT8 = open_predictor(golden("image_int8"))
BOTH = {"name": "elsewhere", "extensions": ["binary_tensor_data"]}


@pytest.fixture(scope="module")
def listener() -> Iterator[Listener]:
    with served() as found:
        yield found


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchange, "PAUSE", 0.01)


@pytest.mark.parametrize("options", ["", "?binary=0"], ids=["binary", "JSON"])
@pytest.mark.parametrize("name", GOOD)
def test_a_served_file_answers_as_it_does_at_home_by_both_doors(name: str, options: str) -> None:
    home = open_predictor(golden(name))
    with served(home) as listener:
        away, samples = open_predictor(listener.url + options), random_samples(home, 9)
        assert away(samples).tobytes() == home(samples).tobytes()
        assert (away.coded is None) == (home.coded is None)
        if home.coded and away.coded and home.spec.input:
            codes = home.spec.input.encode(samples)
            assert away.coded(codes).tobytes() == home.coded(codes).tobytes()
        assert away(samples[:0]).shape == (0, home.spec.classes)


@pytest.mark.parametrize("name", ["image_int8", "series_int8", "image_float"])
def test_a_served_file_keeps_all_promises(name: str) -> None:
    with served(open_predictor(golden(name))) as listener:
        assert [one for one in check_predictor(open_predictor(listener.url)) if not one.kept] == []


def test_the_specification_is_that_of_the_served_file_and_names_the_wire(listener: Listener) -> None:
    found = open_predictor(listener.url).spec
    port = listener.url.split(":")[2].split("/")[0]
    assert found.wire == f"http://127.0.0.1:{port}/v2/models/model, binary"
    assert replace(found, wire=None) == INT8.spec


def test_codes_travel_as_codes_and_not_as_four_bytes(listener: Listener, monkeypatch: pytest.MonkeyPatch) -> None:
    subject, inner, sent = open_predictor(listener.url), exchange.Exchange.__call__, []

    def noting(self: Any, method: str, path: str, body: bytes = b"", headers: Any = None) -> Any:
        sent.append(len(body) - int(headers[LENGTH]))
        return inner(self, method, path, body, headers)

    monkeypatch.setattr(exchange.Exchange, "__call__", noting)
    subject(random_samples(INT8, 5))
    assert sent == [5 * 64]


def test_an_explanation_is_the_same_over_the_wire(listener: Listener) -> None:
    samples, targets = random_samples(INT8, 2), np.array([0, 2])
    away = open_predictor(listener.url)
    for explainer in DEFAULTS:
        here = explain(INT8, samples, targets, explainer, seed=0)
        assert np.array_equal(explain(away, samples, targets, explainer, seed=0), here)


def test_more_samples_than_a_request_may_hold_are_asked_in_several() -> None:
    with served(rows=10) as listener:
        samples = random_samples(INT8, 25)
        before = listener.batcher.batches
        assert np.array_equal(open_predictor(listener.url)(samples), INT8(samples))
        assert listener.batcher.batches - before == 4  # one to see the classes, then 10, 10 and 5
    with served(largest=4096 + 64 * 3) as listener:
        assert np.array_equal(open_predictor(listener.url)(samples), INT8(samples))


def test_connections_are_kept_and_one_a_thread_is_enough() -> None:
    with foreign(described([-1, 4, 4, 1])) as server:
        subject = open_predictor(address_of(server))
        for _ in range(5):
            subject(np.zeros((3, 4, 4, 1), np.float32))
        assert len(server.connections) == 1
        start = threading.Barrier(3)
        server.misbehave = lambda *_: start.wait(10) and False
        threads = [threading.Thread(target=subject, args=(np.zeros((1, 4, 4, 1), np.float32),)) for _ in range(3)]
        for one in threads:
            one.start()
        for one in threads:
            one.join()
        assert len(server.connections) == 3


def ramp(*shape: int) -> Any:
    return np.arange(np.prod(shape), dtype=np.float32).reshape(shape) / 8


@pytest.mark.parametrize("binary", [False, True])
def test_a_foreign_server_is_asked_by_its_metadata(binary: bool) -> None:
    with foreign(described([-1, 4, 5, 2]), server=BOTH if binary else {}) as server:
        subject = open_predictor(address_of(server))
        samples = ramp(3, 4, 5, 2)
        assert (subject.spec.sample, subject.spec.classes, subject.spec.input, subject.coded) == (
            (4, 5, 2),
            2,
            None,
            None,
        )
        assert subject(samples).tolist() == [[one.flat[0], one.flat[-1]] for one in samples]
        assert (LENGTH in server.headers[-1]) == binary
        assert [one for one in check_predictor(subject) if not one.kept] == []


def test_of_a_foreign_rung_is_told_what_is_known_and_its_answers_mark_it() -> None:
    with foreign(described([-1, 4, 5, 2])) as server:
        one, again = (open_predictor(address_of(server)).spec.rung for _ in range(2))
        server.scores = lambda rows: np.zeros((len(rows), 2), np.float32)
        other = open_predictor(address_of(server)).spec.rung
    assert (one.runtime, one.kernels) == ("elsewhere 2.0 any m", "unknown, model version 3")
    assert one.machine == f"unknown, behind http://127.0.0.1:{server.server_address[1]}"
    assert one.artifact.sha256.startswith("unknown-")
    assert one == again
    assert one.artifact != other.artifact


def test_channels_go_first_where_the_server_wants_them_there() -> None:
    with foreign(described([-1, 2, 4, 5])) as server:
        subject = open_predictor(address_of(server, "?channels=first"))
        samples = ramp(3, 4, 5, 2)
        subject(samples)
        assert subject.spec.sample == (4, 5, 2)
        assert np.array_equal(server.given[-1].values, samples.transpose(0, 3, 1, 2))


def test_a_batch_that_is_fixed_is_filled_up_and_cut_back() -> None:
    with foreign(described([4, 3, 3, 1])) as server:
        subject = open_predictor(address_of(server))
        samples = ramp(6, 3, 3, 1)
        assert subject(samples).tolist() == [[one.flat[0], one.flat[-1]] for one in samples]
        assert {len(one.values) for one in server.given} == {4}


def test_integers_are_coded_as_the_address_says() -> None:
    def answer(codes: Any) -> Any:
        return np.stack([codes.reshape(len(codes), -1)[:, 0]] * 2, axis=1).astype(np.uint8)

    options = "?scale=0.5&zero_point=10&output_scale=2&output_zero_point=4"
    with foreign(described([-1, 3, 3, 1], "UINT8", "UINT8"), answer) as server:
        subject = open_predictor(address_of(server, options))
        assert (subject.spec.input, subject.spec.output) == (Affine(0.5, 10, "uint8"), Affine(2.0, 4, "uint8"))
        assert subject(np.full((1, 3, 3, 1), 3, np.float32)).tolist() == [[24, 24]]  # code 16, 2 * (16 - 4)
        assert server.given[-1].datatype == "UINT8"
        assert subject.coded
        assert subject.coded(np.full((1, 3, 3, 1), 7, np.uint8)).tolist() == [[6, 6]]


def test_sizes_that_the_server_leaves_open_are_told_by_the_address() -> None:
    with foreign(described([-1, -1, -1, 3])) as server:
        assert open_predictor(address_of(server, "?sample=6x4x3")).spec.sample == (6, 4, 3)


def test_the_version_and_a_path_before_it_are_asked_for() -> None:
    with foreign(described([-1, 3, 3, 1])) as server:
        port = server.server_address[1]
        open_predictor(f"http://127.0.0.1:{port}/behind/a/proxy/m?version=3")
        assert server.seen[0] == ("GET", "/behind/a/proxy/v2")
        assert server.seen[1] == ("GET", "/behind/a/proxy/v2/models/m/versions/3")
        assert server.seen[2] == ("POST", "/behind/a/proxy/v2/models/m/versions/3/infer")
        server.seen.clear()
        open_predictor(f"http://127.0.0.1:{port}/v2/models/m")
        assert server.seen[1] == ("GET", "/v2/models/m")


def two(which: str) -> Any:
    table = described([-1, 3, 3, 1])
    table[which] = [{**table[which][0], "name": name} for name in ("a", "b")]
    return table


ADDRESSES: dict[str, tuple[Any, str, str]] = {
    "two inputs": (two("inputs"), "", "2 inputs, a, b; say which with input=NAME"),
    "two outputs": (two("outputs"), "", "2 outputs, a, b; say which with output=NAME"),
    "another input": (two("inputs"), "?input=c", "unknown input 'c'; .*known: a, b"),
    "integers": (
        described([-1, 3, 3, 1], "INT8"),
        "",
        "x holds int8 codes, scale=None, zero_point=None; say what they",
    ),
    "integer scores": (described([-1, 3, 3, 1], output="INT8"), "", "y holds int8 codes, output_scale=None"),
    "half a scale": (described([-1, 3, 3, 1], "INT8"), "?scale=1", "scale=1, zero_point=None; say"),
    "no scale": (described([-1, 3, 3, 1], "INT8"), "?scale=0&zero_point=1", "scale=0, zero_point=1; say"),
    "scale of reals": (described([-1, 3, 3, 1]), "?scale=2", "scale=2: x holds real numbers; leave it out"),
    "flat": (described([-1, 4]), "", r"x has shape \[-1, 4\]; expected \(N, \*S, C\)"),
    "open": (described([-1, -1, 4, 1]), "", r"x has shape \[-1, -1, 4, 1\]; expected .* sample=28x28x1"),
    "another sample": (described([-1, 3, 3, 1]), "?sample=3x4x1", r"sample=3x4x1 does not fit \[-1, 3, 3, 1\]"),
    "no sample": (described([-1, 3, 3, 1]), "?sample=3by4", "sample=3by4: expected sizes such as 28x28x1"),
    "option": (described([-1, 3, 3, 1]), "?inputs=x", "unknown option of http: 'inputs'; did you mean 'input'"),
    "timeout": (described([-1, 3, 3, 1]), "?timeout=0", "timeout=0: expected a number above 0"),
    "binary": (described([-1, 3, 3, 1]), "?binary=yes", "unknown binary 'yes'; known: 0, 1"),
    "token": (described([-1, 3, 3, 1]), "?token_env=NOBODY_SETS_THIS", "no such environment variable, or an empty one"),
}


@pytest.mark.parametrize("kind", ADDRESSES)
def test_an_address_that_does_not_fit_is_refused_with_what_would(kind: str) -> None:
    model, options, sentence = ADDRESSES[kind]
    with foreign(model) as server, pytest.raises(AddressError, match=sentence):
        open_predictor(address_of(server, options))


@pytest.mark.parametrize(
    "address",
    ["http:m", "http://", "http://host", "http://host:port/m", "http://u:p@host/m", "http:///m", "http://[/m"],
)
def test_an_address_without_a_host_or_a_model_is_refused(address: str) -> None:
    with pytest.raises(AddressError, match=r"expected (http://host:port/model|runtime:path)"):
        open_predictor(address)


MODELS: dict[str, tuple[Any, str]] = {
    "no inputs": ({"name": "m"}, "the metadata name no input; expected one tensor, describe it to the server"),
    "words": (described([-1, 3, 3, 1], "BYTES"), "input x: unknown datatype 'BYTES'"),
    "no shape": (described(None), "input x: shape None; expected a list"),
    "a list": ([], "no metadata of the Open Inference Protocol: the body is a JSON list"),
    "a page": (b"<html>", "no metadata of the Open Inference Protocol: the body is not JSON"),
}


@pytest.mark.parametrize("kind", MODELS)
def test_metadata_that_cannot_be_used_are_told(kind: str) -> None:
    model, sentence = MODELS[kind]
    with foreign(model) as server, pytest.raises(WireError, match=sentence):
        open_predictor(address_of(server))


ANSWERS: dict[str, tuple[Any, str]] = {
    "too few rows": (lambda rows: np.zeros((1, 2), np.float32), r"answered y \(1, 2\); expected y of shape \(3, K\)"),
    "a picture": (lambda rows: np.zeros((len(rows), 3, 3), np.float32), r"answered y \(3, 3, 3\); expected y of"),
}


@pytest.mark.parametrize("kind", ANSWERS)
def test_an_answer_that_does_not_fit_is_told(kind: str) -> None:
    scores, sentence = ANSWERS[kind]
    with foreign(described([-1, 3, 3, 1])) as server:
        subject = open_predictor(address_of(server))
        server.scores = scores
        with pytest.raises(WireError, match=sentence):
            subject(np.zeros((3, 3, 3, 1), np.float32))


def test_the_token_is_taken_from_the_variable_that_the_address_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PI_TOKEN", "secret\n")
    with served(token="secret") as listener:
        assert open_predictor(f"{listener.url}?token_env=PI_TOKEN").spec.classes == 3
        monkeypatch.setenv("PI_TOKEN", "wrong")
        for address in (f"{listener.url}?token_env=PI_TOKEN", listener.url):
            with pytest.raises(WireError, match=r"the token is missing or wrong; name the variable .* token_env=NAME"):
                open_predictor(address)


def test_no_token_is_sent_that_the_address_does_not_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAMEWHY_TOKEN", "secret")
    with foreign(described([-1, 3, 3, 1])) as server:
        open_predictor(address_of(server))
        assert [one.get("Authorization") for one in server.headers] == [None] * len(server.headers)


def test_a_refusal_holds_the_servers_own_words(listener: Listener) -> None:
    with pytest.raises(WireError, match="refused with 404: no model other; known: model of version 1"):
        open_predictor(listener.url.replace("/model", "/other"))


def breaks(*numbers: int) -> Any:
    """Requests with these numbers are broken off without an answer."""

    def misbehave(number: int, handler: Any) -> bool:
        handler.close_connection |= number in numbers
        return number in numbers

    return misbehave


@pytest.mark.parametrize("lost", [(1,), (4,), (4, 5, 6, 7, 8)])
def test_a_lost_connection_is_tried_again(lost: tuple[int, ...]) -> None:
    with foreign(described([-1, 3, 3, 1]), misbehave=breaks(*lost)) as server:
        subject, samples = open_predictor(address_of(server)), ramp(2, 3, 3, 1)
        assert subject(samples).tolist() == [[one.flat[0], one.flat[-1]] for one in samples]
        assert len(server.seen) == 5 + len(lost)


def test_trying_has_an_end_with_a_sentence() -> None:
    with foreign(described([-1, 3, 3, 1]), misbehave=breaks(*range(5, 40))) as server:
        subject = open_predictor(address_of(server, "?tries=3"))
        with pytest.raises(WireError, match=r"cannot be reached \(Remote end closed .*\), tried 3 times"):
            subject(ramp(2, 3, 3, 1))
        assert len(server.seen) == 7


def test_a_busy_server_is_asked_again_after_the_time_it_names(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr(exchange.time, "sleep", slept.append)

    def busy(number: int, handler: Any) -> bool:
        if number in (1, 2):
            handler.put({"error": "later"}, {"Retry-After": "3" if number == 1 else "900"}, 503)
        return number in (1, 2)

    with foreign(described([-1, 3, 3, 1]), misbehave=busy) as server:
        open_predictor(address_of(server))
    assert slept == [3.0, exchange.LONGEST]


def test_a_server_that_stays_busy_is_told_in_its_own_words() -> None:
    def busy(number: int, handler: Any) -> bool:
        handler.put({"error": "too much to do"}, status=503)
        return True

    with (
        foreign({}, misbehave=busy) as server,
        pytest.raises(WireError, match="refused with 503: too much to do"),
    ):
        open_predictor(address_of(server, "?tries=2"))
    assert len(server.seen) == 2


def test_a_server_that_is_not_there_is_a_sentence() -> None:
    with foreign({}) as server:
        address = address_of(server, "?tries=2")
    with pytest.raises(WireError, match=r"cannot be reached \(Connection refused\), tried 2 times; see whether"):
        open_predictor(address)


def test_a_server_that_hangs_is_given_up_and_not_asked_again() -> None:
    def hangs(number: int, handler: Any) -> bool:
        time.sleep(1)
        return False

    with foreign({}, misbehave=hangs) as server:
        start = time.monotonic()
        with pytest.raises(WireError, match=r"no answer within 0\.2 s; expected one"):
            open_predictor(address_of(server, "?timeout=0.2"))
        assert time.monotonic() - start < 0.9
    assert len(server.seen) == 1


def test_a_server_that_comes_back_is_asked_on(monkeypatch: pytest.MonkeyPatch) -> None:
    samples = random_samples(INT8, 3)
    with served() as first:
        subject, port = open_predictor(first.url), int(first.url.split(":")[2].split("/")[0])
        subject(samples)
    monkeypatch.setattr(exchange, "PAUSE", 0.2)
    with served(port=port):
        assert np.array_equal(subject(samples), INT8(samples))


def test_https_is_spoken_and_certificates_are_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trustme = pytest.importorskip("trustme", reason="makes certificates; pip install 'samewhy[dev]'")
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    with foreign(described([-1, 3, 3, 1])) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        address = address_of(server, "?tries=1").replace("http:", "https:")
        with pytest.raises(WireError, match="certificate verify failed"):
            open_predictor(address)
        authority.cert_pem.write_to_path(str(tmp_path / "authority.pem"))
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
        found = open_predictor(address)
    assert found.spec.classes == 2
    assert found.spec.wire
    assert found.spec.wire.startswith("https://127.0.0.1:")


def test_what_is_served_can_be_served_on(listener: Listener) -> None:
    away = open_predictor(listener.url)
    samples = random_samples(INT8, 3)
    with served(away) as gateway:
        twice = open_predictor(gateway.url)
        assert np.array_equal(twice(samples), INT8(samples))
        assert twice.spec.rung == INT8.spec.rung


def test_a_subject_may_be_asked_by_as_many_threads_as_the_server_has_predictors() -> None:
    subjects: list[Subject] = [open_predictor(golden("image_int8")) for _ in range(3)]
    with served(*subjects) as listener:
        assert open_predictor(listener.url).at_once == 3
        assert open_predictor(f"{listener.url}?at_once=2").at_once == 2
