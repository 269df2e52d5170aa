"""``onnx:model.onnx?threads=1``: ONNX files through ONNX Runtime. Channels move to the front here for ONNX."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import numpy as np
import onnxruntime

from samewhy_edge.address import Address
from samewhy_edge.arrays import Samples, Scores
from samewhy_edge.errors import ArtifactError
from samewhy_edge.predictor import Spec, Subject
from samewhy_edge.rung import Rung, artifact, machine

PROVIDER = "CPUExecutionProvider"


@final
@dataclass(frozen=True, slots=True)
class Onnx:
    """An ONNX session that takes (N, C, *S) and gives scores (N, K); one at a time where the batch is fixed to 1."""

    session: Any
    batches: bool

    def __call__(self, samples: Samples, /) -> Scores:
        """Scores of shape (N, K) for samples of shape (N, *S, C)."""
        moved = np.ascontiguousarray(np.moveaxis(samples, -1, 1))
        name = self.session.get_inputs()[0].name
        pieces = [moved] if self.batches else [moved[i : i + 1] for i in range(len(moved))]
        answers = [self.session.run(None, {name: piece})[0].reshape(len(piece), -1) for piece in pieces]
        return np.concatenate(answers)


def open_onnx(address: Address) -> Subject:
    """The ONNX file at `address`: one float input (N, C, *S), one output (N, K).

    Raises:
        AddressError: an option that does not exist.
        ArtifactError: the file is missing, broken, or has other inputs or outputs.
    """
    address.only("threads")
    path = address.file()
    session = open_session(path, address.count("threads", 1))
    shape, classes = shapes(path, session)
    rung = Rung(artifact(path), f"onnxruntime {onnxruntime.__version__}", PROVIDER, machine())
    spec = Spec((*shape[2:], shape[1]), classes, rung)
    return Subject(spec, Onnx(session, batches=shape[0] != 1))


def open_session(path: Path | bytes, threads: int = 1) -> Any:
    """An ONNX Runtime session of a file, or of the bytes of one.

    Raises:
        ArtifactError: the file is no model that ONNX Runtime reads.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 4
    source = path if isinstance(path, bytes) else str(path)
    try:
        return onnxruntime.InferenceSession(source, options, providers=[PROVIDER])
    except Exception as error:  # the exception types of ONNX Runtime are private
        what = "the model" if isinstance(path, bytes) else path
        raise ArtifactError(
            f"{what}: ONNX Runtime refuses it ({str(error).splitlines()[0]}); export it anew"
        ) from error


def shapes(path: Path, session: Any) -> tuple[tuple[int, ...], int]:
    """Input shape (N, C, *S), N being 0 where it is free, and K.

    Raises:
        ArtifactError: more than one input or output, or sizes that are not fixed.
    """
    inputs, outputs = session.get_inputs(), session.get_outputs()
    if len(inputs) != 1 or len(outputs) != 1:
        raise ArtifactError(f"{path}: {len(inputs)} inputs and {len(outputs)} outputs; expected one of each")
    found, answers = inputs[0].shape, outputs[0].shape
    if len(found) not in (3, 4) or not all(isinstance(size, int) for size in found[1:]):
        raise ArtifactError(
            f"{path}: input shape {found}; expected (N, C, *S) with fixed sizes, export it with a fixed shape"
        )
    if inputs[0].type != "tensor(float)" or len(answers) < 2 or not isinstance(answers[1], int):
        raise ArtifactError(f"{path}: {inputs[0].type} to shape {answers}; expected tensor(float) to (N, K)")
    first = found[0] if isinstance(found[0], int) else 0
    return (first, *found[1:]), int(answers[1])
