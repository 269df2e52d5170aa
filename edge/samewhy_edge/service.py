"""What a server of the Open Inference Protocol answers, without its sockets: one model, one input, one output.

The input ``samples`` is FP32 (N, *S, C). Where the file's input is an integer, the same tensor may hold its codes; the
request's datatype says which. The output ``scores`` is always FP32 (N, K).

Source: Open Inference Protocol, version 2, REST
"""

import hmac
import json
import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from importlib.metadata import version
from typing import Any, Protocol, final
from urllib.parse import unquote

import numpy as np

from samewhy_edge import tensors
from samewhy_edge.arrays import Scores
from samewhy_edge.batching import BusyError, Rows
from samewhy_edge.errors import InputError, SamewhyError
from samewhy_edge.predictor import Spec, check_samples
from samewhy_edge.quant import Affine
from samewhy_edge.tensors import Message, Tensor

SERVER, VERSION = "samewhy", "1"  # the one version that a model has here
INPUT, OUTPUT = "samples", "scores"
LATER = {"Retry-After": "1"}
MODEL = re.compile(r"/v2/models/(?P<model>[^/]+)(/versions/(?P<version>[^/]+))?(/(?P<verb>ready|infer))?")
OPEN = ("/v2/health/live", "/v2/health/ready")  # what a watchdog asks, without a token


class Headers(Protocol):
    """Header fields, by names in any case."""

    def get(self, name: str, /) -> str | None:
        """The value of a field, None where it is missing."""
        ...


@final
@dataclass(frozen=True, slots=True)
class Reply:
    """An answer to a request."""

    body: bytes
    status: int = HTTPStatus.OK
    headers: Mapping[str, str] = field(default_factory=dict)


