"""Who stands above whom on a ladder that is written down."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any


def above_of(rungs: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """By name of each rung below the reference: its neighbour above."""
    return {below["name"]: below.get("above") or above["name"] for above, below in pairwise(rungs)}
