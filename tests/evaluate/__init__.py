"""Tests of the evaluation of saved policies."""
