"""The promises of a predictor, as checks that anyone can run: on a new file, a new runtime, a new board."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import final

import numpy as np

from samewhy_edge.arrays import Samples, Scores
from samewhy_edge.errors import InputError
from samewhy_edge.predictor import Subject, check_samples

EXACT, ROUNDING = 0.0, 1e-4  # largest score difference between batch sizes: integer files, real-valued files


@final
@dataclass(frozen=True, slots=True)
class Check:
    """One promise, whether it was kept, and what was seen."""

    promise: str
    kept: bool
    seen: str


def check_predictor(subject: Subject, samples: Samples | None = None) -> Iterator[Check]:
    """Ask the predictor and report promise by promise; `samples` stand in for random ones.

    Raises:
        InputError: `samples` do not fit the predictor.
    """
    batch = random_samples(subject, 5)
    if samples is not None:
        check_samples(samples, subject.spec.sample)
        batch = np.concatenate([samples, batch])[:5]
    for check in (_shape, _same_again, _batch_size, _order, _input_untouched, _refuses, _tells_apart):
        yield check(subject, batch.copy())  # a predictor that writes to its input spoils one check, not the next


def random_samples(subject: Subject, count: int) -> Samples:
    """Seeded noise over the range of the input codes (or [0, 1] where the input holds real numbers)."""
    low, high = subject.spec.input.span() if subject.spec.input else (0.0, 1.0)
    noise = np.random.default_rng(0).uniform(low, high, (count, *subject.spec.sample))
    return noise.astype(np.float32)


def _shape(subject: Subject, batch: Samples) -> Check:
    scores = subject(batch)
    good = scores.shape == (len(batch), subject.spec.classes) and scores.dtype == np.float32
    finite = bool(np.isfinite(scores).all())
    seen = f"{scores.dtype} {scores.shape}{'' if finite else ', not all finite'}"
    return Check("one row of finite float32 scores a sample", good and finite, seen)


def _same_again(subject: Subject, batch: Samples) -> Check:
    first, _, again = subject(batch), subject(batch[::-1].copy()), subject(batch)
    return Check("the same samples get the same scores", first.tobytes() == again.tobytes(), _apart(first, again))


def _batch_size(subject: Subject, batch: Samples) -> Check:
    alone = np.concatenate([subject(batch[i : i + 1]) for i in range(len(batch))])
    together = subject(batch)
    return Check("the batch size changes nothing", _near(subject, alone, together), _apart(alone, together))


def _order(subject: Subject, batch: Samples) -> Check:
    forward, backward = subject(batch), subject(batch[::-1].copy())[::-1]
    return Check("neighbours in a batch change nothing", _near(subject, forward, backward), _apart(forward, backward))


def _input_untouched(subject: Subject, batch: Samples) -> Check:
    before = batch.tobytes()
    subject(batch)
    kept = batch.tobytes() == before
    return Check("the samples are not written to", kept, "unchanged" if kept else "changed")


def _refuses(subject: Subject, batch: Samples) -> Check:
    hurt = batch.copy()
    hurt.flat[0] = np.nan
    bad: dict[str, Callable[[], Samples]] = {
        "NaN": lambda: hurt,
        "float64": lambda: batch.astype(np.float64),
        "shape": lambda: batch[..., :1, :],
    }
    if batch.shape[-2] == 1:
        del bad["shape"]
    passed = [name for name, make in bad.items() if not _refused(subject, make())]
    return Check("bad samples are refused", not passed, f"accepted: {', '.join(passed)}" if passed else "refused")


def _tells_apart(subject: Subject, batch: Samples) -> Check:
    distinct = len(np.unique(subject(batch), axis=0))
    return Check("different samples get different scores", distinct > 1, f"{distinct} distinct of {len(batch)}")


def _refused(subject: Subject, samples: Samples) -> bool:
    try:
        subject(samples)
    except InputError:
        return True
    return False


def _near(subject: Subject, a: Scores, b: Scores) -> bool:
    bound = EXACT if subject.spec.output else ROUNDING
    return a.shape == b.shape and bool(np.abs(a - b).max() <= bound)


def _apart(a: Scores, b: Scores) -> str:
    if a.shape != b.shape:
        return f"shapes {a.shape} and {b.shape}"
    return f"largest difference {float(np.abs(a - b).max()):.3g}"
