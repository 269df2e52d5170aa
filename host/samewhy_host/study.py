"""A study file: everything that decides a result, as frozen dataclasses whose defaults live here and nowhere else."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, final

from samewhy_edge.errors import InputError, unknown
from samewhy_edge.explain import Explainer, located
from samewhy_edge.faithfulness import named
from samewhy_edge.files import sha256
from samewhy_edge.methods import DEFAULTS, explainers_from
from samewhy_edge.settings import read_toml, structure, variant
from samewhy_host.compress import COMPRESSIONS, Compression
from samewhy_host.compress.tuning import Tuning, divided
from samewhy_host.data.sources import Data
from samewhy_host.judging import Faithfulness
from samewhy_host.schemes import Quantize
from samewhy_host.train import Train
from samewhy_host.whitebox import white_boxes_from
from samewhy_host.whitebox.asking import WhiteBox
from samewhy_host.zoo import ZOO

STUDY_FILE = "study file; expected a .toml, see studies/ for examples"
Table = Mapping[str, Any]
TRAIN = "train"  # the twin that a study makes itself


@final
@dataclass(frozen=True, slots=True)
class Head:
    """What is asked, and where all chance comes from."""

    question: str
    seed: int = 0


@final
@dataclass(frozen=True, slots=True)
class Model:
    """The network: of the zoo, the user's own, or files made elsewhere. Exactly one of the four."""

    architecture: str | None = None  # a name of the zoo
    factory: str | None = None  # "package.module:function"
    onnx: str | None = None  # a file
    float_tflite: str | None = None  # a file, with int8_tflite
    int8_tflite: str | None = None
    options: Table = field(default_factory=dict)  # of the architecture or the factory
    weights: str | None = None  # a state dict for it; without one it is trained


@final
@dataclass(frozen=True, slots=True)
class Audit:
    """What is compared, and how surely."""

    samples: int = 100  # of the test split, classes even
    resamples: int = 1000  # of the bootstrap over samples
    gallery: int = 8  # samples shown in the report
    margin: float = 0.05  # the largest loss of mean agreement that does not matter
    level: float = 0.95  # of intervals, and of each kind of verdict over all comparisons together
    twin: str | None = None  # a network that was trained apart from the reference: "train", or an address


@final
@dataclass(frozen=True, slots=True)
class Extra:
    """One more rung, below the others: anything that an address opens, or what a device found by itself."""

    name: str
    address: str | None = None
    verified: str | None = None  # a folder that samewhy verify wrote, beside the study file
    of: str | None = None  # with `verified`: the rung of this ladder that the device was to be


@final
@dataclass(frozen=True, slots=True)
class Study:
    """The study file's tables."""

    study: Head
    model: Model
    data: Data = field(default_factory=Data)
    train: Train = field(default_factory=Train)
    compress: tuple[Table, ...] = ()
    quantize: Quantize = field(default_factory=Quantize)
    explain: tuple[Table, ...] = DEFAULTS
    whitebox: tuple[Table, ...] = ()
    audit: Audit = field(default_factory=Audit)
    faithfulness: Faithfulness = field(default_factory=Faithfulness)
    rung: tuple[Extra, ...] = ()

    def explainers(self) -> list[Explainer]:
        """The explainers, in the order of the file.

        Raises:
            InputError: an unknown method or parameter, or two of one name.
        """
        return explainers_from(self.explain)

    def white_boxes(self) -> list[WhiteBox]:
        """The methods that look into the torch rungs, in the order of the file.

        Raises:
            InputError: an unknown method or parameter, or two of one name.
        """
        return white_boxes_from(self.whitebox)

    def compressions(self) -> list[tuple[str, Compression]]:
        """Method names and parameters, in the order of the file.

        Raises:
            InputError: an unknown method or parameter.
        """
        return [
            (str(table.get("method")), variant(COMPRESSIONS, divided(table)[0], "compress")) for table in self.compress
        ]

    def tunings(self) -> list[Tuning]:
        """What teaches after each compression, in the order of the file.

        Raises:
            InputError: an unknown objective or parameter.
        """
        return [divided(table)[1] for table in self.compress]


@final
@dataclass(frozen=True, slots=True)
class StudyFile:
    """A study with the place and the digest of its file."""

    path: Path
    sha256: str
    study: Study
    content: bytes = b""  # what the digest is of

    def beside(self, name: str) -> Path:
        """A path that the study names, relative to its own folder."""
        return self.path.parent / name


