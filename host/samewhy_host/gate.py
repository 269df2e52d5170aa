"""Limits on a run, for CI: what was found is kept or broken, and what was not found is broken too."""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from itertools import product
from pathlib import Path
from typing import Any, Literal, final
from xml.etree import ElementTree

from samewhy_edge.errors import InputError, unknown
from samewhy_edge.settings import convert, read_toml, structure
from samewhy_host.neighbours import above_of
from samewhy_host.stats import tidy
from samewhy_host.tables import audit_of, pairs
from samewhy_host.verdict import Word

Row = Mapping[str, Any]
Tables = Mapping[str, Sequence[Row]]
CHOICES = ("rung", "reference", "explainer", "measure")  # what tells the rows of a table apart
NOTHING, NONE = "nothing to judge", "none"


@final
@dataclass(frozen=True, slots=True)
class Limit:
    """What must hold. None stands for what the user left out, so that a key that does nothing can be refused."""

    what: str
    name: str | None = None
    rung: str | None = None  # a name, "last" (the default) or "every"
    reference: Literal["first", "above"] | None = None  # "first" by default
    explainer: str | None = None  # all of them by default
    measure: str | None = None  # the first of the study by default
    bound: Literal["value", "low", "high"] | None = None  # "value" by default
    min: float | None = None
    max: float | None = None
    allowed: tuple[str, ...] | None = None  # verdicts; `is` in the file

    @property
    def label(self) -> str:
        """The name, or what the limit says."""
        chosen = [str(getattr(self, key)) for key in (*CHOICES, "bound") if getattr(self, key)]
        return self.name or f"{', '.join([self.what, *chosen])}: {self.demand}"

    @property
    def demand(self) -> str:
        """What a value must be."""
        low = [] if self.min is None else [f"at least {self.min:.10g}"]
        high = [] if self.max is None else [f"at most {self.max:.10g}"]
        return " or ".join(self.allowed) if self.allowed else " and ".join(low + high)

    def kept_by(self, value: Any) -> bool:
        """Whether a value is within the limit. One that is undefined never is."""
        if self.allowed:
            return value in self.allowed
        if not isinstance(value, int | float):
            return False
        return (-math.inf if self.min is None else self.min) <= value <= (math.inf if self.max is None else self.max)


@final
@dataclass(frozen=True, slots=True)
class Kind:
    """Where the values of a kind of limit stand."""

    table: str  # of `tables_of`
    column: str
    by: tuple[str, ...]  # those of `CHOICES` that tell its rows apart
    below: bool = False  # whether the reference itself is left out
    bounds: tuple[str, str] | None = None  # columns of its interval's ends
    words: bool = False  # whether values are verdicts
    measures: str = "measures"  # the list of the study that names its measures

    @property
    def takes(self) -> set[str]:
        """Keys of a limit that mean something."""
        ends = {"allowed"} if self.words else {"min", "max"}
        return {"what", "name", *self.by, *ends, *(["bound"] if self.bounds else [])}

    def column_of(self, bound: str | None) -> str:
        """The column of the value, or of the end of its interval."""
        low, high = self.bounds or (self.column, self.column)
        return {"low": low, "high": high}.get(bound or "value", self.column)


ENDS = ("low", "high")
ALONE = ("rung", "explainer", "measure")  # what tells rows apart that are of one rung
KINDS: Mapping[str, Kind] = {
    "accuracy": Kind("rungs", "accuracy", ("rung",)),
    "accuracy-drop": Kind("drops", "drop", ("rung", "reference"), below=True),
    "flips": Kind("rungs", "flips", ("rung",), below=True),
    "flip-share": Kind("rungs", "flip_share", ("rung",), below=True),
    "bytes": Kind("rungs", "bytes", ("rung",)),
    "milliseconds": Kind("times", "single_p50", ("rung",)),
    "agreement": Kind("agreements", "value", CHOICES, below=True, bounds=ENDS),
    "loss": Kind("verdicts", "loss", CHOICES[:3], below=True, bounds=ENDS),
    "verdict": Kind("verdicts", "verdict", CHOICES[:3], below=True, words=True),
    "calibration-error": Kind("calibration", "calibration_error", ("rung",)),
    "brier": Kind("calibration", "brier", ("rung",), bounds=("brier_low", "brier_high")),
    "dead": Kind("resolution", "dead", ("rung", "explainer")),
    "unresolvable": Kind("resolution", "unresolvable", ("rung", "explainer")),
    "localisation": Kind("localisation", "value", ALONE, bounds=ENDS, measures="localisation_measures"),
    "faithfulness": Kind("faithfulness", "value", ALONE, bounds=ENDS, measures="faithfulness_measures"),
    "lent-cost": Kind(
        "cross", "cost", ALONE, below=True, bounds=("cost_low", "cost_high"), measures="faithfulness_measures"
    ),
    "reliability": Kind("explainers", "reliability", ("explainer",)),
    "relative-error": Kind("explainers", "relative_error", ("explainer",)),
}


