import contextlib
import json
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from samewhy_edge import open_predictor, serve
from samewhy_edge.errors import InputError
from samewhy_edge.serve import Listener, Settings, listening, merges
from samewhy_edge.testing import random_samples
from tests.edge.serving import asked, gated, plug, port_of, question, raw, scores_of, served
from tests.golden import golden

SUBJECT = open_predictor(golden("image_int8"))
SAMPLES = random_samples(SUBJECT, 4)
KNOWN = SUBJECT(SAMPLES)
BODY = json.dumps(question(SAMPLES)).encode()
INFER = "/v2/models/model/infer"


@pytest.fixture(scope="module")
def listener() -> Iterator[Listener]:
    with served() as found:
        yield found


def answer_on(connection: socket.socket) -> tuple[int, bytes, bytes]:
    """Status, header and body of the next answer on a connection."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        piece = connection.recv(1)
        if not piece:
            raise ConnectionError(f"closed after {head!r}")
        head += piece
    lines = dict(line.split(b": ", 1) for line in head.split(b"\r\n")[1:-2])
    body = b""
    while missing := int(lines[b"Content-Length"]) - len(body):
        body += connection.recv(missing)  # no more: the next answer may be right behind
    return int(head.split(b" ")[1]), head, body


def is_closed(connection: socket.socket) -> bool:
    """Whether the other side ends the connection, soon."""
    connection.settimeout(10)
    try:
        return connection.recv(1) == b""
    except ConnectionError:
        return True


def right(listener: Listener) -> bool:
    """Whether a good client is answered, and rightly."""
    status, _, found = asked(listener, "POST", INFER, question(SAMPLES))
    return status == 200 and bool(np.array_equal(scores_of(found), KNOWN))


def test_a_question_is_answered_as_the_file_answers_it(listener: Listener) -> None:
    assert right(listener)


def test_a_connection_is_kept_for_many_questions(listener: Listener) -> None:
    with contextlib.closing(plug(listener)) as connection:
        for _ in range(3):
            connection.sendall(raw(BODY))
            assert answer_on(connection)[0] == 200
        connection.sendall(raw(BODY) * 2)  # two at once are answered one after the other
        assert [answer_on(connection)[0] for _ in range(2)] == [200, 200]


def test_a_client_that_wants_it_closed_gets_it_closed(listener: Listener) -> None:
    with contextlib.closing(plug(listener)) as connection:
        connection.sendall(raw(BODY, INFER, "Connection: close"))
        assert answer_on(connection)[0] == 200
        assert is_closed(connection)


def test_half_a_connection_is_still_answered(listener: Listener) -> None:
    with contextlib.closing(plug(listener)) as connection:
        connection.sendall(raw(BODY))
        connection.shutdown(socket.SHUT_WR)
        status, _, body = answer_on(connection)
        assert status == 200
        assert np.array_equal(scores_of(json.loads(body)), KNOWN)
        assert is_closed(connection)


def test_a_body_that_ends_early_is_told_so(listener: Listener) -> None:
    with contextlib.closing(plug(listener)) as connection:
        connection.sendall(raw(BODY)[:-5])
        connection.shutdown(socket.SHUT_WR)
        status, _, body = answer_on(connection)
        assert status == 400
        assert f"the body ends after {len(BODY) - 5} bytes, expected {len(BODY)}" in json.loads(body)["error"]


def test_a_client_that_asks_first_is_told_to_go_on(listener: Listener) -> None:
    with contextlib.closing(plug(listener)) as connection:
        head, body = raw(BODY, INFER, "Expect: 100-continue").split(b"\r\n\r\n", 1)
        connection.sendall(head + b"\r\n\r\n")
        assert connection.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(body)
        assert answer_on(connection)[0] == 200


BAD: dict[str, tuple[bytes, int, str]] = {
    "no HTTP": (b"\x16\x03\x01\x02\x00\x01\r\n\r\n", 400, "expected a request of HTTP/1.1"),
    "no version": (b"GET /v2 HTTP/x\r\n\r\n", 400, "expected a request of HTTP/1.1"),
    "version 2": (b"GET /v2 HTTP/2.0\r\n\r\n", 505, "expected a request of HTTP/1.1"),
    "a method that there is not": (b"BREW /v2 HTTP/1.1\r\n\r\n", 501, "expected a request of HTTP/1.1"),
    "a long line": (b"GET /" + b"x" * 70_000 + b" HTTP/1.1\r\n\r\n", 414, "expected a request of HTTP/1.1"),
    "a long field": (b"GET /v2 HTTP/1.1\r\nX: " + b"x" * 70_000 + b"\r\n\r\n", 431, "expected a request of HTTP/1.1"),
    "many fields": (b"GET /v2 HTTP/1.1\r\n" + b"X: x\r\n" * 200 + b"\r\n", 431, "expected a request of HTTP/1.1"),
    "no length": (raw(BODY).replace(b"Content-Length", b"X-Length"), 411, "no Content-Length; expected the bytes"),
    "chunks": (raw(BODY, INFER, "Transfer-Encoding: chunked"), 411, "a body in chunks; expected one with"),
    "two lengths": (raw(BODY, INFER, "Content-Length: 3"), 400, "expected one whole number"),
    "a length of letters": (raw(BODY).replace(b"Length: ", b"Length: x"), 400, "expected one whole number"),
    "a length below nought": (raw(BODY).replace(b"Length: ", b"Length: -"), 400, "expected one whole number"),
    "compressed": (raw(BODY, INFER, "Content-Encoding: gzip"), 415, "a compressed body; expected a plain one"),
    "huge": (raw(b"").replace(b"Length: 0", b"Length: 99999999999"), 413, "expected at most 33554432"),
    "endless": (raw(b"").replace(b"Length: 0", b"Length: " + b"9" * 5000), 413, "expected at most 33554432"),
    "elsewhere": (raw(BODY, "/v2/models/other/infer"), 404, "no model other"),
}


@pytest.mark.parametrize("kind", BAD)
def test_what_is_no_request_gets_a_sentence_and_the_next_client_its_answer(listener: Listener, kind: str) -> None:
    content, status, sentence = BAD[kind]
    with contextlib.closing(plug(listener)) as connection:
        connection.sendall(content)
        found, head, body = answer_on(connection)
        assert (found, b"Connection: close" in head) == (status, True)
        assert sentence in json.loads(body)["error"]
        connection.shutdown(socket.SHUT_WR)
        assert is_closed(connection)
    assert right(listener)


def test_a_bad_question_does_not_cost_the_connection(listener: Listener) -> None:
    with contextlib.closing(plug(listener)) as connection:
        for body, status in ((b"{", 400), (BODY, 200)):
            connection.sendall(raw(body))
            assert answer_on(connection)[0] == status


def test_a_refused_body_is_heard_out_so_that_the_refusal_arrives() -> None:
    with served(largest=1000) as listener, contextlib.closing(plug(listener)) as connection:
        connection.sendall(raw(bytes(3_000_000)))  # more than the buffers hold: who does not listen breaks this off
        assert answer_on(connection)[0] == 413


def test_a_wrong_token_is_refused_before_the_body_is_read() -> None:
    with served(token="secret") as listener, contextlib.closing(plug(listener)) as connection:
        connection.sendall(raw(bytes(100))[:-50])
        status, head, _ = answer_on(connection)
        assert status == 401
        assert b"WWW-Authenticate: Bearer" in head


def test_a_dawdling_client_is_cut_off_and_holds_up_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serve, "READ", 1.0)
    with served(connections=3) as listener:
        plugs = [plug(listener) for _ in range(3)]
        for one in plugs:
            one.sendall(raw(BODY)[:40])
        assert right(listener)  # takes the place of one of them
        for letter in raw(BODY)[40:60]:  # a byte now and then does not prolong it
            with contextlib.suppress(OSError):
                plugs[-1].sendall(bytes([letter]))
            time.sleep(0.1)
        assert all(is_closed(one) for one in plugs)
        for one in plugs:
            one.close()


def test_a_client_that_has_nothing_to_ask_is_cut_off_in_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serve, "IDLE", 0.3)
    with served() as listener, contextlib.closing(plug(listener)) as connection:
        assert is_closed(connection)


def test_many_silent_clients_do_not_shut_out_one_that_asks() -> None:
    with served(connections=8) as listener:
        plugs = [plug(listener) for _ in range(40)]
        assert right(listener)
        assert len(listener.places.taken) <= 8
        for one in plugs:
            one.close()


def test_where_all_connections_are_at_work_the_next_is_told_to_come_later() -> None:
    subject, gate = gated()
    with served(subject, connections=2) as listener, ThreadPoolExecutor(2) as pool:
        busy = [pool.submit(right, listener) for _ in range(2)]
        assert gate.entered.wait(10)
        while sum(not place.idle and place.until > 1e9 for place in listener.places.taken.values()) < 2:
            time.sleep(0.01)
        status, headers, said = asked(listener, "GET", "/v2")
        gate.open.set()
        assert (status, headers["Retry-After"]) == (503, "1")
        assert said["error"] == "all connections are at work; ask again later"
        assert all(one.result() for one in busy)


def test_a_full_queue_answers_503_with_a_time_to_come_back() -> None:
    subject, gate = gated()
    with served(subject, rows=6) as listener, ThreadPoolExecutor(3) as pool:
        first = pool.submit(right, listener)
        assert gate.entered.wait(10)
        second = pool.submit(right, listener)
        while not listener.batcher._waiting:
            time.sleep(0.01)
        status, headers, said = asked(listener, "POST", INFER, question(SAMPLES))
        gate.open.set()
        assert (status, headers["Retry-After"]) == (503, "1")
        assert "4 samples wait already, 6 may" in said["error"]
        assert first.result()
        assert second.result()


@pytest.mark.parametrize(("name", "sizes"), [("image_int8", [4, 8]), ("image_float", [4, 4, 4])], ids=["codes", "real"])
def test_codes_are_asked_together_and_real_numbers_alone(name: str, sizes: list[int]) -> None:
    subject, gate = gated(name)
    with served(subject) as listener, ThreadPoolExecutor(3) as pool:
        futures = [pool.submit(asked, listener, "POST", INFER, question(SAMPLES))]
        assert gate.entered.wait(10)
        futures += [pool.submit(asked, listener, "POST", INFER, question(SAMPLES)) for _ in range(2)]
        while len(listener.batcher._waiting) < 2:
            time.sleep(0.01)
        gate.open.set()
        assert [one.result()[0] for one in futures] == [200, 200, 200]
    assert gate.sizes == sizes


def test_a_file_that_mixes_its_batch_is_never_asked_for_two_at_once() -> None:
    assert merges(SUBJECT)
    assert not merges(open_predictor(golden("mixes_batch")))
    assert not merges(open_predictor(golden("image_float")))


def test_who_leaves_before_the_answer_does_no_harm() -> None:
    subject, gate = gated()
    with served(subject) as listener:
        connection = plug(listener)
        connection.sendall(raw(BODY))
        assert gate.entered.wait(10)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # ends with a reset
        connection.close()
        gate.open.set()
        assert right(listener)


def test_stopping_answers_what_has_begun_and_takes_nothing_new() -> None:
    subject, gate = gated()
    idle = None
    with ThreadPoolExecutor(3) as pool:
        with served(subject) as listener:
            port = port_of(listener)
            begun = pool.submit(asked, listener, "POST", INFER, question(SAMPLES))
            assert gate.entered.wait(10)
            idle, late = plug(listener), plug(listener)
            late.sendall(raw(BODY)[:-7])  # has begun too
            while sum(place.until < 1e9 for place in listener.places.taken.values()) < 2:
                time.sleep(0.01)
            time.sleep(0.1)
            threading.Timer(0.5, late.sendall, [raw(BODY)[-7:]]).start()
            threading.Timer(1.0, gate.open.set).start()
        status, headers, found = begun.result()
        assert (status, headers["Connection"]) == (200, "close")
        assert np.array_equal(scores_of(found), KNOWN)
        assert answer_on(late)[0] == 200
        assert is_closed(idle)
        late.close()
        idle.close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=5)


def test_stopping_does_not_wait_for_ever() -> None:
    subject, gate = gated()
    with served(subject, grace=0.2) as listener:
        connection = plug(listener)
        connection.sendall(raw(BODY))
        assert gate.entered.wait(10)
        start = time.monotonic()
    assert time.monotonic() - start < 5
    gate.open.set()
    connection.close()


@pytest.mark.parametrize(("host", "port"), [("127.0.0.1", None), ("192.0.2.1", 0), ("no such host", 0)])
def test_a_place_that_cannot_be_listened_on_is_a_sentence(host: str, port: int | None) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        wanted = taken.getsockname()[1] if port is None else port
        with (
            pytest.raises(InputError, match=r"cannot be listened on .*; choose another --host or --port"),
            listening([SUBJECT], Settings(host=host, port=wanted)),
        ):
            pass


def test_the_sixth_version_of_the_internet_will_do() -> None:
    if not socket.has_ipv6:
        pytest.skip("this machine has no IPv6")
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("this machine has no IPv6")
    with served(host="::1") as listener:
        assert listener.url.startswith("http://[::1]:")
        assert np.array_equal(open_predictor(listener.url)(SAMPLES), KNOWN)


def test_many_clients_at_once_get_their_own_answers(listener: Listener) -> None:
    every = random_samples(SUBJECT, 64)
    known = SUBJECT(every)

    def one(number: int) -> Any:
        start = number % 60
        _, _, found = asked(listener, "POST", INFER, question(every[start : start + 1 + number % 4]))
        return np.array_equal(scores_of(found), known[start : start + 1 + number % 4])

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(one, range(80)))
