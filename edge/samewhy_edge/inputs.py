"""Samples from a file, for machines that have numpy alone."""

import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from samewhy_edge.arrays import Samples, Targets
from samewhy_edge.errors import InputError, unknown
from samewhy_edge.predictor import check_samples


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
    arrays = _arrays(path)
    for name in sorted(set(arrays) - {"samples", "targets"}):
        raise InputError(f"{path}: {unknown('array', name, ['samples', 'targets'])}")
    if "samples" not in arrays:
        raise InputError(f"{path}: no array 'samples' in it; found: {', '.join(arrays) or 'nothing'}")
    targets = arrays.get("targets")
    if targets is not None and targets.dtype.kind not in "iu":
        raise InputError(f"{path}: targets are {targets.dtype}, expected whole numbers, a class index a sample")
    return Inputs(batch(arrays["samples"], sample), None if targets is None else targets.astype(np.int64))


def _arrays(path: Path) -> dict[str, NDArray[Any]]:
    """Every array of the file, by name; that of a `.npy` is `samples`."""
    try:
        with path.open("rb") as file:  # numpy itself leaves a broken .npz open
            loaded = np.load(file, allow_pickle=False)
            return {"samples": loaded} if isinstance(loaded, np.ndarray) else dict(loaded)
    except (ValueError, OSError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise InputError(f"{path}: not readable as {path.suffix} ({error}); save it anew with numpy") from error


def batch(array: NDArray[Any], sample: tuple[int, ...]) -> Samples:
    """The array, a single sample as a batch of one; whole float64 arrays are narrowed, integers are not guessed at.

    Raises:
        InputError: integers, whose unit nobody knows, no samples at all, another shape, or values that are not finite.
    """
    if array.dtype.kind != "f":
        raise InputError(
            f"samples are {array.dtype}, expected float32 in the network's own units; "
            "for pixels this is often array.astype('float32') / 255"
        )
    full = array[None] if array.shape == sample else array
    if full.shape[:1] == (0,):
        raise InputError(f"0 samples found in an array of shape {array.shape}, expected at least one")
    with np.errstate(over="ignore"):  # what is too large becomes infinite, which is refused
        samples = full.astype(np.float32)
    check_samples(samples, sample)
    return samples
