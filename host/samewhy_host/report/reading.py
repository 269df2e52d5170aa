"""The files of a finished run, as the page needs them: read and selected, never computed."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from samewhy_edge.arrays import Maps, Samples
from samewhy_edge.errors import InputError
from samewhy_edge.files import sha256
from samewhy_host import manifest
from samewhy_host.audit import SCHEMA
from samewhy_host.manifest import Manifest
from samewhy_host.neighbours import above_of

Row = Mapping[str, Any]


@final
@dataclass(frozen=True, slots=True)
class Finished:
    """A run that was audited. Maps and samples are those of the gallery only."""

    audit: Row
    timings: Mapping[str, Row]
    manifest: Manifest
    samples: Samples  # (G, *S, C)
    maps: Mapping[tuple[str, str], Maps]  # by rung and explainer: (G, *S), or with channels
    errors: Mapping[tuple[str, str], Maps | None]  # their standard errors, as maps; None where unknown
    gradients: Maps | None  # (G, *S), of the reference
    sanity: Row | None  # of one of its files
    every_class: bool  # whether records hold maps of all classes

    @property
    def rungs(self) -> Sequence[Row]:
        """From the reference down."""
        return list(self.audit["rungs"])

    @property
    def names(self) -> list[str]:
        """Of the rungs."""
        return [row["name"] for row in self.rungs]

    @property
    def explainers(self) -> list[str]:
        """Names, in the order of the study."""
        return [row["name"] for row in self.audit["study"]["explainers"]]

    @property
    def measures(self) -> list[str]:
        """Names; the first one is the page's main measure."""
        return [row["name"] for row in self.audit["study"]["measures"]]

    @property
    def above(self) -> dict[str, str]:
        """By name of each rung below the reference: its neighbour above."""
        return above_of(self.rungs)

    def agreement(self, rung: str, other: str, explainer: str, measure: str | None = None) -> Row:
        """The row of two rungs, of the main measure unless another is named.

        Raises:
            InputError: the audit does not have it.
        """
        wanted = (rung, other, explainer, measure or self.measures[0])
        for row in self.audit["agreements"]:
            if (row["rung"], row["reference"], row["explainer"], row["measure"]) == wanted:
                return dict(row)
        raise InputError(f"audit.json has no agreement {wanted}; expected one for each pair of rungs; audit it anew")

    def verdict(self, rung: str, explainer: str) -> Row | None:
        """On the rung against the reference; None for the reference itself."""
        wanted = (rung, self.names[0], explainer)
        rows = self.audit["verdicts"]
        return next((row for row in rows if (row["rung"], row["reference"], row["explainer"]) == wanted), None)

    def bounds(self, explainer: str, measure: str | None = None) -> tuple[float | None, float | None]:
        """Floor and ceiling of the reference; None where undefined, or with a ladder of one rung."""
        if len(self.names) < 2:
            return None, None
        row = self.agreement(self.names[1], self.names[0], explainer, measure)
        return row["floor"], row["ceiling"]

    def twin(self, explainer: str, measure: str) -> Row | None:
        """How the network that was trained apart agrees with the reference; None without one."""
        rows = (self.audit.get("twin") or {}).get("agreements", [])
        return next((row for row in rows if (row["explainer"], row["measure"]) == (explainer, measure)), None)

    def mute(self, explainer: str, measure: str | None = None) -> bool:
        """Whether the floor reaches the ceiling, so that a value says little on its own."""
        floor, ceiling = self.bounds(explainer, measure)
        return floor is not None and ceiling is not None and floor >= ceiling

    def headline(self) -> str:
        """The explainer of the summary: the last one of the study that is not mute."""
        telling = [name for name in self.explainers if not self.mute(name)]
        return (telling or self.explainers)[-1]


def read(folder: Path) -> Finished:
    """Read what ``samewhy audit`` wrote.

    Raises:
        InputError: a file is missing, or of another version.
    """
    audit = read_audit(folder / "audit.json")
    shown = np.array(audit["gallery"], np.int64)
    paths = {
        (rung["name"], one["name"]): folder / "records" / f"{rung['name']}--{one['name']}.npz"
        for rung in audit["rungs"]
        for one in audit["study"]["explainers"]
    }
    gradients = folder / "records" / f"{audit['rungs'][0]['name']}--integrated-gradients.npz"
    return Finished(
        audit,
        json.loads(present(folder / "timings.json").read_text()),
        manifest.load(folder),
        array(folder / "gallery.npz", "samples"),
        {key: array(path, "maps")[shown] for key, path in paths.items()},
        {key: array(path, "errors")[shown] if holds(path, "errors") else None for key, path in paths.items()},
        array(gradients, "maps") if gradients.is_file() else None,
        read_sanity(folder / "sanity.json"),
        any(holds(path, "class_maps") for path in paths.values()),
    )


def read_sanity(path: Path) -> Row | None:
    """What ``samewhy sanity`` wrote; None where there is no such file."""
    return dict(json.loads(path.read_text())) if path.is_file() else None


def read_audit(path: Path) -> Row:
    """The audit's table.

    Raises:
        InputError: it is missing, or of another version.
    """
    audit: Row = json.loads(present(path).read_text())
    if audit.get("schema") != SCHEMA:
        raise InputError(f"{path}: audit schema {audit.get('schema')}, expected {SCHEMA}; audit it anew")
    return audit


def same_study(folder: Path, study: Path) -> None:
    """Refuse a run that another study made.

    Raises:
        InputError: a file is missing, or the run's study is not this one.
    """
    found, expected = read_audit(folder / "audit.json")["study"]["sha256"], sha256(present(study).read_bytes())
    if found != expected:
        raise InputError(
            f"{folder}: made by a study with SHA-256 {found[:12]}, {study} has {expected[:12]}; audit it anew"
        )


def present(path: Path) -> Path:
    """The path, where there is a file.

    Raises:
        InputError: there is none.
    """
    if not path.is_file():
        raise InputError(
            f"{path}: no such file, expected one of a finished run; run samewhy audit STUDY.toml --out DIR first"
        )
    return path


def array(path: Path, name: str) -> NDArray[Any]:
    """One array of a ``.npz``.

    Raises:
        InputError: no such file.
    """
    with np.load(present(path)) as arrays:
        return np.asarray(arrays[name])


def holds(path: Path, name: str) -> bool:
    """Whether a ``.npz`` has an array of that name.

    Raises:
        InputError: no such file.
    """
    with np.load(present(path)) as arrays:
        return name in arrays
