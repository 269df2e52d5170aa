"""Makes the backgrounds of `samewhy_host.data.composites`: ``python tests/golden/make_photographs.py WHEEL``.

WHEEL is scikit-image 0.24.0, from ``pip download --no-deps scikit-image==0.24.0``. Only photographs that its
documentation calls CC0 or public domain are taken: the largest centred square of each, averaged down to SIDE, grey.
"""

import sys
import zipfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from samewhy_edge.files import sha256, write_npz

PLACE = Path(__file__).parents[2] / "data" / "samewhy_data" / "photographs" / "photographs.npz"
SIDE = 288
FILES = {
    "astronaut": "astronaut.png",
    "brick": "brick.png",
    "camera": "camera.png",
    "cell": "cell.png",
    "chelsea": "chelsea.png",
    "clock": "clock_motion.png",
    "coffee": "coffee.png",
    "grass": "grass.png",
    "gravel": "gravel.png",
    "hubble": "hubble_deep_field.jpg",
    "retina": "retina.jpg",
    "rocket": "rocket.jpg",
}


def reduced(image: Image.Image) -> NDArray[np.uint8]:
    """Grey bytes (SIDE, SIDE)."""
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    square = image.convert("L").crop((left, top, left + side, top + side))
    return np.asarray(square.resize((SIDE, SIDE), Image.Resampling.BOX))


def main(wheel: Path) -> None:
    """Write the file, and print the digest of its pixels."""
    with zipfile.ZipFile(wheel) as archive:
        pixels = []
        for file in FILES.values():
            with archive.open(f"skimage/data/{file}") as stream, Image.open(stream) as image:
                pixels.append(reduced(image))
    photographs = np.stack(pixels)
    write_npz(PLACE, photographs=photographs, names=np.array(list(FILES)))
    sys.stdout.write(f"{sha256(photographs)}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
