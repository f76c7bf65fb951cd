"""Fixtures of the testbed."""

from tests.testbed.fixtures import engine, images

__all__ = ["engine", "images"]
