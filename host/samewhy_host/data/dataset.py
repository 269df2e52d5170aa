"""What every loader gives: two splits of labelled samples, each sample with an id that stays the same."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, final

import numpy as np
from numpy.typing import NDArray

from samewhy_edge.arrays import Samples, Targets
from samewhy_edge.errors import InputError
from samewhy_edge.files import sha256

Values = Literal["unit", "byte", "signed"]


@final
@dataclass(frozen=True, slots=True)
class Split:
    """Samples (N, *S, C) float32, labels (N,), and an id a sample."""

    samples: Samples
    labels: Targets
    ids: tuple[str, ...]

    def take(self, places: NDArray[np.int64]) -> "Split":
        """The samples at `places`, in that order."""
        return Split(self.samples[places], self.labels[places], tuple(self.ids[i] for i in places))

    def places(self, ids: tuple[str, ...]) -> NDArray[np.int64]:
        """Where `ids` are."""
        where = {name: place for place, name in enumerate(self.ids)}
        return np.array([where[name] for name in ids], np.int64)


@final
@dataclass(frozen=True, slots=True)
class Dataset:
    """Training and test samples that share no sample."""

    name: str
    classes: tuple[str, ...]
    train: Split
    test: Split

    @property
    def sample(self) -> tuple[int, ...]:
        """(*S, C)"""
        return self.train.samples.shape[1:]

    def provenance(self) -> Mapping[str, Any]:
        """Name, sizes and digests, as the manifest holds them."""
        return {
            "name": self.name,
            "classes": list(self.classes),
            "sample": list(self.sample),
            **{
                name: {"count": len(split.ids), "sha256": sha256(split.samples), "labels": sha256(split.labels)}
                for name, split in (("train", self.train), ("test", self.test))
            },
        }


def scaled(pixels: NDArray[Any], values: Values) -> Samples:
    """Bytes as float32: ``unit`` in [0, 1], ``byte`` in [0, 255], ``signed`` in [-1, 1]."""
    real = pixels.astype(np.float32)
    if values != "byte":
        real /= np.float32(255)
    if values == "signed":
        real = real * 2 - 1
    return real


def checked(dataset: Dataset) -> Dataset:
    """The dataset, once labels and values are known to be usable.

    Raises:
        InputError: no samples, splits of two shapes, a value that is not finite, or a label out of range.
    """
    shapes = [split.samples.shape[1:] for split in (dataset.train, dataset.test)]
    if shapes[0] != shapes[1]:
        raise InputError(
            f"{dataset.name}: train samples have shape {shapes[0]}, test samples {shapes[1]}; expected one"
        )
    for name, split in (("train", dataset.train), ("test", dataset.test)):
        if not len(split.ids):
            raise InputError(f"{dataset.name}: no {name} samples found, expected at least one a class")
        if not np.isfinite(split.samples).all():
            bad = int(np.flatnonzero(~np.isfinite(split.samples).reshape(len(split.ids), -1).all(axis=1))[0])
            raise InputError(
                f"{dataset.name}: {name} sample {split.ids[bad]} holds NaN or infinite values, expected none"
            )
        if split.labels.min() < 0 or split.labels.max() >= len(dataset.classes):
            worst = int(split.labels.max() if split.labels.max() >= len(dataset.classes) else split.labels.min())
            raise InputError(
                f"{dataset.name}: class index {worst} is out of range in {name}; "
                f"there are {len(dataset.classes)} classes, 0 to {len(dataset.classes) - 1}"
            )
    return dataset


def stratified(labels: Targets, count: int, seed: int) -> NDArray[np.int64]:
    """`count` places, the classes as even as the labels allow, sorted; the same for the same labels and seed.

    Raises:
        InputError: fewer samples than asked for.
    """
    if count > len(labels):
        raise InputError(f"{count} samples asked for, found {len(labels)}; ask for fewer")
    # one rank within its class for each sample, so that the first `count` ranks take turns among the classes
    order = np.argsort(np.random.Philox(key=np.array([seed, 0], np.uint64)).random_raw(len(labels)), kind="stable")
    rank = np.empty(len(labels), np.int64)
    for label in np.unique(labels):
        mine = order[labels[order] == label]
        rank[mine] = np.arange(len(mine))
    turns = order[np.argsort(rank[order], kind="stable")]
    return np.sort(turns[:count])
