from pathlib import Path

import numpy as np
import pytest

from samewhy_edge.errors import InputError
from samewhy_host.data.sources import Data, open_dataset
from tests.host.test_data_folder import colours, paint
from tests.host.test_data_idx import write_folder
from tests.host.test_data_npz import saved


def test_the_embedded_subset_needs_no_path(tmp_path: Path) -> None:
    assert open_dataset(Data(values="byte"), tmp_path).train.samples.max() == 255


@pytest.mark.parametrize("source", ["idx", "npz", "folder"])
def test_every_other_source_needs_a_path(source: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=f'source = "{source}" needs a path'):
        open_dataset(Data(source), tmp_path)  # type: ignore[arg-type]  # a parametrized literal


def test_idx_files_are_found_beside_the_study(tmp_path: Path) -> None:
    (tmp_path / "made").mkdir()
    write_folder(tmp_path / "made")
    assert open_dataset(Data("idx", "made", "byte"), tmp_path).train.samples[1, 0, 0, 0] == 6


def test_an_archive_is_found_beside_the_study(tmp_path: Path) -> None:
    saved(tmp_path)
    assert open_dataset(Data("npz", "made.npz"), tmp_path).name == "made"


def test_a_folder_of_images_is_read_with_the_size_and_channels_of_the_study(tmp_path: Path) -> None:
    for name in ("train", "test"):
        paint(tmp_path / "made" / name / "cat" / "1.png", colours(5, 4, 3))
    data = open_dataset(Data("folder", "made", "signed", size=(6, 7), channels=3), tmp_path)
    assert data.sample == (6, 7, 3)
    assert data.train.samples.min() < 0


def test_the_study_may_name_the_classes(tmp_path: Path) -> None:
    saved(tmp_path)
    assert open_dataset(Data("npz", "made.npz", classes=("a", "b", "c")), tmp_path).classes == ("a", "b", "c")


def test_fewer_names_than_classes_are_refused(tmp_path: Path) -> None:
    saved(tmp_path)
    with pytest.raises(InputError, match="class index 2 is out of range"):
        open_dataset(Data("npz", "made.npz", classes=("a", "b")), tmp_path)


def test_what_a_source_reads_is_checked(tmp_path: Path) -> None:
    saved(tmp_path, test_samples=np.full((6, 8, 8, 1), np.inf, np.float32))
    with pytest.raises(InputError, match="test sample test/0 holds NaN or infinite"):
        open_dataset(Data("npz", "made.npz"), tmp_path)
