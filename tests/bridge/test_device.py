import os
import re
import socket
import subprocess
import threading
import time
import tty
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from samewhy_bridge.device import device_of, open_serial, open_tcp, subject_of
from samewhy_bridge.frames import Frame, Kind
from samewhy_bridge.link import Link, Patience
from samewhy_bridge.ports import Tcp
from samewhy_edge.address import parse_address
from samewhy_edge.errors import AddressError, ArtifactError, WireError
from samewhy_edge.fleet import FleetWarning
from samewhy_edge.journal import Memory, remembered
from samewhy_edge.predictor import Subject, open_predictor
from samewhy_edge.testing import check_predictor
from tests.bridge.boards import Faults, between, needs_gcc, program, running, scores, some_codes

pytestmark = needs_gcc
SHA = bytes([1, *range(2, 31), 0, 0]).hex()
QUICK = Patience(0.5, 200, 0.05)


@pytest.fixture(scope="module")
def board() -> Iterator[int]:
    with running() as port:
        yield port


def opened(port: int, options: str = "") -> Subject:
    return open_tcp(parse_address(f"tcp:127.0.0.1:{port}{options}"))


def at(port: int, patience: Patience = QUICK) -> Subject:
    """A board whose failures are noticed soon."""
    address = parse_address(f"tcp:127.0.0.1:{port}")
    return subject_of(address, Link(f"tcp:127.0.0.1:{port}", Tcp("127.0.0.1", port), patience))


def answers(subject: Subject, codes: Any) -> Any:
    return device_of(subject).answers(codes).reshape(len(codes), 10)


def test_a_board_is_a_predictor_like_any_other(board: int) -> None:
    subject = opened(board)
    rung, spec = subject.spec.rung, subject.spec
    assert (spec.sample, spec.classes, spec.wire) == ((28, 28, 1), 10, f"tcp:127.0.0.1:{board}")
    assert (rung.artifact.sha256, rung.artifact.bytes) == (SHA, 4321)
    assert (rung.runtime, rung.kernels, rung.machine) == ("samewhy-c", "generated-c", "unnamed board")
    assert all(one.kept for one in check_predictor(subject))
    codes = some_codes(40)
    expected = (scores(codes).astype(np.float32) - 3) / 16
    assert subject.coded is not None
    np.testing.assert_array_equal(subject.coded(codes), expected)
    np.testing.assert_array_equal(subject.ask((codes.astype(np.float32) + 128) / 256), expected)
    assert len(device_of(subject).ticks) >= 80


def test_no_samples_have_no_scores(board: int) -> None:
    assert opened(board)(np.zeros((0, 28, 28, 1), np.float32)).shape == (0, 10)


def test_layers_are_told_in_the_order_of_execution(board: int) -> None:
    subject = opened(board)
    assert subject.layers is not None
    found = subject.layers(np.zeros((2, 28, 28, 1), np.float32))
    assert [(one.place, one.tensor, one.values.shape) for one in found] == [(0, "1", (2, 784)), (1, "2", (2, 10))]
    np.testing.assert_array_equal(found[1].values, scores(np.full((2, 784), -128, np.int8)))


def test_another_model_than_expected_is_refused(board: int, tmp_path: Path) -> None:
    assert opened(board, f"?sha256={SHA[:12]}").spec.rung.artifact.sha256 == SHA
    with pytest.raises(ArtifactError, match=f"holds model {SHA[:12]}, expected 00000000; flash"):
        opened(board, "?sha256=00000000")
    file = tmp_path / "other.tflite"
    file.write_bytes(b"another model")
    with pytest.raises(ArtifactError, match=r"holds model .* expected 93dc44381b52"):
        opened(board, f"?model={file}")


def test_options_that_make_no_sense_are_refused(board: int) -> None:
    for options, said in (
        ("?sha256=12", "at least 8 hexadecimal digits"),
        ("?baud=9600", "unknown option of tcp: 'baud'"),
        ("?dialect=morse", "unknown dialect 'morse'"),
        ("?model=nowhere.tflite", "no file"),
    ):
        with pytest.raises((AddressError, ArtifactError), match=re.escape(said)):
            opened(board, options)
    for address in ("tcp:nowhere", "tcp:host:0", "tcp:host:70000", "tcp::80"):
        with pytest.raises(AddressError, match="expected tcp:host:port"):
            open_tcp(parse_address(address))


