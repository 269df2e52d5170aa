"""One study file over several settings: the points of its [sweep] table, each a study file of its own.

::

    [sweep]
    compress.amount = [0.0, 0.5, 0.9]      # a key of the study, in every [[compress]] entry
    study.seed = [1, 2, 3]                 # crossed with it

    [[sweep.zip]]                          # keys that move together
    quantize.scheme = ["int8", "int8", "float16"]
    quantize.masked = [0.0, 0.5, 0.0]
"""

import copy
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any, final

import tomli_w

from samewhy_edge.errors import InputError, unknown
from samewhy_edge.files import sha256
from samewhy_edge.settings import read_toml, structure
from samewhy_host.study import STUDY_FILE, StudyFile, checked_study

SEED = "study.seed"  # the axis over which means are taken
ZIP = "zip"
Settings = Mapping[str, Any]  # values of a point, by dotted key


@final
@dataclass(frozen=True, slots=True)
class Reading:
    """How the points are read together."""

    x: str = ""  # the key that runs along the figure; without it the first that is not the seed
    rung: str = "last"  # the rung whose reasons are followed
    accuracy_drop: float = 0.01  # of the reference's accuracy, from which accuracy counts as broken


@final
@dataclass(frozen=True, slots=True)
class Point:
    """One setting of a sweep, as a study."""

    name: str
    settings: Settings
    file: StudyFile


@final
@dataclass(frozen=True, slots=True)
class Sweep:
    """A sweep's file: its points in the order in which they run."""

    path: Path
    sha256: str
    reading: Reading
    axes: Mapping[str, Sequence[Any]]  # by dotted key: its values, each once
    points: tuple[Point, ...]


def read_sweep(path: Path) -> Sweep:
    """Read a study file with a [sweep], and check the study of every point, before any work is done.

    Raises:
        InputError: no such file, no TOML, no [sweep], a key that the study does not have, or a point that is no study.
    """
    table, content = read_toml(path, STUDY_FILE)
    if not isinstance(table.get("sweep"), dict):
        raise InputError(f"{path}: has no [sweep] table; add one, or run samewhy study {path.name} --out DIR")
    swept = table.pop("sweep")
    reading = structure(Reading, {key: swept.pop(key) for key in list(swept) if key in Reading.__slots__}, "sweep")
    groups = list(groups_of(swept))
    axes = axes_of(groups)
    settings = [{key: value for part in parts for key, value in part.items()} for parts in product(*groups)]
    points = tuple(point(path, table, one, name) for one, name in zip(settings, names(settings), strict=True))
    return Sweep(path, sha256(content), checked(reading, axes), axes, points)


def groups_of(swept: dict[str, Any]) -> Iterator[list[dict[str, Any]]]:
    """What is crossed: each a list of settings, of one key or of keys that move together.

    Raises:
        InputError: values that are no list, an empty one, or lists of two lengths that should move together.
    """
    together = swept.pop(ZIP, [])
    if not isinstance(together, list):
        raise InputError("[sweep] zip is no list of tables; write [[sweep.zip]] above the keys that move together")
    for key, values in flat(swept).items():
        yield [{key: value} for value in listed(key, values)]
    for table in map(flat, together):
        lengths = {len(listed(key, values)) for key, values in table.items()}
        if len(lengths) != 1:
            raise InputError(f"[[sweep.zip]] {', '.join(table)}: found {sorted(lengths)} values; expected as many each")
        yield [dict(zip(table, values, strict=True)) for values in zip(*table.values(), strict=True)]


