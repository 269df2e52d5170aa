import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from samewhy_bridge.frames import LONGEST, UNHARMED, Damage, Frame, Reader, Text, crc16, stuffed, unpacked, unstuffed

BYTES = st.binary(max_size=1200) | st.lists(st.sampled_from([0, 1, 255]), max_size=700).map(bytes)


def slowly_stuffed(content: bytes) -> bytes:
    """COBS by its definition: a zero is appended, then runs of at most 254 bytes are cut off one by one."""
    out, run = b"", b""
    for byte in (*content, 0):
        if byte == 0:
            out, run = out + bytes([len(run) + 1]) + run, b""
            continue
        run += bytes([byte])
        if len(run) == 254:
            out, run = out + b"\xff" + run, b""
    return out


def slow_crc(content: bytes) -> int:
    """CRC-16/GENIBUS a bit at a time."""
    value = 0xFFFF
    for byte in content:
        value ^= byte << 8
        for _ in range(8):
            value = (value << 1 ^ (0x1021 if value & 0x8000 else 0)) & 0xFFFF
    return value ^ 0xFFFF


@given(BYTES)
@example(b"")
@example(b"\1" * 254)
@example(b"\1" * 254 + b"\0")
@example(b"\1" * 255)
def test_stuffing_is_that_of_its_definition_and_is_undone(content: bytes) -> None:
    packed = stuffed(content)
    assert packed == slowly_stuffed(content)
    assert 0 not in packed
    assert len(packed) <= len(content) + 1 + len(content) // 254
    assert unstuffed(packed) == content


def test_a_block_that_ends_early_or_holds_a_zero_is_none() -> None:
    assert unstuffed(b"\xff" + b"\1" * 254) == b"\1" * 254  # others leave the last, empty block out
    for bad in (b"\5abc", b"\3a\0", b"\0"):
        with pytest.raises(ValueError, match="cut"):
            unstuffed(bad)


def test_the_crc_is_the_named_one() -> None:
    assert crc16(b"123456789") == 0xD64E


@given(BYTES)
def test_what_ends_in_its_own_crc_tells_and_zeros_behind_it_do_too(content: bytes) -> None:
    value = crc16(content)
    assert value == slow_crc(content)
    whole = content + value.to_bytes(2, "big")
    assert crc16(whole) == UNHARMED
    assert crc16(whole + b"\0") != UNHARMED


FRAMES = st.builds(Frame, st.integers(0, 255), st.integers(0, 0xFFFE), st.binary(max_size=600))
LINES = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), min_size=1, max_size=30).filter(str.strip)


@given(st.lists(FRAMES | LINES, max_size=6), st.randoms(use_true_random=False))
def test_frames_and_lines_come_whole_however_the_bytes_are_cut(things: list[Frame | str], chance: object) -> None:
    sent = b"".join(one.packed() if isinstance(one, Frame) else f"{one}\r\n".encode() for one in things)
    reader, found = Reader(), []
    while sent:
        count = chance.randint(1, 80)  # type: ignore[attr-defined]
        found += reader.feed(sent[:count])
        sent = sent[count:]
    assert found == [one if isinstance(one, Frame) else Text(one) for one in things]


@given(FRAMES, st.lists(st.integers(0, 10**6), min_size=1, max_size=3))
def test_up_to_three_flipped_bits_never_leave_another_frame(frame: Frame, places: list[int]) -> None:
    sent = bytearray(frame.packed())
    for place in places:
        sent[place // 8 % len(sent)] ^= 1 << place % 8
    found = [one for one in Reader().feed(bytes(sent) + b"\0") if isinstance(one, Frame)]
    assert found in ([], [frame])


@given(FRAMES, FRAMES)
def test_a_byte_that_is_lost_costs_its_frame_and_no_other(first: Frame, second: Frame) -> None:
    for lost in (0, 1, len(first.packed()) // 2, len(first.packed()) - 1):
        sent = bytearray(first.packed())
        del sent[lost]
        found = [one for one in Reader().feed(bytes(sent) + second.packed()) if isinstance(one, Frame)]
        assert found[-1] == second
        assert found[:-1] in ([], [first])


def test_another_version_is_no_frame_of_ours() -> None:
    content = bytes([0xB2, 1, 5, 0])
    content += crc16(content).to_bytes(2, "big")
    with pytest.raises(ValueError, match="version 2 of the protocol, version 1 is spoken here"):
        unpacked(stuffed(content))


def test_nothing_is_waited_for_without_end() -> None:
    reader = Reader()
    content = b"\0\5\xb1" + b"\1" * LONGEST
    assert any(isinstance(one, Damage) for one in reader.feed(content))
    assert list(reader.feed(Frame(1, 2, b"3").packed())) == [Frame(1, 2, b"3")]
