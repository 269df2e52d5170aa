"""The [data] table of a study, and the table of sources that it can name."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, final

from samewhy_edge.errors import InputError
from samewhy_host.data import embedded, folder, idx, npz
from samewhy_host.data.canvases import Canvases, canvases
from samewhy_host.data.composites import Garments, garments
from samewhy_host.data.dataset import Dataset, Values, checked
from samewhy_host.data.digits import digits
from samewhy_host.data.masks import with_masks
from samewhy_host.data.watch import Watch, watch

Source = Literal["fashion-mnist", "garments", "canvases", "digits", "watch", "idx", "npz", "folder"]


@final
@dataclass(frozen=True, slots=True)
class Data:
    """Where samples come from, and how many calibrate."""

    source: Source = "fashion-mnist"
    path: str | None = None  # of the idx folder, the .npz or the image folder, beside the study file
    values: Values = "unit"  # what bytes become: [0, 1], [0, 255] or [-1, 1]
    classes: tuple[str, ...] = ()  # names, where the source has none
    size: tuple[int, ...] = ()  # [height, width] that images of a folder are resized to
    channels: int = 1  # of images of a folder
    calibration: int = 200  # training samples that set the int8 ranges
    masks: str | None = None  # ground truth of the test samples: a folder of images or a .npz, beside the study file
    garments: Garments = field(default_factory=Garments)  # what source = "garments" pastes
    canvases: Canvases = field(default_factory=Canvases)  # what source = "canvases" is made of
    watch: Watch = field(default_factory=Watch)  # how source = "watch" cuts


def open_dataset(data: Data, home: Path, seed: int = 0) -> Dataset:
    """The study's data, checked; paths are relative to `home`, and what a source makes by chance follows from `seed`.

    Raises:
        InputError: a file is missing or broken, or labels, values and masks are not usable.
    """
    dataset = embedded_dataset(data, seed) or read_dataset(data, home)
    dataset = replace(dataset, classes=data.classes) if data.classes else dataset
    return checked(with_masks(dataset, home / data.masks) if data.masks else dataset)


def embedded_dataset(data: Data, seed: int) -> Dataset | None:
    """Data that ships with the package."""
    if data.source == "fashion-mnist":
        return embedded.fashion_mnist(data.values)
    if data.source == "digits":
        return digits(data.values)
    if data.source == "garments":
        return garments(data.garments, data.values, seed)
    if data.source == "canvases":
        return canvases(data.canvases, data.values, seed)
    return watch(data.watch) if data.source == "watch" else None


def read_dataset(data: Data, home: Path) -> Dataset:
    """Data of the user's own."""
    if not data.path:
        raise InputError(f'[data] source = "{data.source}" needs a path; add path = "..." to [data]')
    path = home / data.path
    if data.source == "idx":
        return idx.read_folder(path, data.values)
    if data.source == "npz":
        return npz.read_npz(path, data.values)
    return folder.read_images(path, data.values, data.size, data.channels)
