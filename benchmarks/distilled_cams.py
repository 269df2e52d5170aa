"""Does distillation make class activation maps better? The published table, and the same networks measured right.

``python -m benchmarks.distilled_cams FOLDER`` trains, for every seed, a wide residual network on Fashion-MNIST, and
students with and without it: a small ResNet-18, whose last maps are 4 x 4, and a plain network of five layers, whose
are 7 x 7 as the teacher's. It prints accuracy and Grad-CAM's average drop, coherency, complexity and ADCC, `published`
and `corrected` (`samewhy_host.cam_measures`), means over seeds with intervals of 95 %, and beside them the complexity
of maps of noise, which know nothing. A second run goes on where the first ended; on a GPU where torch finds one. It
needs torch, numpy and samewhy; the table needs rich and samewhy[host]. docs/studies/distilled-cams.md has what came of
it.

Everything is measured in evaluation mode, on 200 test images, for the class that the network itself says; students are
distilled from the teacher that they stand beside, with the paper's alpha 0.95 and temperature 6.
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import interpolate

from samewhy_edge.files import write_json
from samewhy_host.cam_measures import Mode, adcc, coherency, complexity, drop, shown_alone, spread
from samewhy_host.compress import Student
from samewhy_host.compress.objectives.lesson import POOLED, Scene, answer
from samewhy_host.compress.objectives.maps import weighted, weights
from samewhy_host.compress.tuning import School, Tuning, made
from samewhy_host.data.dataset import Dataset, Split, stratified
from samewhy_host.data.embedded import fashion_mnist
from samewhy_host.module_file import Recipe, load_module, save_module
from samewhy_host.train import Train, train

SEEDS, EPOCHS, BATCH, SHOWN = (1, 2, 3), 6, 128, 200
MODES: tuple[Mode, ...] = ("published", "corrected")
TEACHER = "wide_resnet"
WIDE = {"depth": 10, "widen": 2}
STUDENTS = {"resnet18": {"width": 8}, "cnn5": {"width": 16}}
KEEP = ({"method": "distil", "alpha": 0.95, "temperature": 6.0},)
Row = dict[str, Any]


def device() -> str:
    """Of this process."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def how(epochs: int) -> Train:
    """Of all networks."""
    return Train(epochs, BATCH, 0.006)


def teacher(folder: Path, data: Dataset, seed: int, epochs: int) -> tuple[Recipe, nn.Module]:
    """Trained where it is not yet."""
    place = folder / f"{seed}--{TEACHER}.pt"
    if not place.is_file():
        recipe = Recipe("samewhy_host.zoo.wide_resnet:wide_resnet", {"classes": 10, "channels": 1, **WIDE}, data.sample)
        torch.manual_seed(seed)
        module = recipe.build()
        train(module, data.train, how(epochs), seed, folder / f"{seed}--{TEACHER}.checkpoint", device=device())
        save_module(place, recipe, module)
    return load_module(place)


def student(folder: Path, data: Dataset, seed: int, epochs: int, name: str, distilled: bool) -> nn.Module:
    """Trained where it is not yet."""
    place = folder / f"{seed}--{name}--{'distilled' if distilled else 'labels'}.pt"
    if not place.is_file():
        known = teacher(folder, data, seed, epochs)
        school = School(data.train, 10, Scene((), data.sample, seed + 1000), device())
        told = Student(name, options=STUDENTS[name], train=how(epochs)), Tuning(KEEP if distilled else ())
        save_module(place, *made(*told, known, known[1], school, folder / place.stem, lambda _: None))
    return load_module(place)[1]


def maps_of(module: nn.Module, samples: NDArray[np.float32], targets: NDArray[np.int64]) -> Tensor:
    """Grad-CAM of the targets on the grid of the last layer, (N, h, w)."""
    module = module.to(device()).requires_grad_(False)
    inputs = torch.from_numpy(samples).movedim(-1, 1).to(device())
    given = answer(module, inputs, [POOLED], False)
    channels = weights(given, POOLED, torch.from_numpy(targets).to(device()), False)
    return weighted(given.layers[POOLED], channels).detach().cpu()


