"""The Fashion-MNIST subset that ships with the package: 12,000 training and 2,000 test images, ten even classes.

``python -m samewhy_host.data.embedded FOLDER`` makes it again from the four idx files; `card.md` beside the data says
where they come from.

Source: Xiao, Rasul & Vollgraf 2017, arXiv 1708.07747 (MIT licence).
"""

import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import samewhy_data
from samewhy_edge.errors import InputError
from samewhy_edge.files import sha256, write_npz
from samewhy_host.data import idx
from samewhy_host.data.dataset import Dataset, Split, Values, scaled, stratified

HOME = samewhy_data.HOME / "fashion_mnist"
CLASSES = ("T-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot")
COUNTS = {"train": 12_000, "test": 2_000}
DIGESTS = {  # SHA-256 of the images' bytes
    "train": "b4ff17613d4608cdbc35f672c633eb8ada547a88c60ec45214cf2fc0149ab551",
    "test": "29f256e38243e7f31eee1a7d7dbad177dd9f12753c55eaf5eb635ebbb8d371a2",
}
SEED = 2017


def fashion_mnist(values: Values) -> Dataset:
    """Both splits; ids are the places in the official files.

    Raises:
        InputError: the embedded files are damaged.
    """
    return Dataset("fashion-mnist", CLASSES, _split("train", values), _split("test", values))


def _split(name: str, values: Values) -> Split:
    with np.load(HOME / f"{name}.npz") as arrays:
        images, labels, places = arrays["images"], arrays["labels"], arrays["places"]
    if sha256(images) != DIGESTS[name]:
        raise InputError(f"{HOME / name}.npz: SHA-256 {sha256(images)}, expected {DIGESTS[name]}; install samewhy anew")
    ids = tuple(f"{name}/{place}" for place in places)
    return Split(scaled(images[..., None], values), labels.astype(np.int64), ids)


def embed(folder: Path) -> None:
    """Write the subset from the four official idx files in `folder`, and print its digests."""
    for name, prefix in (("train", "train"), ("test", "t10k")):
        images = idx.read_idx(idx.find(folder, f"{prefix}-images-idx3-ubyte"))
        labels = idx.read_idx(idx.find(folder, f"{prefix}-labels-idx1-ubyte"))
        places = stratified(labels.astype(np.int64), COUNTS[name], SEED)
        chosen: NDArray[np.uint8] = images[places]
        write_npz(HOME / f"{name}.npz", images=chosen, labels=labels[places], places=places.astype(np.int32))
        sys.stdout.write(f"{name}: {sha256(chosen)}\n")


if __name__ == "__main__":
    embed(Path(sys.argv[1]))
