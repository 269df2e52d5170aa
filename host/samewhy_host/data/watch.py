"""Two-second windows of a smart watch's motion sensors during seven shoulder exercises, apart by person.

140 recordings of ten people at 50 Hz; three of the people are in the test split alone. A sample is (100, 6): the
accelerations ax, ay, az (in g) and the rates of turn wx, wy, wz (in rad/s), each with the mean 0 and the standard
deviation 1 of the training recordings.

Source: Burns, Leung, Hardisty, Whyne, Henry & McLachlin 2018, arXiv 1802.01489 (data of seglearn, BSD-3-Clause).
"""

import math
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from samewhy_data import HOME
from samewhy_edge.errors import InputError
from samewhy_edge.files import sha256
from samewhy_host.data.dataset import Dataset, Split

FILE = HOME / "watch_imu" / "watch.npz"
DIGEST = "1eeecefff9cdc82d1aa21ad3a6e0aef5c3a5354b4908d458a46110c974bd4c66"  # SHA-256 of the recordings' values
SENSORS = ("ax", "ay", "az", "wx", "wy", "wz")
CLASSES = (
    "pendulum",
    "abduction",
    "forward elevation",
    "internal rotation",
    "external rotation",
    "trapezius extension",
    "upright row",
)
UNSEEN = (8, 9, 10)  # people of the test split
LENGTH = 100  # samples of a window, two seconds


@final
@dataclass(frozen=True, slots=True)
class Watch:
    """How recordings are cut."""

    stride: int = 50  # samples from the start of a window to the start of the next one

    def __post_init__(self) -> None:
        if self.stride < 1:
            raise InputError(f"stride = {self.stride}; expected at least 1 sample")


@final
@dataclass(frozen=True, slots=True)
class Recordings:
    """Whole recordings: integer values, in steps of `scale` (6,), and whose they are."""

    codes: tuple[NDArray[np.int16], ...]  # (T, 6) each
    labels: NDArray[np.uint8]
    people: NDArray[np.uint8]
    scale: NDArray[np.float64]


def watch(how: Watch) -> Dataset:
    """Both splits; ids are ``person/recording/first sample``.

    Raises:
        InputError: the embedded file is damaged.
    """
    found = recordings()
    unseen = np.isin(found.people, UNSEEN)
    mean, deviation = statistics(np.concatenate([one for one, new in zip(found.codes, unseen, strict=True) if not new]))
    train, test = (windows(found, np.flatnonzero(one), how.stride, mean, deviation) for one in (~unseen, unseen))
    made = {
        "stride": how.stride,
        "unseen": list(UNSEEN),
        "mean": dict(zip(SENSORS, (mean * found.scale).tolist(), strict=True)),
        "deviation": dict(zip(SENSORS, (deviation * found.scale).tolist(), strict=True)),
    }
    return Dataset("watch", CLASSES, train, test, made)


def recordings() -> Recordings:
    """All recordings.

    Raises:
        InputError: the embedded file is damaged.
    """
    with np.load(FILE) as arrays:
        codes, lengths, scale = arrays["codes"], arrays["lengths"], arrays["scale"]
        labels, people = arrays["labels"], arrays["subjects"]
    if sha256(codes) != DIGEST:
        raise InputError(f"{FILE}: SHA-256 {sha256(codes)}, expected {DIGEST}; install samewhy anew")
    return Recordings(tuple(np.split(codes, lengths.cumsum()[:-1])), labels, people, scale)


def statistics(codes: NDArray[np.int16]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and standard deviation of each sensor, from exact sums: the same on every machine."""
    count, real = len(codes), codes.astype(np.int64)
    sums, squares = real.sum(axis=0).tolist(), (real * real).sum(axis=0).tolist()
    mean = [one / count for one in sums]
    deviation = [math.sqrt((count * square - one * one) / count**2) for one, square in zip(sums, squares, strict=True)]
    return np.array(mean), np.array(deviation)


def windows(
    found: Recordings,
    chosen: NDArray[np.int64],
    stride: int,
    mean: NDArray[np.float64],
    deviation: NDArray[np.float64],
) -> Split:
    """Windows of the chosen recordings, every one within a single recording."""
    cut = [sliding_window_view(found.codes[i], LENGTH, axis=0)[::stride].swapaxes(1, 2) for i in chosen]
    ids = [
        f"person-{found.people[i]}/recording-{i}/{stride * n}"
        for i, one in zip(chosen, cut, strict=True)
        for n in range(len(one))
    ]
    labels = np.repeat(found.labels[chosen].astype(np.int64), [len(one) for one in cut])
    return Split(((np.concatenate(cut) - mean) / deviation).astype(np.float32), labels, tuple(ids))
