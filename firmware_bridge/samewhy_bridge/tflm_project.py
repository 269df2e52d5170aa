"""A folder for those who run TFLite Micro: the file as an array, the operators it needs, an arena, and samewhy's wire.

Source: tflite-micro, ``tensorflow/lite/micro/micro_mutable_op_resolver.h`` for the names of operators.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from samewhy_bridge import tflm
from samewhy_bridge.emit import end_of
from samewhy_bridge.graph import Graph
from samewhy_bridge.program import program_of
from samewhy_bridge.projects import Files, Project, compiled, filled, read, wire_files
from samewhy_edge.errors import ArtifactError

WIDTH = 16  # bytes a line
KIB = 1024
# What is not each word with a capital; words that begin with a digit stay as they are.
SPELT = {
    "PADV2": "PadV2",
    "CUMSUM": "CumSum",
    "UNIDIRECTIONAL_SEQUENCE_LSTM": "UnidirectionalSequenceLSTM",
}


def tflm_folder(model: Path, graph: Graph, name: str) -> tuple[Files, dict[str, Any]]:
    """The files, and what a manifest tells of them.

    Raises:
        ArtifactError: TFLite Micro refuses the file.
        ExtraError: there is no tflite-micro for this machine, which finds the arena.
    """
    tflm.here()
    found = tflm.examine(model, graph.sha256)
    arena = roomy(found.arena)
    files = _files(model.read_bytes(), graph, name, found, arena)
    return files, {
        "operators": counted(one.kind for one in graph.operators),
        "arena_bytes": arena,
        "arena_least_bytes": found.arena,
        "constant_bytes": graph.bytes,
        "macs": macs(graph),
        "runtime": tflm.told(),
    }


def roomy(arena: int) -> int:
    """An arena with a tenth to spare, in whole KiB: other kernels may want room of their own."""
    return -(-arena * 11 // (10 * KIB)) * KIB


def counted(kinds: Iterable[str]) -> dict[str, int]:
    """How often each occurs."""
    return dict(sorted(Counter(kinds).items()))


def macs(graph: Graph) -> int:
    """Products of weights and codes; 0 where the generator does not know all operators."""
    try:
        return program_of(graph).macs
    except ArtifactError:
        return 0


def _files(content: bytes, graph: Graph, name: str, found: tflm.Examined, arena: int) -> Files:
    wire = wire_files()
    project = Project(name, graph.name, graph.sha256, {}, wire)
    kinds = list(dict.fromkeys(one.kind for one in graph.operators))
    values: Mapping[str, str] = {
        "bytes": f"{len(content)}",
        "lines": array_of(content),
        "count": f"{len(kinds)}",
        "calls": "".join(f"  TF_LITE_ENSURE_STATUS(resolver.{method(kind)}());\n" for kind in kinds),
        "input_bytes": f"{graph.tensors[graph.input].bytes}u",
        "output_bytes": f"{graph.tensors[graph.output].bytes}u",
        "found": f"{found.arena}",
        "runtime": tflm.told(),
        "arena": f"{arena}",
        "digest": ", ".join(f"0x{byte:02x}" for byte in bytes.fromhex(graph.sha256)),
        "input": end_of(graph.tensors[graph.input]),
        "output": end_of(graph.tensors[graph.output]),
        "macs": f"{macs(graph)}",
        "operators": f"{len(graph.operators)}",
        "wire": compiled(project.wire_alone),
    }
    names = ("model_data.h", "model_data.cc", "op_resolver.h", "samewhy_model.h", "samewhy_tflm.cc")
    made = {each: filled(f"tflm/{each}", project, **values) for each in names}
    return {
        **made,
        **wire,
        "samewhy.h": read("samewhy.h"),
        "CMakeLists.txt": filled("tflm/app.cmake", project, **values),
    }


def method(kind: str) -> str:
    """What adds an operator to the resolver: ``AddConv2D`` for ``CONV_2D``."""
    words = (word if word[0].isdigit() else word.capitalize() for word in kind.split("_"))
    return f"Add{SPELT.get(kind) or ''.join(words)}"


def array_of(content: bytes) -> str:
    """Bytes as lines of C."""
    rows = (content[start : start + WIDTH] for start in range(0, len(content), WIDTH))
    return "".join(f"    {', '.join(f'0x{byte:02x}' for byte in row)},\n" for row in rows)
