"""The fine-tuning behind a compression: by what the network is taught, and under which simulation."""

from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal, final

import torch
from torch import nn

from samewhy_edge.errors import InputError
from samewhy_edge.settings import structure
from samewhy_host import train
from samewhy_host.compress import Compression, held, stages
from samewhy_host.compress.objectives import objectives_from, taught_by
from samewhy_host.compress.objectives.lesson import Scene
from samewhy_host.compress.simulation import simulated
from samewhy_host.compress.student import Student
from samewhy_host.compress.teachers import ANSWERS
from samewhy_host.data.dataset import Split
from samewhy_host.module_file import Recipe
from samewhy_host.train import Told

Table = Mapping[str, Any]
BITS = {"int8": 8, "int4": 4}  # of weights
INPUT, REFERENCE = "input", "reference"


@final
@dataclass(frozen=True, slots=True)
class Tuning:
    """Keys of a ``[[compress]]`` table beside those of its method."""

    keep: tuple[Table, ...] = ()  # objectives; without any the labels alone teach
    teacher: str = INPUT  # the network before; "reference", the float one; a module file; answers; or an address
    remember: bool = False  # keep the teacher's answers beside the network, for a place without the teacher
    simulate: Literal["none", "int8", "int4"] = "none"  # quantization, while the network is fine-tuned

    def __post_init__(self) -> None:
        objectives_from(self.keep)
        files = (".pt", ANSWERS)
        if self.teacher not in (INPUT, REFERENCE) and not self.teacher.endswith(files) and ":" not in self.teacher:
            raise InputError(
                f'[compress] teacher = "{self.teacher}"; expected "{INPUT}" (the network before this compression), '
                f'"{REFERENCE}" (the float network), a module file, such as float.pt of another run, an address, '
                f"such as litert:model.tflite, of a black box, or a {ANSWERS} of a teacher's answers"
            )
        if (self.teacher != INPUT or self.remember) and not self.keep:
            raise InputError("[compress] names a teacher, and no [[compress.keep]] that it would teach by; add one")


def divided(table: Table) -> tuple[Table, Tuning]:
    """A ``[[compress]]`` table as the method's own keys, and the tuning.

    Raises:
        InputError: an unknown objective or parameter.
    """
    names = {field.name for field in fields(Tuning)}
    own = {key: value for key, value in table.items() if key not in names}
    return own, structure(Tuning, {key: value for key, value in table.items() if key in names}, "compress")


@final
@dataclass(frozen=True, slots=True)
class School:
    """What fine-tuning needs besides the network."""

    split: Split
    classes: int
    scene: Scene  # its seed is the fine-tuning's
    device: str = "cpu"


def made(
    compression: Compression,
    tuning: Tuning,
    known: tuple[Recipe, nn.Module],
    teacher: nn.Module,
    school: School,
    folder: Path,
    told: Told,
) -> tuple[Recipe, nn.Module]:
    """The smaller network, fine-tuned; checkpoints in `folder`. The module of `known` may be changed in place."""
    recipe, module = begun(compression, known, school)
    teacher = teacher.to(school.device)
    cuts = stages(compression)
    for turn, one in enumerate(cuts):
        recipe = one.cut(recipe, module)
        name = "checkpoint.pt" if len(cuts) == 1 else f"checkpoint-{turn + 1}.pt"
        tuned(one, tuning, module, teacher, school, folder / name, told)
    return recipe, module


def begun(compression: Compression, known: tuple[Recipe, nn.Module], school: School) -> tuple[Recipe, nn.Module]:
    """The network that is cut: the one before, or a student with its first weights."""
    if not isinstance(compression, Student):
        return known
    torch.manual_seed(school.scene.seed)
    recipe = compression.recipe(known[0], school.classes)
    return recipe, recipe.build()


def tuned(
    compression: Compression,
    tuning: Tuning,
    module: nn.Module,
    teacher: nn.Module,
    school: School,
    checkpoint: Path,
    told: Told,
) -> None:
    """Fine-tune in place."""
    how, seed = compression.train, school.scene.seed
    lesson = None
    if tuning.keep:
        lesson = taught_by(teacher, objectives_from(tuning.keep), school.scene, how.label_smoothing)
    bits = BITS.get(tuning.simulate)
    module.to(school.device)  # before what is held is found
    with simulated(module, bits) if bits else nullcontext(None) as ranges:
        also = {"ranges": ranges.to(school.device)} if ranges is not None else {}
        hold = held(compression, module)
        train.train(module, school.split, how, seed, checkpoint, told, lesson, hold, also, school.device)
