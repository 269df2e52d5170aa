"""What can go wrong at a border, as one tree.

SamewhyError
├── AddressError     an address names no runtime, or an option that the runtime does not have
├── ArtifactError    a model file is missing, broken, or of a kind that cannot be asked as a black box
├── InputError       samples, targets or settings do not fit what they are given to
├── ExtraError       a part of the package is not installed
├── GateError        a converted model no longer answers like the one it was made from
├── WireError        what is asked over a wire cannot be reached, or does not answer as it should
├── ContractError    a predictor breaks the promises of `samewhy_edge.predictor.Predictor`
├── WorkerError      those who should ask a rung are not there, or would answer as another rung
└── OutputError      a result cannot be written

Every message says what was found, what was expected and what to do.
"""

import difflib
from collections.abc import Iterable


class SamewhyError(Exception):
    """Root of every error that a user can act on; the command line prints it and exits with 2."""


class AddressError(SamewhyError):
    """An address names no runtime, or an option that the runtime does not have."""


class ArtifactError(SamewhyError):
    """A model file is missing, broken, or of a kind that cannot be asked as a black box."""


class InputError(SamewhyError):
    """Samples, targets or settings do not fit what they are given to."""


class ExtraError(SamewhyError):
    """A part of the package is not installed."""


class GateError(SamewhyError):
    """A converted model no longer answers like the one it was made from."""


class WireError(SamewhyError):
    """What is asked over a wire cannot be reached, or does not answer as it should."""


class ContractError(SamewhyError):
    """A predictor breaks the promises of `samewhy_edge.predictor.Predictor`."""


class WorkerError(SamewhyError):
    """Those who should ask a rung are not there, or would answer as another rung."""


class OutputError(SamewhyError):
    """A result cannot be written."""


def unknown(kind: str, found: str, known: Iterable[str]) -> str:
    """A sentence for a wrong name: what was found, the nearest known name, all known names."""
    names = sorted(known)
    near = difflib.get_close_matches(found, names, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return f"unknown {kind} {found!r}; {hint}known: {', '.join(names)}"
