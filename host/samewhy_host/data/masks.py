"""Ground truth that a user brings: for every test sample, which positions show what its label names.

Either a folder of images, each named like its sample's id (``test/cat/1.png`` for that id, ``test/7.png`` for the id
``test/7``), or a `.npz` with ``masks`` (N, *S) in the order of the test samples. Whatever is above 0 is inside.
"""

from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from samewhy_edge.errors import InputError
from samewhy_host.data.dataset import Dataset
from samewhy_host.data.folder import SUFFIXES
from samewhy_host.data.npz import read_arrays

Masks = NDArray[np.bool_]  # (N, *S)
MODES = ("1", "L", "P", "I", "I;16", "RGB")  # of images that have no transparency


def with_masks(dataset: Dataset, path: Path) -> Dataset:
    """The data set with the masks of its test split.

    Raises:
        InputError: the source knows its own masks, or those at `path` are missing, broken, all empty or do not fit.
    """
    test = dataset.test
    if test.masks is not None:
        raise InputError(f"{dataset.name} knows its own masks; remove masks from [data]")
    shape = test.samples.shape[1:-1]
    masks = read_images(path, test.ids, shape) if path.is_dir() else read_npz(path, len(test.ids), shape)
    if not masks.any():
        raise InputError(f"{path}: all {len(masks)} masks are empty; expected values above 0 inside")
    return replace(dataset, test=replace(test, masks=masks))


def read_images(folder: Path, ids: tuple[str, ...], shape: tuple[int, ...]) -> Masks:
    """A mask (H, W) for each id."""
    if len(shape) != 2:
        raise InputError(f"{folder}: images as masks, and samples have axes {list(shape)}; expected a .npz with masks")
    paths = [folder / file_of(name) for name in ids]
    missing = [path for path in paths if not path.is_file()]
    if missing:
        raise InputError(
            f"{folder}: no mask for {len(missing)} of {len(ids)} test samples; expected {missing[0]}, "
            "one named like the id of every test sample"
        )
    return np.stack([read_image(path, shape) for path in paths])


def file_of(name: str) -> str:
    """The name of a sample's mask, relative to the folder."""
    path = PurePosixPath(name)
    return str(path.with_suffix(".png") if path.suffix.lower() in SUFFIXES else path.with_name(f"{path.name}.png"))


def read_image(path: Path, shape: tuple[int, ...]) -> Masks:
    """One mask (H, W): above 0, for colours in any channel, for palettes in the number of the colour."""
    try:
        with Image.open(path) as image:
            mode, pixels = image.mode, np.asarray(image)
    except Exception as error:  # Pillow raises errors of many kinds for broken files
        raise InputError(f"{path}: not readable as an image ({error}); export it anew") from error
    if mode not in MODES:
        raise InputError(f"{path}: an image of mode {mode}; expected grey without transparency, above 0 inside")
    mask = (pixels > 0).any(axis=-1) if pixels.ndim == 3 else pixels > 0
    if mask.shape != shape:
        raise InputError(f"{path}: mask of size {list(mask.shape)}, expected the samples' {list(shape)}")
    return np.asarray(mask, np.bool_)


def read_npz(path: Path, count: int, shape: tuple[int, ...]) -> Masks:
    """Masks (count, *shape)."""
    masks = _array(path)
    if masks.shape != (count, *shape):
        raise InputError(f"{path}: masks {masks.shape}, expected {(count, *shape)}: one for every test sample")
    if masks.dtype.kind not in "biuf" or not np.isfinite(masks).all():
        raise InputError(
            f"{path}: masks are {masks.dtype} with values that are no numbers; expected 0 outside, 1 inside"
        )
    return np.asarray(masks > 0, np.bool_)


def _array(path: Path) -> NDArray[Any]:
    arrays = read_arrays(path, "a folder of images, or a .npz with masks")
    if "masks" not in arrays:
        raise InputError(f"{path}: no array 'masks' in it, found {', '.join(arrays) or 'nothing'}")
    return np.asarray(arrays["masks"])
