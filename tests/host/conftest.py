import pytest
import torch


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> None:
    """Threads gain nothing on networks of eight channels, and wait long for each other on a busy machine."""
    torch.set_num_threads(1)
