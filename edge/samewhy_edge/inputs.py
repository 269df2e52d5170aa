"""Samples from a file, for machines that have numpy alone."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from samewhy_edge.arrays import Samples, Targets
from samewhy_edge.errors import InputError, unknown


@final
@dataclass(frozen=True, slots=True)
class Inputs:
    """Samples (N, *S, C), and the classes to explain where the file names them."""

    samples: Samples
    targets: Targets | None


def read_inputs(path: Path, sample: tuple[int, ...]) -> Inputs:
    """A `.npy` with samples (N, *S, C) or one sample (*S, C), or a `.npz` with `samples` and perhaps `targets`.

    Raises:
        InputError: no such file, another kind of file, or no array named `samples` in a `.npz`.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file; expected a .npy or .npz with samples of shape {sample}")
    if path.suffix not in (".npy", ".npz"):
        raise InputError(
            f"{path}: found {path.suffix or 'no suffix'}, expected .npy or .npz; save pictures with numpy.save first"
        )
    try:
        loaded = np.load(path, allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise InputError(f"{path}: not readable as {path.suffix} ({error}); save it anew with numpy") from error
    if isinstance(loaded, np.ndarray):
        return Inputs(batch(loaded, sample), None)
    with loaded:
        for name in set(loaded.files) - {"samples", "targets"}:
            raise InputError(f"{path}: {unknown('array', name, ['samples', 'targets'])}")
        if "samples" not in loaded.files:
            raise InputError(f"{path}: no array 'samples' in it; found: {', '.join(loaded.files) or 'nothing'}")
        targets = loaded["targets"].astype(np.int64) if "targets" in loaded.files else None
        return Inputs(batch(loaded["samples"], sample), targets)


def batch(array: NDArray[Any], sample: tuple[int, ...]) -> Samples:
    """The array, a single sample as a batch of one; whole float64 arrays are narrowed, integers are not guessed at.

    Raises:
        InputError: integers, whose unit nobody knows, or no samples at all.
    """
    if array.dtype.kind != "f":
        raise InputError(
            f"samples are {array.dtype}, expected float32 in the network's own units; "
            "for pixels this is often array.astype('float32') / 255"
        )
    full = array[None] if array.shape == sample else array
    if not len(full):
        raise InputError(f"0 samples found in an array of shape {array.shape}, expected at least one")
    return full.astype(np.float32)
