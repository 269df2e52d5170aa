"""Messages of the Open Inference Protocol: a JSON head with tensors in it, or behind it as bytes.

Tensors are row-major, and little-endian where they are bytes; the length of the JSON is then a header of HTTP.

Source: Open Inference Protocol, version 2, REST; its binary tensor data extension
"""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from samewhy_edge.errors import InputError, unknown

LENGTH = "Inference-Header-Content-Length"
EXTENSION = "binary_tensor_data"
SIZE = "binary_data_size"
DATATYPES: Mapping[str, np.dtype[Any]] = {
    "FP16": np.dtype("<f2"),
    "FP32": np.dtype("<f4"),
    "FP64": np.dtype("<f8"),
    "INT8": np.dtype("i1"),
    "UINT8": np.dtype("u1"),
    "INT16": np.dtype("<i2"),
}
NAMES = {dtype.name: datatype for datatype, dtype in DATATYPES.items()}  # "int8" -> "INT8"


@final
@dataclass(frozen=True, slots=True)
class Tensor:
    """A named array of one of `DATATYPES`."""

    name: str
    values: NDArray[Any]

    @property
    def datatype(self) -> str:
        """The protocol's word for the kind of number."""
        return NAMES[self.values.dtype.name]


@final
@dataclass(frozen=True, slots=True)
class Message:
    """What a body holds, beside its tensors."""

    head: Mapping[str, Any]
    tail: memoryview  # bytes of the tensors that are not in the head


def packed(head: Mapping[str, Any], listed: str, tensors: Sequence[Tensor], binary: bool) -> tuple[bytes, int | None]:
    """The body that lists `tensors` in `head[listed]`, and the length of its JSON where tensors lie behind it.

    Raises:
        InputError: a value that JSON has no word for.
    """
    rows = [_row(tensor, binary) for tensor in tensors]
    try:
        text = json.dumps({**head, listed: rows}, allow_nan=False, separators=(",", ":")).encode()
    except ValueError as error:
        raise InputError("scores that are not finite have no JSON; ask for them as binary data") from error
    if not binary:
        return text, None
    contents = [tensor.values.astype(DATATYPES[tensor.datatype], copy=False).tobytes() for tensor in tensors]
    return b"".join([text, *contents]), len(text)


def unpacked(body: bytes, length: str | None) -> Message:
    """A body taken apart; `length` is the header that says how long its JSON is, None where all of it is.

    Raises:
        InputError: no JSON object, or a length that is none.
    """
    end = len(body) if length is None else _whole(length, len(body))
    try:
        head = json.loads(body[:end])
    except (ValueError, RecursionError) as error:
        raise InputError(f"the body is not JSON ({_short(error)}); expected a JSON object") from error
    if not isinstance(head, dict):
        raise InputError(f"the body is a JSON {type(head).__name__}, expected an object")
    return Message(head, memoryview(body)[end:])


def tensors_of(message: Message, listed: str) -> list[Tensor]:
    """The tensors that `head[listed]` lists, their bytes from the tail in the same order.

    Raises:
        InputError: saying which tensor is wrong, and how; or that bytes are left over.
    """
    rows = message.head.get(listed)
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise InputError(f'no "{listed}" found; expected a list of tensors')
    found = list(_tensors(rows, message.tail))
    used = sum(size for row in rows if (size := _size(row)) is not None)
    if used != len(message.tail):
        raise InputError(f"{len(message.tail) - used} bytes behind the tensors; expected none, check {SIZE}")
    return found


def parameters_of(row: Mapping[str, Any]) -> Mapping[str, Any]:
    """The parameters of a tensor, a request or an answer.

    Raises:
        InputError: they are no object.
    """
    given = row.get("parameters", {})
    if not isinstance(given, dict):
        raise InputError(f"parameters are a {type(given).__name__}, expected an object")
    return given


def shape_of(found: object, least: int = 0) -> tuple[int, ...]:
    """A shape, its sizes at least `least` (-1 where any size will do).

    Raises:
        InputError: it is something else.
    """
    if not isinstance(found, list) or not all(type(size) is int and size >= least for size in found):
        raise InputError(f"shape {_short(found)}; expected a list of whole numbers of at least {least}")
    return tuple(found)


