"""``http://host:port/model?option=value``: a model on a server of the Open Inference Protocol (KServe version 2).

A samewhy server says what it serves: the rung is then the served file's, and codes travel as codes. Of another server
is known what its metadata tell; options of the address say the rest.

Source: Open Inference Protocol, version 2, REST
"""

import json
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from http import HTTPStatus
from types import MappingProxyType
from typing import Any, final
from urllib.parse import quote, urlsplit

import numpy as np
from numpy.typing import NDArray

from samewhy_edge import tensors
from samewhy_edge.address import Address
from samewhy_edge.arrays import Samples, Scores
from samewhy_edge.errors import AddressError, InputError, WireError
from samewhy_edge.exchange import Answer, Exchange
from samewhy_edge.files import sha256
from samewhy_edge.metadata import (
    DIGITS,
    UNKNOWN,
    End,
    Table,
    at_once_of,
    binary_of,
    coding_of,
    end_of,
    parameters_of,
    rung_of,
    sample_of,
    together,
)
from samewhy_edge.predictor import Spec, Subject
from samewhy_edge.quant import Affine
from samewhy_edge.rung import Artifact, Rung
from samewhy_edge.tensors import Tensor
from samewhy_edge.testing import random_samples

OPTIONS = (
    *("input", "output", "sample", "channels", "version"),
    *("scale", "zero_point", "output_scale", "output_zero_point"),
    *("token_env", "timeout", "tries", "binary", "at_once"),
)
PROBE = 3  # samples whose scores tell one unknown model from another
SENTENCE = 300  # characters of a server's own words
NONE: Mapping[str, str] = MappingProxyType({})


@final
@dataclass(frozen=True, slots=True)
class Remote:
    """A model on a server as a predictor: asks in requests of a bounded size, and again where a connection is lost."""

    exchange: Exchange
    path: str  # of the model
    entry: End
    exit: End
    encoding: Affine | None  # where codes travel to the model
    decoding: Affine | None  # where codes travel back
    first: bool  # whether channels come first on the wire
    binary: bool
    most: int  # samples of a request
    fixed: bool  # whether each request must have so many

    def __call__(self, samples: Samples, /) -> Scores:
        """Scores of shape (N, K) for samples of shape (N, *S, C)."""
        return self.coded(self.encoding.encode(samples) if self.encoding else samples.astype(self.entry.dtype))

    def coded(self, codes: NDArray[Any], /) -> Scores:
        """Scores of shape (N, K) for what travels to the model, (N, *S, C)."""
        rows = np.moveaxis(codes, -1, 1) if self.first else codes
        starts = range(0, max(1, len(rows)), self.most)
        answers = np.concatenate([self._asked(rows[start : start + self.most]) for start in starts])
        return self.decoding.decode(answers) if self.decoding else answers.astype(np.float32, copy=False)

    def _asked(self, rows: NDArray[Any]) -> NDArray[Any]:
        """Answers (n, K) as the server gives them; where its batch is fixed, the last row fills it up."""
        missing = self.most - len(rows) if self.fixed and len(rows) else 0
        given = Tensor(self.entry.name, np.concatenate([rows, *[rows[-1:]] * missing]))
        wanted = {"name": self.exit.name, "parameters": {"binary_data": self.binary}}
        body, length = tensors.packed({"outputs": [wanted]}, "inputs", [given], self.binary)
        kind = {"Content-Type": "application/json"}
        if length is not None:
            kind = {"Content-Type": "application/octet-stream", tensors.LENGTH: str(length)}
        answer = good(self.exchange, "POST", f"{self.path}/infer", body, kind)
        return self._read(answer, len(given.values))[: len(rows)]

    def _read(self, answer: Answer, count: int) -> NDArray[Any]:
        where = f"{self.exchange.where}{self.path}"
        try:
            found = tensors.tensors_of(tensors.unpacked(answer.body, answer.headers.get(tensors.LENGTH)), "outputs")
        except InputError as error:
            raise WireError(f"{where}: an answer that cannot be read: {error}") from error
        values = next((one.values for one in found if one.name == self.exit.name), None)
        if values is None or values.shape[:1] != (count,) or max(values.shape[1:], default=1) * count != values.size:
            shapes = ", ".join(f"{one.name} {one.values.shape}" for one in found) or "no tensors"
            raise WireError(f"{where}: answered {shapes}; expected {self.exit.name} of shape ({count}, K)")
        return values.reshape(count, -1) if count else values.reshape(0, max(values.shape[1:], default=1))


