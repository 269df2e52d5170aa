"""How numbers stand on the page and in its figures: words for the eye, never a new number."""

import math
from collections.abc import Mapping
from typing import Any

NONE = "–"  # an undefined value
MOST_DIGITS = 6  # of what the audit writes
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
    return "1" if value == 1 else minus(f"{value:.{decimals or digits(value)}f}")


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
    )
}
