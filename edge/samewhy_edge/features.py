"""Plans over features: parts of a sample that are shown or hidden whole, such as cells of a grid or superpixels."""

from dataclasses import dataclass, field
from typing import final

import numpy as np
from numpy.typing import NDArray

from samewhy_edge.arrays import Keep, Maps
from samewhy_edge.plan import words

Labels = NDArray[np.int64]  # (*S), the feature of each position, 0 to D - 1
Chosen = NDArray[np.float32]  # (M, D) in [0, 1]: how much each query keeps of each feature; mostly 0 or 1


@final
@dataclass(frozen=True)
class Coalitions:
    """Query m keeps feature d by ``chosen[m, d]``."""

    labels: Labels = field(repr=False)
    chosen: Chosen = field(repr=False)

    @property
    def spatial(self) -> tuple[int, ...]:
        """The spatial axes *S."""
        return self.labels.shape

    def __len__(self) -> int:
        """M."""
        return len(self.chosen)

    def keep(self, start: int, stop: int) -> Keep:
        """Masks (stop - start, *S)."""
        return np.ascontiguousarray(self.chosen[start:stop, self.labels], np.float32)

    def spread(self, values: NDArray[np.float64]) -> Maps:
        """Values of features (N, D) as maps (N, *S): every position has its feature's value."""
        return np.asarray(values[:, self.labels], np.float32)


def cells(spatial: tuple[int, ...], count: tuple[int, ...]) -> Labels:
    """A grid of `count` near-equal cells an axis, numbered row by row."""
    labels = np.zeros(spatial, np.int64)
    for axis, (size, parts) in enumerate(zip(spatial, count, strict=True)):
        place = np.arange(size) * parts // size
        labels = labels * parts + place.reshape([-1 if other == axis else 1 for other in range(len(spatial))])
    return labels


def coins(key: tuple[int, int], shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Uniform numbers in [0, 1) from Philox, in rows: row i is the same however many rows there are."""
    raw = words(key, 0, shape[0], int(np.prod(shape[1:], dtype=np.int64)))
    return np.asarray((raw >> np.uint64(11)) / 2.0**53).reshape(shape)
