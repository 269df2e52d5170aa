from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from samewhy_edge.arrays import Targets
from samewhy_edge.errors import InputError
from samewhy_edge.files import write_npz
from samewhy_edge.plan import words
from samewhy_host.data import composites, embedded
from samewhy_host.data.composites import HELD_OUT, POOL, Garments, Layout, below, farthest, filled, garments, layout
from samewhy_host.data.dataset import Dataset, Split, checked

SEED, COUNTS = 11, (300, 200)
SOURCE = embedded.fashion_mnist("byte")
PIXELS, NAMES = composites.photographs()


def made(variant: str = "plain", seed: int = SEED, **settings: object) -> Dataset:
    how = Garments(variant, **{"composites": COUNTS, **settings})  # type: ignore[arg-type]  # parametrized literals
    return garments(how, "byte", seed)


@pytest.fixture(scope="module")
def plain() -> Dataset:
    return made()


@pytest.fixture(scope="module")
def distractor() -> Dataset:
    return made("distractor")


def masks_of(split: Split) -> NDArray[np.bool_]:
    assert split.masks is not None
    return split.masks


def distractors_of(split: Split) -> tuple[NDArray[np.bool_], Targets]:
    assert split.distractors is not None
    assert split.distractor_labels is not None
    return split.distractors, split.distractor_labels


def grey(split: Split) -> NDArray[np.float32]:
    return split.samples[..., 0]


def drawn(split: composites.Name, how: Garments, seed: int = SEED) -> Layout:
    labels = (SOURCE.train if split == "train" else SOURCE.test).labels
    return layout(split, labels, how, NAMES, seed)


