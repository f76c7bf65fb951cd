"""Tests of the local launcher and of driving a saved policy."""
