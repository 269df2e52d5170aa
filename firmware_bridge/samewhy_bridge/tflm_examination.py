"""Opens a `.tflite` file with TFLite Micro, asks it and says what it is, or why it is refused.

``python -m samewhy_bridge.tflm_examination FILE`` prints one line of JSON: a child of `samewhy_edge.quarantine`.
"""

import json
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from samewhy_bridge.tflm_arena import Allocations, allocations, doubled, fitting, smallest
from samewhy_bridge.tflm_runtime import answer, load, opened, operators
from samewhy_edge.errors import ArtifactError
from samewhy_edge.examination import encoding, fixed_shapes, only_one, refuse_memory, refuse_operators
from samewhy_edge.quarantine import Findings

Details = dict[str, Any]  # of a tensor, by the names that LiteRT gives them


@final
@dataclass(frozen=True, slots=True)
class Report:
    """What a file takes and gives, and the arena that it needs on a machine such as this one."""

    findings: Findings
    arena: int  # the smallest that is enough
    preserving: int  # one that is enough to keep every inner tensor
    allocations: Allocations


def look(content: bytes) -> Report:
    """What a `.tflite` file is, found by opening and asking it.

    Raises:
        ArtifactError: why the file is refused.
    """
    if content[4:8] != b"TFL3":
        raise ArtifactError("not a .tflite file (no TFL3 mark); expected a TensorFlow Lite flatbuffer, check the path")
    model = opened(content)
    names = tuple(one.name for one in operators(model))
    refuse_operators(names)
    graph = model.Subgraphs(0)
    ends = graph.InputsAsNumpy(), graph.OutputsAsNumpy()
    entry, exit_ = (
        only_one(end, [named(graph.Tensors(place)) for place in places])
        for end, places in zip(("input", "output"), ends, strict=True)
    )
    arena = found(smallest(fitting(content)))
    interpreter = load(content, arena)
    entry |= detailed(interpreter.get_input_details(0))
    exit_ |= detailed(interpreter.get_output_details(0))
    sample, classes = fixed_shapes(entry, exit_)
    findings = Findings(sample, classes, encoding(entry), encoding(exit_), names)
    refuse_memory(asking(interpreter, entry))
    return Report(findings, arena, found(doubled(fitting(content, tensors=True))), allocations(content, arena))


def found(arena: int | None) -> int:
    """An arena, or an error."""
    if arena is None:
        raise ArtifactError("no arena of up to 1 GiB is enough; expected a network for a microcontroller")
    return arena


def named(tensor: Any) -> Details:
    """What the file itself says of a tensor; -1 where a size is open."""
    open_ = tensor.ShapeSignatureLength() > 0
    signature = tensor.ShapeSignatureAsNumpy() if open_ else tensor.ShapeAsNumpy() if tensor.ShapeLength() else []
    return {"name": (tensor.Name() or b"").decode(), "shape_signature": signature}


def detailed(details: Details) -> Details:
    """What the interpreter says of a tensor."""
    coded = details["quantization_parameters"]
    scale, zero_point = (coded["scales"], coded["zero_points"]) if len(coded["scales"]) else ([0], [0])
    return {
        "shape": details["shape"],
        "dtype": details["dtype"],
        "quantization": (float(scale[0]), int(zero_point[0])),
    }


def asking(interpreter: Any, entry: Details) -> Callable[[int], NDArray[Any]]:
    """What answers an input that is one number everywhere."""
    return lambda value: answer(interpreter, np.full(entry["shape"], value, entry["dtype"]))


def main() -> None:
    """Print the report, or why the file is refused, as one line of JSON."""
    try:
        said = asdict(look(Path(sys.argv[1]).read_bytes()))
    except ArtifactError as error:
        said = {"refused": str(error)}
    print(json.dumps(said))


if __name__ == "__main__":
    main()
