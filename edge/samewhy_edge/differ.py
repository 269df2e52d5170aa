"""Two runtimes of one integer file, layer by layer: which operator is the first to give other codes."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from samewhy_edge.arrays import Samples
from samewhy_edge.errors import InputError
from samewhy_edge.layers import Layer, parted
from samewhy_edge.predictor import Subject

SCHEMA = 1

Row = Mapping[str, Any]
Numbered = Mapping[tuple[int, int], Layer]  # by place, and by number among the outputs of that operator


def differ(first: Subject, second: Subject, samples: Samples) -> Row:
    """Every layer of integers that both tell, as JSON holds it; steps are the second's codes less the first's.

    Raises:
        InputError: two files, a runtime that does not tell what is inside, or no such layer.
    """
    same_file(first, second)
    ours, theirs = (numbered(inner(one, samples)) for one in (first, second))
    pairs = [(layer, theirs[key]) for key, layer in ours.items() if key in theirs]
    rows = [
        {"place": layer.place, "operator": layer.operator, "tensor": layer.tensor, **found.row()}
        for layer, found in parted([told(one, other) for one, other in pairs], [told(b, a) for a, b in pairs])
    ]
    if not rows:
        raise InputError("no layer of integers that both runtimes tell; expected a file of integers, quantize it first")
    return {
        "schema": SCHEMA,
        "artifact": asdict(first.spec.rung.artifact),
        "samples": len(samples),
        "runs": [run_row(first, ours, theirs), run_row(second, theirs, ours)],
        "first_diverging": next((row for row in rows if row["differing"]), None),
        "rows": rows,
    }


def same_file(first: Subject, second: Subject) -> None:
    """Refuse two files: steps of two codings say nothing of each other.

    Raises:
        InputError: naming both.
    """
    ours, theirs = (one.spec.rung.artifact.sha256 for one in (first, second))
    if ours != theirs:
        raise InputError(f"files with sha256 {ours[:12]} and {theirs[:12]}; expected one file under two runtimes")


def inner(subject: Subject, samples: Samples) -> Sequence[Layer]:
    """What a runtime tells of its file's inner tensors.

    Raises:
        InputError: nothing.
    """
    if subject.layers is None:
        rung = subject.spec.rung
        raise InputError(
            f"{rung.runtime} with {rung.kernels} kernels does not tell what is inside; expected a runtime that does, "
            "such as litert:FILE?kernels=reference or tflm:FILE"
        )
    return subject.layers(samples)


def numbered(layers: Sequence[Layer]) -> Numbered:
    """Layers by what they are called in any runtime: a generated program may leave some out."""
    seen: Counter[int] = Counter()
    found = {}
    for layer in layers:
        found[layer.place, seen[layer.place]] = layer
        seen[layer.place] += 1
    return found


def told(layer: Layer, other: Layer) -> Layer:
    """A layer as both tell it: a board knows its tensors by number, and as so many bytes.

    Raises:
        InputError: two sizes.
    """
    if layer.values.size != other.values.size:
        raise InputError(
            f"layer {layer.name or other.name} has {layer.values.size} and {other.values.size} codes; "
            "expected those of one file"
        )
    named = layer if layer.operator else other
    shape = max(layer.values.shape, other.values.shape, key=len)
    return Layer(layer.place, named.operator, named.tensor, layer.values.reshape(shape))


def run_row(subject: Subject, own: Numbered, other: Numbered) -> Row:
    """A runtime, and the layers that it alone tells."""
    rung = subject.spec.rung
    alone = [layer.name for key, layer in own.items() if key not in other]
    return {"runtime": rung.runtime, "kernels": rung.kernels, "machine": rung.machine, "alone": alone}