def open_http(address: Address) -> Subject:
    """The model at `address`, with one input that takes samples and one output that gives scores.

    Raises:
        AddressError: an option that does not exist or does not fit, or one that is missing.
        WireError: the server cannot be reached, refuses, or does not speak the protocol.
    """
    address.only(*OPTIONS)
    exchange, root, path = place_of(address)
    server, model = table_of(exchange, root), table_of(exchange, path)
    entry, exit_ = end_of(address, model, "input"), end_of(address, model, "output")
    into, out = coding_of(address, entry, ""), coding_of(address, exit_, "output_")
    told, binary = parameters_of(model), binary_of(address, server)
    first = address.choice("channels", ("last", "first")) == "first"
    sample = sample_of(address, entry, first)
    size = math.prod(sample) * (np.dtype(into.dtype if into else entry.dtype).itemsize if binary else DIGITS)
    fixed = entry.shape[0] > 0
    most = entry.shape[0] if fixed else together(told, size)
    decoding = out if exit_.dtype.kind in "iu" else None
    remote = Remote(exchange, path, entry, exit_, into, decoding, first, binary, most, fixed)
    classes = remote(np.zeros((1, *sample), np.float32)).shape[1]
    wire = f"{exchange.where}{path}, {'binary' if binary else 'JSON'}"
    spec = Spec(sample, classes, rung_of(exchange.where, server, model), into, out, wire)
    subject = Subject(spec, remote, remote.coded if into else None, address.count("at_once", at_once_of(told)))
    return subject if spec.rung.artifact.bytes else replace(subject, spec=replace(spec, rung=marked(subject)))


def place_of(address: Address) -> tuple[Exchange, str, str]:
    """The server, the path of its own metadata and the path of the model.

    Raises:
        AddressError: no host or model, a port that is none, or a token that is not in the environment.
    """
    text = f"{address.runtime}:{address.rest}"
    try:
        parts = urlsplit(text)
        host, port, names = parts.hostname, parts.port, [part for part in parts.path.split("/") if part]
    except ValueError:  # a port that is none, an open bracket
        host, port, names = None, None, []
    if not host or not names or "@" in parts.netloc:
        raise AddressError(f"{text}: expected {address.runtime}://host:port/model, for example http://pi:8080/int8")
    *before, model = names
    root = "".join(f"/{part}" for part in (*(before[:-2] if before[-2:] == ["v2", "models"] else before), "v2"))
    version = address.options.get("version")
    path = f"{root}/models/{model}" + (f"/versions/{quote(version)}" if version else "")
    timeout, tries = address.number("timeout", 60), address.count("tries", 6)
    return Exchange(address.runtime, host, port, token_of(address), timeout, tries), root, path


def token_of(address: Address) -> str | None:
    """What the environment variable holds that ``token_env`` names. A token itself would end in histories and records.

    Raises:
        AddressError: there is no such variable.
    """
    name = address.options.get("token_env")
    if name is None:
        return None
    token = os.environ.get(name, "").strip()
    if not token:
        raise AddressError(f"token_env={name}: no such environment variable, or an empty one; put the token there")
    return token


def good(exchange: Exchange, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] = NONE) -> Answer:
    """An answer to this request.

    Raises:
        WireError: the server refuses; the sentence holds its own.
    """
    answer = exchange(method, path, body, headers)
    if answer.status == HTTPStatus.OK:
        return answer
    where = f"{exchange.where}{path}"
    if answer.status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        raise WireError(f"{where}: the token is missing or wrong; name the variable that holds it: token_env=NAME")
    raise WireError(f"{where}: refused with {answer.status}: {said(answer.body)}")


def said(body: bytes) -> str:
    """The server's own sentence, or the beginning of what it sent."""
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        found = None
    text = found["error"] if isinstance(found, dict) and isinstance(found.get("error"), str) else body.decode("latin-1")
    return " ".join(text.split())[:SENTENCE] or "without a word"


def table_of(exchange: Exchange, path: str) -> Table:
    """Metadata.

    Raises:
        WireError: there are none.
    """
    body = good(exchange, "GET", path).body
    try:
        return tensors.unpacked(body, None).head
    except InputError as error:
        raise WireError(f"{exchange.where}{path}: no metadata of the Open Inference Protocol: {error}") from error


def marked(subject: Subject) -> Rung:
    """The rung of a file that nobody tells of, marked by its answers: a journal must not mix two models."""
    scores = subject(random_samples(subject, PROBE))
    mark = sha256(scores)[:12]
    return replace(subject.spec.rung, artifact=Artifact(f"{UNKNOWN}-{mark}", 0))
