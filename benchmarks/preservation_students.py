"""Do compressed networks keep their teacher's maps, and by which objective? Trains the students and looks inside them.

``python -m benchmarks.preservation_students FOLDER`` trains, for every seed, a teacher on canvases with one or two
garments, and from it a student by every recipe and loss; a second run goes on where the first ended. It needs torch,
numpy and samewhy, and torch-pruning for the students that lose channels; it runs on a GPU where torch finds one,
several students at a time. FOLDER gets a module file for each network, and students.json: what each scores, and how its
Grad-CAM maps (of the layer that global pooling takes) lie on the garments' masks and agree with the teacher's.
``python -m benchmarks.preservation FOLDER`` asks them as int8 files.

* F1: over all classes and test canvases together; a class is said where its logit is above 0.
* AUC, point: means over every (canvas, present class) whose logit the network itself has above 0, as in arXiv
  2010.15054; maps are resized to the canvas. AUC of the teacher's pairs, too: the same pairs for every student.
* cosine, Spearman: with the teacher's map of the same class, over the teacher's pairs.
* occlusion, RISE: Spearman of black-box maps with the teacher's under the same masks, over the first 100 canvases
  whose first garment the teacher says; the explainers are those whose masks `black-box` is taught under, drawn anew.
"""

import argparse
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from typing import Any, final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import interpolate

from samewhy_edge.agreement import cosine, spearman
from samewhy_edge.arrays import Maps, Samples, Scores
from samewhy_edge.explain import Explainer, explain
from samewhy_edge.files import write_json
from samewhy_edge.localisation import area_under_roc, pointing
from samewhy_edge.occlusion import Occlusion
from samewhy_edge.rise import Rise
from samewhy_host.compress import Channels, Compression, Magnitude, Student
from samewhy_host.compress.objectives.lesson import POOLED, Scene, answer
from samewhy_host.compress.objectives.maps import weighted, weights
from samewhy_host.compress.tuning import School, Tuning, made
from samewhy_host.data.canvases import Canvases, canvases, f1
from samewhy_host.data.dataset import Dataset, Split
from samewhy_host.module_file import Recipe, load_module, save_module
from samewhy_host.train import Train, train

SEEDS = (4, 5, 6, 7, 8)  # what `black-box` asks was chosen on 1 to 3
EPOCHS, BATCH = 24, 128
DATA = Canvases()
EXPLAINERS: tuple[Explainer, ...] = (
    Occlusion(window=(4,), stride=(4,)),
    Rise(queries=256, grid=8, design="pairs", estimator="informed"),
)
KD = {"method": "distil", "alpha": 0.9, "temperature": 4.0}
ASKED = {"method": "black-box", "alpha": 0.9, "temperature": 4.0, "share": 0.75}
LOSSES: Mapping[str, tuple[Mapping[str, Any], ...]] = {
    "labels": (),
    "kd": (KD,),
    "kd, twice the epochs": (KD,),
    "kd, four times the epochs": (KD,),
    "labels + swa": ({"method": "swa"},),
    "kd + ewa": (KD, {"method": "ewa"}),
    "kd + swa": (KD, {"method": "swa"}),
    "kd + sswa": (KD, {"method": "sswa"}),
    "kd + e2kd": (KD, {"method": "e2kd"}),
    "black-box": (ASKED,),
    "black-box, half masked": ({**ASKED, "share": 0.5},),
    "black-box, scores": ({**ASKED, "match": "scores"},),
    "black-box + swa": (ASKED, {"method": "swa"}),
}
LONGER = {"kd, twice the epochs": 2, "kd, four times the epochs": 4}  # `black-box` asks a student four times as often
TEACHER = "teacher"
SHOWN = 100  # canvases that black boxes explain


@final
@dataclass(frozen=True)
class Job:
    """A network to train: the teacher of a seed, or a student of it."""

    folder: Path
    seed: int
    recipe: str
    loss: str
    epochs: int
    count: int  # training canvases

    @property
    def name(self) -> str:
        """Of its files."""
        return named(self.seed, self.recipe, self.loss)

    @property
    def file(self) -> Path:
        """The trained network."""
        return self.folder / f"{self.name}.pt"

    @property
    def found(self) -> Path:
        """What was measured."""
        return self.folder / f"{self.name}.json"


@final
@dataclass(frozen=True)
class Asked:
    """A network as a predictor, where it is trained."""

    module: nn.Module

    def __call__(self, samples: Samples, /) -> Scores:
        """(N, K)"""
        where = device()
        module, inputs = self.module.to(where), torch.from_numpy(np.ascontiguousarray(samples)).movedim(-1, 1)
        with torch.no_grad():
            found = torch.cat([module(one.to(where)).float().cpu() for one in inputs.split(4096)]).numpy()
        module.to("cpu")
        return np.asarray(found, np.float32)


