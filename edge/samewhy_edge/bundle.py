"""A bundle: one zip with all that a device needs to say whether it answers, and decides, as the workstation did.

``bundle.json`` names every other member with its SHA-256. Models lie in ``models/``, what the workstation found in
``scores/``, ``maps/``, ``asked/`` and ``layers/``, a file a rung (and explainer).
"""

import io
import json
import struct
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from samewhy_edge.arrays import Maps, Samples, Scores, Targets
from samewhy_edge.errors import InputError
from samewhy_edge.explain import Explainer, explainer_from, located
from samewhy_edge.files import sha256, write_bytes
from samewhy_edge.layers import Layer

SCHEMA = 1
INDEX = "bundle.json"
EPOCH = (1980, 1, 1, 0, 0, 0)  # of every member: equal contents give equal bytes
ROOM = 2**30  # bytes that a member may unpack to
# what zipfile raises at bytes that are no zip, or not the kind that bundles are
BROKEN = (zipfile.BadZipFile, zlib.error, struct.error, OSError, EOFError, ValueError, RuntimeError, OverflowError)


@final
@dataclass(frozen=True, slots=True)
class Asked:
    """An explainer of the study: its table, the digest of its masks, whether scores decide what is asked."""

    name: str
    table: Mapping[str, Any]  # as `explainer_from` takes it; files are members
    plan: str
    queries: int
    adaptive: bool


@final
@dataclass(frozen=True, slots=True)
class Bundled:
    """A rung of the workstation that the device is to be."""

    name: str  # "int8-xnnpack"
    file: str  # member
    sha256: str
    kernels: str
    runtime: str
    machine: str


@final
@dataclass(frozen=True, slots=True)
class Index:
    """What stands in ``bundle.json``."""

    question: str
    study: str  # sha256 of the study file
    seed: int
    level: float
    margin: float
    classes: tuple[str, ...]
    reference: str  # a rung of the workstation, perhaps none that a device can run
    rungs: tuple[Bundled, ...]
    explainers: tuple[Asked, ...]
    versions: Mapping[str, str]
    members: Mapping[str, str]  # sha256 by name
    schema: int = SCHEMA


@final
@dataclass(frozen=True)
class Bundle:
    """A bundle that was found whole, unpacked in a folder."""

    folder: Path
    sha256: str
    index: Index

    @cached_property
    def test(self) -> Mapping[str, NDArray[Any]]:
        """``samples`` (T, *S, C) and ``labels`` (T,) of the test split, ``audited`` (N,) places, ``targets`` (N,)."""
        return self.arrays("test.npz")

    @property
    def samples(self) -> Samples:
        """The audited samples (N, *S, C)."""
        return np.ascontiguousarray(self.test["samples"][self.test["audited"]])

    @property
    def targets(self) -> Targets:
        """The classes explained (N,)."""
        return self.test["targets"].astype(np.int64)

    def scores(self, rung: str) -> Scores:
        """What the workstation's rung gave for the test split, (T, K)."""
        return self.arrays(f"scores/{rung}.npz")["scores"]

    def maps(self, rung: str, explainer: str) -> Maps:
        """Of the audited samples, (N, *shape)."""
        return self.arrays(f"maps/{rung}--{explainer}.npz")["maps"]

    def layers(self, rung: str) -> list[Layer] | None:
        """What every operator of the workstation's rung gave for the first audited samples; None where hidden."""
        name = f"layers/{rung}.json"
        if name not in self.index.members:
            return None
        known = json.loads((self.folder / name).read_text())
        arrays = self.arrays(f"layers/{rung}.npz")
        return [Layer(**row, values=arrays[f"{place}"]) for place, row in enumerate(known)]

    def model(self, rung: Bundled) -> Path:
        """The file of a rung."""
        return self.folder / rung.file

    def explainer(self, asked: Asked) -> Explainer:
        """An explainer of the study, its files found in the bundle."""
        return explainer_from(located(asked.table, self.folder))

    def deciding(self, asked: Asked) -> NDArray[np.float32] | None:
        """The reference's scores (N, M) of the targets, where they decide what is asked."""
        return self.arrays(f"asked/{asked.name}.npz")["scores"] if asked.adaptive else None

    def arrays(self, member: str) -> dict[str, NDArray[Any]]:
        """Arrays of a member.

        Raises:
            InputError: there is no such member.
        """
        if member not in self.index.members:
            raise InputError(f"no {member} in the bundle; it was made by another version, bundle the run anew")
        with np.load(self.folder / member, allow_pickle=False) as arrays:
            return dict(arrays)


