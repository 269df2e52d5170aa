"""Requests over HTTP that may be made again: connections that are kept, a bound on trying, one kind of error."""

import http.client
import socket
import ssl
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import final

from samewhy_edge.errors import WireError

PAUSE, LONGEST = 0.1, 5.0  # seconds before the second try, doubled for each further one; the longest
LARGEST = 256 * 2**20  # bytes of an answer that are read
HOPELESS = (ssl.SSLError, socket.gaierror, TimeoutError)  # trying again at once would not help, or take too long
LOST = (OSError, http.client.HTTPException)


@final
@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes


@final
@dataclass(frozen=True, slots=True)
class Exchange:
    """A server, asked by any number of threads; each has a connection to itself while it asks.

    Requests must be ones that may be made twice.
    """

    scheme: str  # "http" or "https"
    host: str
    port: int | None
    token: str | None = None
    timeout: float = 60.0  # seconds without a word from the server
    tries: int = 6
    _free: deque[http.client.HTTPConnection] = field(default_factory=deque)

    def __call__(self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None) -> Answer:
        """The server's answer; lost connections and busy servers are tried again.

        Raises:
            WireError: no connection, no answer in time, or an answer that is no HTTP.
        """
        sent = {**({"Authorization": f"Bearer {self.token}"} if self.token else {}), **(headers or {})}
        for left in reversed(range(self.tries)):
            pause = min(LONGEST, PAUSE * 2 ** (self.tries - left - 1))
            try:
                answer = self._once(method, path, body, sent)
                if answer.status != HTTPStatus.SERVICE_UNAVAILABLE or not left:
                    return answer
                pause = max(pause, _seconds(answer.headers.get("Retry-After")))
            except LOST as error:
                self._forget()
                if not left or isinstance(error, HOPELESS):
                    raise WireError(self._sentence(error)) from error
            time.sleep(pause)
        raise WireError(f"{self.where}: not asked at all")  # of no tries

    def __del__(self) -> None:
        """Kept connections end with whoever kept them."""
        self._forget()

    @property
    def where(self) -> str:
        """The server, as it stands in an address."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}" + (f":{self.port}" if self.port else "")

    def _once(self, method: str, path: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        connection = self._taken()
        try:
            connection.request(method, path, body or None, headers)
            response = connection.getresponse()
            answer = Answer(response.status, response.headers, response.read(LARGEST))
        except BaseException:
            connection.close()
            raise
        self._free.append(connection)
        return answer

    def _taken(self) -> http.client.HTTPConnection:
        try:
            return self._free.pop()
        except IndexError:
            kind = http.client.HTTPSConnection if self.scheme == "https" else http.client.HTTPConnection
            return kind(self.host, self.port, timeout=self.timeout)

    def _forget(self) -> None:
        """Close what is kept: where one connection is lost, the others are too."""
        while self._free:
            self._free.pop().close()

    def _sentence(self, error: Exception) -> str:
        if isinstance(error, TimeoutError):
            return f"{self.where}: no answer within {self.timeout:g} s; expected one, see whether it hangs, or timeout="
        if isinstance(error, OSError):
            said = error.strerror or str(error) or type(error).__name__
            return f"{self.where}: cannot be reached ({said}), tried {self.tries} times; see whether the server runs"
        said = f"{type(error).__name__} {error}".strip()
        return f"{self.where}: breaks off, or does not speak HTTP ({said}), tried {self.tries} times; check the address"


def _seconds(found: str | None) -> float:
    """What a server asks to wait, within bounds."""
    return min(LONGEST, float(found)) if found and found.isascii() and found.isdecimal() else 0.0
