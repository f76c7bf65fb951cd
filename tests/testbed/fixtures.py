"""Fixtures of the tests with real containers; conftest files of those folders take them over."""

from collections.abc import Iterator

import pytest

from tests.testbed.tools import build_images, started


@pytest.fixture(scope="session")
def engine() -> Iterator[None]:
    """A running Docker engine, which DOCKER_HOST names."""
    with started("engine"):
        yield


@pytest.fixture(scope="session")
def images(engine: None) -> None:
    """The images, newly built."""
    build_images()
