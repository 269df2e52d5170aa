"""What the tests of the server share: a server that is left cleanly, and requests in bytes."""

import http.client
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from typing import Any, final
from urllib.parse import urlsplit

import numpy as np

from samewhy_edge import open_predictor
from samewhy_edge.arrays import Scores
from samewhy_edge.predictor import Subject
from samewhy_edge.serve import Listener, Settings, listening
from tests.golden import golden


@contextmanager
def served(*subjects: Subject, **settings: Any) -> Iterator[Listener]:
    """A server on a free port of this machine."""
    with listening(subjects or [open_predictor(golden("image_int8"))], Settings(**settings)) as listener:
        yield listener


@final
class Gate:
    """A door that is shut until it is opened, and notes who came."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner
        self.sizes: list[int] = []
        self.entered, self.open = threading.Event(), threading.Event()

    def __call__(self, rows: Any) -> Scores:
        self.sizes.append(len(rows))
        self.entered.set()
        if not self.open.wait(30):
            raise RuntimeError("the gate stayed shut")
        scores: Scores = self.inner(rows)
        return scores


def gated(name: str = "image_int8") -> tuple[Subject, Gate]:
    """A golden file, whose own door stands behind a gate."""
    subject = open_predictor(golden(name))
    gate = Gate(subject.coded or subject.ask)
    return replace(subject, coded=gate) if subject.coded else replace(subject, ask=gate), gate


def port_of(listener: Listener) -> int:
    return urlsplit(listener.url).port or 0


def plug(listener: Listener) -> socket.socket:
    """A bare connection."""
    found = socket.create_connection(("127.0.0.1", port_of(listener)), timeout=20)
    found.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return found


def asked(listener: Listener, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any, Any]:
    """Status, header and JSON of an answer; names of header fields with underscores."""
    content = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    with closing(http.client.HTTPConnection("127.0.0.1", port_of(listener), timeout=20)) as connection:
        connection.request(method, path, content, sent)
        answer = connection.getresponse()
        return answer.status, answer.headers, json.loads(answer.read())


def question(samples: Any, datatype: str = "FP32", **more: Any) -> dict[str, Any]:
    """A request in JSON."""
    tensor = {"name": "samples", "datatype": datatype, "shape": list(samples.shape), "data": samples.ravel().tolist()}
    return {"inputs": [tensor], **more}


def raw(body: bytes, path: str = "/v2/models/model/infer", *lines: str) -> bytes:
    """A whole request as bytes."""
    head = [f"POST {path} HTTP/1.1", "Host: here", f"Content-Length: {len(body)}", *lines, "", ""]
    return "\r\n".join(head).encode() + body


def scores_of(answer: Any) -> Scores:
    """The scores in a JSON answer."""
    (tensor,) = answer["outputs"]
    assert (tensor["name"], tensor["datatype"]) == ("scores", "FP32")
    return np.array(tensor["data"], np.float32).reshape(tensor["shape"])
