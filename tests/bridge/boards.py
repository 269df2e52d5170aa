"""A board of this machine, whose model is a hash of its input, and a line to it that fails."""

import os
import random
import shutil
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import numpy as np
import pytest

from samewhy_bridge.build import C

BOARD = Path(__file__).parent / "board"
WARNINGS = ("-Wall", "-Wextra", "-Wconversion", "-pedantic", "-Werror")
SAFE = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all")
SHAPE = (28, 28, 1)

needs_gcc = pytest.mark.skipif(shutil.which("gcc") is None, reason="no gcc: the C of the wire cannot be run here")
needs_arm = pytest.mark.skipif(
    shutil.which("arm-none-eabi-gcc") is None or shutil.which("qemu-system-arm") is None,
    reason="no arm-none-eabi-gcc or no qemu-system-arm: apt-get install gcc-arm-none-eabi libnewlib-arm-none-eabi "
    "qemu-system-arm",
)


@cache
def program(*definitions: str, folder: Path = BOARD) -> Path:
    """The board as a program of this machine, with the sanitizers of gcc."""
    path = Path(mkdtemp()) / "board"
    sources = [*(C / "wire").glob("*.c"), C / "port" / "port_host.c", *folder.glob("*.c")]
    places = [f"-I{place}" for place in (folder, C, C / "wire", C / "port")]
    told = [f"-D{one}" for one in definitions]
    command = ["gcc", "-std=c99", "-O1", "-g", *WARNINGS, *SAFE, *told, *places, *map(str, sources), "-o", str(path)]
    subprocess.run(command, check=True)
    return path


@contextmanager
def running(*definitions: str, port: int = 0) -> Iterator[int]:
    """A board that listens, and on which port; it must not have complained when it ends."""
    with subprocess.Popen(
        [program(*definitions)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "SAMEWHY_PORT": f"{port}"},
    ) as process:
        try:
            line = process.stdout.readline() if process.stdout else ""
            yield int(line.rpartition(":")[2])
        finally:
            process.kill()
            said = process.stderr.read() if process.stderr else ""
    assert not said, said


def scores(codes: Any, mark: int = 1) -> Any:
    """The codes (N, 10) that the model of `board/samewhy_model.c` answers."""
    turned = (np.arange(784) - codes.reshape(len(codes), 784).astype(np.int64)) % 256
    value = np.tile(np.uint64(2166136261) ^ (np.arange(10, dtype=np.uint64) + np.uint64(mark)), (len(codes), 1))
    for column in turned.T.astype(np.uint64):
        value = ((value ^ column[:, None]) * np.uint64(16777619)) & np.uint64(0xFFFFFFFF)
    return (value >> np.uint64(24)).astype(np.uint8).view(np.int8)


def some_codes(count: int, seed: int = 0) -> Any:
    return np.random.default_rng(seed).integers(-128, 128, (count, *SHAPE)).astype(np.int8)


Fault = Callable[[bytes], bytes]  # what becomes of bytes on their way


@dataclass
class Faults:
    """Hurts what passes, each piece with some chance, in ways that lines do."""

    chance: float
    seed: int = 0
    hurt: int = 0  # pieces so far
    _chance: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self._chance = random.Random(self.seed)

    def __call__(self, piece: bytes) -> bytes:
        if self._chance.random() >= self.chance:
            return piece
        self.hurt += 1
        return self._chance.choice([self._flip, self._drop, self._double, self._cut, self._insert, self._burst])(piece)

    def _flip(self, piece: bytes) -> bytes:
        hurt = bytearray(piece)
        for _ in range(self._chance.randint(1, 4)):
            hurt[self._chance.randrange(len(hurt))] ^= 1 << self._chance.randrange(8)
        return bytes(hurt)

    def _drop(self, piece: bytes) -> bytes:
        at = self._chance.randrange(len(piece))
        return piece[:at] + piece[at + self._chance.randint(1, 8) :]

    def _double(self, piece: bytes) -> bytes:
        at = self._chance.randrange(len(piece))
        return piece[:at] + piece[at : at + self._chance.randint(1, 40)] + piece[at:]

    def _cut(self, piece: bytes) -> bytes:
        return piece[: self._chance.randrange(len(piece))]

    def _insert(self, piece: bytes) -> bytes:
        at = self._chance.randrange(len(piece) + 1)
        return piece[:at] + self._chance.randbytes(self._chance.randint(1, 8)) + piece[at:]

    def _burst(self, piece: bytes) -> bytes:
        """Another thing altogether, of the same length."""
        at = self._chance.randrange(len(piece))
        count = min(len(piece) - at, self._chance.randint(1, 64))
        return piece[:at] + self._chance.randbytes(count) + piece[at + count :]


@contextmanager
def between(board: int, out: Fault, back: Fault) -> Iterator[int]:
    """A port of this machine that leads to another through faults, in each direction."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        open_: list[socket.socket] = []

        def serve() -> None:
            with suppress(OSError):
                while True:
                    here, _ = listener.accept()
                    there = socket.create_connection(("127.0.0.1", board))
                    open_.extend([here, there])
                    for source, sink, fault in ((here, there, out), (there, here, back)):
                        threading.Thread(target=pump, args=(source, sink, fault), daemon=True).start()

        threading.Thread(target=serve, daemon=True).start()
        try:
            yield listener.getsockname()[1]
        finally:
            for one in open_:
                with suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)
                one.close()


def pump(source: socket.socket, sink: socket.socket, fault: Fault) -> None:
    with suppress(OSError):
        sink.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while piece := source.recv(65536):
            if hurt := fault(piece):
                sink.sendall(hurt)
    for one in (source, sink):
        with suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)
