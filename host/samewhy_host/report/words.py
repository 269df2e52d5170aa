"""How numbers stand on the page and in its figures: words for the eye, never a new number."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from markupsafe import Markup

Row = Mapping[str, Any]
NONE = "–"  # an undefined value
MOST_DIGITS = 6  # of what the audit writes
WAYS = {"samples": ("samples", "sample"), "queries": ("queries a sample", "query a sample")}
MIND = ("explainer", "verdict", "beyond_noise", "reason")  # what two rungs have alike to share a sentence
RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def nines(value: float, end: float = MOST_DIGITS) -> float:
    """0.9 is 1, 0.99 is 2, 0 is 0; at most `end`."""
    return -math.log10(max(1 - value, 10.0**-end))


def digits(value: float) -> int:
    """Decimals that tell the value from 1; three at least."""
    return min(MOST_DIGITS, max(3, int(nines(value)) + 2))


def number(value: float | None, decimals: int | None = None) -> str:
    """As many decimals as `digits` says unless they are given; 1 itself is plain."""
    if value is None:
        return NONE
    places = decimals or digits(value)
    return "1" if value == 1 else minus(f"{round(value, places) + 0.0:.{places}f}")  # no minus of a zero


def exact(value: float | None) -> str:
    """All digits that the audit wrote."""
    return NONE if value is None else minus(f"{value:.{MOST_DIGITS}f}")


def interval(row: Mapping[str, Any]) -> str:
    """``[low, high]`` of an agreement, as fine as its value; nothing where it is undefined."""
    if row["value"] is None:
        return ""
    decimals = digits(row["value"]) if row["value"] < 1 else None
    return f"[{number(row['low'], decimals)}, {number(row['high'], decimals)}]"


def sureness(row: Mapping[str, Any]) -> str:
    """How sure an explainer's maps are, by its row of the audit."""
    alike, error = row.get("reliability"), row.get("relative_error")
    if error == 0:
        return "nothing is drawn, so no chance is in its maps"
    said = (
        [] if alike is None else [f"split-half reliability {number(alike)}: two maps of this many would correlate so"]
    )
    known = f"standard errors of at most {percent(error)} of a map’s span, mean over samples"
    return "; ".join([*said, "standard errors unknown" if error is None else known])


def minus(text: str) -> str:
    """A minus sign as wide as a digit."""
    return text.replace("-", "−")


def percent(share: float | None, digits: int = 1) -> str:
    """A share of 1."""
    return NONE if share is None else f"{100 * share:.{digits}f} %"


def same_labels(row: Mapping[str, Any]) -> str:
    """Share of tested samples on which a rung gives the reference's label; 100 % only where all are the same."""
    share = 1 - row["flips"] / row["tested"]
    return "100 %" if not row["flips"] else percent(share, 1 if share < 0.999 else 3)


def count(value: int) -> str:
    """With a comma every three digits."""
    return f"{value:,}"


def size(content: int) -> str:
    """Bytes as a person says them."""
    if content < 1000:
        return f"{content} B"
    return f"{content / 1000:.1f} kB" if content < 1_000_000 else f"{content / 1_000_000:.2f} MB"


def milliseconds(value: float | None) -> str:
    """Three significant digits."""
    if value is None:
        return NONE
    return f"{value:.{max(0, 2 - math.floor(math.log10(value)))}f}" if value > 0 else "0"


def scientific(value: float) -> str:
    """Two significant digits, with a power of ten where it is small or large."""
    if value == 0 or 1e-3 <= abs(value) < 1e4:
        return minus(f"{value:.2g}")
    mantissa, _, power = f"{value:.1e}".partition("e")
    return minus(f"{mantissa}\N{NO-BREAK SPACE}×\N{NO-BREAK SPACE}10") + str(int(power)).translate(RAISED)


def short(digest: str | None) -> str:
    """The first eight digits of a digest."""
    return digest[:8] if digest else NONE


def known_as(measure: str) -> str:
    """A measure's name as people write it."""
    return {"spearman": "Spearman", "pearson": "Pearson", "ssim": "SSIM"}.get(measure, measure)


