"""A sample where the mask keeps, its background elsewhere: in real numbers, or straight to the codes of the input.

Codes are made by numpy in several passes. Where numba is installed (``pip install 'samewhy[fast]'``) and there is so
much to do that loading it pays, they are made in one pass over memory: the same codes.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import product
from typing import Any, final

import numpy as np

from samewhy_edge.arrays import Codes, Keep, Sample, Samples
from samewhy_edge.quant import HALF, Affine

Loop = Callable[..., None]
Loops = Mapping[int, Loop]  # by the number of channels, negative where nothing is encoded; `ANY` and `-ANY` for others

AT_ONCE = 2**15  # float32 values that numpy works on at a time, so that they stay in the cache
PAYS = 2**28  # values that numpy encodes in the time that numba takes to load and to compile, about 0.7 s
ANY = 99  # channels that no loop is made for
ONE = np.float32(1)


@final
@dataclass(slots=True)
class Work:
    """How many values were blended by numpy in this process."""

    values: int = 0


DONE = Work()


def blend(sample: Sample, keep: Keep, background: Sample) -> Samples:
    """Samples (M, *S, C) under masks (M, *S) or (M, *S, C); exact where a mask is 0 or 1."""
    if DONE.values >= PAYS and trusted("float32"):
        return fused_reals(sample, keep, background, compiled())
    DONE.values += len(keep) * sample.size // 4  # they cost a fourth of codes
    return blocked_reals(sample, keep, background)


def blend_codes(sample: Sample, keep: Keep, background: Sample, coding: Affine) -> Codes:
    """What ``coding.encode(blend(sample, keep, background))`` gives, without its passes over memory."""
    if DONE.values >= PAYS and trusted(coding.dtype):
        return fused(sample, keep, background, coding, compiled())
    DONE.values += len(keep) * sample.size  # threads may lose a sum; it only says when compiling pays
    return blocked(sample, keep, background, coding)


def blocked_reals(sample: Sample, keep: Keep, background: Sample) -> Samples:
    """By numpy, a block of values at a time."""
    blended = np.empty((len(keep), sample.size), np.float32)
    for place, values in blocks(sample, keep, background):
        blended[place] = values
    return blended.reshape(-1, *sample.shape)


def blocked(sample: Sample, keep: Keep, background: Sample, coding: Affine) -> Codes:
    """By numpy, a block of values at a time."""
    codes = np.empty((len(keep), sample.size), coding.dtype)
    for place, values in blocks(sample, keep, background):
        codes[place] = coding.encode(values)
    return codes.reshape(-1, *sample.shape)


def blocks(sample: Sample, keep: Keep, background: Sample) -> Iterator[tuple[tuple[slice, slice], Samples]]:
    """Blended values of a few positions under a few masks, and where they stand among all (M, P * C)."""
    masks, shown, hidden = keep.reshape(len(keep), -1), sample.ravel(), background.ravel()
    channels, plain = sample.size // masks.shape[1], not hidden.any()
    wide = min(masks.shape[1], max(1, AT_ONCE // channels))
    rows = max(1, AT_ONCE // (wide * channels))
    for start, first in product(range(0, len(masks), rows), range(0, masks.shape[1], wide)):
        part = masks[start : start + rows, first : first + wide]
        part = np.repeat(part, channels, axis=1) if channels > 1 else part
        span = slice(first * channels, (first + wide) * channels)
        values = part * shown[span]
        if not plain:
            values += (ONE - part) * hidden[span]
        yield (slice(start, start + rows), span), values


def fused(sample: Sample, keep: Keep, background: Sample, coding: Affine, loops: Loops) -> Codes:
    """By a loop, a value at a time."""
    ends = np.iinfo(coding.dtype)
    codes = np.empty((len(keep), *sample.shape), coding.dtype)
    masks, *flat = (
        np.require(one, np.float32, ("C", "W")) for one in (keep, sample, background)
    )  # one type, one compilation
    numbers = map(np.float32, (coding.scale, coding.zero_point, ends.min, ends.max))
    masks = masks.reshape(len(keep), -1)
    loop = loops.get(sample.size // masks.shape[1], loops[ANY])
    loop(masks, *(one.ravel() for one in flat), codes.reshape(len(keep), -1), *numbers)
    return codes


def fused_reals(sample: Sample, keep: Keep, background: Sample, loops: Loops) -> Samples:
    """By a loop, a value at a time."""
    blended = np.empty((len(keep), *sample.shape), np.float32)
    masks, *flat = (np.require(one, np.float32, ("C", "W")) for one in (keep, sample, background))
    masks, plain = masks.reshape(len(keep), -1), not background.any()
    loop = loops.get(-(sample.size // masks.shape[1]), loops[-ANY])
    loop(masks, *(one.ravel() for one in flat), blended.reshape(len(keep), -1), plain)
    return blended


@cache
def trusted(dtype: str) -> bool:
    """Whether loops compile here for values of this type, and give what numpy gives."""
    keep = np.linspace(0, 1, 5 * 28, dtype=np.float32).reshape(5, 28)
    try:
        for channels, full in product((1, 2, 3), (0, -1)):
            sample = np.linspace(-9, 9, 28 * channels, dtype=np.float32).reshape(28, channels)
            if not _same(dtype, sample, keep, full * sample):
                return False
    except Exception:  # no numba, no folder for its cache, a broken cache, a processor that it does not know
        return False
    return True


def _same(dtype: str, sample: Sample, keep: Keep, background: Sample) -> bool:
    given = sample, keep, background
    if dtype == "float32":
        return fused_reals(*given, compiled()).tobytes() == blocked_reals(*given).tobytes()
    coding = Affine(1 / 16, 7, dtype)
    return np.array_equal(fused(*given, coding, compiled()), blocked(*given, coding))


@cache
def compiled() -> Loops:
    """The loops as machine code, kept on disk where numba finds a folder that it may write to."""
    import numba

    numba.extending.register_jitable(inline="always")(code)
    try:
        njit: Any = numba.njit(nogil=True, cache=True)
        return {channels: njit(loop) for channels, loop in PLAIN.items()}
    except RuntimeError:  # no such folder
        njit = numba.njit(nogil=True)
        return {channels: njit(loop) for channels, loop in PLAIN.items()}


# Flat masks (M, P), a flat sample and background (P * C,), codes (M, P * C): loops that a compiler makes vectors of.
# Numbers come one by one, because an array of them might share memory with the codes. Arithmetic: `Affine.encode`.


def code(keep: Any, value: Any, hidden: Any, scale: Any, zero: Any, low: Any, high: Any) -> Any:
    """One value blended and encoded, still a float."""
    steps = (keep * value + (ONE - keep) * hidden) / scale
    steps = np.trunc(steps + np.copysign(HALF, steps)) + zero
    return min(max(steps, low), high)


def of_one_channel(
    keep: Any, sample: Any, background: Any, codes: Any, scale: Any, zero: Any, low: Any, high: Any
) -> None:
    """A mask value for every value."""
    for m in range(keep.shape[0]):
        for p in range(keep.shape[1]):
            codes[m, p] = code(keep[m, p], sample[p], background[p], scale, zero, low, high)


def of_three_channels(
    keep: Any, sample: Any, background: Any, codes: Any, scale: Any, zero: Any, low: Any, high: Any
) -> None:
    """A number of channels that is known when the loop is compiled."""
    for m in range(keep.shape[0]):
        for p in range(keep.shape[1]):
            shown = keep[m, p]
            for c in range(3):
                codes[m, 3 * p + c] = code(shown, sample[3 * p + c], background[3 * p + c], scale, zero, low, high)


def of_channels(
    keep: Any, sample: Any, background: Any, codes: Any, scale: Any, zero: Any, low: Any, high: Any
) -> None:
    """Any number of channels: the mask is spread over them first."""
    channels = len(sample) // keep.shape[1]
    spread = np.empty(len(sample), np.float32)
    for m in range(keep.shape[0]):
        for p in range(keep.shape[1]):
            for c in range(channels):
                spread[p * channels + c] = keep[m, p]
        for p in range(len(sample)):
            codes[m, p] = code(spread[p], sample[p], background[p], scale, zero, low, high)


def of_one_real(keep: Any, sample: Any, background: Any, blended: Any, plain: Any) -> None:
    """A mask value for every value, not encoded; with a plain background of zeros, so that -0 stays what it is."""
    for m in range(keep.shape[0]):
        if plain:
            for p in range(keep.shape[1]):
                blended[m, p] = keep[m, p] * sample[p]
        else:
            for p in range(keep.shape[1]):
                blended[m, p] = keep[m, p] * sample[p] + (ONE - keep[m, p]) * background[p]


def of_three_reals(keep: Any, sample: Any, background: Any, blended: Any, plain: Any) -> None:
    """Three channels, not encoded."""
    for m in range(keep.shape[0]):
        for p in range(keep.shape[1]):
            shown = keep[m, p]
            for c in range(3):
                value = shown * sample[3 * p + c]
                blended[m, 3 * p + c] = value if plain else value + (ONE - shown) * background[3 * p + c]


def of_reals(keep: Any, sample: Any, background: Any, blended: Any, plain: Any) -> None:
    """Any number of channels, not encoded; with a plain background of zeros, so that -0 stays what it is."""
    channels = len(sample) // keep.shape[1]
    spread = np.empty(len(sample), np.float32)
    for m in range(keep.shape[0]):
        for p in range(keep.shape[1]):
            for c in range(channels):
                spread[p * channels + c] = keep[m, p]
        if plain:
            for p in range(len(sample)):
                blended[m, p] = spread[p] * sample[p]
        else:
            for p in range(len(sample)):
                blended[m, p] = spread[p] * sample[p] + (ONE - spread[p]) * background[p]


PLAIN: Loops = {
    1: of_one_channel,
    3: of_three_channels,
    ANY: of_channels,
    -1: of_one_real,
    -3: of_three_reals,
    -ANY: of_reals,
}
