"""Whether reasons that black-box maps find kept are kept by white-box maps too, and the other way round.

Each torch rung's white-box maps are held against the reference's, beside a floor (the reference's maps dealt to other
samples: what its maps have in common whatever they explain) and, where there is one, the twin. Then sample by sample
beside each explainer: which of the two finds less kept, and whether they find it of the same samples.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

import numpy as np
from torch import nn

from samewhy_edge.agreement import MEASURES, pearson, ranks
from samewhy_edge.arrays import Maps, Samples, Targets
from samewhy_edge.files import sha256, write_npz
from samewhy_edge.localisation import Masks
from samewhy_edge.predictor import Subject, open_predictor
from samewhy_host import gradients, module_file, stats, torch_runtime, whitebox
from samewhy_host.asking import Rungs
from samewhy_host.audit import compare
from samewhy_host.localised import localisation_rows
from samewhy_host.stats import Sampling, Values
from samewhy_host.steps import Steps
from samewhy_host.torch_runtime import Torch
from samewhy_host.whitebox import settings_of, white_box_maps
from samewhy_host.whitebox.asking import WhiteBox

if TYPE_CHECKING:
    from samewhy_host.audit import Explained

Row = dict[str, Any]
CODE = (*whitebox.CODE, gradients, module_file, torch_runtime)


@final
@dataclass(frozen=True, slots=True)
class Network:
    """A torch rung that can be looked into."""

    name: str
    address: str
    subject: Subject
    module: nn.Module


@final
@dataclass(frozen=True, slots=True)
class Seen:
    """A method's maps, (N, *S), by rung, the reference first."""

    method: WhiteBox
    maps: Mapping[str, Maps]
    twin: Maps | None = None

    @property
    def name(self) -> str:
        """The method's."""
        return self.method.name


def networks(rungs: Rungs, subjects: Sequence[Subject]) -> list[Network]:
    """The rungs that torch runs here, from the reference down; `subjects` are the first of the rungs, opened."""
    return [
        Network(step.name, step.address, subject, subject.ask.module)
        for step, subject in zip(rungs.steps, subjects, strict=False)
        if isinstance(subject.ask, Torch)
    ]


def opened(rungs: Rungs) -> list[Network]:
    """All of the rungs that torch runs."""
    return networks(rungs, [open_predictor(rungs.address(place)) for place in range(len(rungs.steps))])


def looked_into(
    methods: Sequence[WhiteBox],
    found: Sequence[Network],
    twin: Sequence[Network],
    samples: Samples,
    targets: Targets,
    steps: Steps,
) -> list[Seen]:
    """What each method sees in each network; each is a step that is done once."""

    def maps(method: WhiteBox, network: Network) -> Maps:
        return seen(method, network, samples, targets, steps)

    return [
        Seen(
            method,
            {network.name: maps(method, network) for network in found},
            next((maps(method, network) for network in twin), None),
        )
        for method in methods
    ]


def seen(method: WhiteBox, network: Network, samples: Samples, targets: Targets, steps: Steps) -> Maps:
    """Maps of one network by one method."""

    def make(folder: Path) -> None:
        write_npz(folder / "maps.npz", maps=white_box_maps(method, network.module, samples, targets))

    inputs = {
        "artifact": network.subject.spec.rung.artifact.sha256,
        "address": network.address,
        "method": settings_of(method),
        "samples": sha256(samples),
        "targets": sha256(targets),
    }
    with np.load(steps.once(f"{method.name}-{network.name}", inputs, CODE, make) / "maps.npz") as arrays:
        return np.asarray(arrays["maps"], np.float32)


def table(
    all_seen: Sequence[Seen], all_explained: Sequence["Explained"], masks: Masks | None, sampling: Sampling
) -> Row:
    """All that the audit says of white-box maps."""
    names = list(all_seen[0].maps)
    return {
        "methods": [settings_of(one.method) for one in all_seen],
        "rungs": names,
        "agreements": agreement_rows(names, all_seen, sampling),
        "transfer": transfer_rows(names, all_seen, all_explained, sampling),
        "localisation": localisation_rows(names, all_seen, masks, sampling.resamples, sampling.seed, sampling.level),
    }


