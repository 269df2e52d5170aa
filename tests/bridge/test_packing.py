from hypothesis import example, given
from hypothesis import strategies as st

from samewhy_bridge.packing import packed

RUNS = st.lists(st.tuples(st.integers(0, 255), st.integers(1, 300)), max_size=9)


def unpacked(content: bytes) -> bytes:
    """By the definition, a head at a time."""
    out, at = b"", 0
    while at < len(content):
        head = content[at]
        if head < 128:
            out += content[at + 1 : at + 2 + head]
            at += head + 2
        else:
            out += content[at + 1 : at + 2] * (head - 126)
            at += 2
    return out


@given(st.binary(max_size=700) | RUNS.map(lambda runs: b"".join(bytes([byte]) * count for byte, count in runs)))
@example(b"")
@example(bytes(129))
@example(bytes(130))
@example(bytes(131))
def test_what_is_packed_comes_out_again(content: bytes) -> None:
    assert unpacked(packed(content)) == content
    assert len(packed(content)) <= len(content) + -(-len(content) // 128)


def test_runs_take_two_bytes_each() -> None:
    assert packed(bytes(784)) == b"\xff\0" * 6 + b"\x88\0"
    assert packed(b"ab" + bytes(50) + b"c") == b"\1ab" + b"\xb0\0" + b"\0c"