def plain(value: Any) -> str:
    """A setting of any kind: ``4 × 4`` of a list, ``k: v`` of a table."""
    if isinstance(value, Mapping):
        return ", ".join(f"{key.replace('_', ' ')} {plain(one)}" for key, one in value.items())
    if isinstance(value, list | tuple):
        return " × ".join(plain(one) for one in value)
    return minus(f"{value:g}") if isinstance(value, int | float) and not isinstance(value, bool) else str(value)


def verdict_lines(audit: Row) -> list[str]:
    """The verdicts in sentences: on rungs, those of one mind together; then the steps that changed the reasons."""
    study = audit["study"]
    within = f"{plain(study['margin'])} {known_as(study['measures'][0]['name'])}"
    against = [row for row in audit["verdicts"] if row["reference"] == study["reference"]]
    alike: dict[tuple[Any, ...], list[str]] = {}
    for rung in (row["name"] for row in audit["rungs"][1:]):
        mind = (tuple(row[key] for key in MIND) for row in against if row["rung"] == rung)
        alike.setdefault(tuple(mind), []).append(rung)
    lines = [
        verdict_line([row for row in against if row["rung"] in rungs], rungs, study["reference"], within)
        for rungs in alike.values()
    ]
    return lines + list(cause_lines(audit["causes"], against))


def verdict_line(rows: Sequence[Row], rungs: list[str], reference: str, within: str) -> str:
    """What all explainers say of rungs of which they say the same."""
    by_name: dict[str, list[Row]] = {}
    for row in rows:
        by_name.setdefault(row["explainer"], []).append(row)
    first = {name: same[0] for name, same in by_name.items()}
    verdict = {name: row["verdict"] for name, row in first.items()}
    exact = [name for name in first if verdict[name] == "same" and not first[name]["beyond_noise"]]
    small = [name for name in first if verdict[name] == "same" and first[name]["beyond_noise"]]
    changed = [f"{name} (at least {least(by_name[name])} lost)" for name in first if verdict[name] == "changed"]
    unknown = [f"{name} ({merged(by_name[name])})" for name in first if verdict[name] == "undecided"]
    decide = "decides" if len(rungs) == 1 else "decide"
    said = [
        (exact, f"{decide} for the same reasons as {reference} by {listed(exact)}, with no difference beyond rounding"),
        (small, f"{decide} for the same reasons as {reference}, within {within}, by {listed(small)}"),
        (changed, f"{decide} for other reasons than {reference} by {listed(changed)}"),
        (unknown, f"{'is' if len(rungs) == 1 else 'are'} undecided by {listed(unknown)}"),
    ]
    return f"{listed(rungs)} {'; '.join(text for names, text in said if names)}."


def least(rows: Sequence[Row]) -> str:
    """The smallest lower bound of a loss."""
    return number(min(row["low"] for row in rows), 3)


def merged(rows: Sequence[Row]) -> str:
    """Why they are undecided, and what would decide them all."""
    more = [row["more"] or {} for row in rows]
    needs = {key: largest([one.get(key) for one in more]) for key in ("samples", "queries", "times")}
    undefined = max(row["undefined"] for row in rows)
    return undecided({**rows[0], "more": needs, "undefined": undefined})


def largest(values: Sequence[float | None]) -> float | None:
    """None where one of them is."""
    known = [value for value in values if value is not None]
    return max(known) if len(known) == len(values) else None


def cause_lines(causes: Sequence[Row], against: Sequence[Row]) -> Iterator[str]:
    """Each step that changed the reasons, with the explainers that say so; and those that blame no single step."""
    changed = {row["explainer"] for row in against if row["verdict"] == "changed"}
    blamed: dict[tuple[str, str], list[Row]] = {}
    for cause in causes:
        if cause["step"]:
            blamed.setdefault((cause["step"]["reference"], cause["step"]["rung"]), []).append(cause)
    for (above, below), rows in blamed.items():
        fields = list(rows[0]["step"]["changed"])
        where = f", where the {listed(fields)} changed" if fields else ", where nothing that is recorded changed"
        names = listed([row["explainer"] for row in rows])
        yield f"By {names}, the first step that changed the reasons is from {above} to {below}{where}."
    unblamed = [cause["explainer"] for cause in causes if not cause["step"] and cause["explainer"] in changed]
    if unblamed:
        yield f"By {listed(unblamed)}, no single step is shown to have changed the reasons: the loss adds up."


