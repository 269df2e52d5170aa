"""A subject on the network, by the Open Inference Protocol: connections, their limits, and an end that loses nothing.

Each connection has a thread. There are so many and no more: one that comes too much takes the place of the one that has
been silent longest, so that idle and dawdling clients hold up nobody.
"""

import contextlib
import io
import math
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from email.utils import formatdate
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from socketserver import TCPServer
from typing import Any, final

import numpy as np

from samewhy_edge.batching import Batcher, Door, Limits
from samewhy_edge.errors import InputError
from samewhy_edge.predictor import Subject
from samewhy_edge.query import BATCH, batch_size
from samewhy_edge.service import LATER, SERVER, RefusedError, Reply, Service
from samewhy_edge.tensors import LENGTH
from samewhy_edge.testing import random_samples

IDLE, READ, LINGER = 75.0, 30.0, 2.0  # seconds for the next request, for all of one, to hear out a refused one
TICK = 0.25  # seconds between looks at the clock
BACKLOG = 128  # connections that the system holds until they are accepted


@final
@dataclass(frozen=True, slots=True)
class Settings:
    """Where to listen, and what to bear. None of it changes an answer."""

    name: str = "model"
    host: str = "127.0.0.1"
    port: int = 0  # 0: any that is free
    token: str | None = None
    wait: float = 0.0  # seconds that a free predictor waits for more samples
    rows: int = 1024  # samples that wait, and samples of a request, at most
    largest: int = 32 * 2**20  # bytes of a body
    connections: int = 64
    grace: float = 10.0  # seconds for what is being answered when the server is stopped


@final
@dataclass(frozen=True, slots=True)
class _Place:
    """What a connection is doing."""

    until: float  # when it is cut off; endless while its request is being answered
    since: float
    idle: bool  # between two requests


@final
@dataclass(slots=True)
class Places:
    """Connections by their sockets, no more than `most`."""

    most: int
    taken: dict[socket.socket, _Place] = field(default_factory=dict)
    change: threading.Condition = field(default_factory=threading.Condition)

    def admit(self, connection: socket.socket) -> bool:
        """Give it a place, if need be that of the one that has been silent longest; False where all are at work."""
        with self.change:
            if len(self.taken) >= self.most:
                silent = [one for one, place in self.taken.items() if place.until < math.inf]
                if not silent:
                    return False
                self._cut(min(silent, key=lambda one: self.taken[one].since))
            self._allow(connection, IDLE)
            return True

    def allow(self, connection: socket.socket, seconds: float) -> None:
        """From now on it has so many seconds; `IDLE` of them between two requests."""
        with self.change:
            if connection in self.taken:
                self._allow(connection, seconds)

    def leave(self, connection: socket.socket) -> None:
        """Its place is free."""
        with self.change:
            self.taken.pop(connection, None)
            self.change.notify_all()

    def cut(self, late: Callable[[_Place], bool]) -> None:
        """End those that are late; their threads wake with nothing more to read."""
        with self.change:
            for one in [one for one, place in self.taken.items() if late(place)]:
                self._cut(one)

    def empty(self, seconds: float) -> bool:
        """Whether all have left within so many seconds."""
        with self.change:
            return self.change.wait_for(lambda: not self.taken, seconds)

    def _allow(self, connection: socket.socket, seconds: float) -> None:
        now = time.monotonic()
        self.taken[connection] = _Place(now + seconds, now, seconds == IDLE)

    def _cut(self, connection: socket.socket) -> None:
        del self.taken[connection]
        with contextlib.suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def listening(subjects: Sequence[Subject], settings: Settings) -> Iterator["Listener"]:
    """Serve subjects of one rung until the block is left; then what has begun is answered, and nothing more.

    Raises:
        InputError: the port is taken or forbidden, or the host is none of this machine.
    """
    first = subjects[0]
    together = batch_size(BATCH, math.prod(first.spec.sample))
    doors = [door_of(one) for one in subjects for _ in range(one.at_once)]
    batcher = Batcher(doors, Limits(together, merges(first), settings.rows, settings.wait))
    service = Service(
        settings.name,
        first.spec,
        batcher.ask,
        first.coded is not None,
        len(doors),
        settings.rows,
        settings.largest,
        settings.token,
    )
    with Listener(settings, service, batcher) as listener:
        batcher.start()
        listening = threading.Thread(target=listener.serve_forever, args=(TICK,), daemon=True)
        listening.start()
        try:
            yield listener
        finally:
            if listener.drain(settings.grace):
                batcher.close()
            listening.join()


def door_of(subject: Subject) -> Door:
    """By codes where there is such a door: they are encoded in the threads of the connections."""
    return subject.coded or subject.ask


def merges(subject: Subject) -> bool:
    """Whether the file answers the same in any batch, so that questions of several askers may share one.

    Real numbers do not: they round otherwise in another batch, and an answer must not depend on who else asks.
    """
    if subject.spec.output is None:
        return False
    samples = random_samples(subject, 5)
    alone = np.concatenate([subject(one[None]) for one in samples])
    return alone.tobytes() == subject(samples).tobytes()