@final
@dataclass(frozen=True, slots=True)
class Found:
    """A value that a limit was put to."""

    where: str
    value: float | str | None  # None where there is none, or it is undefined
    kept: bool

    @property
    def shown(self) -> str:
        """The value in words."""
        if self.value is None or isinstance(self.value, str):
            return self.value or NOTHING
        return f"{self.value:,}" if isinstance(self.value, int) else f"{self.value:.6g}"


@final
@dataclass(frozen=True, slots=True)
class Judged:
    """A limit with all that it was put to: at least one value."""

    limit: Limit
    found: tuple[Found, ...]

    @property
    def broken(self) -> list[Found]:
        """What is not within the limit."""
        return [one for one in self.found if not one.kept]


def judge(run: Path, limits: Path) -> list[Judged]:
    """Put the limits of a file to a run that has been audited.

    Raises:
        InputError: the run is not audited, or the file names what does not exist.
    """
    wanted = read_limits(limits)
    tables, study = tables_of(run), audit_of(run)["study"]
    rungs = [row["rung"] for row in tables["rungs"]]
    known = {
        "rung": rungs,
        "above": [rungs[0], *above_of(tables["rungs"]).values()],
        "explainer": [row["explainer"] for row in tables["explainers"]],
        **{kind.measures: [row["name"] for row in study.get(kind.measures, [])] for kind in KINDS.values()},
    }
    return [Judged(limit, tuple(found(limit, tables, known, where))) for where, limit in wanted.items()]


def read_limits(path: Path) -> dict[str, Limit]:
    """The limits of a file by their places in it.

    Raises:
        InputError: no such file, no TOML, no limit, an unknown key, or a limit that says nothing.
    """
    table, _ = read_toml(path, "file; expected limits (.toml) in [[limit]] tables")
    for name in table:
        if name != "limit":
            raise InputError(f"[{path.name}] {unknown('key', name, ['limit'])}")
    rows = table.get("limit")
    if not isinstance(rows, list) or not rows:
        raise InputError(f"{path}: no [[limit]] table in it; expected at least one, with `what` and a bound")
    limits = {f"{path.name}.limit[{place}]": row for place, row in enumerate(rows)}
    return without_twins({where: limit_of(row, where) for where, row in limits.items()})


def without_twins(limits: dict[str, Limit]) -> dict[str, Limit]:
    """The limits, where no two have one label: CI systems would show but one of them."""
    labels: dict[str, str] = {}
    for where, limit in limits.items():
        if limit.label in labels:
            raise InputError(
                f"[{where}] and [{labels[limit.label]}] are both {limit.label!r}; give one another name or remove it"
            )
        labels[limit.label] = where
    return limits


def limit_of(table: Any, where: str) -> Limit:
    """A limit from its table.

    Raises:
        InputError: an unknown key, one that its kind does not take, or no bound.
    """
    if not isinstance(table, Mapping):
        raise InputError(f"[{where}] is {table!r}; expected a table")
    known = [in_file(field.name) for field in fields(Limit)]
    for key in table:
        if key not in known:
            raise InputError(f"[{where}] {unknown('key', key, known)}")
    # `is` is no name in Python
    limit = structure(Limit, {key: value for key, value in table.items() if key != "is"}, where)
    if "is" in table:
        limit = replace(limit, allowed=convert(tuple[str, ...], table["is"], f"{where}.is"))
    check(limit, where)
    return limit