def scored(value: float | None) -> str:
    """A value of a measure that may go beyond 1: four significant digits there."""
    return number(value) if value is None or abs(value) <= 1 else minus(f"{value:.4g}")


def moved(row: Row) -> Markup:
    """The change from the reference's, loud where its interval leaves out zero."""
    return loud(row["moved"], row["moved_low"], row["moved_high"])


def apart(row: Row) -> Markup:
    """Agreement by an explainer less that by a white-box method, loud where its interval leaves out zero."""
    return loud(row["apart"], row["apart_low"], row["apart_high"])


def cost(row: Row) -> Markup:
    """The cost of lent maps with its interval, loud where it leaves out zero."""
    if row["cost"] is None:
        return Markup(NONE)
    low, high = (scored(row[end]) if abs(row[end]) > 1 else number(row[end], 3) for end in ("cost_low", "cost_high"))
    return loud(row["cost"], row["cost_low"], row["cost_high"]) + Markup("<br>[{}, {}]").format(low, high)


def loud(value: float | None, low: float | None, high: float | None) -> Markup:
    """A difference; in bold where zero is outside its interval."""
    said = scored(value) if value is not None and abs(value) > 1 else number(value, 3)
    shown = low is not None and high is not None and (low > 0 or high < 0)
    return Markup("<b>{}</b>").format(said) if shown else Markup.escape(said)


def lost(row: Row) -> str:
    """A loss with its bounds, as ``0.0471 [0.0392, 0.0560]``."""
    if row["loss"] is None:
        return NONE
    loss, low, high = (number(row[key], 4) for key in ("loss", "low", "high"))
    return f"{loss} [{low}, {high}]"


def judged(row: Row | None) -> str:
    """A verdict against the reference with its loss; None is the reference's own."""
    if row is None:
        return "the reference"
    return f"{row['verdict']}, loss {lost(row)}" if row["reason"] is None else f"{row['verdict']}: {undecided(row)}"


def overall(rows: Sequence[Row]) -> str:
    """What all explainers come to: changed where one says so, same where all do."""
    said = {row["verdict"] for row in rows}
    return next((word for word in ("changed", "undecided") if word in said), "same")


def along(loss: float, end: float) -> str:
    """Percent of the way from 0 to `end`, where a mark stands."""
    return f"{100 * min(max(loss / end, 0.0), 1.0):.2f}"


def undecided(row: Row) -> str:
    """Why, and what would decide."""
    if row["reason"] == "few":
        return "it takes two samples at least"
    if row["reason"] == "undefined":
        return f"samples without a defined agreement, {row['undefined']} at most, could turn the verdict"
    if row["reason"] == "floor":
        return "random maps lose no more than the margin either, so it cannot tell"
    return remedy(row)


def remedy(row: Row) -> str:
    """What would decide, in samples or in queries."""
    more = row["more"] or {}
    ways = [f"about {count(more[name])} more {said[more[name] == 1]}" for name, said in WAYS.items() if more.get(name)]
    if not ways and more.get("times"):
        return f"about {plain(more['times'])} times as many samples and queries would decide"
    if not ways:
        return "even a hundred times as many samples or queries would not decide"
    return f"{', or '.join(ways)}, would decide" if len(ways) > 1 else f"{ways[0]} would decide"


def listed(names: list[str]) -> str:
    """``a, b and c``."""
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


FILTERS = {
    one.__name__: one
    for one in (
        number,
        exact,
        interval,
        percent,
        same_labels,
        count,
        size,
        milliseconds,
        scientific,
        short,
        sureness,
        plain,
        listed,
        known_as,
        minus,
        lost,
        undecided,
        along,
        moved,
        apart,
        cost,
        scored,
    )
}
