import numpy as np
import pytest

pytest.importorskip("tflite_micro")

from tests.bridge.single_ops import KINDS, ask, inputs_of, opened, single

SEEDS = range(6)


@pytest.mark.parametrize("kind", KINDS)
def test_tflite_micro_takes_every_file(kind: str) -> None:
    for seed in SEEDS:
        content = single(kind, seed)
        inputs = inputs_of(content, 2)
        answers = ask(content, inputs)
        assert answers.shape == (2, *opened(content).get_output_details(0)["shape"])
        assert np.isfinite(answers).all()


@pytest.mark.parametrize("kind", KINDS)
def test_a_seed_gives_the_same_bytes_and_another_seed_others(kind: str) -> None:
    assert single(kind, 3) == single(kind, 3)
    assert len({single(kind, seed) for seed in SEEDS}) == len(SEEDS)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "DEQUANTIZE"])
def test_answers_use_the_codes_they_have(kind: str) -> None:
    """Scales that saturate everything, or leave one code, would find no wrong kernel."""
    used = []
    for seed in SEEDS:
        content = single(kind, seed)
        codes = ask(content, inputs_of(content, 4, seed))
        used.append(len(np.unique(codes)) / min(codes.size, 256))
    assert np.median(used) > 0.1