def agreement_rows(names: Sequence[str], all_seen: Sequence[Seen], sampling: Sampling) -> list[Row]:
    """A row for each rung below the reference, method and measure."""
    rows = []
    for one in all_seen:
        reference = one.maps[names[0]]
        for measure in MEASURES:
            ends = {"floor": dealt(reference, sampling.seed), "twin": one.twin}
            bounds = {
                name: None if maps is None else sampling.mean(compare(reference, maps, measure)).value
                for name, maps in ends.items()
            }
            rows += [
                {
                    "rung": name,
                    "reference": names[0],
                    "method": one.name,
                    "measure": measure.name,
                    **sampling.mean(compare(reference, one.maps[name], measure)).row(),
                    **bounds,
                }
                for name in names[1:]
            ]
    return rows


def dealt(maps: Maps, seed: int) -> Maps | None:
    """The maps, each at the place of another sample; None where there is one alone."""
    if len(maps) < 2:
        return None
    raw = np.random.Philox(key=np.array([seed, 7], np.uint64)).random_raw(len(maps))
    order = np.argsort(raw, kind="stable")
    moved = np.empty_like(maps)
    moved[order] = maps[np.roll(order, 1)]
    return moved


def transfer_rows(
    names: Sequence[str], all_seen: Sequence[Seen], all_explained: Sequence["Explained"], sampling: Sampling
) -> list[Row]:
    """A row for each rung below the reference, method and explainer, by the main measure."""
    return [
        {
            "rung": name,
            "method": one.name,
            "explainer": explained.name,
            "measure": MEASURES[0].name,
            **paired(
                compare(one.maps[names[0]], one.maps[name], MEASURES[0]),
                compare(explained.maps[names[0]], explained.maps[name], MEASURES[0]),
                sampling,
            ),
        }
        for explained in all_explained
        for one in all_seen
        for name in names[1:]
    ]


def paired(white: Values, black: Values, sampling: Sampling) -> Row:
    """Means over the samples that define both agreements, the difference, and whether the two go together.

    `apart` is black less white: above 0 where white-box maps find less kept. `together` is the rank correlation of the
    two over samples, None where one of them is the same for all.
    """
    both = np.isfinite(white) & np.isfinite(black)
    white, black = white[both], black[both]
    return {
        "white": sampling.mean(white).value,
        "black": sampling.mean(black).value,
        **sampling.moved(black - white, "apart"),
        **together(white, black, sampling),
        "samples": int(both.sum()),
        "undefined": int((~both).sum()),
    }


def together(a: Values, b: Values, sampling: Sampling) -> Row:
    """Rank correlation of values (N,) with a percentile bootstrap interval over samples."""
    keys = ("together", "together_low", "together_high")
    known = correlation(a, b) if len(a) > 2 else float("nan")
    if np.isnan(known):
        return dict.fromkeys(keys)
    rows = stats.resample(len(a), sampling.resamples, sampling.seed)
    draws = np.array([correlation(a[row], b[row]) for row in rows])  # NaN where a draw holds one value alone
    ends = np.nanquantile(draws, [(1 - sampling.level) / 2, (1 + sampling.level) / 2])
    return dict(zip(keys, map(stats.tidy, (known, *ends)), strict=True))


def correlation(a: Values, b: Values) -> float:
    """Of ranks; NaN where one of them is the same for all."""
    return pearson(ranks(a), ranks(b))


def write_maps(folder: Path, all_seen: Sequence[Seen]) -> None:
    """``whitebox/RUNG--METHOD.npz``."""
    for one in all_seen:
        for name, maps in one.maps.items():
            write_npz(folder / f"{name}--{one.name}.npz", maps=maps)
