"""The client of the ASCII dialect: against our own board, and against one that speaks it as others do."""

import re
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import numpy as np
import pytest

from samewhy_bridge.device import open_tcp
from samewhy_edge.address import parse_address
from samewhy_edge.errors import AddressError, WireError
from samewhy_edge.predictor import Subject
from samewhy_edge.testing import check_predictor
from tests.bridge.boards import Faults, between, needs_gcc, running, scores, some_codes

CODES = "dialect=mlperf&shape=28x28x1&type=int8&scale=0.00390625&zero=-128"


def opened(port: int, options: str = CODES) -> Subject:
    return open_tcp(parse_address(f"tcp:127.0.0.1:{port}?{options}"))


def asked(subject: Subject, codes: np.ndarray) -> np.ndarray:
    assert subject.coded is not None
    return subject.coded(codes)


def three_decimals(codes: np.ndarray) -> np.ndarray:
    return (scores(codes).astype(np.float64) - 3) / 16


@needs_gcc
def test_our_own_board_answers_to_three_decimals() -> None:
    codes = some_codes(5)
    with running() as port:
        subject = opened(port)
        np.testing.assert_allclose(asked(subject, codes), three_decimals(codes), atol=5.1e-4)
        rung = subject.spec.rung
        assert (rung.runtime, rung.kernels, rung.machine) == ("samewhy-c, model hash", "unknown", "unnamed board")
        assert re.fullmatch(r"unknown-[0-9a-f]{12}", rung.artifact.sha256)
        assert (subject.spec.output, subject.spec.wire) == (None, f"tcp:127.0.0.1:{port}, ASCII dialect")
        assert all(one.kept for one in check_predictor(subject))
    with running("MARK=2") as port:
        assert opened(port).spec.rung.artifact != rung.artifact


@needs_gcc
def test_a_line_that_loses_and_flips_bytes_gives_no_other_input_and_no_other_result() -> None:
    codes = some_codes(4)
    with running() as port:
        clean = asked(opened(port), codes)
        out, back = Faults(0.01, 5), Faults(0.01, 6)
        with between(port, out, back) as hurt:
            found = asked(opened(hurt, f"{CODES}&timeout=0.3&tries=40"), codes)
    np.testing.assert_array_equal(found, clean)
    assert out.hurt + back.hurt > 1


def unhurt(_: str, lines: list[str]) -> list[str]:
    return lines


@contextmanager
def foreign(
    results: Callable[[bytes], str], hurt: Callable[[str, list[str]], list[str]] = unhurt
) -> Iterator[tuple[int, list[str]]]:
    """A board as others build it, and the commands that it was given."""
    heard: list[str] = []
    loaded, wanted = bytearray(), [0]

    def reply(command: str) -> list[str]:
        match command.split():
            case ["name"]:
                return ["m-name-dut-[a board of others]"]
            case ["profile"]:
                return ["m-profile-[their firmware V0.0.1]", "m-model-[kws01]"]
            case ["db", "load", count]:
                loaded.clear()
                wanted[0] = int(count)
                return [f"m-[Expecting {count} bytes]"]
            case ["db", "print"]:
                rows = [loaded[start : start + 8] for start in range(0, len(loaded), 8)]
                return [f"m-buffer-{row.hex('-')}" for row in rows]
            case ["db", digits]:
                loaded.extend(bytes.fromhex(digits))
                return ["m-load-done"] if len(loaded) >= wanted[0] else []
            case ["infer", "1", "0"]:
                told = ["m-warmup-start-0", "m-warmup-done", "m-infer-start-1", "m-lap-us-1", "m-lap-us-2"]
                return [*told, "m-infer-done", f"m-results-[{results(bytes(loaded))}]"]
            case ["results"]:
                return [f"m-results-[{results(bytes(loaded))}]"]
        return [f"e-[Unknown command: {command}]"] if command else []

    def serve(listener: socket.socket) -> None:
        with suppress(OSError), listener.accept()[0] as line:
            line.sendall(b"m-init-done\r\nm-ready\r\n")
            content = b""
            while piece := line.recv(4096):
                *commands, content = (content + piece).split(b"%")
                for command in commands:
                    heard.append(command.decode())
                    lines = hurt(heard[-1], reply(heard[-1]))
                    line.sendall("".join(f"{one}\r\n" for one in (*lines, "m-ready")).encode())

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=serve, args=(listener,), daemon=True).start()
        yield listener.getsockname()[1], heard


