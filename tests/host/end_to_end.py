"""A study small enough to run whole in a test: three classes that differ by the texture of one patch."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

STUDY = """
[study]
question = "Are the reasons kept?"
seed = 3

[data]
source = "npz"
path = "patches.npz"
masks = "masks.npz"
classes = ["across", "along", "full"]
calibration = 30

[model]
{model}

[train]
epochs = 8
batch = 32
learning_rate = 0.01
flip = false

{compress}
[[explain]]
method = "occlusion"
window = 4
stride = 4

[[explain]]
method = "rise"
queries = 32
grid = 4
estimator = "published"

[[explain]]
method = "rise"
queries = 32
grid = 4

[audit]
samples = 9
resamples = 200
gallery = 4
"""

DS_CNN = """architecture = "ds_cnn"

[model.options]
width = 8
stem = [3, 3]
dropout = 0.0
"""

PATCH = 6  # rows and columns of the patch

COMPRESS = """
[[compress]]
method = "channels"
amount = 0.25

[compress.train]
epochs = 4
flip = false

[[compress]]
method = "magnitude"
amount = 0.3

[compress.train]
epochs = 1
flip = false
"""


def write_study(folder: Path, model: str = DS_CNN, compress: str = "", more: str = "") -> Path:
    """A study file in the folder, with its data beside it."""
    folder.mkdir(parents=True, exist_ok=True)
    write_patches(folder / "patches.npz")
    write_masks(folder / "masks.npz")
    path = folder / "study.toml"
    path.write_text(STUDY.format(model=model, compress=compress) + more)
    return path


def write_patches(path: Path) -> None:
    """600 training and 90 test images of 16 x 16 bytes."""
    rng = np.random.default_rng(0)
    arrays = {}
    for name, count in (("train", 600), ("test", 90)):
        images = rng.integers(0, 40, (count, 16, 16, 1), dtype=np.uint8)
        for place, image in enumerate(images):
            row, column = corner(place)
            patch = image[row : row + PATCH, column : column + PATCH]
            textures = (patch[::2], patch[:, ::2], patch)
            textures[place % 3][:] += np.uint8(215)
        arrays |= {f"{name}_samples": images, f"{name}_labels": np.arange(count) % 3}
    np.savez(path, **arrays)  # type: ignore[arg-type]  # numpy types the flag and the arrays alike


def write_masks(path: Path) -> None:
    """Where the patch of each test image is."""
    masks = np.zeros((90, 16, 16), bool)
    for place, mask in enumerate(masks):
        row, column = corner(place)
        mask[row : row + PATCH, column : column + PATCH] = True
    np.savez(path, masks=masks)


def corner(place: int) -> tuple[int, int]:
    """Row and column where the patch of the image begins."""
    return place * 5 % 11, place * 3 % 11


def samewhy(*words: str | Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """The command line in a process of its own."""
    return subprocess.run(command(*words), capture_output=True, text=True, cwd=cwd, check=False)


def command(*words: str | Path) -> list[str]:
    """How the command line is started."""
    return [sys.executable, "-m", "samewhy_edge.cli", *map(str, words)]


def start(*words: str | Path) -> subprocess.Popen[str]:
    """The command line in the background, in a process group of its own so that signals reach only it."""
    streams: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command(*words), start_new_session=True, env=dict(os.environ), **streams)


def audit_of(folder: Path) -> dict[str, Any]:
    """The run's audit.json."""
    table: dict[str, Any] = json.loads((folder / "audit.json").read_text())
    return table