def in_file(key: str) -> str:
    """A field of a limit as the file calls it."""
    return "is" if key == "allowed" else key


def check(limit: Limit, where: str) -> None:
    """Refuse a limit that can judge nothing, or that says what it does not mean.

    Raises:
        InputError: what was found, and what to write.
    """
    if limit.what not in KINDS:
        raise InputError(f"[{where}] {unknown('what', limit.what, KINDS)}")
    kind = KINDS[limit.what]
    for field in fields(Limit):
        if field.name not in kind.takes and getattr(limit, field.name) is not None:
            takes = ", ".join(in_file(one.name) for one in fields(Limit) if one.name in kind.takes)
            raise InputError(f"[{where}] {limit.what} takes no {in_file(field.name)}; expected some of: {takes}")
    if limit.name is not None and not (limit.name.strip() and limit.name.isprintable()):
        raise InputError(f"[{where}] name is {limit.name!r}; expected text that can be printed")
    if kind.words:
        check_words(limit, where)
    else:
        check_numbers(limit, where)


def check_words(limit: Limit, where: str) -> None:
    """Refuse a limit without verdicts, or with one that there is not."""
    if not limit.allowed:
        raise InputError(f'[{where}] has no `is`; expected the verdicts that are allowed, such as is = "{Word.SAME}"')
    for word in limit.allowed:
        if word not in list(Word):
            raise InputError(f"[{where}] {unknown('verdict', word, map(str, Word))}")


def check_numbers(limit: Limit, where: str) -> None:
    """Refuse a limit without numbers, or with numbers that nothing is between."""
    ends = [end for end in (limit.min, limit.max) if end is not None]
    if not ends or not all(math.isfinite(end) for end in ends) or ends != sorted(ends):
        raise InputError(
            f"[{where}] has min {limit.min} and max {limit.max}; expected one or both, as numbers, the smaller first"
        )


def tables_of(run: Path) -> dict[str, list[Row]]:
    """The tables that limits look into, with `CHOICES` as columns; a table that a run does not have is missing.

    Raises:
        InputError: the run is not audited.
    """
    audit = audit_of(run)
    rungs = [{**row, "rung": row["name"], "flip_share": share(row["flips"], row["tested"])} for row in audit["rungs"]]
    accuracy = {row["rung"]: row["accuracy"] for row in rungs}
    return {
        **{name: rows for name, rows in audit.items() if isinstance(rows, list)},
        "rungs": rungs,
        "drops": [
            {"rung": below, "reference": above, "drop": tidy(accuracy[above] - accuracy[below])}
            for below, above in pairs(audit["rungs"])
        ],
        "explainers": [{**row, "explainer": row["name"]} for row in audit["study"]["explainers"]],
        "times": [{"rung": name, **row} for name, row in times(run).items()],
    }


def share(part: int, whole: int) -> float | None:
    """None of nothing."""
    return tidy(part / whole) if whole else None


def times(run: Path) -> Mapping[str, Row]:
    """``timings.json`` by rung; empty where there is none."""
    path = run / "timings.json"
    try:
        found: Mapping[str, Row] = json.loads(path.read_text()) if path.is_file() else {}
    except ValueError as error:
        raise InputError(f"{path}: not readable as JSON ({error}); audit the run anew") from error
    return found


def found(limit: Limit, tables: Tables, known: Mapping[str, Sequence[str]], where: str) -> Iterator[Found]:
    """All that a limit is put to; where that is nothing, one that says so.

    Raises:
        InputError: the limit names a rung, explainer or measure that the run does not have.
    """
    kind, rows = KINDS[limit.what], tables.get(KINDS[limit.what].table, [])
    choices = list(chosen(limit, kind, known, where))
    if not choices:
        yield Found("no rung below the reference", None, False)
    for choice in choices:
        met = (row for row in rows if all(row.get(key) == value for key, value in choice.items()))
        value = defined(next(met, {}).get(kind.column_of(limit.bound)))
        yield Found(worded(choice), value, limit.kept_by(value))