def sums(loaded: bytes) -> str:
    """Scores that tell the sum of the bytes."""
    return ",".join(f"{(sum(loaded) + k) % 97 / 8:0.3f}" for k in range(12))


def test_a_board_of_others_is_asked_word_by_word() -> None:
    with foreign(sums) as (port, heard):
        subject = opened(port, "dialect=mlperf&shape=49x10&type=uint8&scale=0.5&zero=3&verify=0")
        sample = np.full((1, 49, 10), 2.5, np.float32)
        heard.clear()
        found = subject(sample)
    assert heard == ["db load 490", *[f"db {'08' * 31}"] * 15, f"db {'08' * 25}", "infer 1 0"]
    np.testing.assert_allclose(found[0], [(490 * 8 + k) % 97 / 8 for k in range(12)], atol=5.1e-4)
    rung = subject.spec.rung
    assert (rung.runtime, rung.machine) == ("their firmware V0.0.1, model kws01", "a board of others")


def test_real_numbers_travel_as_floats_and_what_was_loaded_is_read_back() -> None:
    with foreign(sums) as (port, heard):
        subject = opened(port, "dialect=mlperf&shape=7x1&type=float32")
        assert subject.spec.input is None
        heard.clear()
        subject(np.arange(7, dtype=np.float32)[None, :, None])
    content = np.arange(7, dtype="<f4").tobytes()
    assert heard == ["db load 28", f"db {content.hex()}", "db print", "infer 1 0", "results"]


def test_a_board_that_loads_something_else_is_never_believed() -> None:
    def flipped(command: str, lines: list[str]) -> list[str]:
        return [line.replace("m-buffer-08", "m-buffer-09") for line in lines] if command == "db print" else lines

    with foreign(sums, flipped) as (port, _), pytest.raises(WireError, match="has loaded another input than was sent"):
        opened(port, "dialect=mlperf&shape=49x10&scale=0.5&zero=8&tries=2")


def test_results_that_are_read_twice_must_be_equal() -> None:
    def drifting(command: str, lines: list[str]) -> list[str]:
        return [line.replace("0", "1") for line in lines] if command == "results" else lines

    with foreign(sums, drifting) as (port, _), pytest.raises(WireError, match="results that are read twice differ"):
        opened(port, "dialect=mlperf&shape=49x10&scale=0.5&zero=8&tries=2")


@pytest.mark.parametrize("said", ["", "0.1,x", "nan,nan", "0.1,0.2],[0.3"])
def test_results_that_are_no_numbers_are_none(said: str) -> None:
    with foreign(lambda _: said) as (port, _), pytest.raises(WireError, match=r"results|numbers"):
        opened(port, "dialect=mlperf&shape=49x10&scale=0.5&zero=8&tries=1")


def test_what_the_dialect_does_not_tell_the_address_must() -> None:
    for options, said in (
        ("", "the dialect does not tell the input's shape; give shape=28x28x1"),
        ("&shape=28", "the dialect does not tell the input's shape"),
        ("&shape=28x28x1", "the dialect does not tell what int8 codes stand for; give scale=0.0039&zero=-128"),
        ("&shape=28x28x1&scale=1", "does not tell what int8 codes stand for"),
        ("&shape=28x28x1&type=float32&scale=1", "float32 holds real numbers"),
        ("&shape=28x28x1&type=int4", "unknown type 'int4'"),
        ("&shape=28x28x1&sha256=00112233", "does not tell which model the board holds; leave it out"),
    ):
        with pytest.raises(AddressError, match=re.escape(said)):
            opened(1, f"dialect=mlperf{options}")
