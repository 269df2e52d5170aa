"""How faithful every rung's maps are to that rung, and whether the reference's maps would do in their place.

A value alone says little: a blurred input makes every deletion curve fall. So each stands beside what a map that knows
nothing scores (the reference's scores dealt to the wrong masks), and beside the difference from the reference's own.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, final

import numpy as np
from numpy.typing import NDArray

from samewhy_edge.arrays import Maps
from samewhy_edge.complexity import SHAPE
from samewhy_edge.faithfulness import Measure, explains_again
from samewhy_host.judging import Court, Judging, Put, Values
from samewhy_host.stats import Sampling

if TYPE_CHECKING:
    from samewhy_host.audit import Explained

Row = dict[str, Any]
Key = tuple[str, str]  # rung, explainer


@final
@dataclass(frozen=True, slots=True)
class Judgements:
    """What the rungs said of the maps."""

    measures: tuple[Measure, ...]
    own: Mapping[Key, Values]  # each rung's maps on that rung
    lent: Mapping[Key, Values]  # the reference's maps on each rung below it
    random: Mapping[str, Values]  # by explainer: maps that know nothing, on the reference


def judgings(names: Sequence[str], all_explained: Sequence["Explained"], court: Court) -> list[Judging]:
    """What each rung is asked: its own maps, then the reference's; the reference, maps that know nothing instead."""
    reference = names[0]
    found = []
    for name in names:
        own = [Put(one.explainer, one.plan, one.maps[name]) for one in all_explained]
        others = (one.random if name == reference else one.maps[reference] for one in all_explained)
        lent = [replace(put, maps=maps, again=False) for put, maps in zip(own, others, strict=True)]
        found.append(Judging(court, (*own, *lent)))
    return found


def gathered(
    names: Sequence[str],
    explainers: Sequence[str],
    measures: tuple[Measure, ...],
    found: Sequence[NDArray[np.float64]],
) -> Judgements:
    """From what each rung found, (maps, measures, N): first of its own maps, then of the others'."""
    first, *_ = names
    own = {
        (name, one): values[i] for name, values in zip(names, found, strict=True) for i, one in enumerate(explainers)
    }
    rest = {name: values[len(explainers) :] for name, values in zip(names, found, strict=True)}
    lent = {(name, one): rest[name][i] for name in names[1:] for i, one in enumerate(explainers)}
    return Judgements(measures, own, lent, dict(zip(explainers, rest[first], strict=True)))


def faithfulness_rows(
    names: Sequence[str], explainers: Sequence[str], found: Judgements, sampling: Sampling
) -> list[Row]:
    """A row for each rung, explainer and measure: its own maps on itself. The reference is the first of `names`."""
    return [
        {
            "rung": name,
            "explainer": explainer,
            "measure": measure.name,
            **sampling.mean(found.own[name, explainer][place]).row(),
            "floor": sampling.mean(found.random[explainer][place]).value,
            **sampling.moved(found.own[name, explainer][place] - found.own[names[0], explainer][place]),
        }
        for explainer in explainers
        for place, measure in enumerate(found.measures)
        for name in names
    ]


def lent_rows(names: Sequence[str], explainers: Sequence[str], found: Judgements, sampling: Sampling) -> list[Row]:
    """A row for each rung below the reference, explainer and measure: the reference's maps in place of its own.

    `cost` is how much less faithful they are, sample by sample, whichever way the measure points: above 0 where the
    rung's own maps are the better ones. Measures that make new maps are left out: theirs would not be the reference's.
    """
    return [
        lent_row(
            name, explainer, measure, found.own[name, explainer][place], found.lent[name, explainer][place], sampling
        )
        for explainer in explainers
        for place, measure in enumerate(found.measures)
        if not explains_again(measure)
        for name in names[1:]
    ]


def lent_row(
    rung: str,
    explainer: str,
    measure: Measure,
    own: NDArray[np.float64],
    lent: NDArray[np.float64],
    sampling: Sampling,
) -> Row:
    """Means over the samples that define both."""
    both = np.isfinite(own) & np.isfinite(lent)
    own, lent = np.where(both, own, np.nan), np.where(both, lent, np.nan)
    return {
        "rung": rung,
        "explainer": explainer,
        "measure": measure.name,
        "own": sampling.mean(own).value,
        "lent": sampling.mean(lent).value,
        **sampling.moved(own - lent if measure.better == "higher" else lent - own, "cost"),
        "samples": int(both.sum()),
        "undefined": int((~both).sum()),
    }


def shape_rows(names: Sequence[str], all_maps: Mapping[str, Mapping[str, Maps]], sampling: Sampling) -> list[Row]:
    """A row for each rung, explainer and measure of a map's own shape; `all_maps` by explainer and rung."""
    rows = []
    for explainer, maps in all_maps.items():
        for measure in SHAPE:
            values = {name: np.array([measure.of(one) for one in maps[name]], np.float64) for name in names}
            rows += [
                {
                    "rung": name,
                    "explainer": explainer,
                    "measure": measure.name,
                    **sampling.mean(values[name]).row(),
                    **sampling.moved(values[name] - values[names[0]]),
                }
                for name in names
            ]
    return rows


def measure_rows(measures: Sequence[Measure], shape: tuple[int, ...]) -> list[Row]:
    """What a reader must know of each measure; `queries` a sample at most, without those of new maps."""
    return [
        {**told(one), "scale": one.scale, "queries": one.queries(shape, 0), "explains_again": explains_again(one)}
        for one in measures
    ]


def shape_measures() -> list[Row]:
    """The same of the measures of shape."""
    return [told(one) for one in SHAPE]


def told(one: Any) -> Row:
    """Name, direction, span, source and convention; an end at infinity is None."""
    span = [end if np.isfinite(end) else None for end in one.span]
    return {"name": one.name, "better": one.better, "span": span, "source": one.source, "convention": one.convention}
