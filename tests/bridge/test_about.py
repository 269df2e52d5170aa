import struct
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from samewhy_bridge.about import About, End, read_about, usable
from samewhy_bridge.debugger import expanded, packet
from samewhy_bridge.elf import read_elf
from samewhy_edge.errors import ArtifactError

INPUT, OUTPUT = End("i1", (1, 28, 28, 1), 0.5, -128, 784), End("<f4", (1, 10), 0.0, 0, 40)
BODY = (
    struct.pack("<BBHII32sIIIQH", 1, 3, 2, 1024, 80_000_000, bytes(range(32)), 5000, 1600, 40, 7840, 2)
    + struct.pack("<BB5HfiI", 0, 4, 1, 28, 28, 1, 0, 0.5, -128, 784)
    + struct.pack("<BB5HfiI", 4, 2, 1, 10, 0, 0, 0, 0.0, 0, 40)
    + b"".join(bytes([len(word)]) + word for word in (b"runtime 1", b"kernels", b"machine", b"name"))
)


def test_a_body_is_read_as_it_is_described() -> None:
    about = read_about(BODY)
    assert about == About(
        *(True, True, 2, 1024, 80_000_000, bytes(range(32)), 5000, 1600, 40, 7840, 2, INPUT, OUTPUT),
        *("runtime 1", "kernels", "machine", "name"),
    )
    assert about.output.coding() is None
    assert usable(about, "here") == about


@given(st.integers(0, len(BODY) - 1))
def test_a_body_that_is_cut_is_none(length: int) -> None:
    with pytest.raises(ValueError, match=r"bytes about the board|cut|unpack"):
        read_about(BODY[:length])


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    for content in (body, BODY[: len(BODY) // 2] + body):
        try:
            read_about(content)
        except (ValueError, struct.error):
            continue


def test_what_cannot_be_is_refused() -> None:
    for place, value, said in ((0, 2, "version 2"), (66, 9, "type 9"), (67, 6, "rank 6"), (68, 2, "in 784 bytes")):
        hurt = bytearray(BODY)
        hurt[place] = value
        with pytest.raises(ValueError, match=said):
            read_about(bytes(hurt))


def test_a_model_that_is_no_predictor_is_refused() -> None:
    about = read_about(BODY)
    for changed, said in (
        (replace(about, input=replace(INPUT, shape=(784,))), "input shape"),
        (replace(about, input=replace(INPUT, shape=(2, 14, 28, 1))), "input shape"),
        (replace(about, output=replace(OUTPUT, shape=(2, 5))), "output shape"),
        (replace(about, input=replace(INPUT, scale=0.0)), "codes without a scale"),
    ):
        with pytest.raises(ArtifactError, match=said):
            usable(changed, "here")


def test_a_debuggers_packets_are_those_of_the_protocol() -> None:
    assert packet("m0,4") == b"$m0,4#fd"
    assert expanded(b"0* ") == b"0000"  # a run of three more: ' ' is 32
    assert expanded(b"}\x03ab") == b"#ab"


@given(st.binary(max_size=200))
def test_a_file_that_is_no_firmware_is_refused(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path: Path = tmp_path_factory.getbasetemp() / "firmware.elf"
    path.write_bytes(b"\x7fELF\x01\x01" + content)
    with pytest.raises(ArtifactError):
        read_elf(path)
