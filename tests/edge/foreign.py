"""Servers of the Open Inference Protocol that are not ours: said to hold whatever a test wants them to."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, final

import numpy as np

from samewhy_edge.tensors import LENGTH, Tensor, packed, tensors_of, unpacked


@final
class Foreign(ThreadingHTTPServer):
    """One model; `misbehave` is called with each request's number, and may answer instead, or break it off."""

    daemon_threads = True

    def __init__(self, model: Any, scores: Any, server: Any = None, misbehave: Any = None) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.model, self.scores, self.misbehave = model, scores, misbehave or (lambda number, handler: False)
        self.told = {"name": "elsewhere", "version": "2.0", "extensions": []} if server is None else server
        self.seen: list[tuple[str, str]] = []  # methods and paths
        self.connections: set[Any] = set()
        self.given: list[Any] = []  # input arrays
        self.headers: list[Any] = []


@final
class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = 2**16
    server: Foreign

    def do_GET(self) -> None:
        self._note()
        if not self.server.misbehave(len(self.server.seen), self):
            self.put(self.server.told if self.path.endswith("/v2") else self.server.model)

    def do_POST(self) -> None:
        self._note()
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.server.misbehave(len(self.server.seen), self):
            return
        message = unpacked(body, self.headers.get(LENGTH))
        (given,) = tensors_of(message, "inputs")
        self.server.given.append(given)
        (wanted,) = message.head["outputs"]
        output = Tensor(wanted["name"], self.server.scores(given.values))
        content, length = packed({}, "outputs", [output], wanted["parameters"]["binary_data"])
        self.put(content, {} if length is None else {LENGTH: str(length)})

    def put(self, value: Any, headers: Any = None, status: int = 200) -> None:
        content = value if isinstance(value, bytes) else json.dumps(value).encode()
        self.send_response(status)
        for name, field in {"Content-Length": str(len(content)), **(headers or {})}.items():
            self.send_header(name, field)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def _note(self) -> None:
        self.server.seen.append((self.command, self.path))
        self.server.connections.add(self.connection)
        self.server.headers.append(self.headers)


@contextmanager
def foreign(model: Any, scores: Any = None, **more: Any) -> Iterator[Foreign]:
    with Foreign(model, scores or means, **more) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def means(rows: Any) -> Any:
    """Two scores, (N, 2): of the first and of the last position."""
    flat = rows.reshape(len(rows), -1)
    return np.stack([flat[:, 0], flat[:, -1]], axis=1).astype(np.float32)


def described(shape: Any, datatype: str = "FP32", output: str = "FP32", **more: Any) -> dict[str, Any]:
    """Metadata of a model."""
    return {
        "name": "m",
        "versions": ["3"],
        "platform": "any",
        "inputs": [{"name": "x", "datatype": datatype, "shape": shape}],
        "outputs": [{"name": "y", "datatype": output, "shape": [-1, 2]}],
        **more,
    }


def address_of(server: Foreign, options: str = "") -> str:
    return f"http://127.0.0.1:{server.server_address[1]}/m{options}"
