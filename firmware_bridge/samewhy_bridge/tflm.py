"""``tflm:path.tflite?arena=BYTES``: TFLite Micro's reference kernels on this machine, as a predictor.

They give the codes that its kernels give on a microcontroller. The arena is found by trying where it is not given.
"""

import platform
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache, partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from samewhy_edge.address import Address
from samewhy_edge.arrays import Samples, Scores
from samewhy_edge.errors import AddressError, ExtraError
from samewhy_edge.layers import Layer
from samewhy_edge.predictor import Spec, Subject
from samewhy_edge.quant import Affine, affine
from samewhy_edge.quarantine import Findings, findings, found_of
from samewhy_edge.rung import Rung, artifact, machine

try:
    from samewhy_bridge.tflm_runtime import answer, load, opened, operators
except ModuleNotFoundError as error:
    MISSING = error.name
else:
    MISSING = None

KERNELS = "reference"  # the only ones in the wheel


@final
@dataclass(frozen=True, slots=True)
class Examined:
    """What an examination found of a file."""

    ends: Findings
    arena: int
    preserving: int
    allocations: Mapping[str, Any]


def open_tflm(address: Address) -> Subject:
    """The `.tflite` file at `address`, one input of shape (1, *S, C) and one output.

    Raises:
        AddressError: an option that does not exist, or an arena that is too small.
        ArtifactError: as `samewhy_edge.litert.open_litert`, or an operator that TFLite Micro does not have.
        ExtraError: there is no tflite-micro for this machine, or none is installed.
    """
    address.only("arena")
    here()
    path = address.file()
    known = artifact(path)
    found = examine(path, known.sha256)
    arena = address.count("arena", found.arena)
    if arena < found.arena:
        raise AddressError(
            f"arena={arena}: too small; {path} needs {found.arena} bytes on this machine, give so many or leave it out"
        )
    entry, exit_ = affine(*found.ends.input), affine(*found.ends.output)
    spec = Spec(found.ends.sample, found.ends.classes, Rung(known, told(), KERNELS, machine()), entry, exit_)
    ask = TFLM(path, arena, entry, exit_, found.ends.input[0], found.ends.classes)
    inner = partial(layers, path, found.preserving, ask.encoded)
    return Subject(spec, ask, ask.coded if entry else None, layers=inner)


def told() -> str:
    """Runtime and version, as rungs name them."""
    return f"tflite-micro {version('tflite-micro')}"


def here() -> None:
    """Refuse machines that have no tflite-micro.

    Raises:
        ExtraError: saying for which machines there is one, and what to do on others.
    """
    if MISSING is None:
        return
    system, processor = platform.system(), platform.machine()
    if (system, processor) != ("Linux", "x86_64"):
        raise ExtraError(
            f"tflm needs tflite-micro, which has wheels for Linux on x86_64 alone; this is {system} on {processor}. "
            "Let a machine that has it answer by samewhy serve, and ask it by an http: address"
        )
    raise ExtraError(f"tflm needs {MISSING}, which is not installed; install it with: pip install 'samewhy[bridge]'")


@lru_cache
def examine(path: Path, sha256: str) -> Examined:
    """Open and ask a file in a process of its own; `sha256` makes a changed file another question.

    Raises:
        ArtifactError: the file is broken, crashes or hangs the interpreter, or cannot be asked as a black box.
    """
    found = found_of("samewhy_bridge.tflm_examination", path)
    return Examined(findings(found["findings"]), found["arena"], found["preserving"], found["allocations"])


@final
@dataclass(slots=True)
class TFLM:
    """A `.tflite` file as a predictor: encodes, asks one by one, decodes."""

    path: Path
    arena: int
    entry: Affine | None
    exit: Affine | None
    dtype: str
    classes: int
    _interpreter: Any = field(default=None, init=False)

    def __call__(self, samples: Samples, /) -> Scores:
        """Scores of shape (N, K) for samples of shape (N, *S, C)."""
        return self.coded(self.encoded(samples))

    def encoded(self, samples: Samples, /) -> NDArray[Any]:
        """What the input tensor holds for samples."""
        return self.entry.encode(samples) if self.entry else samples.astype(self.dtype, copy=False)

    def coded(self, codes: NDArray[Any], /) -> Scores:
        """Scores of shape (N, K) for what the input tensor holds, (N, *S, C)."""
        if not len(codes):
            return np.zeros((0, self.classes), np.float32)
        if self._interpreter is None:
            self._interpreter = load(self.path.read_bytes(), self.arena)
        rows = [answer(self._interpreter, codes[i : i + 1]) for i in range(len(codes))]
        answers = np.stack(rows).reshape(len(codes), self.classes)
        return self.exit.decode(answers) if self.exit else answers.astype(np.float32, copy=False)


def layers(path: Path, arena: int, encoded: Any, samples: Samples) -> list[Layer]:
    """Every operator's outputs for samples (N, *S, C), in the order of execution."""
    content = path.read_bytes()
    model, interpreter = opened(content), load(content, arena, tensors=True)
    names = model.Subgraphs(0).Tensors
    ends = [(place, one.name, tensor) for place, one in enumerate(operators(model)) for tensor in one.outputs]
    rows: list[list[NDArray[Any]]] = [[] for _ in ends]
    for codes in encoded(samples):
        answer(interpreter, codes[None])
        for row, (_, _, tensor) in zip(rows, ends, strict=True):
            row.append(interpreter.GetTensor(tensor, 0)["tensor_data"])
    return [
        Layer(place, name, names(tensor).Name().decode(), np.stack(row))
        for (place, name, tensor), row in zip(ends, rows, strict=True)
    ]
