"""The C of the wire, run on this machine, against the Python that asks it."""

import socket
import zlib
from collections.abc import Iterator
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from samewhy_bridge.about import read_about
from samewhy_bridge.frames import MARK, NO_SEQUENCE, VERSION, Event, Frame, Kind, Reader, Refusal, Text, crc16, stuffed
from samewhy_bridge.packing import packed
from samewhy_edge.quant import Affine
from tests.bridge.boards import needs_gcc, running, scores, some_codes

pytestmark = needs_gcc
SHA = bytes([1, *range(2, 31), 0, 0])


class Line:
    """A bare line to a board."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=20)
        self.reader = Reader()
        self.left: list[Event] = []

    def send(self, content: bytes | Frame) -> None:
        self.socket.sendall(content.packed() if isinstance(content, Frame) else content)

    def frame(self) -> Frame:
        """The next frame; whatever else comes is passed over."""
        while True:
            while self.left:
                event = self.left.pop(0)
                if isinstance(event, Frame):
                    return event
            self.left += self.reader.feed(self.socket.recv(65536))

    def text(self, command: str) -> list[str]:
        """The reply to a command."""
        self.send(command.encode())
        lines: list[str] = []
        while "m-ready" not in lines:
            content = self.socket.recv(65536)
            lines += [event.words for event in self.reader.feed(content) if isinstance(event, Text)]
        return lines


@pytest.fixture(scope="module")
def board() -> Iterator[int]:
    with running() as port:
        yield port


@pytest.fixture
def line(board: int) -> Iterator[Line]:
    found = Line(board)
    yield found
    found.socket.close()


def query(codes: np.ndarray, sequence: int = 7) -> Frame:
    return Frame(Kind.QUERY, sequence, codes.tobytes())


def test_a_board_says_what_it_is(line: Line) -> None:
    question = Frame(Kind.INFO, 300, b"")
    line.send(question)
    answer = line.frame()
    assert (answer.kind, answer.sequence) == (Kind.INFO | Kind.ANSWER, 300)
    about = read_about(answer.body[:-4])
    assert about.sha256 == SHA
    assert (about.file_bytes, about.arena_bytes, about.constant_bytes) == (4321, 1608, 40)
    assert (about.macs, about.layers) == (7840, 2)
    assert (about.batch, about.room, about.tick_rate, about.ascii, about.packs) == (1, 1024, 1_000_000, True, True)
    assert (about.sample, about.classes) == ((28, 28, 1), 10)
    assert about.input.coding() == Affine(2**-8, -128, "int8")
    assert about.output.coding() == Affine(2**-4, 3, "int8")
    assert (about.runtime, about.kernels) == ("samewhy-c", "generated-c")
    assert (about.machine, about.name) == ("unnamed board", "hash")
    assert answer.body[-4:] == question.check(SHA, answer.body[:-4]).to_bytes(4, "little")


def test_an_answer_is_bound_to_the_model_and_to_all_of_the_question(line: Line) -> None:
    codes = some_codes(1)
    line.send(query(codes))
    answer = line.frame()
    body, check = answer.body[:-4], int.from_bytes(answer.body[-4:], "little")
    np.testing.assert_array_equal(np.frombuffer(body[4:], np.int8), scores(codes)[0])
    assert check == zlib.crc32(SHA + bytes([Kind.QUERY, 7, 0]) + codes.tobytes() + body)
    other = codes.copy()
    other.flat[500] ^= 1
    assert check not in (query(other).check(SHA, body), query(codes, 8).check(SHA, body), query(codes).check(b"", body))


def test_questions_that_no_board_knows_are_refused_by_name(line: Line) -> None:
    row = (2).to_bytes(2, "little")
    for question, code in (
        (Frame(9, 1, b""), Refusal.UNKNOWN),
        (Frame(Kind.INFO, 2, b"?"), Refusal.LENGTH),
        (Frame(Kind.QUERY, 3, b""), Refusal.LENGTH),
        (Frame(Kind.QUERY, 4, bytes(783)), Refusal.LENGTH),
        (Frame(Kind.DUMP, 5, bytes(785)), Refusal.LENGTH),
        (Frame(Kind.DUMP, 6, row + bytes(784)), Refusal.NO_ROW),
        (Frame(Kind.PACKED, 7, b""), Refusal.LENGTH),
        (Frame(Kind.PACKED, 8, b"\xff\0" * 6), Refusal.LENGTH),  # 774 bytes
        (Frame(Kind.PACKED, 9, b"\xff\0" * 6 + b"\x89\0"), Refusal.LENGTH),  # 785
        (Frame(Kind.PACKED, 10, b"\xff\0" * 6 + b"\x09\0"), Refusal.LENGTH),  # ten bytes are promised
        (Frame(Kind.PACKED, 11, b"\xff\0" * 6 + b"\x88"), Refusal.LENGTH),  # and none
    ):
        line.send(question)
        answer = line.frame()
        assert (answer.kind, answer.sequence, answer.body[0]) == (Kind.ERROR, question.sequence, code)


def test_what_is_hurt_is_told_and_never_answered(line: Line) -> None:
    sent = query(some_codes(1)).packed()
    long = stuffed(bytes([MARK | VERSION]) + bytes(3000))
    other = bytes([MARK | 2, Kind.INFO, 0, 0])
    flipped = bytearray(sent)
    flipped[400] ^= 64
    for hurt, code in (
        (bytes(flipped), Refusal.DAMAGED),
        (sent[:500] + sent[501:], Refusal.DAMAGED),
        (sent[:300] + b"\0", Refusal.DAMAGED),
        (sent[:-1] + b"\1\0", Refusal.DAMAGED),  # a zero more behind all
        (b"\0\2" + bytes([MARK | VERSION]) + b"\0", Refusal.DAMAGED),
        (b"\0" + long + b"\0", Refusal.TOO_LONG),
        (b"\0" + stuffed(other + crc16(other).to_bytes(2, "big")) + b"\0", Refusal.VERSION),
    ):
        line.send(hurt)
        answer = line.frame()
        assert (answer.kind, answer.sequence, answer.body[0]) == (Kind.ERROR, NO_SEQUENCE, code)


def test_a_lost_zero_costs_one_frame_and_a_stray_one_nothing(line: Line) -> None:
    first, second, third = (query(some_codes(1, seed), seed) for seed in (1, 2, 3))
    line.send(first.packed()[:-1] + second.packed() + b"\0\0\0" + third.packed() + b"\0")
    assert [line.frame().sequence for _ in range(3)] == [1, 2, 3]
    line.send(first.packed()[:-1] + second.packed()[1:] + third.packed())
    assert [line.frame().sequence for _ in range(2)] == [NO_SEQUENCE, 3]


@settings(max_examples=30)
@given(st.lists(st.binary(max_size=40), max_size=5))
def test_noise_of_any_kind_is_survived(board: int, noise: list[bytes]) -> None:
    line, codes = Line(board), some_codes(1)
    for piece in noise:
        line.send(piece)
    line.send(b"\0" + query(codes, 77).packed())
    while (answer := line.frame()).sequence != 77:
        assert answer.kind == Kind.ERROR
    np.testing.assert_array_equal(np.frombuffer(answer.body[4:-4], np.int8), scores(codes)[0])
    line.socket.close()


SPARSE = st.lists(st.tuples(st.integers(-128, 127), st.integers(1, 300)), min_size=1).map(
    lambda runs: np.resize(np.repeat(*np.array(runs).T), 784).astype(np.int8)
)


@settings(max_examples=40)
@given(SPARSE)
def test_a_packed_question_is_the_same_question(board: int, codes: np.ndarray) -> None:
    content = packed(codes.tobytes())
    assume(len(content) <= 784)
    line = Line(board)
    line.send(Frame(Kind.PACKED, 5, content))
    np.testing.assert_array_equal(np.frombuffer(line.frame().body[4:-4], np.int8), scores(codes[None])[0])
    line.socket.close()


def test_a_layer_is_what_its_operator_gave(line: Line) -> None:
    codes = some_codes(1)
    line.send(Frame(Kind.DUMP, 1, b"\0\0" + codes.tobytes()))
    body = line.frame().body
    assert body[:5] == bytes([0, 0, 1, 0, 0])
    turned = (np.arange(784) - codes.reshape(784).astype(np.int64)).astype(np.int8)
    np.testing.assert_array_equal(np.frombuffer(body[5:-4], np.int8), turned)
    line.send(Frame(Kind.DUMP, 2, b"\1\0" + codes.tobytes()))
    body = line.frame().body
    assert body[:5] == bytes([1, 0, 2, 0, 0])
    np.testing.assert_array_equal(np.frombuffer(body[5:-4], np.int8), scores(codes)[0])


def test_frames_of_several_questions_are_answered_where_there_is_room_for_them() -> None:
    codes = some_codes(3)
    with running("SAMEWHY_BATCH=3") as port:
        line = Line(port)
        for count in (1, 2, 3):
            line.send(query(codes[:count]))
            table = np.frombuffer(line.frame().body[:-4], np.uint8).reshape(count, 14)
            np.testing.assert_array_equal(table[:, 4:].view(np.int8), scores(codes[:count]))
        line.send(query(np.repeat(codes, 2, axis=0)))
        assert line.frame().body[0] == Refusal.TOO_LONG
        line.socket.close()


def test_the_ascii_dialect_word_by_word(line: Line) -> None:
    codes = some_codes(1)
    content = codes.tobytes()
    assert line.text("name%")[-2:] == ["m-name-dut-[unnamed board]", "m-ready"]
    assert line.text("profile%") == ["m-profile-[samewhy-c]", "m-model-[hash]", "m-ready"]
    lap, ready = line.text("timestamp%")
    assert (lap.startswith("m-lap-us-"), ready) == (True, "m-ready")
    assert line.text("db load 784%") == ["m-[Expecting 784 bytes]", "m-ready"]
    said = [line.text(f"db {content[at : at + 31].hex()}%") for at in range(0, 784, 31)]
    assert said == [["m-ready"]] * 25 + [["m-load-done", "m-ready"]]
    told = line.text("db print%")
    assert told[0] == "m-buffer-" + "-".join(f"{byte:02x}" for byte in content[:8])
    assert len(told) == 99
    real = (scores(codes)[0].astype(float) - 3) / 16
    results = f"m-results-[{','.join(rounded(value) for value in real)}]"
    for _ in range(2):  # the model ruins its input
        said = line.text("infer 2 1%")
        assert said[:3] == ["m-warmup-start-1", "m-warmup-done", "m-infer-start-2"]
        assert [one.startswith("m-lap-us-") for one in said[3:5]] == [True, True]
        assert said[5:] == ["m-infer-done", results, "m-ready"]
    assert line.text("results%") == [results, "m-ready"]
    assert line.text("infer 1%")[0] == "m-warmup-start-10"
    assert [one.split()[0].rstrip(":") for one in line.text("help%")[:-1]] == [
        *("name", "profile", "timestamp", "db", "infer", "results", "help")
    ]


FLOATS = st.floats(width=32) | st.floats(-1000, 1000, width=32)


@pytest.fixture(scope="module")
def floats() -> Iterator[int]:
    with running("FLOATS") as port:
        yield port


@settings(max_examples=30)
@given(st.lists(FLOATS, min_size=10, max_size=10))
@example([0.0, -0.0, 0.0005, -0.0005, 0.00049999997, 999.9995, 1e-45, 4294968.5, 3e38, float("nan")])
def test_real_numbers_are_told_to_three_decimals(floats: int, values: list[float]) -> None:
    line, content = Line(floats), np.array(values, "<f4").tobytes().ljust(784, b"\0")
    line.text("db load 784%")
    for at in range(0, 784, 31):
        line.text(f"db {content[at : at + 31].hex()}%")
    found = line.text("infer 1 0%")[-2].removeprefix("m-results-[").removesuffix("]").split(",")
    line.socket.close()
    for value, told in zip(values, found, strict=True):
        if not np.isfinite(value):
            assert told == "nan"
        elif abs(value) < 4294967:
            assert told.startswith("-") == bool(np.signbit(value))
            assert abs(Fraction(told) - Fraction(value)) <= Fraction(1, 2000)
        else:
            assert told.lstrip("-") == "4294967.295"


def rounded(value: float) -> str:
    """Three decimals, half away from zero; these numbers are sixteenths, so the halves are exact."""
    return f"{'-' if value < 0 else ''}{np.floor(abs(value) * 1000 + 0.5) / 1000:.3f}"


def test_what_the_dialect_does_not_know_is_told_and_does_nothing(line: Line) -> None:
    line.text("db load 784%")
    for command in (
        *("nonsense", "", "db", "db 0", "db 0g", "db load", "db load 0", "db load 783", "db load 99999999999"),
        *("infer 0", "infer -1", "infer 1 x", "infer 1 0", "db " + "00" * 39, "n\xe4me"),
    ):
        first, ready = line.text(f"{command}%")
        assert first.startswith("e-["), command
        assert ready == "m-ready"
    for _ in range(25):
        line.text(f"db {'00' * 31}%")
    assert line.text(f"db {'00' * 31}%")[0].startswith("e-[db HH..: more bytes")


def test_both_dialects_share_a_port_and_no_input(line: Line) -> None:
    codes = some_codes(1)
    line.text("db load 784%")
    for at in range(0, 784, 31):
        line.text(f"db {codes.tobytes()[at : at + 31].hex()}%")
    line.send(query(codes))
    np.testing.assert_array_equal(np.frombuffer(line.frame().body[4:-4], np.int8), scores(codes)[0])
    assert line.text("infer 1 0%")[0].startswith("e-[no input")
    assert line.text("name%")[-1] == "m-ready"
