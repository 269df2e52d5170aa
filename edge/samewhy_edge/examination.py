"""Opens a `.tflite` file, asks it three times and says what it is, or why it is refused.

``python -m samewhy_edge.examination FILE KERNELS`` prints one line of JSON: the child of `samewhy_edge.quarantine`.
"""

import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from samewhy_edge import litert
from samewhy_edge.errors import ArtifactError
from samewhy_edge.quarantine import Findings

STATE = ("VAR_HANDLE", "READ_VARIABLE", "ASSIGN_VARIABLE", "CALL_ONCE")


def look(path: Path, kernels: str) -> Findings:
    """What a `.tflite` file is, found by opening and asking it in this process.

    Raises:
        ArtifactError: why the file is refused.
    """
    if path.read_bytes()[4:8] != b"TFL3":
        raise ArtifactError("not a .tflite file (no TFL3 mark); expected a TensorFlow Lite flatbuffer, check the path")
    try:
        interpreter = litert.load(path, kernels)
        operators = tuple(op["op_name"] for op in interpreter._get_ops_details() if op["op_name"] != "DELEGATE")
        refuse_operators(operators)
        interpreter.allocate_tensors()
    except (RuntimeError, ValueError) as error:
        raise ArtifactError(reason(str(error))) from error
    entry, exit_ = (
        only_one("input", interpreter.get_input_details()),
        only_one("output", interpreter.get_output_details()),
    )
    sample, classes = fixed_shapes(entry, exit_)
    ends = encoding(entry), encoding(exit_)
    refuse_memory(asking(interpreter, entry, exit_))
    return Findings(sample, classes, *ends, operators)


def reason(message: str) -> str:
    """The interpreter's own message as a reason for refusing."""
    first = message.strip().splitlines()[0] if message.strip() else "no message"
    if "custom op" in message or "Select TensorFlow op" in message:
        return f"custom operators ({first}); expected built-in operators only, export without custom operators"
    return f"the interpreter refuses it ({first}); the file is truncated or of a newer version, export it anew"


def refuse_operators(operators: Sequence[str]) -> None:
    """Raise where an operator keeps state or is not built in; built-in names are upper case."""
    custom = sorted({name for name in operators if name != name.upper()})
    if custom:
        raise ArtifactError(f"custom operators {', '.join(custom)}; expected built-in operators only")
    kept = sorted(set(operators) & set(STATE))
    if kept:
        raise ArtifactError(
            f"stateful operators {', '.join(kept)}; expected the same answer to the same sample at any time"
        )


def only_one(end: str, details: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The one tensor of an end, or an error that names what was found."""
    if len(details) != 1:
        names = ", ".join(str(tensor["name"]) for tensor in details)
        raise ArtifactError(f"{len(details)} {end} tensors ({names}); expected one, export the model with one {end}")
    return details[0]


def fixed_shapes(entry: dict[str, Any], exit_: dict[str, Any]) -> tuple[tuple[int, ...], int]:
    """Sample shape (*S, C) and class count."""
    signature = [int(size) for size in entry["shape_signature"]]
    sample = tuple(signature[1:])
    if any(size < 1 for size in sample):
        raise ArtifactError(
            f"dynamic input shape {tuple(signature)}; expected fixed sizes, export it with a fixed shape"
        )
    if len(sample) not in (2, 3) or signature[0] not in (1, -1):
        raise ArtifactError(f"input shape {tuple(signature)}; expected (1, *S, C) with one or two spatial axes")
    shape = [int(size) for size in exit_["shape"]]
    if shape[:1] != [1] or len(shape) < 2 or max(shape[1:]) != int(np.prod(shape[1:])):
        raise ArtifactError(f"output shape {tuple(shape)}; expected one row of class scores, (1, K)")
    return sample, int(np.prod(shape[1:]))


def encoding(tensor: dict[str, Any]) -> tuple[str, float, int]:
    """(dtype, scale, zero point); scale 0 where the tensor holds real numbers."""
    scale, zero_point = tensor["quantization"]
    kind = np.dtype(tensor["dtype"])
    if kind.kind != "f" and not scale > 0:
        raise ArtifactError(
            f"tensor {tensor['name']} holds {kind} without a scale; expected real numbers or quantized integers, "
            "export it with float32 ends or quantize it"
        )
    return kind.name, float(scale), int(zero_point)


def asking(interpreter: Any, entry: dict[str, Any], exit_: dict[str, Any]) -> Callable[[int], NDArray[Any]]:
    """What answers an input that is one number everywhere."""

    def ask(value: int) -> NDArray[Any]:
        interpreter.set_tensor(entry["index"], np.full(entry["shape"], value, entry["dtype"]))
        interpreter.invoke()
        answer: NDArray[Any] = interpreter.get_tensor(exit_["index"])
        return answer

    return ask


def refuse_memory(ask: Callable[[int], NDArray[Any]]) -> None:
    """Ask A, B, A: a predictor answers A the same way twice. Also shows that asking does not crash.

    `ask` gives the answer to an input that is one number everywhere.
    """
    first, _, again = ask(1), ask(100), ask(1)
    if first.tobytes() != again.tobytes():
        raise ArtifactError(
            "stateful: the same sample got another answer the second time; expected no memory between queries"
        )


def main() -> None:
    """Print the findings, or why the file is refused, as one line of JSON."""
    try:
        answer = asdict(look(Path(sys.argv[1]), sys.argv[2]))
    except ArtifactError as error:
        answer = {"refused": str(error)}
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
