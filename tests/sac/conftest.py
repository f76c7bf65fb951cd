import pytest
import torch


@pytest.fixture(autouse=True, scope="package")
def one_thread() -> None:
    # Threads of tiny operations wait for each other more than they compute.
    torch.set_num_threads(1)
