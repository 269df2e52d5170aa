"""What was tested of the explanations and what was not, by the twelve properties of Nauta et al.

Each word is found in the run's own files. What no file holds was not tested, whatever could be said for it.

Source: Nauta et al. 2023, From Anecdotal Evidence to Quantitative Evaluation Methods, ACM Computing Surveys 55 (13s):
the twelve properties named Co-12.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Literal

from samewhy_host.report import words
from samewhy_host.report.reading import Finished, Row

State = Literal["tested", "partly", "not tested"]
Found = tuple[State, str, str | None]  # a word, what it rests on, and the section where that stands

PRESERVING = ("average-drop", "increase", "average-gain", "insertion")  # they show what the map says, not hide it


def rows(found: Finished) -> list[Row]:
    """A row a property, in the order of the paper; `section` is where the evidence stands on the page, if anywhere."""
    looked = [(name, asks, *look(found)) for name, asks, look in PROPERTIES]
    return [dict(zip(("name", "asks", "state", "evidence", "section"), row, strict=True)) for row in looked]


def correctness(found: Finished) -> Found:
    """Faithfulness and randomised weights test it; known objects do in part."""
    judged, objects = measured(found, "faithfulness"), measured(found, "localisation")
    weights = weights_said(found)
    said = [
        *([f"maps put to the file by {words.listed(judged)}"] if judged else []),
        *([f"its weights put in another order: {weights}"] if weights else []),
        *([f"held against where the object is by {words.listed(objects)}"] if objects else []),
    ]
    if not said:
        return "not tested", "the study names no measure of faithfulness, and no sanity.json of its files is here", None
    section = "faithfulness" if judged else "localisation" if objects else None
    return "tested" if judged or weights else "partly", "; ".join(said), section


def weights_said(found: Finished) -> str | None:
    """Verdicts of a sanity check of one of the run's files; None without one."""
    if found.sanity is None or found.sanity["rung"]["artifact"]["sha256"] not in {
        one["artifact"] for one in found.rungs
    }:
        return None
    return words.listed([f"{row['explainer']} is {row['verdict']}" for row in found.sanity["verdicts"]])


def completeness(found: Finished) -> Found:
    """No run holds the sums of its maps beside the scores, so this is never more than a part."""
    shown = [name for name in measured(found, "faithfulness") if name in PRESERVING]
    sums = [name for name in found.explainers if name.startswith("shapley")]
    said = [
        *([f"samples shown by their maps: {words.listed(shown)}"] if shown else []),
        *([f"{words.listed(sums)}: sums are f(x) − f(fill) by construction, not measured here"] if sums else []),
    ]
    if not said:
        return "not tested", "no explainer whose maps add up to the score, and nothing shown by its map", None
    return "partly", "; ".join(said), "faithfulness" if shown else None


def consistency(found: Finished) -> Found:
    """What an audit is for."""
    said = Counter(row["verdict"] for row in found.audit["verdicts"])
    if not said:
        return "not tested", "one rung has nothing to be the same as", None
    counts = words.listed([f"{said[word]} {word}" for word in ("same", "changed", "undecided") if said[word]])
    return "tested", f"{said.total()} comparisons of rungs under the same masks: {counts}", "verdicts"


def continuity(found: Finished) -> Found:
    """Neighbours one step of the input away."""
    if "max-sensitivity" in measured(found, "faithfulness"):
        return "tested", "max-sensitivity: samples moved by one step of the int8 input", "faithfulness"
    return "not tested", "the study does not name max-sensitivity, which moves samples by one step of the input", None


def contrastivity(found: Finished) -> Found:
    """Whether maps of other classes are known."""
    if found.every_class:
        return "partly", "the records hold maps of every class; nothing compares them", None
    return "not tested", "each sample has one map, of the class that the reference chose", None


def complexity(found: Finished) -> Found:
    """Of what the map is made of."""
    return "not tested", "maps are over positions, cells or channels of the sample, not over concepts of a person", None


def compactness(found: Finished) -> Found:
    """Measures of shape."""
    shapes = measured(found, "shape")
    if shapes:
        return "tested", f"shape of the maps: {words.listed(shapes)}", "shape"
    return "not tested", "the audit holds no measure of shape", None


def composition(found: Finished) -> Found:
    """How the maps are shown."""
    return (
        "not tested",
        "all rungs share a scale on which zero is white; nobody was asked how well that reads",
        "gallery",
    )


def confidence(found: Finished) -> Found:
    """Standard errors and halves of the masks."""
    sure = [row["name"] for row in found.audit["study"]["explainers"] if is_sure(row)]
    rest = [name for name in found.explainers if name not in sure]
    if not sure:
        return "not tested", "no standard errors or reliability of the maps are known", None
    section = "agreement" if len(found.names) > 1 else None
    said = f"standard errors or reliability of {words.listed(sure)}; intervals over samples"
    return ("partly", f"{said}; unknown for {words.listed(rest)}", section) if rest else ("tested", said, section)


def is_sure(row: Row) -> bool:
    """Whether an explainer's noise is known."""
    return row.get("relative_error") is not None or row.get("reliability") is not None


def context(found: Finished) -> Found:
    """What a person needs."""
    return "not tested", "no person with a task of their own took part", None


def coherence(found: Finished) -> Found:
    """Plausibility, by the data's own masks."""
    objects = measured(found, "localisation")
    if objects:
        return "partly", "where the object is, by the data’s masks; what people expect was not asked", "localisation"
    return "not tested", "the data does not say where the object is, and no person was asked", None


def controllability(found: Finished) -> Found:
    """Whether a person can steer it."""
    return "not tested", "maps come from a study file; nobody can steer them from this page", None


def measured(found: Finished, key: str) -> list[str]:
    """Measures with a defined value in a list of the audit; older audits lack some lists."""
    rows: Sequence[Row] = found.audit.get(key) or []
    return list(dict.fromkeys(row["measure"] for row in rows if row["value"] is not None))


PROPERTIES: Sequence[tuple[str, str, Callable[[Finished], Found]]] = (
    ("correctness", "does the map say what the network does?", correctness),
    ("completeness", "does it say all of it?", completeness),
    ("consistency", "do equal networks get equal maps?", consistency),
    ("continuity", "do samples that hardly differ get maps that hardly differ?", continuity),
    ("contrastivity", "does it tell why this class and not another?", contrastivity),
    ("covariate complexity", "is it made of what a person understands?", complexity),
    ("compactness", "is it short?", compactness),
    ("composition", "is it shown so that it can be read?", composition),
    ("confidence", "does it say how sure it is?", confidence),
    ("context", "does it serve its reader’s task?", context),
    ("coherence", "does it fit what is known of the matter?", coherence),
    ("controllability", "can its reader steer it?", controllability),
)