@final
class Listener(TCPServer):
    """A socket that is listened on, and its connections."""

    allow_reuse_address = True
    request_queue_size = BACKLOG

    def __init__(self, settings: Settings, service: Service, batcher: Batcher) -> None:
        host, port = settings.host, settings.port
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.host, self.service, self.batcher, self.places = host, service, batcher, Places(settings.connections)
        try:
            super().__init__((host, port), Handler)
        except (OSError, OverflowError) as error:
            raise InputError(
                f"{host}:{port} cannot be listened on ({error}); choose another --host or --port"
            ) from error

    @property
    def url(self) -> str:
        """Where the model is found, as an address that samewhy opens."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.server_address[1]}/{self.service.name}"

    def process_request(self, request: Any, client_address: Any) -> None:
        """A thread for a connection, or at once a word that there is no place."""
        if self.places.admit(request):
            threading.Thread(target=self._attend, args=(request, client_address), daemon=True).start()
            return
        refused = RefusedError(HTTPStatus.SERVICE_UNAVAILABLE, "all connections are at work; ask again later", LATER)
        with contextlib.suppress(OSError):
            request.settimeout(TICK)
            request.sendall(written(refused.reply(), close=True))
        self.shutdown_request(request)

    def service_actions(self) -> None:
        """Cut off those whose time is up; called while the socket is listened on."""
        now = time.monotonic()
        self.places.cut(lambda place: place.until < now)

    def drain(self, seconds: float) -> bool:
        """Take no more requests, answer those that have begun; whether all were answered within so many seconds."""
        self.service.closing.set()
        self.shutdown()
        self.server_close()
        end = time.monotonic() + seconds
        while not self.places.empty(TICK) and time.monotonic() < end:
            self.service_actions()
            self.places.cut(lambda place: place.idle)
        return self.places.empty(0)

    def _attend(self, request: socket.socket, client_address: Any) -> None:
        try:
            with contextlib.suppress(OSError):
                self.finish_request(request, client_address)
        finally:
            self.places.leave(request)
            self.shutdown_request(request)


@final
class Handler(BaseHTTPRequestHandler):
    """One connection: its requests, one after the other."""

    protocol_version = "HTTP/1.1"
    rbufsize = wbufsize = 2**16
    disable_nagle_algorithm = True
    server: Listener
    rfile: io.BufferedReader

    def handle_one_request(self) -> None:
        """Wait for the next request, then for all of it."""
        self.server.places.allow(self.connection, IDLE)
        self.close_connection = True
        if not self.rfile.peek(1):
            return
        self.server.places.allow(self.connection, READ)
        if self.server.service.closing.is_set():
            self._refuse(RefusedError(HTTPStatus.SERVICE_UNAVAILABLE, "this server is being stopped", LATER))
        else:
            super().handle_one_request()

    def do_GET(self) -> None:
        """Answer a question about the server or the model."""
        self._respond()

    def do_POST(self) -> None:
        """Answer a question to the model."""
        self._respond()

    def handle_expect_100(self) -> bool:
        """Say "go on" only where the body is wanted: see `_body`."""
        return True

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """A request that is no HTTP, in the protocol's words."""
        status = HTTPStatus(code)
        self._refuse(RefusedError(status, f"{message or status.phrase}; expected a request of HTTP/1.1"))

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: a line a query is no use to anybody."""

    def _respond(self) -> None:
        service = self.server.service
        try:
            answer = service.route(self.command, self.path, self.headers)
            body = self._body(service.largest)
        except RefusedError as refused:
            self._refuse(refused)
            return
        self.server.places.allow(self.connection, math.inf)
        reply = service.answer(answer, self.headers, body)
        self.server.places.allow(self.connection, READ)  # it must take its answer too
        self._send(reply, self.close_connection or service.closing.is_set())

    def _body(self, most: int) -> bytes:
        size = self._length(most)
        if size and self.headers.get("Expect", "").lower() == "100-continue":
            self.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            self.wfile.flush()
        body = self.rfile.read(size)
        if len(body) < size:
            raise RefusedError(HTTPStatus.BAD_REQUEST, f"the body ends after {len(body)} bytes, expected {size}")
        return body

    def _length(self, most: int) -> int:
        if self.headers.get("Transfer-Encoding"):
            raise RefusedError(HTTPStatus.LENGTH_REQUIRED, "a body in chunks; expected one with Content-Length")
        if self.headers.get("Content-Encoding", "identity").lower() != "identity":
            raise RefusedError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "a compressed body; expected a plain one")
        given = self.headers.get_all("Content-Length", [])
        if not given:
            if self.command == "POST":
                raise RefusedError(HTTPStatus.LENGTH_REQUIRED, "no Content-Length; expected the bytes of the body")
            return 0
        if len(set(given)) > 1 or not (given[0].isascii() and given[0].isdecimal()):
            raise RefusedError(HTTPStatus.BAD_REQUEST, f"Content-Length {given}; expected one whole number")
        if len(given[0]) > 15 or int(given[0]) > most:
            raise RefusedError(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"a body of {given[0][:15]} bytes, expected at most {most}"
            )
        return int(given[0])

    def _refuse(self, refused: RefusedError) -> None:
        """Answer, and end the connection: what is left of the request cannot be told from the next one.

        What is on its way is heard out for a while. A connection that is closed before takes the answer with it.
        """
        self._send(refused.reply(), close=True)
        self.server.places.allow(self.connection, LINGER)
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_WR)
            while self.rfile.read1(self.rbufsize):
                pass

    def _send(self, reply: Reply, close: bool) -> None:
        self.close_connection = close
        self.wfile.write(written(reply, close))
        self.wfile.flush()


def written(reply: Reply, close: bool) -> bytes:
    """A reply as HTTP has it."""
    fields = {
        "Server": SERVER,
        "Date": formatdate(usegmt=True),
        "Content-Type": "application/octet-stream" if LENGTH in reply.headers else "application/json",
        "Content-Length": str(len(reply.body)),
        **reply.headers,
        **({"Connection": "close"} if close else {}),
    }
    lines = [
        f"HTTP/1.1 {reply.status:d} {HTTPStatus(reply.status).phrase}",
        *(": ".join(one) for one in fields.items()),
    ]
    return "\r\n".join([*lines, "", ""]).encode() + reply.body