def dtype_of(found: object) -> np.dtype[Any]:
    """The numbers that a datatype names.

    Raises:
        InputError: a datatype that scores and samples do not have.
    """
    if not isinstance(found, str) or found not in DATATYPES:
        raise InputError(unknown("datatype", _short(found), DATATYPES))
    return DATATYPES[found]


def _tensors(rows: Sequence[Mapping[str, Any]], tail: memoryview) -> Iterator[Tensor]:
    at = 0
    for row in rows:
        name = row.get("name")
        if not isinstance(name, str):
            raise InputError(f"a tensor is named {_short(name)}, expected a string")
        size = _size(row)
        content = None if size is None else tail[at : at + size]
        try:
            yield Tensor(name, _values(row, content))
        except InputError as error:
            raise InputError(f"tensor {_short(name)}: {error}") from error
        at += size or 0


def _values(row: Mapping[str, Any], content: memoryview | None) -> NDArray[Any]:
    dtype, shape = dtype_of(row.get("datatype")), shape_of(row.get("shape"))
    if content is None:
        values = _listed(row.get("data"), dtype)
    elif "data" in row:
        raise InputError(f"both data and {SIZE}; expected one of them")
    else:
        values = _raw(content, dtype, shape)
    if values.size != math.prod(shape):
        raise InputError(f"{values.size} values, expected {math.prod(shape)} for shape {list(shape)}")
    return values.reshape(shape)


def _raw(content: memoryview, dtype: np.dtype[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    expected = math.prod(shape) * dtype.itemsize
    if len(content) != expected:
        raise InputError(f"{len(content)} bytes, expected {expected} for shape {list(shape)} of {NAMES[dtype.name]}")
    return np.frombuffer(content, dtype)


def _listed(data: object, dtype: np.dtype[Any]) -> NDArray[Any]:
    """Numbers of a JSON list, flat or nested."""
    if not isinstance(data, list):
        raise InputError(f"no data found; expected a list of numbers, or {SIZE}")
    try:
        values = np.asarray(data)
    except (ValueError, OverflowError) as error:
        raise InputError("data is nested unevenly; expected numbers, flat or in the tensor's shape") from error
    if values.size == 0:
        return values.astype(dtype)
    if values.dtype.kind not in ("iu" if dtype.kind in "iu" else "iuf"):
        wanted = "whole numbers" if dtype.kind in "iu" else "numbers"
        raise InputError(f"data holds {values.dtype.name} values, expected {wanted}")
    if dtype.kind in "iu" and not (values.min() >= np.iinfo(dtype).min and values.max() <= np.iinfo(dtype).max):
        raise InputError(f"data goes from {values.min()} to {values.max()}, out of the range of {NAMES[dtype.name]}")
    with np.errstate(over="ignore"):  # what is too large for the type becomes infinite, and is refused as such
        return values.astype(dtype)


def _row(tensor: Tensor, binary: bool) -> dict[str, Any]:
    row = {"name": tensor.name, "shape": list(tensor.values.shape), "datatype": tensor.datatype}
    if binary:
        return {**row, "parameters": {SIZE: tensor.values.nbytes}}
    return {**row, "data": tensor.values.ravel().tolist()}


def _size(row: Mapping[str, Any]) -> int | None:
    size = parameters_of(row).get(SIZE)
    if size is not None and (type(size) is not int or size < 0):
        raise InputError(f"{SIZE} is {_short(size)}, expected a whole number of bytes")
    return size


def _whole(length: str, most: int) -> int:
    if not (length.isascii() and length.isdecimal() and len(length) < 20 and int(length) <= most):
        raise InputError(f"{LENGTH} is {_short(length)}, expected at most the {most} bytes of the body")
    return int(length)


def _short(found: object) -> str:
    """The beginning of what was found, on one line: it comes from the other side of a wire."""
    text = found if isinstance(found, str) else repr(found) if not isinstance(found, Exception) else str(found)
    line = " ".join(text.split())
    return line if len(line) <= 60 else f"{line[:57]}..."
