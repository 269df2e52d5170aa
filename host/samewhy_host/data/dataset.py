"""What every loader gives: two splits of labelled samples, each sample with an id that stays the same."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
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
    """Samples (N, *S, C) float32, labels (N,), and an id a sample; the ground truth (N, *S) where it is known."""

    samples: Samples
    labels: Targets
    ids: tuple[str, ...]
    masks: NDArray[np.bool_] | None = None  # where the sample shows what its label names
    distractors: NDArray[np.bool_] | None = None  # where it shows something of another class
    distractor_labels: Targets | None = None  # (N,), that class
    present: NDArray[np.bool_] | None = None  # (N, K), the classes of a sample, where they do not exclude each other
    owners: NDArray[np.int8] | None = None  # (N, *S), with `present`: the class that a position shows, -1 for none

    def take(self, places: NDArray[np.int64]) -> "Split":
        """The samples at `places`, in that order."""
        ids = tuple(self.ids[i] for i in places)
        masks, distractors = (None if one is None else one[places] for one in (self.masks, self.distractors))
        others = None if self.distractor_labels is None else self.distractor_labels[places]
        present = None if self.present is None else self.present[places]
        owners = None if self.owners is None else self.owners[places]
        return Split(self.samples[places], self.labels[places], ids, masks, distractors, others, present, owners)

    def about(self, classes: Targets) -> "Split":
        """The same, its masks those of `classes` (N,), where several are present; else as it is."""
        if self.owners is None:
            return self
        targets = classes.reshape(-1, *[1] * (self.owners.ndim - 1))
        return replace(self, masks=self.owners == targets, distractors=(self.owners >= 0) & (self.owners != targets))

    def places(self, ids: tuple[str, ...]) -> NDArray[np.int64]:
        """Where `ids` are."""
        where = {name: place for place, name in enumerate(self.ids)}
        return np.array([where[name] for name in ids], np.int64)

    def provenance(self) -> Mapping[str, Any]:
        """Size and digests; of the ground truth, how many masks are empty."""
        known: dict[str, Any] = {
            "count": len(self.ids),
            "sha256": sha256(self.samples),
            "labels": sha256(self.labels),
        }
        for name, masks in (("masks", self.masks), ("distractors", self.distractors)):
            if masks is not None:
                empty = int((~masks.reshape(len(masks), -1).any(axis=1)).sum())
                known[name] = {"sha256": sha256(masks), "empty": empty}
        return known


@final
@dataclass(frozen=True, slots=True)
class Dataset:
    """Training and test samples that share no sample."""

    name: str
    classes: tuple[str, ...]
    train: Split
    test: Split
    made: Mapping[str, Any] = field(default_factory=dict)  # how, where a source makes or changes what it reads

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
            **({"made": dict(self.made)} if self.made else {}),
            "train": self.train.provenance(),
            "test": self.test.provenance(),
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
        InputError: no samples, splits of two shapes, a value that is not finite, a label out of range, or masks of
            another shape than the samples.
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
        if split.masks is not None and split.masks.shape != split.samples.shape[:-1]:
            raise InputError(
                f"{dataset.name}: {name} masks have shape {split.masks.shape}, expected {split.samples.shape[:-1]}"
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
