"""White-box maps on the page: agreement by each method, beside the explainers, and where they point."""

from collections.abc import Callable, Sequence
from typing import Any

from samewhy_host.report.reading import Finished, Row

Localised = Callable[[Sequence[Row]], list[Any]]


def view(found: Finished, localised: Localised) -> Row | None:
    """Tables of the section; None where the study asked for none, or no torch rung lies below the reference."""
    told = found.audit.get("whitebox")
    if not told or len(told["rungs"]) < 2:
        return None
    main = [row for row in told["agreements"] if row["measure"] == found.measures[0]]
    return {
        "rungs": told["rungs"][1:],
        "methods": by_method(main),
        "transfer": [
            {"explainer": one, "methods": by_method([row for row in told["transfer"] if row["explainer"] == one])}
            for one in found.explainers
        ],
        "localisation": localised(told["localisation"]),
    }


def by_method(rows: Sequence[Row]) -> list[Row]:
    """A row a method, a cell a rung."""
    names = dict.fromkeys(row["method"] for row in rows)
    return [{"name": name, "cells": [row for row in rows if row["method"] == name]} for name in names]