def scores_of(module: nn.Module, samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """(N, K)"""
    with torch.inference_mode():
        batches = torch.from_numpy(samples).movedim(-1, 1).split(250)
        module = module.to(device())
        return torch.cat([module(one.to(device())).cpu() for one in batches]).numpy()


def row(module: nn.Module, test: Split, mode: Mode) -> Row:
    """A network by the measures of one mode."""
    shown = test.take(stratified(test.labels, SHOWN, 0))
    before = scores_of(module, shown.samples)
    targets = before.argmax(axis=1)
    coarse = maps_of(module, shown.samples, targets)
    sized = resized(coarse, shown.samples.shape[1:3])
    covered = shown_alone(shown.samples, sized, mode)
    after, again = scores_of(module, covered), resized(maps_of(module, covered, targets), sized.shape[1:])
    simple = [complexity(spread(one), mode) for one in (coarse.numpy() if mode == "published" else sized)]
    drops = [drop(*one, mode) for one in zip(before, after, targets, strict=True)]
    coherent = [coherency(*pair) for pair in zip(sized, again, strict=True)]
    noise = np.random.default_rng(0).random(coarse.shape)
    means = {"drop": defined(drops), "coherency": defined(coherent), "complexity": defined(simple)}
    return {
        "accuracy": float((scores_of(module, test.samples).argmax(axis=1) == test.labels).mean()),
        **means,
        "adcc": adcc(means["coherency"], means["complexity"], means["drop"]),
        "complexity of noise": float(np.mean([complexity(spread(one), mode) for one in noise])),
    }


def resized(maps: Tensor, size: tuple[int, ...]) -> NDArray[np.float64]:
    """Bilinear, then in [0, 1]."""
    sized = interpolate(maps.unsqueeze(1), size=tuple(size), mode="bilinear", align_corners=False).squeeze(1)
    return np.stack([spread(one) for one in sized.numpy()])


def defined(values: list[float]) -> float:
    """Mean of what is defined."""
    return float(np.mean([value for value in values if not np.isnan(value)]))


def rows(folder: Path, seeds: tuple[int, ...], epochs: int) -> Iterator[Row]:
    """A row a seed, network and mode."""
    data = fashion_mnist("unit")
    for seed in seeds:
        networks = {f"{TEACHER}, the teacher": teacher(folder, data, seed, epochs)[1]}
        for name in STUDENTS:
            for distilled in (False, True):
                said = f"{name}, {'distilled' if distilled else 'labels alone'}"
                networks[said] = student(folder, data, seed, epochs, name, distilled)
                print(f"seed {seed}: {said}", flush=True)
        for said, module in networks.items():
            for mode in MODES:
                yield {"seed": seed, "network": said, "measures": mode, **row(module, data.test, mode)}


def table(found: list[Row]) -> Iterator[Row]:
    """Means over seeds."""
    from benchmarks.preservation import over_seeds

    keys = [key for key in found[0] if key not in ("seed", "network", "measures")]
    for mode in MODES:
        for network in dict.fromkeys(one["network"] for one in found):
            mine = [one for one in found if (one["network"], one["measures"]) == (network, mode)]
            yield {
                "measures": mode,
                "network": network,
                **{key: over_seeds([one[key] for one in mine]) for key in keys},
            }


def main() -> None:
    """Train what is not trained, measure all, print the table where rich is installed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=SEEDS)
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    found = list(rows(options.folder, tuple(options.seeds), options.epochs))
    write_json(options.folder / "distilled-cams.json", {"rows": found})
    try:
        from benchmarks.tables import put

        put("distilled-cams", list(table(found)))
    except ImportError as error:
        sys.stdout.write(f"no table here ({error}); the rows are in {options.folder / 'distilled-cams.json'}\n")


if __name__ == "__main__":
    main()
