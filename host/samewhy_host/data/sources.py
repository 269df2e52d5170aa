"""The [data] table of a study, and the table of sources that it can name."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, final

from samewhy_edge.errors import InputError
from samewhy_host.data import embedded, folder, idx, npz
from samewhy_host.data.dataset import Dataset, Values, checked


@final
@dataclass(frozen=True, slots=True)
class Data:
    """Where samples come from, and how many calibrate."""

    source: Literal["fashion-mnist", "idx", "npz", "folder"] = "fashion-mnist"
    path: str | None = None  # of the idx folder, the .npz or the image folder, beside the study file
    values: Values = "unit"  # what bytes become: [0, 1], [0, 255] or [-1, 1]
    classes: tuple[str, ...] = ()  # names, where the source has none
    size: tuple[int, ...] = ()  # [height, width] that images of a folder are resized to
    channels: int = 1  # of images of a folder
    calibration: int = 200  # training samples that set the int8 ranges


def open_dataset(data: Data, home: Path) -> Dataset:
    """The study's data, checked; paths are relative to `home`.

    Raises:
        InputError: a file is missing or broken, or labels and values are not usable.
    """
    if data.source == "fashion-mnist":
        return embedded.fashion_mnist(data.values)
    if not data.path:
        raise InputError(f'[data] source = "{data.source}" needs a path; add path = "..." to [data]')
    path = home / data.path
    if data.source == "idx":
        dataset = idx.read_folder(path, data.values)
    elif data.source == "npz":
        dataset = npz.read_npz(path, data.values)
    else:
        dataset = folder.read_images(path, data.values, data.size, data.channels)
    return checked(replace(dataset, classes=data.classes) if data.classes else dataset)
