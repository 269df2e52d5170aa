"""The idx format of MNIST and Fashion-MNIST, gzipped or not: a folder of four files.

Source: http://yann.lecun.com/exdb/mnist/ (format description).
"""

import gzip
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from samewhy_edge.errors import InputError
from samewhy_host.data.dataset import Dataset, Split, Values, scaled

FILES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")


def read_folder(folder: Path, values: Values) -> Dataset:
    """Both splits of a folder of four idx files.

    Raises:
        InputError: a file is missing, truncated or not idx.
    """
    pixels, labels, test_pixels, test_labels = (read_idx(find(folder, name)) for name in FILES)
    classes = tuple(str(label) for label in range(int(labels.max()) + 1))
    return Dataset(
        folder.name, classes, split("train", pixels, labels, values), split("test", test_pixels, test_labels, values)
    )


def split(name: str, pixels: NDArray[Any], labels: NDArray[Any], values: Values) -> Split:
    """Images (N, H, W) of bytes as a split; ids are the places in the file."""
    if len(pixels) != len(labels):
        raise InputError(f"{name}: {len(pixels)} images and {len(labels)} labels, expected as many of both")
    ids = tuple(f"{name}/{place}" for place in range(len(pixels)))
    return Split(scaled(pixels[..., None], values), labels.astype(np.int64), ids)


def find(folder: Path, name: str) -> Path:
    """The file, gzipped or not."""
    for path in (folder / name, folder / f"{name}.gz"):
        if path.is_file():
            return path
    raise InputError(f"{folder}: no {name} or {name}.gz in it; expected the four idx files {', '.join(FILES)}")


def read_idx(path: Path) -> NDArray[np.uint8]:
    """The array of bytes in an idx file."""
    try:
        content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{path}: not readable ({error}); get the file anew") from error
    if content[:3] != b"\0\0\x08":
        raise InputError(f"{path}: starts with {content[:4]!r}, expected an idx file of bytes")
    axes = content[3] if len(content) > 3 else 0
    if len(content) < 4 + 4 * max(axes, 1):
        raise InputError(f"{path}: ends within its header, expected an idx file of bytes; it is truncated")
    shape = np.frombuffer(content, ">i4", axes, 4)
    body = np.frombuffer(content, np.uint8, offset=4 + 4 * axes)
    if body.size != np.prod(shape):
        raise InputError(f"{path}: {body.size} bytes of data, expected {int(np.prod(shape))}; it is truncated")
    return body.reshape(shape)
