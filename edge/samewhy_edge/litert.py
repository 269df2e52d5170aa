"""``litert:path.tflite?kernels=xnnpack|builtin|reference&threads=1``: the one door to the interpreter.

The three kernel sets give different codes for the same int8 file, so they are a part of the rung, never a default that
nobody sees.
"""

from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from samewhy_edge import quarantine
from samewhy_edge.address import Address
from samewhy_edge.arrays import Samples, Scores
from samewhy_edge.errors import InputError
from samewhy_edge.layers import Layer
from samewhy_edge.predictor import Spec, Subject
from samewhy_edge.quant import Affine, affine
from samewhy_edge.rung import Rung, artifact, machine

try:
    from ai_edge_litert import interpreter as runtime

    RUNTIME = "ai-edge-litert"
except ImportError:  # 32-bit Arm has no LiteRT wheel
    from tflite_runtime import interpreter as runtime

    RUNTIME = "tflite-runtime"

KERNELS = {
    "xnnpack": runtime.OpResolverType.AUTO,
    "builtin": runtime.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
    "reference": runtime.OpResolverType.BUILTIN_REF,
}
HIDDEN = ("xnnpack",)  # kernels that take several operators at once and keep what is between them to themselves


def open_litert(address: Address) -> Subject:
    """The `.tflite` file at `address`, one input of shape (1, *S, C) and one output.

    Raises:
        AddressError: an option that does not exist.
        ArtifactError: the file is missing, broken, crashes the interpreter, or cannot be asked as a black box
            because it is stateful, has custom operators or shapes that are not fixed.
    """
    address.only("kernels", "threads")
    kernels = address.choice("kernels", tuple(KERNELS))
    threads = address.count("threads", 1)
    path = address.file()
    known = artifact(path)
    found = quarantine.examine(path, kernels, known.sha256)
    entry, exit_ = affine(*found.input), affine(*found.output)
    rung = Rung(known, f"{RUNTIME} {version(RUNTIME)}", kernels, machine())
    ask = LiteRT(path, kernels, threads, entry, exit_, found.input[0], found.classes)
    spec = Spec(found.sample, found.classes, rung, entry, exit_)
    return Subject(spec, ask, ask.coded if entry else None, layers=partial(layers, path, kernels))


def load(path: Path, kernels: str, threads: int = 1, tensors: bool = False) -> Any:
    """An interpreter that is not allocated yet; with `tensors` it keeps every inner tensor readable."""
    return runtime.Interpreter(
        model_path=str(path),
        num_threads=threads,
        experimental_op_resolver_type=KERNELS[kernels],
        experimental_preserve_all_tensors=tensors,
    )


@final
@dataclass(slots=True)
class LiteRT:
    """A `.tflite` file as a predictor: encodes, asks in batches by resizing its input (else one by one), decodes."""

    path: Path
    kernels: str
    threads: int
    entry: Affine | None
    exit: Affine | None
    dtype: str
    classes: int
    _interpreter: Any = field(default=None, init=False)
    _ends: tuple[int, int] = field(default=(0, 0), init=False)  # tensor numbers of the input and the output
    _batch: int = field(default=0, init=False)
    _resizes: bool = field(default=True, init=False)

    def __call__(self, samples: Samples, /) -> Scores:
        """Scores of shape (N, K) for samples of shape (N, *S, C)."""
        return self.coded(self.entry.encode(samples) if self.entry else samples.astype(self.dtype, copy=False))

    def coded(self, codes: NDArray[Any], /) -> Scores:
        """Scores of shape (N, K) for what the input tensor holds, (N, *S, C)."""
        if not len(codes):
            return np.zeros((0, self.classes), np.float32)
        answers = self._many(codes) if self._resizes else None
        if answers is None:
            answers = np.concatenate([self._invoke(codes[i : i + 1]) for i in range(len(codes))])
        answers = answers.reshape(len(codes), self.classes)
        return self.exit.decode(answers) if self.exit else answers.astype(np.float32, copy=False)

    def _many(self, codes: NDArray[Any]) -> NDArray[Any] | None:
        """The answers to all codes at once; None where the file holds its batch of 1 in a constant."""
        if len(codes) == 1:
            return self._invoke(codes)
        try:
            answers = self._invoke(codes)
            if answers.size == len(codes) * self.classes:
                return answers
        except (RuntimeError, ValueError):
            pass
        self._resizes, self._interpreter, self._batch = False, None, 0  # one that failed is not fit to be asked again
        return None

    def _invoke(self, codes: NDArray[Any]) -> NDArray[Any]:
        # No padding: resizing is a matter of microseconds, a sample is not.
        if len(codes) != self._batch:
            self._resize(codes.shape)
        self._interpreter.set_tensor(self._ends[0], codes)
        self._interpreter.invoke()
        answers: NDArray[Any] = self._interpreter.get_tensor(self._ends[1])
        return answers

    def _resize(self, shape: tuple[int, ...]) -> None:
        self._interpreter, self._batch = self._interpreter or self._loaded(), 0
        self._interpreter.resize_tensor_input(self._ends[0], shape)
        self._interpreter.allocate_tensors()
        self._batch = shape[0]

    def _loaded(self) -> Any:
        interpreter = load(self.path, self.kernels, self.threads)
        (entry,), (exit_,) = interpreter.get_input_details(), interpreter.get_output_details()
        self._ends = entry["index"], exit_["index"]
        return interpreter


def layers(path: Path, kernels: str, samples: Samples) -> list[Layer]:
    """Every operator's outputs for samples (N, *S, C), in the order of execution.

    Raises:
        InputError: kernels that keep what is between operators to themselves.
    """
    if kernels in HIDDEN:
        raise InputError(
            f"{kernels} kernels join operators, so tensors between them cannot be read; expected others, "
            "such as kernels=reference"
        )
    interpreter = load(path, kernels, tensors=True)
    interpreter.allocate_tensors()
    (entry,), details = interpreter.get_input_details(), interpreter.get_tensor_details()
    named = {detail["index"]: detail["name"] for detail in details}
    ends = [
        (place, operator["op_name"], int(index))
        for place, operator in enumerate(interpreter._get_ops_details())
        for index in operator["outputs"]
    ]
    rows: list[list[NDArray[Any]]] = [[] for _ in ends]
    for sample in samples:
        interpreter.set_tensor(entry["index"], encoded(sample[None], entry))
        interpreter.invoke()
        for row, (_, _, index) in zip(rows, ends, strict=True):
            row.append(interpreter.get_tensor(index).copy())
    return [
        Layer(place, operator, named[index], np.stack(row))
        for (place, operator, index), row in zip(ends, rows, strict=True)
    ]


def encoded(values: Samples, detail: dict[str, Any]) -> NDArray[Any]:
    """Samples as the codes of a tensor, by its details."""
    coding = affine(detail["dtype"], *detail["quantization"])
    return coding.encode(values) if coding else values
