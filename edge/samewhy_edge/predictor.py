"""The black box under study, how it is opened, and the one check at its border."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Protocol, final

import numpy as np
from numpy.typing import NDArray

from samewhy_edge.address import Address, parse_address
from samewhy_edge.arrays import Codes, Samples, Scores
from samewhy_edge.errors import AddressError, ExtraError, InputError, unknown
from samewhy_edge.layers import Layer
from samewhy_edge.quant import Affine
from samewhy_edge.rung import Rung

RUNTIMES = "samewhy.runtimes"


class Predictor(Protocol):
    """A black box without memory: the same samples in, the same scores out."""

    def __call__(self, samples: Samples, /) -> Scores:
        """Scores of shape (N, K) for samples of shape (N, *S, C)."""
        ...


@final
@dataclass(frozen=True, slots=True)
class Spec:
    """What a predictor takes and gives, and which rung it is."""

    sample: tuple[int, ...]  # (*S, C)
    classes: int  # K
    rung: Rung
    input: Affine | None = None  # None where the tensor holds real numbers
    output: Affine | None = None
    wire: str | None = None  # how it is reached, where it is not in this process


class Coded(Protocol):
    """The same black box behind its encoding: what an integer input holds in, decoded scores out."""

    def __call__(self, codes: Codes, /) -> Scores:
        """Scores of shape (N, K) for codes of shape (N, *S, C)."""
        ...


class Layered(Protocol):
    """What the same black box has inside."""

    def __call__(self, samples: Samples, /) -> list[Layer]:
        """Every operator's outputs for samples (N, *S, C), in the order of execution.

        Raises:
            InputError: it keeps what is between operators to itself.
        """
        ...


@final
@dataclass(frozen=True, slots=True)
class Subject:
    """An opened predictor: `ask` behind the border check, with its specification.

    A runtime with an integer input may name `coded` too; then masked samples are encoded as they are blended. Both give
    the same scores. `at_once` threads may ask it at the same time. What stands for several devices tells in `answered`
    how many queries each of them has answered so far. What can tell the inner tensors of its file names `layers`.
    """

    spec: Spec
    ask: Predictor
    coded: Coded | None = None
    at_once: int = 1
    answered: Callable[[], Mapping[str, int]] | None = None
    layers: Layered | None = None

    def __call__(self, samples: Samples, /) -> Scores:
        """Scores of shape (N, K) for samples of shape (N, *S, C).

        Raises:
            InputError: wrong shape, wrong dtype, or a value that is not finite.
        """
        check_samples(samples, self.spec.sample)
        return self.ask(samples)


class Runtime(Protocol):
    """What a row of the table of runtimes names: it opens an address."""

    def __call__(self, address: Address, /) -> Subject:
        """The predictor at `address`, with its specification."""
        ...


def open_predictor(address: str) -> Subject:
    """Open ``runtime:path?option=value``, for example ``litert:model.tflite?kernels=xnnpack&threads=1``.

    The table of runtimes is the entry-point group ``samewhy.runtimes``, so a part or a plug-in adds one by naming it.

    Raises:
        AddressError: no such runtime, or an option it does not have.
        ArtifactError: the file is missing, broken or refused.
        ExtraError: the runtime needs a part that is not installed.
    """
    parsed = parse_address(address)
    points = {point.name: point for point in entry_points(group=RUNTIMES)}
    if parsed.runtime not in points:
        raise AddressError(f"{unknown('runtime', parsed.runtime, points)}; address: {address!r}")
    return load_extra(points[parsed.runtime])(parsed)


def load_extra(point: EntryPoint) -> Runtime:
    """What an entry point names.

    Raises:
        ExtraError: it needs a package that is not installed; the message holds the pip line that installs it.
    """
    try:
        loaded: Runtime = point.load()
    except ModuleNotFoundError as error:
        extra = {"samewhy_host": "host", "samewhy_bridge": "bridge"}.get(point.module.partition(".")[0])
        line = f"pip install 'samewhy[{extra}]'" if extra else f"pip install {error.name}"
        raise ExtraError(f"{point.name} needs {error.name}, which is not installed; install it with: {line}") from error
    return loaded


def check_samples(samples: Samples, sample: tuple[int, ...]) -> None:
    """Refuse what is not a batch of `sample`-shaped float32 arrays of finite numbers.

    Raises:
        InputError: saying what was found and what was expected.
    """
    if not isinstance(samples, np.ndarray) or samples.dtype != np.float32:
        found = getattr(samples, "dtype", type(samples).__name__)
        raise InputError(f"samples are {found}, expected float32 in the network's own units; convert them first")
    if samples.shape[1:] != sample or samples.ndim != len(sample) + 1:
        raise InputError(f"samples have shape {samples.shape}, expected (N, {', '.join(map(str, sample))})")
    if not np.isfinite(samples).all():
        raise InputError(f"samples hold {int((~np.isfinite(samples)).sum())} NaN or infinite values, expected none")


def check_targets(targets: NDArray[Any], count: int, classes: int) -> None:
    """Refuse targets that are not `count` class indices below `classes`.

    Raises:
        InputError: saying what was found and what was expected.
    """
    if targets.shape != (count,) or targets.dtype.kind not in "iu":
        raise InputError(f"targets are {targets.dtype} of shape {targets.shape}, expected {count} whole numbers")
    if count and not (targets.min() >= 0 and targets.max() < classes):
        worst = int(targets.max() if targets.max() >= classes else targets.min())
        raise InputError(
            f"class index {worst} is out of range; this predictor has {classes} classes, 0 to {classes - 1}"
        )