def read_study(path: Path) -> StudyFile:
    """Read and check a study file, before any work is done.

    Raises:
        InputError: no such file, no TOML, an unknown key (the nearest known one is named), or values at odds.
    """
    table, content = read_toml(path, STUDY_FILE)
    if "sweep" in table:
        raise InputError(f"{path}: has a [sweep]; run samewhy sweep {path.name} --out DIR, or remove the table")
    return checked_study(path, table, content)


def checked_study(path: Path, table: dict[str, Any], content: bytes) -> StudyFile:
    """The study in a table, whose files lie beside `path`.

    Raises:
        InputError: an unknown key, or values at odds.
    """
    if isinstance(table.get("faithfulness"), Mapping):
        table["faithfulness"] = located(table["faithfulness"], path.parent)
    study = structure(Study, table, path.name)
    explain, white = (tuple(located(one, path.parent) for one in tables) for tables in (study.explain, study.whitebox))
    study = replace(study, explain=explain, whitebox=white)
    one_model(study.model)
    for extra in study.rung:
        if not extra.name.replace("-", "").replace("_", "").isalnum():
            raise InputError(f"[[rung]] name {extra.name!r}: expected letters, digits, - and _")
        if bool(extra.address) == bool(extra.verified) or bool(extra.verified) != bool(extra.of):
            raise InputError(
                f"[[rung]] {extra.name}: expected an address, or verified (a folder of samewhy verify) with of (the "
                "rung that the device was to be)"
            )
    study.explainers()
    study.white_boxes()
    study.compressions()
    study.tunings()
    fits(study)
    return StudyFile(path, sha256(content), study, content)


def one_model(model: Model) -> None:
    """Refuse a [model] that names no network, several, an unknown one, or settings that its file cannot take."""
    named = [key for key in ("architecture", "factory", "onnx") if getattr(model, key)]
    pair = [key for key in ("float_tflite", "int8_tflite") if getattr(model, key)]
    named += [" and ".join(pair)] if pair else []
    if len(named) != 1 or len(pair) == 1:
        raise InputError(
            f"[model] names {' and '.join(named) or 'nothing'}; expected one of architecture, factory, onnx, "
            "or float_tflite together with int8_tflite"
        )
    if model.architecture and model.architecture not in ZOO:
        raise InputError(f"[model] {unknown('architecture', model.architecture, ZOO)}")
    if (model.weights or model.options) and not (model.architecture or model.factory):
        raise InputError(
            "[model] has options or weights, and a file made elsewhere that takes none; remove one of the two"
        )


def fits(study: Study) -> None:
    """Refuse counts that mean nothing, and compression of what is no torch network."""
    counts = {
        "data.calibration": study.data.calibration,
        "audit.samples": study.audit.samples,
        "audit.resamples": study.audit.resamples,
        "audit.gallery": study.audit.gallery,
    }
    for name, count in counts.items():
        if count < 1:
            raise InputError(f"{name} = {count}; expected at least 1")
    if not 0 < study.audit.margin < 1:
        raise InputError(f"audit.margin = {study.audit.margin}; expected a loss of agreement between 0 and 1")
    if not 0.5 < study.audit.level < 1:
        raise InputError(f"audit.level = {study.audit.level}; expected a share between 0.5 and 1, such as 0.95")
    if study.compress and not (study.model.architecture or study.model.factory):
        raise InputError(
            "[[compress]] needs a torch network; [model] names a file made elsewhere, remove one of the two"
        )
    if study.whitebox and not (study.model.architecture or study.model.factory):
        raise InputError(
            "[[whitebox]] looks into a torch network; [model] names a file made elsewhere, remove one of the two"
        )
    if study.model.int8_tflite and study.quantize != Quantize():
        raise InputError(
            "[quantize] says how a file is made; [model] names one made elsewhere, int8_tflite; remove one of the two"
        )
    named(study.faithfulness.measures)
    fits_twin(study)
    if not 0 <= study.study.seed < 2**31:
        raise InputError(f"study.seed = {study.study.seed}; expected a whole number from 0 to {2**31 - 1}")


def fits_twin(study: Study) -> None:
    """Refuse a twin that is neither trained nor opened."""
    twin, trained = study.audit.twin, (study.model.architecture or study.model.factory) and not study.model.weights
    if twin == TRAIN and not trained:
        raise InputError(
            f'audit.twin = "{TRAIN}" trains the network of [model] once more, and [model] names one that is not '
            "trained here; expected the address of a network that was trained apart, such as torch:other.pt, or no twin"
        )
    if twin is not None and twin != TRAIN and ":" not in twin:
        raise InputError(f'audit.twin = "{twin}"; expected "{TRAIN}", or an address such as litert:other.tflite')
