"""A `.npz` with `train_samples`, `train_labels`, `test_samples`, `test_labels`, and perhaps `classes` (names)."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from samewhy_edge.errors import InputError
from samewhy_host.data.dataset import Dataset, Split, Values, scaled

ARRAYS = ("train_samples", "train_labels", "test_samples", "test_labels")


def read_npz(path: Path, values: Values) -> Dataset:
    """Both splits. Bytes are scaled as `values` says, real numbers are taken as they are.

    Raises:
        InputError: no such file, not a `.npz`, or an array is missing or of the wrong shape.
    """
    arrays = read_arrays(path, f"a .npz with {', '.join(ARRAYS)}")
    missing = [name for name in ARRAYS if name not in arrays]
    if missing:
        raise InputError(
            f"{path}: no array {missing[0]!r} in it, found {', '.join(arrays)}; expected {', '.join(ARRAYS)}"
        )
    train, test = (_split(path, name, arrays, values) for name in ("train", "test"))
    count = int(max(train.labels.max(initial=0), test.labels.max(initial=0))) + 1
    names = arrays.get("classes", np.arange(count))
    return Dataset(path.stem, tuple(map(str, names)), train, test)


def read_arrays(path: Path, expected: str) -> dict[str, NDArray[Any]]:
    """All arrays of a `.npz`, by name.

    Raises:
        InputError: no such file (`expected` says what was looked for), or not a `.npz`.
    """
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as loaded:
            return dict(loaded)
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file; expected {expected}") from error
    except Exception as error:  # numpy raises zipfile's, zlib's and its own errors for a broken archive
        raise InputError(f"{path}: not readable as .npz ({error}); save it anew with numpy.savez") from error


def _split(path: Path, name: str, arrays: dict[str, NDArray[Any]], values: Values) -> Split:
    samples, labels = arrays[f"{name}_samples"], arrays[f"{name}_labels"]
    if samples.ndim not in (3, 4) or labels.shape != samples.shape[:1] or labels.dtype.kind not in "iu":
        raise InputError(
            f"{path}: {name} samples {samples.shape} and {labels.dtype} labels {labels.shape}; "
            "expected (N, *S, C) with one or two spatial axes, and N whole-number labels"
        )
    real = scaled(samples, values) if samples.dtype == np.uint8 else samples.astype(np.float32)
    return Split(real, labels.astype(np.int64), tuple(f"{name}/{place}" for place in range(len(labels))))