def test_nobody_there_is_said_within_bounds() -> None:
    with running() as port:
        pass
    with pytest.raises(WireError, match=r"refused.*, tried 3 times; see whether the board runs"):
        opened(port, "?tries=3")


@pytest.mark.parametrize(
    ("spoken", "said"),
    [
        (b"\r\nlogin: \r\n", "no answer in time, but 'login: ', tried 3 times"),
        (b"\0\5\xb1\1\2\3\0", "no answer in time, but something with 4 bytes, a frame has at least 6, tried 3 times"),
        (Frame(Kind.ERROR, 0xFFFF, b"\3another").packed(), "no answer in time, but 'another', tried 3 times"),
    ],
)
def test_a_line_on_which_something_else_speaks_is_given_up(spoken: bytes, said: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:

        def speak() -> None:
            with other.accept()[0] as connection:
                while connection.recv(100):
                    connection.sendall(spoken)

        threading.Thread(target=speak, daemon=True).start()
        link = Link("tcp:there", Tcp("127.0.0.1", other.getsockname()[1]), Patience(1, 3, 0.05))
        with pytest.raises(WireError, match=re.escape(said)):
            link.introduced()
        link.close()


def test_no_corruption_is_ever_taken_for_an_answer(board: int) -> None:
    out, back = Faults(0.25, 1), Faults(0.25, 2)
    codes = some_codes(200)
    with between(board, out, back) as port:
        subject = at(port)
        np.testing.assert_array_equal(answers(subject, codes), scores(codes))
    assert out.hurt > 40
    assert back.hurt > 40
    assert device_of(subject).link.troubles


def test_answers_to_other_questions_are_not_taken(board: int) -> None:
    """Before each answer comes the one before it, as from a line that keeps what it has sent."""
    before = [b""]

    def repeating(piece: bytes) -> bytes:
        before.append(piece)
        return before.pop(0) + piece

    codes = some_codes(30)
    with between(board, bytes, repeating) as port:
        np.testing.assert_array_equal(answers(at(port), codes), scores(codes))


def test_a_line_that_is_always_one_answer_behind_is_given_up(board: int) -> None:
    held = [b""]

    def late(piece: bytes) -> bytes:
        held.append(piece)
        return held.pop(0)

    with between(board, bytes, late) as port, pytest.raises(WireError, match="no answer in time, tried 4 times"):
        at(port, Patience(1, 4, 0.05))


def test_everything_that_comes_twice_counts_once(board: int) -> None:
    codes = some_codes(30)
    with between(board, lambda piece: 2 * piece, lambda piece: 3 * piece) as port:
        np.testing.assert_array_equal(answers(at(port), codes), scores(codes))


def test_a_board_that_is_reset_in_the_middle_goes_on(board: int) -> None:
    """The line breaks off after every tenth question, and the board behind it is a new one each time."""
    codes = some_codes(60)
    with running() as port:
        subject = at(port)
        first = answers(subject, codes[:30])
    with running(port=port):
        rest = answers(subject, codes[30:])
    np.testing.assert_array_equal(np.concatenate([first, rest]), scores(codes))
    assert device_of(subject).link.troubles


def test_a_reset_that_leaves_the_line_up_is_noticed(board: int) -> None:
    """A board that starts says so; whoever hears it asks who is there now."""
    said = iter([b"", b"", b"m-init-done\r\nm-ready\r\n", *[b""] * 1000])
    codes = some_codes(20)
    with between(board, bytes, lambda piece: piece + next(said)) as port:
        subject = at(port)
        np.testing.assert_array_equal(answers(subject, codes), scores(codes))
    assert "the board says 'm-init-done'" in device_of(subject).link.troubles


def test_another_model_after_a_reset_ends_the_run() -> None:
    codes = some_codes(20)
    with running() as port:
        subject = at(port)
        answers(subject, codes[:10])
    with (
        running("MARK=2", port=port),
        pytest.raises(WireError, match=r"holds model 02020304\w+, expected model 01020304\w+ as before; flash"),
    ):
        answers(subject, codes[10:])


def test_answers_of_another_model_are_none_even_if_nobody_noticed() -> None:
    """The board is flashed behind a line that stays up: every answer is bound to the model that was there first."""
    codes = some_codes(3)
    with running() as port, running("MARK=2") as other:
        subject = at(port, Patience(5, 3, 0.05))
        link = device_of(subject).link
        link.close()
        link.opener = Tcp("127.0.0.1", other)
        link._port, link._sure = link.opener(), True
        with pytest.raises(WireError, match="expected model 01"):
            answers(subject, codes)
        assert link.troubles[-1] == "an answer to something else than was asked"


def test_a_board_that_hangs_is_given_up_and_the_journal_goes_on_from_there(board: int, tmp_path: Path) -> None:
    codes, passed = some_codes(60), [0]

    def hanging(piece: bytes) -> bytes:
        passed[0] += 1
        return piece if passed[0] < 30 else b""

    with between(board, bytes, hanging) as port:
        subject = at(port, Patience(1, 2, 0.05))
        known = remembered(subject, Memory.resumed(subject.spec, tmp_path / "log"))
        assert known.coded is not None
        with pytest.raises(WireError, match=r"no answer in time, tried 2 times; .*answers so far are kept"):
            [known.coded(codes[start : start + 10]) for start in range(0, 60, 10)]
    again = replace(at(board), spec=subject.spec)
    memory = Memory.resumed(again.spec, tmp_path / "log")
    coded = remembered(again, memory).coded
    assert coded is not None
    np.testing.assert_array_equal(coded(codes), (scores(codes).astype(np.float32) - 3) / 16)
    assert 10 <= memory.repeated < 60
    assert memory.asked == 60 - memory.repeated


def test_threads_take_turns(board: int) -> None:
    subject, codes = opened(board), some_codes(64)
    found: dict[int, Any] = {}

    def ask(place: int) -> None:
        found[place] = answers(subject, codes[place * 16 : place * 16 + 16])

    crew = [threading.Thread(target=ask, args=(place,)) for place in range(4)]
    for one in crew:
        one.start()
    for one in crew:
        one.join()
    np.testing.assert_array_equal(np.concatenate([found[place] for place in range(4)]), scores(codes))


def test_boards_of_one_model_are_a_fleet_and_one_that_dies_is_left_out() -> None:
    samples = (some_codes(60).astype(np.float32) + 128) / 256
    with running() as here:
        with running() as there:
            fleet = open_predictor(f"fleet:tcp:127.0.0.1:{here},tcp:127.0.0.1:{there}?tries=1")
            scored = fleet(samples[:30])
            assert fleet.answered is not None
            assert min(fleet.answered().values()) > 0
        with pytest.warns(FleetWarning, match="is left out"):
            scored = np.concatenate([scored, fleet(samples[30:])])
        del fleet
    np.testing.assert_array_equal(scored, (scores(some_codes(60)).astype(np.float32) - 3) / 16)


def test_a_serial_line_is_a_line_like_any_other() -> None:
    """A pseudo terminal, with the board behind it by its standard input and output."""
    pytest.importorskip("serial", reason="pyserial is not installed: pip install 'samewhy[bridge]'")
    ours, theirs = os.openpty()
    tty.setraw(ours)
    tty.setraw(theirs)
    with subprocess.Popen([program()], stdin=ours, stdout=ours) as process:
        address = f"serial:{os.ttyname(theirs)}?baud=115200&sha256={SHA}"
        subject = open_serial(parse_address(address))
        codes = some_codes(20)
        np.testing.assert_array_equal(answers(subject, codes), scores(codes))
        device_of(subject).link.close()
        np.testing.assert_array_equal(answers(subject, codes), scores(codes))
        device_of(subject).link.close()
        process.kill()
    os.close(ours)
    os.close(theirs)


def test_a_serial_line_that_is_not_there_is_said() -> None:
    pytest.importorskip("serial", reason="pyserial is not installed: pip install 'samewhy[bridge]'")
    start = time.monotonic()
    with pytest.raises(WireError, match=r"serial:/dev/nowhere: .*No such file"):
        open_serial(parse_address("serial:/dev/nowhere?tries=2"))
    assert time.monotonic() - start < 10