def holes_by_flooding(inside: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The slow way: one pixel at a time from beyond the border."""
    free, queue = np.pad(~inside, 1, constant_values=True), [(0, 0)]
    free[0, 0] = False
    while queue:
        row, column = queue.pop()
        for r, c in ((row + 1, column), (row - 1, column), (row, column + 1), (row, column - 1)):
            if 0 <= r < free.shape[0] and 0 <= c < free.shape[1] and free[r, c]:
                free[r, c] = False
                queue.append((r, c))
    filled_in: NDArray[np.bool_] = inside | free[1:-1, 1:-1]
    return filled_in


def test_inside_the_mask_stands_the_garment_and_outside_the_photograph(plain: Dataset) -> None:
    how = Garments(composites=COUNTS)
    for name, split, source in (("train", plain.train, SOURCE.train), ("test", plain.test, SOURCE.test)):
        plan = drawn(name, how)  # type: ignore[arg-type]  # one of the two names
        for i, (item, photograph) in enumerate(zip(plan.items, plan.photographs, strict=True)):
            top, left = plan.crops[i]
            expected = PIXELS[photograph, top : top + 48, left : left + 48].astype(np.float32)
            row, column = plan.corners[i]
            garment = source.samples[item, ..., 0]
            box = expected[row : row + 28, column : column + 28]
            box[:] = np.where(holes_by_flooding(garment > 0), garment, box)
            assert np.array_equal(grey(split)[i], expected)


def test_the_mask_is_the_garment_without_holes_where_it_was_pasted(plain: Dataset) -> None:
    plan = drawn("test", Garments(composites=COUNTS))
    masks = masks_of(plain.test)
    assert masks.dtype == np.bool_
    for mask, item, (row, column) in zip(masks, plan.items, plan.corners, strict=True):
        expected = np.zeros((48, 48), bool)
        expected[row : row + 28, column : column + 28] = holes_by_flooding(SOURCE.test.samples[item, ..., 0] > 0)
        assert np.array_equal(mask, expected)


@pytest.mark.parametrize("density", [0.2, 0.5, 0.65, 0.8])
def test_holes_are_filled_as_by_flooding_pixel_by_pixel(density: float) -> None:
    """Noise has long winding ways in and out, and pixels that touch at corners alone."""
    shapes = np.random.default_rng(0).uniform(size=(40, 28, 28)) < density
    assert np.array_equal(filled(shapes), np.stack([holes_by_flooding(shape) for shape in shapes]))


def test_a_spiral_is_open_and_a_ring_is_filled() -> None:
    spiral = np.array(
        [list(row) for row in ("#######", "......#", "#####.#", "#...#.#", "#.###.#", "#.....#", "#######")]
    )
    ring = np.zeros((7, 7), bool)
    ring[1:6, 1:6], ring[2:5, 2:5] = True, False
    found = filled(np.stack([spiral == "#", ring]))
    assert np.array_equal(found[0], spiral == "#")
    assert found[1].sum() == 25


def test_garments_of_the_test_split_are_never_in_training(plain: Dataset) -> None:
    train, test = ({name.rpartition("/")[0] for name in split.ids} for split in (plain.train, plain.test))
    assert not train & test
    assert all(name.startswith("train/") for name in train)
    assert all(name.startswith("test/") for name in test)


def test_the_label_is_that_of_the_garment_in_the_id(plain: Dataset) -> None:
    source = dict(zip(SOURCE.test.ids, SOURCE.test.labels, strict=True))
    assert plain.test.labels.tolist() == [source[name.rpartition("/")[0]] for name in plain.test.ids]


def test_classes_of_the_default_size_are_even() -> None:
    how = Garments()
    assert how.composites == (12_000, 2_000)
    assert np.bincount(SOURCE.train.labels[drawn("train", how).items]).tolist() == [1200] * 10


def test_a_second_round_uses_every_garment_again_on_other_photographs() -> None:
    data = made(composites=(1, 2_100))
    assert data.test.ids[2_000] == data.test.ids[0].removesuffix("/0") + "/1"
    assert len(set(data.test.ids)) == 2_100
    assert not np.array_equal(data.test.samples[2_000], data.test.samples[0])


@pytest.mark.parametrize("variant", ["plain", "distractor", "biased", "background-only"])
def test_equal_seeds_give_equal_bytes(variant: str) -> None:
    first, second = made(variant), made(variant)
    assert first.provenance() == second.provenance()
    assert first.test.ids == second.test.ids


def test_samples_stay_the_same_from_release_to_release() -> None:
    known = made("distractor", seed=0, composites=(20, 20)).provenance()
    assert known["train"]["sha256"].startswith("e40ebe6e6b14754d")
    assert known["test"]["sha256"].startswith("7a4b6cb783d38a7b")


def test_another_seed_gives_other_samples_of_the_same_garments(plain: Dataset) -> None:
    other = made(seed=SEED + 1)
    assert other.test.ids == plain.test.ids
    same = (other.test.samples == plain.test.samples).all(axis=(1, 2, 3))
    assert same.mean() < 0.05


def test_training_and_test_are_drawn_apart() -> None:
    how = Garments(composites=(200, 200))
    train, test = drawn("train", how), drawn("test", how)
    assert (train.corners == test.corners).all(axis=1).mean() < 0.05


@pytest.mark.parametrize("variant", ["plain", "distractor", "biased"])
def test_a_sample_does_not_depend_on_how_many_there_are(variant: str) -> None:
    few, many = made(variant, composites=(40, 30)), made(variant)
    for short, long, count in ((few.train, many.train, 40), (few.test, many.test, 30)):
        prefix = long.take(np.arange(count))
        assert short.provenance() == prefix.provenance()
        assert short.ids == prefix.ids


@pytest.mark.parametrize("variant", ["distractor", "background-only"])
def test_variants_of_the_test_split_leave_training_alone(variant: str, plain: Dataset) -> None:
    assert made(variant).train.provenance() == plain.train.provenance()


def test_a_biased_training_split_has_the_plain_test_split(plain: Dataset) -> None:
    biased = made("biased")
    assert biased.test.provenance() == plain.test.provenance()
    assert biased.train.provenance() != plain.train.provenance()


def test_held_out_photographs_are_only_in_the_test_split_that_asks_for_them() -> None:
    held = {NAMES.index(name) for name in HELD_OUT}
    assert not held & {NAMES.index(name) for name in POOL}
    for how in (Garments(), Garments(backgrounds="held-out"), Garments("biased", backgrounds="held-out")):
        assert not held & set(drawn("train", how).photographs.tolist())
    assert not held & set(drawn("test", Garments()).photographs.tolist())
    assert set(drawn("test", Garments(backgrounds="held-out")).photographs.tolist()) == held


def test_held_out_backgrounds_change_nothing_but_the_background(plain: Dataset) -> None:
    other = made(backgrounds="held-out").test
    masks = masks_of(plain.test)
    assert np.array_equal(masks_of(other), masks)
    assert np.array_equal(grey(other)[masks], grey(plain.test)[masks])
    assert not np.array_equal(grey(other)[~masks], grey(plain.test)[~masks])


def test_photographs_say_nothing_about_the_class_without_bias() -> None:
    how = Garments(composites=(12_000, 2_000))
    for name, source in (("train", SOURCE.train), ("test", SOURCE.test)):
        plan = drawn(name, how)  # type: ignore[arg-type]  # one of the two names
        table = np.zeros((10, len(NAMES)))
        np.add.at(table, (source.labels[plan.items], plan.photographs), 1)
        table = table[:, table.sum(axis=0) > 0]
        assert table.shape == (10, 10)
        expected = table.sum(axis=1, keepdims=True) * table.sum(axis=0) / table.sum()
        # chi squared with 81 degrees of freedom: mean 81, standard deviation 12.7
        assert 81 - 4 * 12.7 < ((table - expected) ** 2 / expected).sum() < 81 + 4 * 12.7


@pytest.mark.parametrize("bias", [0.0, 0.1, 0.95, 1.0])
def test_the_share_of_training_samples_on_the_photograph_of_their_class_is_the_bias(bias: float) -> None:
    how = Garments("biased", bias=bias)
    plan, labels = drawn("train", how), SOURCE.train.labels
    own = np.array([NAMES.index(name) for name in POOL])[labels[plan.items]] == plan.photographs
    assert abs(own.mean() - bias) <= 4 * np.sqrt(bias * (1 - bias) / len(own))


def test_samples_apart_from_the_bias_are_spread_over_all_other_photographs() -> None:
    plan, labels = drawn("train", Garments("biased", bias=0.0)), SOURCE.train.labels
    found = np.bincount(plan.photographs[labels[plan.items] == 3], minlength=len(NAMES))
    own = NAMES.index(POOL[3])
    assert found[own] == 0
    # 1200 samples over nine photographs: 133 each, standard deviation 11
    others = [found[NAMES.index(name)] for name in POOL if name != POOL[3]]
    assert np.abs(np.array(others) - 133).max() < 50


def test_the_shortcut_stands_in_the_provenance() -> None:
    known = made("biased").provenance()["made"]
    assert known["bias"] == 0.95
    assert known["shortcut"]["T-shirt"] == POOL[0]
    assert "bias" not in made().provenance()["made"]


def test_a_distractor_is_of_another_class_and_lies_under_the_garment(distractor: Dataset, plain: Dataset) -> None:
    test = distractor.test
    masks, (distractors, others) = masks_of(test), distractors_of(test)
    assert (others != test.labels).all()
    assert not (masks & distractors).any()
    assert np.array_equal(grey(test)[masks], grey(plain.test)[masks])
    elsewhere = ~masks & ~distractors
    assert np.array_equal(grey(test)[elsewhere], grey(plain.test)[elsewhere])


def test_inside_its_mask_stands_the_distractor(distractor: Dataset) -> None:
    """Some garment of the class that is told explains every visible pixel, in the corner away from the other one."""
    test = distractor.test
    distractors, others = distractors_of(test)
    places = farthest(drawn("test", Garments("distractor", composites=COUNTS)).corners, 48)
    for i, (row, column) in enumerate(places[:25]):
        box = (slice(row, row + 28), slice(column, column + 28))
        seen, shown = distractors[i][box], grey(test)[i][box]
        mine = SOURCE.test.samples[SOURCE.test.labels == others[i], ..., 0]
        assert (mine == shown)[:, seen].all(axis=1).any()
        assert seen.sum() == distractors[i].sum()


def test_a_distractor_lies_in_the_corner_that_is_farthest() -> None:
    corners = np.array([[0, 0], [20, 20], [3, 18], [10, 9]])
    assert farthest(corners, 48).tolist() == [[20, 20], [0, 0], [20, 0], [0, 20]]


def test_most_of_a_distractor_is_visible() -> None:
    test = made("distractor", composites=(1, 2_000)).test
    distractors, _ = distractors_of(test)
    assert distractors.any(axis=(1, 2)).all()
    assert distractors.mean() > 0.85 * masks_of(test).mean()


def test_every_other_class_becomes_a_distractor() -> None:
    test = made("distractor", composites=(1, 2_000)).test
    _, others = distractors_of(test)
    assert set(others[test.labels == 4].tolist()) == set(range(10)) - {4}


def test_a_background_alone_has_an_empty_mask_and_the_pixels_of_its_photograph(plain: Dataset) -> None:
    null = made("background-only").test
    assert not masks_of(null).any()
    assert np.array_equal(null.labels, plain.test.labels)
    plan = drawn("test", Garments(composites=COUNTS))
    assert np.array_equal(grey(null), composites.crops(PIXELS, plan, 48))


def test_other_variants_have_no_distractors(plain: Dataset) -> None:
    assert plain.test.distractors is None
    assert made("distractor").train.distractors is None


def test_taking_keeps_the_ground_truth_with_its_samples(distractor: Dataset) -> None:
    places = np.array([7, 2])
    taken, test = distractor.test.take(places), distractor.test
    assert np.array_equal(masks_of(taken), masks_of(test)[places])
    for found, known in zip(distractors_of(taken), distractors_of(test), strict=True):
        assert np.array_equal(found, known[places])


def test_places_and_crops_reach_every_border() -> None:
    plan = drawn("train", Garments())
    assert plan.corners.min(axis=0).tolist() == [0, 0]
    assert plan.corners.max(axis=0).tolist() == [20, 20]
    assert (plan.crops.min(), plan.crops.max()) == (0, 240)


def test_another_canvas_moves_no_border_out_of_reach() -> None:
    data = made(canvas=28)
    assert data.sample == (28, 28, 1)
    assert np.array_equal(masks_of(data.test), filled(SOURCE.test.samples[:200, ..., 0] > 0))


def test_values_are_scaled_as_the_study_names() -> None:
    how = Garments(composites=(5, 5))
    byte, signed = (garments(how, values, SEED).test.samples for values in ("byte", "signed"))
    np.testing.assert_allclose(signed, byte / 127.5 - 1, atol=1e-6)


def test_it_passes_the_check_of_every_source(plain: Dataset) -> None:
    assert checked(plain) is plain


def test_whole_numbers_are_even_and_in_range() -> None:
    found = below(words((1, 2), 0, 30_000, 1)[:, 0], 7)
    assert set(found.tolist()) == set(range(7))
    # 4286 each, standard deviation 61
    assert np.abs(np.bincount(found) - 30_000 / 7).max() < 300
    assert below(np.array([0, 2**64 - 1], np.uint64), 241).tolist() == [0, 240]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"canvas": 27}, "canvas = 27; expected 28 to 288"),
        ({"canvas": 289}, "canvas = 289; expected 28 to 288"),
        ({"variant": "distractor", "canvas": 47}, "canvas = 47; expected 48 to 288 for variant 'distractor'"),
        ({"bias": 1.5}, "bias = 1.5; expected a chance from 0 to 1"),
        ({"composites": (10,)}, r"composites = \[10\]; expected \[training, test\]"),
        ({"composites": (10, 0)}, r"composites = \[10, 0\]"),
    ],
)
def test_settings_that_mean_nothing_are_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Garments(**settings)  # type: ignore[arg-type]  # parametrized


def test_damaged_photographs_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = PIXELS.copy()
    pixels[3, 14, 14] ^= 1
    write_npz(tmp_path / "photographs.npz", photographs=pixels, names=np.array(NAMES))
    monkeypatch.setattr(composites, "FILE", tmp_path / "photographs.npz")
    with pytest.raises(InputError, match=r"photographs\.npz: SHA-256 .*install samewhy anew"):
        composites.photographs()