class RefusedError(Exception):
    """A request that gets no answer: the status, a sentence, and header fields."""

    def __init__(self, status: HTTPStatus, sentence: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(sentence)
        self.status, self.sentence, self.headers = status, sentence, headers or {}

    def reply(self) -> Reply:
        """As the protocol words it."""
        return Reply(_json({"error": self.sentence}), self.status, self.headers)


@final
@dataclass(frozen=True, slots=True)
class Service:
    """A subject under a name; `ask` takes codes where `coded`, samples otherwise."""

    name: str
    spec: Spec
    ask: Callable[[Rows], Scores]
    coded: bool
    at_once: int = 1  # batches that are answered at the same time
    most: int = 1024  # samples of a request
    largest: int = 32 * 2**20  # bytes of a body
    token: str | None = None
    closing: threading.Event = field(default_factory=threading.Event)

    def route(self, method: str, target: str, headers: Headers) -> Callable[[Headers, bytes], Reply]:
        """What answers a request, found before its body is read.

        Raises:
            RefusedError: a wrong token, path, model, version or method.
        """
        path = unquote(target.partition("?")[0]).rstrip("/")
        if path not in OPEN:
            self._admit(headers)
        wanted, answer = self._place(path)
        if method != wanted:
            raise RefusedError(HTTPStatus.METHOD_NOT_ALLOWED, f"{method} {path}: expected {wanted}", {"Allow": wanted})
        return answer

    def answer(self, answer: Callable[[Headers, bytes], Reply], headers: Headers, body: bytes) -> Reply:
        """What a route answers, or why it does not: whatever goes wrong is a reply too."""
        try:
            return answer(headers, body)
        except RefusedError as refused:
            return refused.reply()
        except InputError as error:
            return RefusedError(HTTPStatus.BAD_REQUEST, str(error)).reply()
        except BusyError as error:
            return RefusedError(HTTPStatus.SERVICE_UNAVAILABLE, str(error), LATER).reply()
        except SamewhyError as error:  # of a predictor that stands behind a wire itself
            return RefusedError(HTTPStatus.BAD_GATEWAY, str(error)).reply()
        except Exception as error:
            sentence = f"{self.name} failed to answer ({type(error).__name__}: {error})"
            return RefusedError(HTTPStatus.INTERNAL_SERVER_ERROR, sentence).reply()

    def _admit(self, headers: Headers) -> None:
        if self.token is None:
            return
        scheme, _, given = (headers.get("Authorization") or "").partition(" ")
        if scheme.lower() != "bearer" or not hmac.compare_digest(given.strip().encode(), self.token.encode()):
            raise RefusedError(
                HTTPStatus.UNAUTHORIZED,
                "a token is wanted: Authorization: Bearer TOKEN, with the one that the server was started with",
                {"WWW-Authenticate": "Bearer"},
            )

    def _place(self, path: str) -> tuple[str, Callable[[Headers, bytes], Reply]]:
        fixed = {"/v2": self._server, OPEN[0]: self._live, OPEN[1]: self._ready}
        if path in fixed:
            return "GET", fixed[path]
        found = MODEL.fullmatch(path)
        if not found:
            raise RefusedError(HTTPStatus.NOT_FOUND, f"nothing at {path or '/'}; known: /v2, /v2/models/{self.name}")
        if found["model"] != self.name or found["version"] not in (None, VERSION):
            said = found["model"] + (f" of version {found['version']}" if found["version"] else "")
            raise RefusedError(HTTPStatus.NOT_FOUND, f"no model {said}; known: {self.name} of version {VERSION}")
        return {None: ("GET", self._model), "ready": ("GET", self._model_ready), "infer": ("POST", self._infer)}[
            found["verb"]
        ]

    def _server(self, _: Headers, __: bytes) -> Reply:
        return Reply(_json({"name": SERVER, "version": version("samewhy"), "extensions": [tensors.EXTENSION]}))

    def _live(self, _: Headers, __: bytes) -> Reply:
        return Reply(_json({"live": True}))

    def _ready(self, _: Headers, __: bytes) -> Reply:
        return self._readiness({})

    def _model_ready(self, _: Headers, __: bytes) -> Reply:
        return self._readiness({"name": self.name})

    def _readiness(self, row: Mapping[str, Any]) -> Reply:
        ready = not self.closing.is_set()
        return Reply(_json({**row, "ready": ready}), HTTPStatus.OK if ready else HTTPStatus.SERVICE_UNAVAILABLE)

    def _model(self, _: Headers, __: bytes) -> Reply:
        rung = self.spec.rung
        entry = self.spec.input if self.coded else None
        table = {
            "name": self.name,
            "versions": [VERSION],
            "platform": rung.runtime.partition(" ")[0],
            "inputs": [_end(INPUT, self.spec.sample, entry)],
            "outputs": [_end(OUTPUT, (self.spec.classes,), self.spec.output)],
            "parameters": {
                "artifact_sha256": rung.artifact.sha256,
                "artifact_bytes": rung.artifact.bytes,
                "runtime": rung.runtime,
                "kernels": rung.kernels,
                "machine": rung.machine,
                "at_once": self.at_once,
                "most_samples": self.most,
                "most_bytes": self.largest,
            },
        }
        return Reply(_json(table))

    def _infer(self, headers: Headers, body: bytes) -> Reply:
        message = tensors.unpacked(body, headers.get(tensors.LENGTH))
        rows, binary = self._rows(message), wants_binary(message)
        head = {"model_name": self.name, "model_version": VERSION, **_echo(message.head)}
        scores = self.ask(rows) if len(rows) else np.zeros((0, self.spec.classes), np.float32)
        try:
            content, length = tensors.packed(head, "outputs", [Tensor(OUTPUT, scores)], binary)
        except InputError as error:
            raise RefusedError(HTTPStatus.INTERNAL_SERVER_ERROR, str(error)) from error
        return Reply(content, headers={} if length is None else {tensors.LENGTH: str(length)})

    def _rows(self, message: Message) -> Rows:
        """Codes where `coded`, samples otherwise."""
        found = tensors.tensors_of(message, "inputs")
        if len(found) != 1 or found[0].name != INPUT:
            names = ", ".join(repr(one.name[:20]) for one in found[:4]) or "none"
            raise InputError(f"inputs {names}; expected one, {INPUT!r}")
        values = found[0].values
        if len(values.shape) and len(values) > self.most:
            raise RefusedError(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"{len(values)} samples, expected at most {self.most} a request"
            )
        entry = self.spec.input if self.coded else None
        if entry and values.dtype == entry.dtype:
            return _codes(values, self.spec.sample)
        if values.dtype != np.float32:
            also = f" or {tensors.NAMES[entry.dtype]} codes" if entry else ""
            raise InputError(f"tensor {INPUT} is {found[0].datatype}, expected FP32{also}")
        check_samples(values, self.spec.sample)
        return entry.encode(values) if entry else values


def wants_binary(message: Message) -> bool:
    """Whether a request wants its scores as bytes.

    Raises:
        InputError: it wants another output, or in a form that there is not.
    """
    binary = tensors.parameters_of(message.head).get("binary_data_output", False)
    listed = message.head.get("outputs")
    if listed is None or listed == []:
        return binary is True
    if not isinstance(listed, list) or len(listed) != 1 or not isinstance(listed[0], dict):
        raise InputError(f'"outputs" lists no single output; expected {OUTPUT!r}, or nothing')
    if listed[0].get("name") != OUTPUT:
        raise InputError(f"output {str(listed[0].get('name'))[:40]!r}; expected {OUTPUT!r}")
    wanted = tensors.parameters_of(listed[0])
    if "classification" in wanted:
        raise InputError("parameter 'classification'; this server gives scores, without it")
    return wanted.get("binary_data", binary) is True


def _codes(values: Rows, sample: tuple[int, ...]) -> Rows:
    if values.shape[1:] != sample or values.ndim != len(sample) + 1:
        raise InputError(f"codes have shape {values.shape}, expected (N, {', '.join(map(str, sample))})")
    return values


def _end(name: str, shape: tuple[int, ...], coding: Affine | None) -> dict[str, Any]:
    """A tensor of the metadata; its parameters say what codes stand behind its real numbers."""
    row = {"name": name, "datatype": "FP32", "shape": [-1, *shape]}
    if coding is None:
        return row
    codes = {"codes": tensors.NAMES[coding.dtype], "scale": coding.scale, "zero_point": coding.zero_point}
    return {**row, "parameters": codes}


def _echo(head: Mapping[str, Any]) -> dict[str, str]:
    given = head.get("id", "")
    if not isinstance(given, str):
        raise InputError(f"id is a {type(given).__name__}, expected a string")
    return {"id": given} if given else {}


def _json(value: Any) -> bytes:
    return json.dumps(value, allow_nan=False).encode()