def flat(table: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    """Nested tables as dotted keys: ``a.b = [...]`` and ``"a.b" = [...]`` are the same."""
    found: dict[str, Any] = {}
    for key, value in table.items():
        found |= flat(value, f"{above}{key}.") if isinstance(value, Mapping) else {f"{above}{key}": value}
    return found


def listed(key: str, values: Any) -> list[Any]:
    """The values of an axis.

    Raises:
        InputError: they are no list, none, or one stands twice; or the key names no table.
    """
    if "." not in key:
        raise InputError(f"[sweep] {unknown('key', key, (*Reading.__slots__, ZIP))}; axes are dotted, as study.seed")
    if not isinstance(values, list) or not values:
        raise InputError(f"[sweep] {key} is {values!r}; expected a list of values")
    return values


def axes_of(groups: Sequence[Sequence[Settings]]) -> dict[str, list[Any]]:
    """By key: its values, each once.

    Raises:
        InputError: no axes, one that is named twice, or a setting that stands twice.
    """
    keys = [key for group in groups for key in group[0]]
    twice = next((key for key in keys if keys.count(key) > 1), None)
    if twice or not keys:
        raise InputError(f"[sweep] {f'{twice} stands twice' if twice else 'has no axis'}; expected each key once")
    for group in groups:
        repeated = next((one for i, one in enumerate(group) if one in group[:i]), None)
        if repeated:
            raise InputError(f"[sweep] {plainly(repeated)} stands twice; expected each setting once")
    every = {key: [one[key] for one in group] for group in groups for key in group[0]}
    return {key: [value for i, value in enumerate(values) if value not in values[:i]] for key, values in every.items()}


def checked(reading: Reading, axes: Mapping[str, Sequence[Any]]) -> Reading:
    """What is made of the points, with the axis of the figure named.

    Raises:
        InputError: an axis that the sweep does not have, or a drop that is no share.
    """
    if reading.x and reading.x not in axes:
        raise InputError(f"[sweep] {unknown('x', reading.x, axes)}")
    if not 0 < reading.accuracy_drop < 1:
        raise InputError(f"[sweep] accuracy_drop = {reading.accuracy_drop}; expected a share between 0 and 1")
    x = reading.x or next((key for key in axes if key != SEED), SEED)
    return Reading(x, reading.rung, reading.accuracy_drop)


def point(path: Path, table: Mapping[str, Any], settings: Settings, name: str) -> Point:
    """The study of one setting.

    Raises:
        InputError: naming the point.
    """
    own = copy.deepcopy(dict(table))
    for key, value in settings.items():
        put(own, key.split("."), value, key)
    content = tomli_w.dumps(own).encode()
    try:
        return Point(name, settings, checked_study(path, own, content))
    except InputError as error:
        raise InputError(f"[sweep] at {plainly(settings)}: {error}") from error


def put(table: Any, parts: Sequence[str], value: Any, key: str) -> None:
    """Set a key; in every entry of a list of tables, unless its number is in the key (``compress.0.amount``).

    Raises:
        InputError: the key leads through something that is no table.
    """
    first, *rest = parts
    if isinstance(table, list):
        numbered = first.isdecimal()
        if numbered and int(first) >= len(table):
            raise InputError(f"[sweep] {key}: the study has {len(table)} such entries, numbered from 0")
        for entry in [table[int(first)]] if numbered else table:
            put(entry, rest if numbered else parts, value, key)
    elif not isinstance(table, dict):
        raise InputError(f"[sweep] {key}: {first!r} is below no table; expected a key of the study, such as study.seed")
    elif rest:
        put(table.setdefault(first, {}), rest, value, key)
    else:
        table[first] = value


def names(settings: Sequence[Settings]) -> list[str]:
    """A name a point, fit for a folder: ``amount-0.5--seed-1``."""
    shorter = {key: short(key, settings[0]) for key in settings[0]}
    made = ["--".join(f"{shorter[key]}-{fit(value)}" for key, value in one.items()) for one in settings]
    return [f"{name}--{place + 1}" if made.count(name) > 1 else name for place, name in enumerate(made)]


def short(key: str, keys: Settings) -> str:
    """The last part of a key, or all of it where another key ends alike."""
    last = key.rpartition(".")[2]
    alike = [other for other in keys if other.rpartition(".")[2] == last]
    return last if len(alike) == 1 else key


def fit(value: Any) -> str:
    """A value as a part of a folder's name."""
    return re.sub(r"[^\w.+-]+", "-", str(value)).strip("-") or "none"


def plainly(settings: Settings) -> str:
    """Settings in a sentence."""
    return ", ".join(f"{key} = {value}" for key, value in settings.items())
