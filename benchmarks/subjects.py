"""Where a benchmark's networks and samples come from."""

from pathlib import Path

import numpy as np

from samewhy_edge.arrays import Samples, Scores
from samewhy_edge.predictor import Subject, open_predictor
from samewhy_host.data.dataset import stratified
from samewhy_host.data.embedded import fashion_mnist
from samewhy_host.flatbuffer import without_softmax

OWN = ("fashion_ds_cnn", "fashion_resnet8")  # logits out, each with a float twin
THIRD_PARTY = ("mlperf_resnet8",)  # softmax out, int8 alone


def samples_of(count: int) -> Samples:
    """Test images of Fashion-MNIST, the classes even."""
    test = fashion_mnist("unit").test
    return test.take(stratified(test.labels, count, seed=0)).samples


def photos(name: str, count: int) -> Samples:
    """Samples that lie beside a third-party network, evenly from all of its photographs."""
    with np.load(Path("models") / name / "samples.npz") as arrays:
        every: Samples = arrays["samples"]
    return every[np.linspace(0, len(every) - 1, count).round().astype(np.int64)]


def logits_of(name: str, samples: Samples, folder: Path) -> Subject:
    """The int8 file of a network as a subject that gives logits; a copy without softmax goes to `folder`.

    Raises:
        ValueError: the copy's softmax is not what the file itself says, within two steps of the file's output.
    """
    path = Path("models") / name / "int8.tflite"
    if name in OWN:
        return open_predictor(f"litert:{path}")
    (folder / path.name).write_bytes(without_softmax(path.read_bytes()))
    asked = open_predictor(f"litert:{folder / path.name}")
    away = float(np.abs(softmax(asked(samples)) - open_predictor(f"litert:{path}")(samples)).max())
    if away > 2 / 256:
        raise ValueError(f"{path} without its softmax gives other probabilities, {away:.3g} away; expected 2 / 256")
    return asked


def softmax(logits: Scores) -> Scores:
    """Probabilities along the last axis, of any number of axes."""
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True))
