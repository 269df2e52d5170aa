"""Kernels called from Python, without a compiler for each model: structs are read from the headers.

Every tensor lies by itself between bytes that must stay as they are, or in the arena as planned. What is compiled here
is compiled once; that the C of a model says the same is tested by `compiled`.
"""

import ctypes
import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import numpy as np

from samewhy_bridge.calls import Call
from samewhy_bridge.graph import Graph
from samewhy_bridge.kernel_files import C
from samewhy_bridge.program import Program
from tests.bridge.compiled import STRICT, bench, gcc

NUMBERS = {
    name: getattr(ctypes, f"c_{name.removesuffix('_t')}")
    for name in ("int8_t", "uint8_t", "int16_t", "uint16_t", "int32_t", "uint32_t", "float")
}
GUARD = 64  # bytes before and behind a tensor


def run(program: Program, codes: Any, planned: bool) -> dict[int, Any]:
    """What every tensor holds after one sample, by its number; where `planned` the output's alone is meant."""
    room = _Arena(program) if planned else _Apart(program.graph)
    room.tensor(program.graph.input)[:] = np.frombuffer(np.ascontiguousarray(codes).tobytes(), np.int8)
    for place, step in program.steps.items():
        for call in step.calls:
            _call(program, call, room, place)
        for source in step.same_bytes:
            number = program.graph.operators[place].outputs[0]
            if not planned:
                room.tensor(number)[:] = room.tensor(source)
    room.check()
    written = [program.graph.input, *(n for place in program.steps for n in program.graph.operators[place].outputs)]
    return {number: _read(program.graph, number, room) for number in written}


def _read(graph: Graph, number: int, room: Any) -> Any:
    tensor = graph.tensors[number]
    return np.frombuffer(room.tensor(number).tobytes(), tensor.dtype).reshape(tensor.shape)


class _Apart:
    """Each tensor and each scratch by itself, with guards."""

    def __init__(self, graph: Graph) -> None:
        self._graph, self._held = graph, dict[Any, Any]()

    def tensor(self, number: int) -> Any:
        data = self._graph.tensors[number].data
        return self._bytes(number, self._graph.tensors[number].bytes, data)

    def scratch(self, place: int, size: int) -> Any:
        return self._bytes(("scratch", place), size, None)

    def _bytes(self, key: Any, size: int, data: Any) -> Any:
        if key not in self._held:
            self._held[key] = np.full(size + 2 * GUARD, 0x5A, np.int8)
            if data is not None:
                self._held[key][GUARD:-GUARD] = np.frombuffer(data.tobytes(), np.int8)
        return self._held[key][GUARD:-GUARD]

    def check(self) -> None:
        for key, held in self._held.items():
            assert (held[:GUARD] == 0x5A).all(), f"written before {key}"
            assert (held[-GUARD:] == 0x5A).all(), f"written behind {key}"


class _Arena:
    """As on the device."""

    def __init__(self, program: Program) -> None:
        self._program, self._bytes = program, np.zeros(program.arena.bytes + GUARD, np.int8)
        self._bytes[program.arena.bytes :] = 0x5A

    def tensor(self, number: int) -> Any:
        tensor = self._program.graph.tensors[number]
        if tensor.data is not None:
            return np.frombuffer(tensor.data.tobytes(), np.int8)
        start = self._program.arena.tensors[number]
        return self._bytes[start : start + tensor.bytes]

    def scratch(self, place: int, size: int) -> Any:
        start = self._program.arena.scratch.get(place, 0)
        return self._bytes[start : start + size]

    def check(self) -> None:
        assert (self._bytes[-GUARD:] == 0x5A).all(), "written behind the arena"


def _call(program: Program, call: Call, room: Any, place: int) -> None:
    spec, kept = filled(structs()[f"samewhy_{call.spec_type or call.kernel}_spec"], call.spec)
    views = [room.tensor(number) for number in (*call.inputs, *call.outputs)]
    if call.scratch is not None:
        views.append(room.scratch(place, call.scratch))
    pointers = [ctypes.c_void_p(view.ctypes.data) for view in views]
    getattr(library(), f"samewhy_{call.kernel}")(ctypes.byref(spec), *pointers)
    del kept


def filled(kind: Any, values: Mapping[str, Any]) -> tuple[Any, list[Any]]:
    """A struct, and arrays that must live as long."""
    made, kept = kind(), []
    types = dict(kind._fields_)
    for name, value in values.items():
        if isinstance(value, Mapping):
            inner, more = filled(types[name], value)
            setattr(made, name, inner)
            kept += more
        elif isinstance(value, np.ndarray):
            kept.append(np.ascontiguousarray(value))
            assert np.dtype(types[name]._type_) == value.dtype, f"{name} holds {value.dtype}"
            setattr(made, name, kept[-1].ctypes.data_as(types[name]))
        elif isinstance(value, tuple):
            setattr(made, name, types[name](*value))
        else:
            setattr(made, name, value)
            assert getattr(made, name) == value, f"{name} does not hold {value}"
    return made, kept


@cache
def library() -> Any:
    """All kernels; what is undefined ends the process."""
    path = bench() / "kernels.so"
    sanitized = ("-fsanitize=undefined", "-fno-sanitize-recover=all")
    gcc(*STRICT, "-O2", "-fPIC", "-shared", *sanitized, *(C / "kernels").glob("*.c"), "-o", path)
    return ctypes.CDLL(str(path))


@cache
def structs() -> dict[str, Any]:
    """Every specification of the headers."""
    texts = [re.sub(r"/\*.*?\*/", "", path.read_text(), flags=re.S) for path in sorted((C / "kernels").glob("*.h"))]
    sizes = {name: int(value) for text in texts for name, value in re.findall(r"#define (\w+) (\d+)", text)}
    bodies = {name: body for text in texts for body, name in re.findall(r"typedef struct \{(.*?)\} (\w+);", text, re.S)}
    found: dict[str, Any] = {}

    def struct(name: str) -> Any:
        if name not in found:
            fields = list(_fields(bodies[name], sizes, struct))
            found[name] = type(name, (ctypes.Structure,), {"_fields_": fields})
        return found[name]

    return {name: struct(name) for name in bodies if name.endswith("_spec")}


def _fields(body: str, sizes: Mapping[str, int], struct: Any) -> Iterator[tuple[str, Any]]:
    for kind, names in re.findall(r"(?:const )?(\w+) ([^;]+);", body):
        for name in names.split(","):
            word, _, count = name.strip().rstrip("]").partition("[")
            base = NUMBERS[kind] if kind in NUMBERS else struct(kind)
            if word.startswith("*"):
                yield word[1:], ctypes.POINTER(base)
            else:
                yield word, base * (sizes.get(count) or int(count)) if count else base
