"""What long work tells the person who waits: lines and bars; silent unless someone listens."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import final

Advance = Callable[[int], object]


@final
@dataclass(frozen=True, slots=True)
class Show:
    """Where lines go, and how a bar is opened: (name, total) gives what advances it."""

    line: Callable[[str], object] = lambda _: None
    bar: Callable[[str, int], Advance] = lambda _name, _total: lambda _: None