def chosen(limit: Limit, kind: Kind, known: Mapping[str, Sequence[str]], where: str) -> Iterator[dict[str, str]]:
    """Each row that a limit asks for: the values of its `kind.by`."""
    explainers = [named("explainer", limit.explainer, known, where)] if limit.explainer else known["explainer"]
    measure = measure_of(limit, known[kind.measures], where) if "measure" in kind.by else None
    rungs = rungs_of(limit.rung or "last", kind, known, where)
    seen = set()
    for rung, explainer in product(rungs, explainers):
        above = known["above"][known["rung"].index(rung)] if limit.reference == "above" else known["rung"][0]
        whole = {"rung": rung, "reference": above, "explainer": explainer, "measure": measure or NONE}
        choice = {key: whole[key] for key in kind.by}
        if tuple(choice.values()) not in seen:
            seen.add(tuple(choice.values()))
            yield choice


def measure_of(limit: Limit, names: Sequence[str], where: str) -> str | None:
    """The measure that is meant, the first one unless it is named; None where the run has none.

    Raises:
        InputError: the limit names one that the run does not have.
    """
    if limit.measure and limit.measure not in names:
        raise InputError(f"[{where}] {unknown('measure', limit.measure, names)}")
    return limit.measure or next(iter(names), None)


def rungs_of(name: str, kind: Kind, known: Mapping[str, Sequence[str]], where: str) -> Sequence[str]:
    """The rungs that are meant.

    Raises:
        InputError: there is none of this name, or it is the reference and would be compared with itself.
    """
    names = known["rung"][1:] if kind.below else known["rung"]
    if name in ("last", "every"):
        return names[-1:] if name == "last" else names
    if named("rung", name, known, where) not in names:
        raise InputError(
            f"[{where}] rung {name!r} is the reference; expected one below it: {', '.join(names) or 'none'}"
        )
    return [name]


def named(what: str, name: str, known: Mapping[str, Sequence[str]], where: str) -> str:
    """The name, where the run has it.

    Raises:
        InputError: it does not.
    """
    if name not in known[what]:
        words = ("last", "every") if what == "rung" else ()
        raise InputError(f"[{where}] {unknown(what, name, (*known[what], *words))}")
    return name


def defined(value: Any) -> float | str | None:
    """None for NaN, and for what is no value of a limit."""
    if isinstance(value, float) and math.isnan(value):
        return None
    return value if isinstance(value, int | float | str) else None


def worded(choice: Mapping[str, str]) -> str:
    """What a value belongs to."""
    pair = " against ".join(choice[key] for key in ("rung", "reference") if key in choice)
    return ", ".join(part for part in (pair, *(choice[key] for key in CHOICES[2:] if key in choice)) if part)


def as_junit(judged: Sequence[Judged], run: Path) -> bytes:
    """JUnit XML: a test case for each limit. Equal findings give equal bytes, so no time stands in it.

    Source: testmoapp/junitxml, the elements and attributes that CI systems share.
    """
    broken = sum(bool(one.broken) for one in judged)
    counts = {"tests": str(len(judged)), "failures": str(broken), "errors": "0", "skipped": "0", "time": "0"}
    root = ElementTree.Element("testsuites", {"name": "samewhy gate", **counts})
    suite = ElementTree.SubElement(root, "testsuite", {"name": run.resolve().name, **counts})
    for one in judged:
        add_case(suite, one, f"samewhy.{run.resolve().name}")
    ElementTree.indent(root)
    return bytes(ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)) + b"\n"


def add_case(suite: ElementTree.Element, one: Judged, group: str) -> None:
    """A limit as a test case; some CI systems show the message of a failure alone, others its text alone."""
    case = ElementTree.SubElement(suite, "testcase", classname=group, name=one.limit.label, time="0")
    if one.broken:
        message = f"{len(one.broken)} of {len(one.found)} not {one.limit.demand}"
        failure = ElementTree.SubElement(case, "failure", type="limit", message=f"{message}; {line(one.broken[0])}")
        failure.text = "\n".join([message, *map(line, one.broken)])
    ElementTree.SubElement(case, "system-out").text = "\n".join(map(line, one.found))


def line(found: Found) -> str:
    """A finding in one line."""
    return f"{found.where}: {found.shown}"
