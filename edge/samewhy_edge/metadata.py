"""What the metadata of a model on a server tell: its input, its output, their codes, and which rung it is.

Options of the address stand in for what they do not tell.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from samewhy_edge import tensors
from samewhy_edge.address import Address
from samewhy_edge.errors import AddressError, InputError, WireError, unknown
from samewhy_edge.quant import Affine
from samewhy_edge.query import BATCH
from samewhy_edge.rung import Artifact, Rung

Table = Mapping[str, Any]

TOLD = {"artifact_sha256": str, "artifact_bytes": int, "runtime": str, "kernels": str, "machine": str}
UNKNOWN = "unknown"
LARGEST, HEAD = 30 * 2**20, 4096  # bytes of a request where the server does not say; of what is not samples
AT_ONCE = 32  # requests at the same time, whatever a server says
DIGITS = 24  # bytes of a number in JSON, at most


@final
@dataclass(frozen=True, slots=True)
class End:
    """A tensor of the model, as its metadata have it."""

    name: str
    dtype: np.dtype[Any]
    shape: tuple[int, ...]  # -1 where any size will do
    parameters: Table


def parameters_of(table: Table) -> Table:
    """Parameters of a model or a tensor; what is no table tells nothing."""
    found = table.get("parameters")
    return found if isinstance(found, dict) else {}


def binary_of(address: Address, server: Table) -> bool:
    """Whether tensors travel as bytes: where the server says that it can, unless the address says otherwise."""
    listed = server.get("extensions")
    able = isinstance(listed, list) and tensors.EXTENSION in listed
    return address.choice("binary", ("1", "0") if able else ("0", "1")) == "1"


def end_of(address: Address, model: Table, which: str) -> End:
    """The only tensor of an end, or the one that the address names.

    Raises:
        AddressError: there are several, or none of that name.
        WireError: it is not described as the protocol has it, or its numbers are no samples or scores.
    """
    rows = model.get(f"{which}s")
    named = [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
    names = [str(row.get("name")) for row in named]
    if not names:
        raise WireError(f"{address.rest}: the metadata name no {which}; expected one tensor, describe it to the server")
    wanted = address.options.get(which, names[0] if len(names) == 1 else None)
    if wanted is None:
        raise AddressError(f"{address.rest}: {len(names)} {which}s, {', '.join(names)}; say which with {which}=NAME")
    if wanted not in names:
        raise AddressError(f"{address.rest}: {unknown(which, wanted, names)}")
    row = named[names.index(wanted)]
    try:
        shape = tensors.shape_of(row.get("shape"), least=-1)
        return End(wanted, tensors.dtype_of(row.get("datatype")), shape, parameters_of(row))
    except InputError as error:
        raise WireError(f"{address.rest}: {which} {wanted}: {error}") from error


def coding_of(address: Address, end: End, prefix: str) -> Affine | None:
    """What codes stand for at an end: as the address says, else as the server says; None for real numbers.

    Raises:
        AddressError: codes without a scale, or a scale for real numbers.
    """
    told = end.parameters.get("codes")
    dtype = tensors.DATATYPES.get(told, end.dtype) if isinstance(told, str) else end.dtype
    names = [f"{prefix}scale", f"{prefix}zero_point"]
    if dtype.kind == "f":
        address.never(f"{end.name} holds real numbers", *names)
        return None
    given = [address.options.get(name, end.parameters.get(name.removeprefix(prefix))) for name in names]
    try:
        coding = Affine(float(given[0]), int(given[1]), dtype.name)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        coding = None
    if coding is None or not 0 < coding.scale < math.inf:
        raise AddressError(
            f"{address.rest}: {end.name} holds {dtype.name} codes, {names[0]}={given[0]}, {names[1]}={given[1]}; "
            f"say what they stand for, for example {names[0]}=0.0039&{names[1]}=-128"
        )
    return coding


def sample_of(address: Address, entry: End, first: bool) -> tuple[int, ...]:
    """The shape (*S, C) of a sample: as the metadata have it, the address where they leave it open.

    Raises:
        AddressError: it is open, or not one with one or two spatial axes.
    """
    shape = entry.shape[1:]
    given = address.sizes("sample")
    if given is not None:
        wire = (given[-1], *given[:-1]) if first else given
        if len(wire) != len(shape) or any(size not in (-1, mine) for size, mine in zip(shape, wire, strict=True)):
            raise AddressError(f"{address.rest}: sample={address.options['sample']} does not fit {list(entry.shape)}")
        shape = wire
    if len(shape) not in (2, 3) or min(shape) < 1 or entry.shape[0] == 0:
        raise AddressError(
            f"{address.rest}: {entry.name} has shape {list(entry.shape)}; expected (N, *S, C) with one or two spatial "
            "axes, and sample=28x28x1 where sizes are open"
        )
    return (*shape[1:], shape[0]) if first else shape


def together(told: Table, size: int) -> int:
    """How many samples of so many bytes a request may hold."""
    bounds = [told.get(name) for name in ("most_samples", "most_bytes")]
    rows, content = (bound if type(bound) is int else None for bound in bounds)
    return max(1, min(BATCH, rows or BATCH, ((content or LARGEST) - HEAD) // size))


def at_once_of(told: Table) -> int:
    """How many requests the server answers at the same time, within reason; 1 where it does not say."""
    found = told.get("at_once")
    return min(AT_ONCE, max(1, found)) if type(found) is int else 1


def rung_of(where: str, server: Table, model: Table) -> Rung:
    """What a samewhy server says that it serves; of another server what its metadata tell, an artifact of 0 bytes."""
    told = parameters_of(model)
    if all(type(told.get(name)) is kind for name, kind in TOLD.items()):
        artifact = Artifact(told["artifact_sha256"], told["artifact_bytes"])
        return Rung(artifact, told["runtime"], told["kernels"], told["machine"])
    names = (server.get("name"), server.get("version"), model.get("platform"), model.get("name"))
    runtime = " ".join(str(name) for name in names if name)
    versions = model.get("versions")
    kernels = (
        f"{UNKNOWN}, model version {', '.join(map(str, versions))}"
        if isinstance(versions, list) and versions
        else UNKNOWN
    )
    return Rung(Artifact(UNKNOWN, 0), runtime, kernels, f"{UNKNOWN}, behind {where}")
