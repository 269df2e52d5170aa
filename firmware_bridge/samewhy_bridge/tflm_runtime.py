"""TFLite Micro's interpreter and its schema: the one door to them."""

import ctypes
import faulthandler
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from tempfile import TemporaryFile
from typing import Any, NoReturn, final

import numpy as np
from tflite_micro.python.tflite_micro import runtime
from tflite_micro.tensorflow.lite.micro.python import schema_py_generated as schema

STREAMS = (1, 2)  # it prints to both, by file descriptor
PRESERVING = runtime.InterpreterConfig.kPreserveAllTensors


def load(content: bytes, arena: int, tensors: bool = False) -> Any:
    """An interpreter that is ready to be asked; with `tensors` it keeps every inner tensor readable.

    Raises:
        RuntimeError: the arena is too small, or the file is refused; why is printed by its C code.
    """
    more = {"intrepreter_config": PRESERVING} if tensors else {}  # the keyword is spelt so
    return runtime.Interpreter.from_bytes(content, arena_size=arena, **more)


def answer(interpreter: Any, values: Any) -> Any:
    """What it gives for one input, as the tensors hold them.

    Raises:
        RuntimeError: an operator fails; why is printed by its C code.
    """
    interpreter.set_input(values, 0)
    interpreter.invoke()
    return interpreter.get_output(0)


def once(content: bytes, arena: int, tensors: bool = False) -> Any:
    """An interpreter that has answered a first input, of ones.

    Raises:
        RuntimeError: as `load` and `answer`.
    """
    interpreter = load(content, arena, tensors)
    entry = interpreter.get_input_details(0)
    answer(interpreter, np.ones(entry["shape"], entry["dtype"]))
    return interpreter


def opened(content: bytes) -> Any:
    """The schema's `Model`, a view of the content."""
    return schema.Model.GetRootAs(content, 0)


@final
@dataclass(frozen=True, slots=True)
class Operator:
    """An operator's name, and the numbers of the tensors that it writes."""

    name: str
    outputs: tuple[int, ...]


def operators(model: Any) -> tuple[Operator, ...]:
    """Those of the first graph, in the order of execution; custom ones by their own names."""
    graph = model.Subgraphs(0)
    found = (graph.Operators(place) for place in range(graph.OperatorsLength()))
    return tuple(Operator(_named(model.OperatorCodes(one.OpcodeIndex())), _outputs(one)) for one in found)


def _named(code: Any) -> str:
    names = {value: name for name, value in vars(schema.BuiltinOperator).items() if isinstance(value, int)}
    name = names[max(code.BuiltinCode(), code.DeprecatedBuiltinCode())]
    return (code.CustomCode() or b"custom").decode() if name == "CUSTOM" else name


def _outputs(operator: Any) -> tuple[int, ...]:
    return tuple(operator.Outputs(place) for place in range(operator.OutputsLength()))


@final
@dataclass(frozen=True, slots=True)
class Ended:
    """How work in a process of its own ended: its exit code (less than 0 for a signal), and what was printed."""

    code: int
    said: str


def apart(work: Callable[[], object]) -> Ended:
    """Do work in a copy of this process, which may crash and prints elsewhere; a RuntimeError ends it with 1."""
    with TemporaryFile() as file:
        sys.stdout.flush()
        sys.stderr.flush()
        child = os.fork()
        if not child:
            _alone(work, file.fileno())
        _, status = os.waitpid(child, 0)
        file.seek(0)
        return Ended(os.waitstatus_to_exitcode(status), file.read().decode(errors="replace"))


def _alone(work: Callable[[], object], output: int) -> NoReturn:
    """Never returns: what runs at the end of a Python process belongs to the one that was copied."""
    try:
        faulthandler.disable()  # a crash is expected, and told by its signal
        for stream in STREAMS:
            os.dup2(output, stream)
        work()
        ctypes.CDLL(None).fflush(None)  # C holds back what it prints to files
        os._exit(0)
    except RuntimeError:
        os._exit(1)
    finally:
        os._exit(2)
