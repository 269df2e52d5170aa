"""Makes `samples.npz` of the third-party networks in models/: ``python tests/golden/make_photo_samples.py``.

Square crops of photographs that scikit-image ships (CC0 or public domain; each card says which), resized with
anti-aliasing and rounded to whole pixel values 0 to 255, which is the unit of these networks. The first crop of a
photograph is its largest centred square, the others come from a fixed seed. Rounding to `step` values keeps the
larger file small; it is less than JPEG takes away.
"""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from skimage import data, transform

MODELS = Path(__file__).parents[2] / "models"
PHOTOS = ("astronaut", "camera", "chelsea", "coffee", "rocket", "coins", "clock", "hubble_deep_field")
CLOSEST = 0.45  # side of the smallest crop, as a share of the shorter side


def photo(name: str) -> NDArray[np.uint8]:
    """Pixels (H, W, 3); grey photographs three times."""
    pixels: NDArray[Any] = getattr(data, name)()
    return np.stack([pixels] * 3, axis=-1) if pixels.ndim == 2 else pixels


def crops(pixels: NDArray[np.uint8], count: int) -> list[NDArray[np.uint8]]:
    """The largest centred square, then squares of random size and place."""
    sizes, drawn = np.array(pixels.shape[:2]), np.random.default_rng(0)
    sides = [sizes.min(), *(int(sizes.min() * share) for share in drawn.uniform(CLOSEST, 0.9, count - 1))]
    places = [np.full(2, 0.5), *drawn.uniform(0, 1, (count - 1, 2))]
    corners = [(place * (sizes - side)).astype(int) for side, place in zip(sides, places, strict=True)]
    return [pixels[top : top + side, left : left + side] for side, (top, left) in zip(sides, corners, strict=True)]


def samples(size: int, count: int, step: int) -> NDArray[np.float32]:
    """`count` crops of every photograph, (N, size, size, 3): multiples of `step` up to 255."""
    small = [
        transform.resize(crop, (size, size), anti_aliasing=True)
        for name in PHOTOS
        for crop in crops(photo(name), count)
    ]
    return np.asarray(np.round(np.stack(small) * 255 / step) * step, np.float32).clip(0, 255)


def main() -> None:
    np.savez_compressed(MODELS / "mlperf_resnet8" / "samples.npz", samples=samples(32, 4, step=1))
    np.savez_compressed(MODELS / "person_detect" / "samples.npz", samples=samples(96, 3, step=2))


if __name__ == "__main__":
    main()
