"""Which samples set the ranges of a quantized file, and how they are shown to it."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from samewhy_edge.arrays import Samples
from samewhy_edge.blend import blend
from samewhy_edge.errors import InputError
from samewhy_edge.explain import Explainer
from samewhy_edge.files import sha256
from samewhy_edge.fill import backgrounds
from samewhy_edge.plan import Each
from samewhy_host.data.dataset import Split, stratified

STREAM = 8  # of the seed's chance


def calibrating(train: Split, audited: Split, count: int, seed: int) -> Split:
    """`count` training samples, the classes even, none of them equal to an audited one.

    Raises:
        InputError: fewer samples than asked for.
    """
    taken = {sha256(sample) for sample in audited.samples}
    free = train.take(np.array([i for i, sample in enumerate(train.samples) if sha256(sample) not in taken], np.int64))
    return free.take(stratified(free.labels, count, seed))


def shown_masked(calibration: Split, share: float, explainers: Sequence[Explainer], seed: int) -> Samples:
    """The samples (N, *S, C), a `share` of them under a mask each, as the rungs will be asked with.

    The classes of masked samples are even. Explainers take turns, each with its own fill; a mask is drawn from the
    whole plan of its explainer, queries that hide nothing among them.

    Raises:
        InputError: a fill that is known for the audited samples alone.
    """
    samples = calibration.samples.copy()
    count = round(share * len(samples))
    if not count:
        return samples
    places = stratified(calibration.labels, count, seed)
    coins = np.random.Philox(key=np.array([seed, STREAM], np.uint64)).random_raw(len(places))
    for turn, explainer in enumerate(explainers):
        own = slice(turn, None, len(explainers))
        samples[places[own]] = under_masks(samples[places[own]], explainer, coins[own], seed)
    return samples


def under_masks(samples: Samples, explainer: Explainer, coins: NDArray[np.uint64], seed: int) -> Samples:
    """Each sample under the mask of the explainer's plan that its coin chooses."""
    plan = explainer.plan(samples.shape[1:], seed)
    plans = plan.plans if isinstance(plan, Each) else (plan,)
    filled = filled_for(explainer, samples)
    shown = np.empty_like(samples)
    for place, (sample, coin, background) in enumerate(zip(samples, coins, filled, strict=True)):
        own = plans[place % len(plans)]
        query = int(coin % np.uint64(len(own)))
        shown[place] = blend(sample, own.keep(query, query + 1), background)[0]
    return shown


def filled_for(explainer: Explainer, samples: Samples) -> Samples:
    """What hidden features of calibration samples become."""
    try:
        return backgrounds(explainer.fill, samples)
    except InputError as error:
        raise InputError(
            f"[quantize] masked: the fill of {explainer.name} does not fit calibration samples ({error}); give it a "
            "fill for every sample, or calibrate with clean samples"
        ) from error
