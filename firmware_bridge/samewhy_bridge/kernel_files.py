"""C sources of this package, and which of them a set of kernels needs."""

import re
from collections.abc import Iterable
from pathlib import Path

C = Path(__file__).parent / "c"
# Kernels that do nearly all work: compiled for speed, all others for size.
HOT = ("add", "average_pool_2d", "depthwise_conv_2d", "lookup", "matmul", "max_pool_2d", "mul", "sums")
INCLUDE = re.compile(rb'^#include "(.+)"', re.MULTILINE)


def closure(kernels: Iterable[str]) -> dict[str, bytes]:
    """Files of kernels by their path: each one's source and header, and of all that they include."""
    found: dict[str, bytes] = {}
    wanted = [f"{kernel}.h" for kernel in kernels]
    while wanted:
        name = wanted.pop()
        for path in (C / "kernels" / name, (C / "kernels" / name).with_suffix(".c")):
            if f"kernels/{path.name}" not in found and path.is_file():
                found[f"kernels/{path.name}"] = path.read_bytes()
                wanted += [include.decode() for include in INCLUDE.findall(path.read_bytes())]
    return dict(sorted(found.items()))
