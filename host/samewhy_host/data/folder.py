"""A folder of images per class: ``train/CLASS/*.png`` and ``test/CLASS/*.png`` (or jpg, bmp, webp)."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from samewhy_edge.errors import InputError
from samewhy_host.data.dataset import Dataset, Split, Values, scaled

SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".webp"}
COLOURS = {1: "L", 3: "RGB"}


def read_images(folder: Path, values: Values, size: tuple[int, ...], channels: int) -> Dataset:
    """Both splits; ids are paths below the folder. With `size` (H, W) images are resized, else they must be alike.

    Raises:
        InputError: a folder is missing or empty, an image cannot be read, or sizes differ.
    """
    if channels not in COLOURS:
        raise InputError(f"channels = {channels}; expected 1 (grey) or 3 (RGB)")
    if size and (len(size) != 2 or min(size) < 1):
        raise InputError(f"size = {list(size)}; expected [height, width]")
    classes = sorted(path.name for path in subfolders(folder / "train"))
    train, test = (_split(folder, name, classes, values, size, COLOURS[channels]) for name in ("train", "test"))
    return Dataset(folder.name, tuple(classes), train, test)


def subfolders(folder: Path) -> list[Path]:
    """The class folders of a split."""
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; expected train/CLASS/*.png and test/CLASS/*.png")
    found = [path for path in folder.iterdir() if path.is_dir()]
    if not found:
        raise InputError(f"{folder}: empty; expected a folder of images per class in it")
    return found


def _split(folder: Path, name: str, classes: list[str], values: Values, size: tuple[int, ...], colour: str) -> Split:
    for path in subfolders(folder / name):
        if path.name not in classes:
            raise InputError(f"{path}: class {path.name!r} is not in train; found there: {', '.join(classes)}")
    paths = [
        path
        for label in classes
        for path in sorted((folder / name / label).glob("*"))
        if path.suffix.lower() in SUFFIXES
    ]
    if not paths:
        raise InputError(f"{folder / name}: no images in its class folders; expected {', '.join(sorted(SUFFIXES))}")
    pixels = [read_image(path, size, colour) for path in paths]
    odd = next((path for path, image in zip(paths, pixels, strict=True) if image.shape != pixels[0].shape), None)
    if odd:
        raise InputError(f"{odd}: another size than {paths[0]}; name a size = [height, width] in [data]")
    labels = np.array([classes.index(path.parent.name) for path in paths], np.int64)
    return Split(scaled(np.stack(pixels), values), labels, tuple(str(path.relative_to(folder)) for path in paths))


def read_image(path: Path, size: tuple[int, ...], colour: str) -> NDArray[np.uint8]:
    """Bytes (H, W, C)."""
    try:
        with Image.open(path) as opened:
            image = opened.convert(colour)
    except Exception as error:  # Pillow raises errors of many kinds for broken files
        raise InputError(f"{path}: not readable as an image ({error}); remove it or export it anew") from error
    if size:
        image = image.resize((size[1], size[0]), Image.Resampling.BILINEAR)
    return np.asarray(image).reshape(image.height, image.width, -1)