def named(seed: int, recipe: str, loss: str) -> str:
    """What the files of a network are called."""
    short = loss.replace(",", "").replace(" + ", "-and-").replace(" ", "-")
    return f"{seed}--{recipe}--{short}"


def recipes(epochs: int) -> dict[str, Compression]:
    """Ways to compress; those that cut take half of the epochs, rounds altogether."""
    fine, rounds, short = (Train(max(1, epochs // part), BATCH, 0.003, flip=False) for part in (2, 8, 12))
    whole = Train(epochs, BATCH, 0.006, flip=False)
    return {
        "vgg-quarter": Student("vgg", options={"divide": 4}, train=whole),
        "magnitude-95": Magnitude(0.95, rounds, rounds=4),
        "magnitude-97": Magnitude(0.972, short, rounds=16),  # as in arXiv 2010.15054
        "channels-70": Channels(0.7, fine),
    }


def device() -> str:
    """Of this process."""
    return "cuda" if torch.cuda.is_available() else "cpu"


@cache
def data(seed: int, count: int) -> Dataset:
    """The canvases of a seed."""
    return canvases(Canvases(canvases=(count, DATA.canvases[1])), "unit", seed)


def teach(job: Job) -> None:
    """Train a teacher and measure it."""
    known = data(job.seed, job.count)
    recipe = Recipe("samewhy_host.zoo.vgg:vgg", {"classes": len(known.classes), "channels": 1}, known.sample)
    torch.manual_seed(job.seed)
    module = recipe.build()
    how = Train(job.epochs, BATCH, 0.006, flip=False)
    train(module, known.train, how, job.seed, job.folder / "checkpoints" / f"{job.name}.pt", device=device())
    save_module(job.file, recipe, module)
    write_json(job.found, {**known_of(job), **measured(module, module, known.test, job.seed)})


def learn(job: Job) -> None:
    """Train a student and measure it."""
    known = data(job.seed, job.count)
    before, teacher = load_module(teacher_of(job).file)
    copy = load_module(teacher_of(job).file)[1]
    epochs = job.epochs * LONGER.get(job.loss, 1)
    school = School(known.train, len(known.classes), Scene(EXPLAINERS, known.sample, job.seed + 1000), device())
    folder = job.folder / "checkpoints" / job.name
    known_as = recipes(epochs)[job.recipe], Tuning(LOSSES[job.loss])
    recipe, module = made(*known_as, (before, copy), teacher, school, folder, lambda _: None)
    save_module(job.file, recipe, module)
    write_json(job.found, {**known_of(job), **measured(module, teacher, known.test, job.seed)})


def teacher_of(job: Job) -> Job:
    """The job that trained its teacher."""
    return Job(job.folder, job.seed, TEACHER, "labels", job.epochs, job.count)


def known_of(job: Job) -> dict[str, Any]:
    """What a row says of its job."""
    where = torch.cuda.get_device_name() if device() == "cuda" else "cpu"
    return {
        "seed": job.seed,
        "recipe": job.recipe,
        "loss": job.loss,
        "epochs": job.epochs,
        "canvases": job.count,
        "device": where,
    }


def grad_cam(module: nn.Module, split: Split) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Scores (N, K), and maps (N, K, H, W) of every class, resized to the canvas."""
    module = module.to(device()).requires_grad_(False)
    scores, maps = [], []
    for inputs in torch.from_numpy(split.samples).movedim(-1, 1).split(250):
        given = answer(module, inputs.to(device()), [POOLED], False)
        scores.append(given.scores.detach().cpu())
        maps.append(torch.stack(list(of_classes(given.scores.shape[1], given, len(inputs))), dim=1))
    sized = [interpolate(one, size=split.samples.shape[1:3], mode="bilinear", align_corners=False) for one in maps]
    module.to("cpu")
    return torch.cat(scores).numpy(), torch.cat(sized).cpu().numpy()


def of_classes(classes: int, given: Any, count: int) -> Iterator[Tensor]:
    """Maps (N, h, w) of each class."""
    for label in range(classes):
        top = torch.full((count,), label, device=given.scores.device)
        yield weighted(given.layers[POOLED], weights(given, POOLED, top, False)).detach()


def measured(module: nn.Module, teacher: nn.Module, test: Split, seed: int) -> dict[str, Any]:
    """A row of the table."""
    if test.present is None or test.owners is None:
        raise ValueError("canvases without classes; expected those of samewhy_host.data.canvases")
    scores, maps = grad_cam(module, test)
    theirs, wanted = grad_cam(teacher, test)
    own, pairs = (np.argwhere(test.present & (one > 0)) for one in (scores, theirs))
    return {
        "parameters": sum(int((one != 0).sum()) for one in module.parameters()),
        "f1": f1(scores, test.present),
        "f1_teacher": f1(theirs, test.present),
        "agrees": float(((scores > 0) == (theirs > 0)).all(axis=1).mean()),
        "auc": mean(area_under_roc, maps, own, test.owners),
        "point": mean(pointing, maps, own, test.owners),
        "auc_teacher_pairs": mean(area_under_roc, maps, pairs, test.owners),
        "pairs": len(own),
        "cosine": defined([cosine(maps[i, k], wanted[i, k]) for i, k in pairs]),
        "spearman": defined([spearman(maps[i, k], wanted[i, k]) for i, k in pairs]),
        **asked(module, teacher, theirs, test, seed),
    }


def asked(module: nn.Module, teacher: nn.Module, said: NDArray[np.float32], test: Split, seed: int) -> dict[str, Any]:
    """Mean Spearman of the maps of each explainer with the teacher's; `said` are the teacher's scores (N, K)."""
    shown = test.take(np.flatnonzero(said[np.arange(len(test.labels)), test.labels] > 0)[:SHOWN])
    found = {}
    for explainer in EXPLAINERS:
        maps = [explain(Asked(one), shown.samples, shown.labels, explainer, seed) for one in (module, teacher)]
        found[explainer.name] = defined([spearman(*pair) for pair in zip(*maps, strict=True)])
    return found


def mean(measure: Any, maps: Maps, pairs: NDArray[np.int64], owners: NDArray[np.int8]) -> float | None:
    """Of a measure of localisation over (canvas, class) pairs."""
    return defined([measure(maps[i, k], owners[i] == k) for i, k in pairs])


def defined(values: Sequence[float]) -> float | None:
    """Mean of what is defined; None where nothing is."""
    known = [value for value in values if not np.isnan(value)]
    return float(np.mean(known)) if known else None


def run(job: Job) -> str:
    """A job, in a process of its own."""
    torch.set_num_threads(1)
    torch.backends.cudnn.allow_tf32 = False
    if device() == "cpu" and job.recipe == "channels-70":
        torch.backends.mkldnn.enabled = False  # type: ignore[assignment]  # oneDNN with one thread writes past its memory
    (job.folder / "checkpoints").mkdir(parents=True, exist_ok=True)
    (teach if job.recipe == TEACHER else learn)(job)
    return job.name


def jobs(options: argparse.Namespace) -> tuple[list[Job], list[Job]]:
    """Teachers, then students, those of the first seed first."""
    known = options.folder, options.epochs, options.canvases
    make = [Job(known[0], seed, recipe, loss, *known[1:]) for seed, recipe, loss in wanted(options)]
    return [teacher_of(one) for one in make if one.loss == make[0].loss and one.recipe == make[0].recipe], make


def wanted(options: argparse.Namespace) -> Iterator[tuple[int, str, str]]:
    """Seed, recipe and loss of every student."""
    for seed in options.seeds:
        for recipe in options.recipes:
            for loss in options.losses:
                yield seed, recipe, loss


def done(work: Sequence[Job], workers: int) -> None:
    """All jobs that were not done before; what fails is told and left out."""
    left = [job for job in work if not job.found.is_file()]
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        pending = {pool.submit(run, job): job for job in left}
        for place, one in enumerate(as_completed(pending)):
            error = one.exception()
            print(f"{place + 1} of {len(left)}: {pending[one].name}{f' failed: {error}' if error else ''}", flush=True)


def main() -> None:
    """Train what is not trained, then put all rows together."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=SEEDS)
    parser.add_argument("--recipes", nargs="+", default=list(recipes(1)), choices=list(recipes(1)))
    parser.add_argument("--losses", nargs="+", default=list(LOSSES), choices=list(LOSSES))
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    parser.add_argument("--canvases", type=int, default=DATA.canvases[0])
    parser.add_argument("--workers", type=int, default=min(8, os.cpu_count() or 1))
    options = parser.parse_args()
    teachers, students = jobs(options)
    options.folder.mkdir(parents=True, exist_ok=True)
    done(teachers, options.workers)
    done(students, options.workers)
    rows = [json.loads(job.found.read_text()) for job in (*teachers, *students) if job.found.is_file()]
    write_json(options.folder / "students.json", {"rows": rows})
    print(f"{len(rows)} networks in {options.folder / 'students.json'}")


if __name__ == "__main__":
    main()