def pack(path: Path, index: Index, members: Mapping[str, bytes]) -> str:
    """Write a bundle; its SHA-256. Equal contents give equal bytes.

    Raises:
        OutputError: the file cannot be written.
    """
    known = asdict(index) | {"members": {name: sha256(members[name]) for name in sorted(members)}}
    content = (json.dumps(known, indent=2, sort_keys=True, allow_nan=False) + "\n").encode()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in [(INDEX, content), *sorted(members.items())]:
            archive.writestr(zipfile.ZipInfo(name, EPOCH), data, zipfile.ZIP_DEFLATED)
    write_bytes(path, buffer.getvalue())
    return sha256(buffer.getvalue())


def unpack(path: Path, folder: Path) -> Bundle:
    """Check a bundle, every member by its SHA-256, and lay it into a folder.

    Raises:
        InputError: no bundle, one of another version, or a member that is missing, damaged or has no business there.
        OutputError: the folder cannot be written.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file; expected a bundle that samewhy bundle made")
    content = path.read_bytes()
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = {info.filename: member(archive, info) for info in archive.infolist()}
    except BROKEN as error:
        raise InputError(f"{path}: not readable as a bundle ({error}); copy it anew") from error
    index = read_index(path, members.pop(INDEX, b""))
    whole(path, index, members)
    for name, data in members.items():
        write_bytes(folder / name, data)
    return Bundle(folder, sha256(content), index)


def member(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    """The bytes of a member.

    Raises:
        InputError: a name that leads out of the folder, or more bytes than a bundle has.
    """
    name = PurePosixPath(info.filename)
    if name.is_absolute() or ".." in name.parts or "\\" in info.filename or info.file_size > ROOM:
        raise InputError(f"member {info.filename!r} of {info.file_size:,} bytes; expected files of a bundle, refuse it")
    return archive.read(info)


def read_index(path: Path, content: bytes) -> Index:
    """What ``bundle.json`` says.

    Raises:
        InputError: it is missing, unreadable or of another version.
    """
    try:
        table = json.loads(content)
        if table["schema"] != SCHEMA:
            raise InputError(f"{path}: bundle schema {table['schema']}, expected {SCHEMA}; bundle the run anew")
        table["rungs"] = tuple(Bundled(**row) for row in table["rungs"])
        table["explainers"] = tuple(Asked(**row) for row in table["explainers"])
        table["classes"] = tuple(table["classes"])
        return Index(**table)
    except (ValueError, TypeError, KeyError) as error:
        raise InputError(f"{path}: no readable {INDEX} in it ({error}); expected a bundle of samewhy bundle") from error


def whole(path: Path, index: Index, members: Mapping[str, bytes]) -> None:
    """Refuse a bundle whose members are not those of its index.

    Raises:
        InputError: naming the members.
    """
    hurt = [name for name, known in index.members.items() if name in members and sha256(members[name]) != known]
    missing, extra = sorted(set(index.members) - set(members)), sorted(set(members) - set(index.members))
    for names, what in ((hurt, "damaged"), (missing, "missing"), (extra, "unknown")):
        if names:
            raise InputError(f"{path}: {what} in the bundle: {listed(names)}; copy it anew, or bundle the run anew")


def listed(names: Sequence[str]) -> str:
    """The first few."""
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
