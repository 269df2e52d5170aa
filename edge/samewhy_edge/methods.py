"""A methods file: how a file without a study is explained. Everything that decides a result stands in it.

::

    seed = 0                # all chance comes from here
    classes = "target"      # or "all": a map of every class, from the same queries

    [budget]                # the first that is met ends a method
    seconds = 600           # or queries = 2000, error = 0.05

    [[explain]]             # as in study files
    method = "rise"
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, final

from samewhy_edge.arrays import Samples
from samewhy_edge.budget import Budget, checked
from samewhy_edge.errors import InputError
from samewhy_edge.explain import Explainer, explainer_from, located
from samewhy_edge.files import sha256
from samewhy_edge.fill import backgrounds
from samewhy_edge.query import plan_of_each
from samewhy_edge.settings import read_toml, structure

Table = Mapping[str, Any]
DEFAULTS: tuple[Table, ...] = (
    {"method": "occlusion"},
    {"method": "rise", "design": "pairs", "estimator": "informed"},
)


@final
@dataclass(frozen=True, slots=True)
class Methods:
    """The tables of a methods file."""

    seed: int = 0
    classes: Literal["target", "all"] = "target"
    explain: tuple[Table, ...] = DEFAULTS
    budget: Budget = field(default_factory=Budget)

    def explainers(self) -> list[Explainer]:
        """In the order of the file."""
        return explainers_from(self.explain)


def explainers_from(tables: Sequence[Table]) -> list[Explainer]:
    """The explainers of ``[[explain]]`` tables, in their order.

    Raises:
        InputError: an unknown method or parameter, none at all, or two of one name.
    """
    made = [explainer_from(table) for table in tables]
    names = [explainer.name for explainer in made]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice or not made:
        raise InputError(f"[[explain]] {f'{twice} stands twice' if twice else 'is empty'}; expected each method once")
    return made


def fitting(explainers: Sequence[Explainer], samples: Samples, seed: int) -> None:
    """Refuse explainers whose plan or fill does not fit these samples, before any work is done.

    Raises:
        InputError: features, a grid, a window or a fill that does not fit, or one for another number of samples.
    """
    for explainer in explainers:
        plan_of_each(explainer.plan(samples.shape[1:], seed), len(samples))
        backgrounds(explainer.fill, samples)


def read_methods(path: Path) -> tuple[Methods, str]:
    """Read and check a methods file, before anything is asked; with it the SHA-256 of the file.

    Raises:
        InputError: no such file, no TOML, an unknown key (the nearest known one is named), or a number out of range.
    """
    table, content = read_toml(path, "methods file; expected a .toml with [[explain]] tables")
    read = structure(Methods, table, path.name)
    read = replace(read, explain=tuple(located(one, path.parent) for one in read.explain))
    if not 0 <= read.seed < 2**31:
        raise InputError(f"{path.name}: seed = {read.seed}; expected a whole number from 0 to {2**31 - 1}")
    checked(read.budget)
    read.explainers()
    return read, sha256(content)
