"""What hidden positions become: one background for every sample, which a query shows wherever its mask keeps nothing.

A plain number is a fill too. Backgrounds are in the units of the samples, so every rung sees the same ones; an int8
rung then encodes them as it encodes everything.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce
from pathlib import Path
from typing import Any, ClassVar, Protocol, final

import numpy as np
from numpy.typing import NDArray

from samewhy_edge.arrays import Samples
from samewhy_edge.errors import InputError
from samewhy_edge.files import sha256


@final
@dataclass(frozen=True, slots=True)
class ZeroPoint:
    """The real number 0: what an integer tensor holds exactly, as its zero point. The same number on float rungs."""

    method: ClassVar[str] = "zero-point"

    def backgrounds(self, samples: Samples) -> Samples:
        """Zeros, (N, *S, C)."""
        return np.zeros_like(samples)


@final
@dataclass(frozen=True, slots=True)
class Mean:
    """Each sample's own mean, a channel at a time: hides where things are, keeps how bright it is."""

    method: ClassVar[str] = "mean"

    def backgrounds(self, samples: Samples) -> Samples:
        """Means over the spatial axes, (N, *S, C)."""
        axes = tuple(range(1, samples.ndim - 1))
        means = samples.mean(axis=axes, keepdims=True, dtype=np.float64).astype(np.float32)
        return np.ascontiguousarray(np.broadcast_to(means, samples.shape))


@final
@dataclass(frozen=True, slots=True)
class Blur:
    """The sample itself under a Gaussian along every spatial axis, mirrored at the border without repeating the edge.

    The kernel ends at 4 standard deviations, or where the axis does.

    Source: Fong & Vedaldi 2017, section 4.2 (blur as a perturbation).
    """

    method: ClassVar[str] = "blur"

    sigma: float = 5.0  # positions

    def backgrounds(self, samples: Samples) -> Samples:
        """Blurred samples, (N, *S, C).

        Raises:
            InputError: a sigma that is not above 0.
        """
        if not self.sigma > 0:
            raise InputError(f"fill blur with sigma={self.sigma}; expected a number of positions above 0")
        wide = reduce(self._along, range(1, samples.ndim - 1), samples.astype(np.float64))
        return np.asarray(wide, np.float32)

    def _along(self, values: NDArray[np.float64], axis: int) -> NDArray[np.float64]:
        size = values.shape[axis]
        reach = min(int(np.ceil(4 * self.sigma)), size - 1)
        offsets = np.arange(-reach, reach + 1)
        kernel = np.exp(-0.5 * (offsets / self.sigma) ** 2)
        edges = [(reach, reach) if one == axis else (0, 0) for one in range(values.ndim)]
        padded = np.pad(values, edges, mode="reflect")
        parts = (
            weight * np.take(padded, range(start, start + size), axis)
            for start, weight in enumerate(kernel / kernel.sum())
        )
        return np.asarray(sum(parts))


@final
@dataclass(frozen=True, slots=True)
class Background:
    """Another sample: a `.npy` of shape (*S, C) for all samples, or (N, *S, C) with one for each."""

    method: ClassVar[str] = "background"

    file: str

    def backgrounds(self, samples: Samples) -> Samples:
        """The background of each sample, (N, *S, C).

        Raises:
            InputError: no such file, or an array that does not fit the samples.
        """
        content = self._content()
        fits = content.shape in (samples.shape, samples.shape[1:])
        if content.dtype.kind != "f" or not fits or not np.isfinite(content).all():
            raise InputError(
                f"{self.file}: {content.dtype} of shape {content.shape}; expected finite real numbers of shape "
                f"{samples.shape[1:]}, or {samples.shape} for a background each"
            )
        return np.array(np.broadcast_to(content.astype(np.float32), samples.shape))

    def _content(self) -> NDArray[Any]:
        try:
            loaded: NDArray[Any] = np.load(self.file, allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise InputError(f"{self.file}: not readable as .npy ({error}); save it with numpy.save") from error
        return loaded

    def identity(self) -> Mapping[str, str]:
        """File name and digest, as records hold them."""
        return {"file": Path(self.file).name, "sha256": sha256(self._content())}


Fill = float | ZeroPoint | Mean | Blur | Background


class Filling(Protocol):
    """Anything that knows what these samples become, such as backgrounds that were made elsewhere."""

    def backgrounds(self, samples: Samples) -> Samples:
        """(N, *S, C)."""
        ...


def backgrounds(fill: Fill | Filling, samples: Samples) -> Samples:
    """What a query shows of each sample where its mask keeps nothing: (N, *S, C).

    Raises:
        InputError: a fill that does not fit the samples.
    """
    if isinstance(fill, float | int):
        return np.full_like(samples, fill)
    return fill.backgrounds(samples)
