"""Bytes to a board and back: a serial line or a TCP connection, and one kind of trouble."""

import socket
from dataclasses import dataclass, field
from typing import Any, Protocol, final

from samewhy_edge.address import Address
from samewhy_edge.errors import AddressError, ExtraError

PIECE = 65536  # bytes read at once
STUCK = 30.0  # seconds until a write that nobody takes is given up


class LostError(Exception):
    """The line is down: unplugged, reset, refused. Another one may be opened."""


class TroubleError(Exception):
    """No answer, or one that is none. What was asked must be asked again."""


class Port(Protocol):
    """An open line."""

    def write(self, content: bytes, /) -> None:
        """Send all of it. Raises `LostError`."""
        ...

    def read(self, seconds: float, /) -> bytes:
        """What has come, as soon as something has; empty when nothing came in time. Raises `LostError`."""
        ...

    def close(self) -> None:
        """Let go of it."""
        ...


class Opener(Protocol):
    """A place where lines are opened, again after one was lost."""

    def __call__(self) -> Port:
        """A new line. Raises `LostError`."""
        ...


@final
@dataclass(slots=True)
class TcpPort:
    """A TCP connection."""

    _socket: socket.socket

    def write(self, content: bytes, /) -> None:
        """Send all of it."""
        try:
            self._socket.settimeout(STUCK)
            self._socket.sendall(content)
        except OSError as error:
            raise LostError(str(error)) from error

    def read(self, seconds: float, /) -> bytes:
        """What has come."""
        try:
            self._socket.settimeout(max(seconds, 1e-3))  # 0 would not wait at all
            found = self._socket.recv(PIECE)
        except TimeoutError:
            return b""
        except OSError as error:
            raise LostError(str(error)) from error
        if not found:
            raise LostError("the other end closed the connection")
        return found

    def close(self) -> None:
        """Close it."""
        self._socket.close()


@final
@dataclass(frozen=True, slots=True)
class Tcp:
    """A host and a port: a serial server, an emulator, a board on a network."""

    host: str
    port: int
    timeout: float = 5.0  # seconds to connect

    def __call__(self) -> Port:
        """A new connection."""
        try:
            found = socket.create_connection((self.host, self.port), self.timeout)
            found.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError as error:
            raise LostError(str(error)) from error
        return TcpPort(found)


@final
@dataclass(slots=True)
class SerialPort:
    """A serial line of pyserial."""

    _line: Any
    _errors: tuple[type[Exception], ...]

    def write(self, content: bytes, /) -> None:
        """Send all of it."""
        try:
            self._line.write(content)
        except self._errors as error:
            raise LostError(str(error)) from error

    def read(self, seconds: float, /) -> bytes:
        """What has come: the first byte is waited for, the others are there or not."""
        try:
            self._line.timeout = seconds
            first = self._line.read(1)
            found: bytes = first + self._line.read(self._line.in_waiting) if first else b""
        except self._errors as error:
            raise LostError(str(error)) from error
        return found

    def close(self) -> None:
        """Close it; one that is gone already is."""
        try:
            self._line.close()
        except self._errors as error:
            raise LostError(str(error)) from error


@final
@dataclass(frozen=True, slots=True)
class Serial:
    """A device file, or a URL that pyserial knows (``rfc2217://host:port``)."""

    device: str
    baud: int = 115200
    _module: Any = field(default=None, repr=False, compare=False)

    def __call__(self) -> Port:
        """The line, which nobody else may open meanwhile."""
        serial = self._module
        errors = (serial.SerialException, OSError, ValueError, TypeError)  # the last two: of a file that is gone
        only = {} if "://" in self.device else {"exclusive": True}
        try:
            line = serial.serial_for_url(self.device, baudrate=self.baud, write_timeout=STUCK, **only)
        except errors as error:
            raise LostError(str(error)) from error
        return SerialPort(line, errors)


def tcp_of(address: Address) -> Tcp:
    """The host and port of ``tcp:host:port``.

    Raises:
        AddressError: there are none.
    """
    place = address.rest.partition("?")[0]
    host, _, port = place.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise AddressError(f"{address.runtime}:{address.rest}: expected {address.runtime}:host:port, for example :4000")
    return Tcp(host.strip("[]"), int(port))


def serial_of(address: Address) -> Serial:
    """The line of ``serial:/dev/ttyACM0?baud=115200``.

    Raises:
        AddressError: a baud that is none.
        ExtraError: pyserial is not installed.
    """
    try:
        import serial  # type: ignore[import-untyped,unused-ignore]
    except ModuleNotFoundError as error:
        raise ExtraError("serial: needs pyserial; install it with: pip install 'samewhy[bridge]'") from error
    return Serial(address.rest.partition("?")[0], address.count("baud", 115200), serial)
