import pytest
import torch


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> None:
    """Threads gain nothing on networks of eight channels, and wait long for each other on a busy machine.

    With one thread, oneDNN of torch 2.13 writes past its memory on some processors (AMD, AVX2) when it trains a network
    whose channels were cut; torch's own kernels do not, and are as fast on so small ones.
    """
    torch.set_num_threads(1)
    torch.backends.mkldnn.enabled = False  # type: ignore[assignment]  # torch types its switch as a property
