"""Ways to quantize: the [quantize] table of a study, and what is known of each scheme before any file is made."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Literal, final

import numpy as np

from samewhy_edge.errors import ExtraError, InputError

Scheme = Literal[
    "int8",
    "int8-per-tensor",
    "int16x8",
    "float16",
    "dynamic-range",
    "int8x4",
    "int16x4",
    "dynamic-range-int4",
]
FOUR_BITS = "ai-edge-quantizer"  # the package whose files have weights of four bits
LABELS = 0.9  # least share of samples on which a quantized file gives the float file's label
SQNR = 10.0  # least signal to quantization noise ratio of the scores, in dB


@final
@dataclass(frozen=True, slots=True)
class Kind:
    """What a file of a scheme is like. Weights have a scale a channel unless the scheme's name says otherwise."""

    ends: str | None  # dtype of the input and of the output; None where they hold real numbers
    bits: int  # of a weight
    calibrated: bool = True  # whether samples set the ranges of its activations

    @property
    def room(self) -> int:
        """Steps by which a sample may lie outside the input's range: a step of eight bits, however fine the type."""
        return 2 ** (np.iinfo(self.ends).bits - 8) if self.ends else 0


SCHEMES: Mapping[str, Kind] = {
    "int8": Kind("int8", 8),
    "int8-per-tensor": Kind("int8", 8),
    "int16x8": Kind("int16", 8),
    "float16": Kind(None, 16, calibrated=False),
    "dynamic-range": Kind(None, 8, calibrated=False),
    "int8x4": Kind("int8", 4),
    "int16x4": Kind("int16", 4),
    "dynamic-range-int4": Kind(None, 4, calibrated=False),
}


@final
@dataclass(frozen=True, slots=True)
class Quantize:
    """How the float file becomes a smaller one, and how much its gate lets through."""

    scheme: Scheme = "int8"
    masked: float = 0.0  # share of the calibration samples that are shown under the explainers' masks
    labels: float = LABELS
    sqnr: float = SQNR

    def __post_init__(self) -> None:
        if not 0 <= self.masked <= 1 or not 0 <= self.labels <= 1:
            raise InputError(
                f"[quantize] masked = {self.masked}, labels = {self.labels}; expected shares between 0 and 1"
            )
        if self.masked and not self.kind.calibrated:
            raise InputError(
                f'[quantize] masked = {self.masked}: scheme "{self.scheme}" is not calibrated, so no sample can be '
                "masked for it; remove masked"
            )

    @property
    def kind(self) -> Kind:
        """What its files are like."""
        return SCHEMES[self.scheme]

    @property
    def file(self) -> str:
        """Name of the file that it makes."""
        return f"{self.scheme}.tflite"


def packages(scheme: Scheme) -> tuple[str, ...]:
    """What makes its files besides TensorFlow."""
    return (FOUR_BITS,) if SCHEMES[scheme].bits == 4 else ()


def makeable(scheme: Scheme) -> None:
    """Refuse a scheme whose converter is not installed, before any work is done.

    Raises:
        ExtraError: naming it, and the pip line that installs it.
    """
    missing = [name for name in packages(scheme) if find_spec(name.replace("-", "_")) is None]
    if missing:
        raise ExtraError(
            f'[quantize] scheme "{scheme}" is made by {missing[0]}, which is not installed here; install it with: '
            "pip install 'samewhy[host]'"
        )
