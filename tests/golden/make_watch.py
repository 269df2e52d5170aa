"""Makes the recordings of `samewhy_host.data.watch`: ``python tests/golden/make_watch.py WHEEL``.

WHEEL is seglearn 1.2.5, from ``pip download --no-deps seglearn==1.2.5``. Its recordings are a pickle, so only the names
of arrays are let through while it is read. Values become whole multiples of a step for each sensor, the smallest
that lets the largest value into 16 bits: at most 0.001 of the standard deviation of any sensor is rounded away.
"""

import io
import pickle
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from samewhy_edge.files import sha256, write_npz

PLACE = Path(__file__).parents[2] / "data" / "samewhy_data" / "watch_imu" / "watch.npz"
MEMBER = "seglearn/data/watch_dataset.npy"
ALLOWED = {
    ("numpy.core.multiarray", "_reconstruct"),
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
    ("_codecs", "encode"),  # how a text of Python 2 becomes bytes
}


class OnlyArrays(pickle.Unpickler):
    """Reads arrays and plain values, and refuses all else before it can run."""

    def find_class(self, module: str, name: str) -> Any:
        """The one of the few things that arrays are made of."""
        if (module, name) not in ALLOWED:
            raise ValueError(f"the pickle names {module}.{name}; expected nothing but arrays")
        return super().find_class(module, name)


def read(wheel: Path) -> dict[str, Any]:
    """Recordings `X`, labels `y`, `subject` and `side`, as seglearn gives them."""
    with zipfile.ZipFile(wheel) as archive:
        stream = io.BytesIO(archive.read(MEMBER))
    np.lib.format.read_magic(stream)
    np.lib.format.read_array_header_1_0(stream)
    found: dict[str, Any] = OnlyArrays(stream).load().item()
    return found


def main(wheel: Path) -> None:
    """Write the file, and print the digest of its values."""
    found = read(wheel)
    real = np.concatenate(found["X"])
    scale = np.abs(real).max(axis=0) / 32767
    codes = np.round(real / scale).astype(np.int16)
    write_npz(
        PLACE,
        codes=codes,
        scale=scale,
        lengths=np.array([len(one) for one in found["X"]], np.int32),
        labels=found["y"].astype(np.uint8),
        subjects=found["subject"].astype(np.uint8),
        right=found["side"].astype(np.uint8),
    )
    sys.stdout.write(f"{sha256(codes)}\n")
    sys.stdout.write(
        f"largest error / standard deviation: {(np.abs(codes * scale - real) / real.std(0)).max(axis=0)}\n"
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
