"""Kubernetes' quantities."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.plan.plan_error import PlanError
from deploy.plan.quantity import cores, count, mebibytes, memory_bytes, memory_text, millicores


@pytest.mark.parametrize(
    ("quantity", "millis"),
    [("1500m", 1500), ("2", 2000), (2, 2000), (1.5, 1500), ("0.1", 100), (".5", 500), ("250u", 0)],
)
def test_cpu_is_read_in_thousandths(quantity: object, millis: int) -> None:
    assert millicores(quantity, "cpu") == millis


@pytest.mark.parametrize(
    ("quantity", "size"),
    [
        ("64Gi", 64 << 30),
        ("33554432Ki", 32 << 30),
        ("512M", 512_000_000),
        ("1e9", 10**9),
        ("2.5E+2", 250),
        ("128974848", 128974848),
        ("129e6", 129_000_000),
        ("128974848000m", 128974848),
        (1024, 1024),
    ],
)
def test_memory_is_read_in_bytes(quantity: object, size: int) -> None:
    assert memory_bytes(quantity, "memory") == size


@pytest.mark.parametrize("quantity", ["", "4 Gi", "-1", "1GB", "0x10", "1e", "NaN", None, True, ["1"], "1e999", "٣"])
def test_what_is_no_quantity_is_refused_with_its_place(quantity: object) -> None:
    with pytest.raises(PlanError, match=r"cpu of n is .*; it must be a quantity of Kubernetes"):
        millicores(quantity, "cpu of n")


def test_counts_are_whole() -> None:
    assert count("8", "gpus") == 8
    with pytest.raises(PlanError, match=r"gpus is 1\.5; it must be a whole number"):
        count(1.5, "gpus")


@given(st.integers(0, 10**6))
def test_printed_cpu_reads_back(millis: int) -> None:
    assert millicores(cores(millis), "cpu") == millis


@given(st.integers(0, 10**6))
def test_printed_memory_reads_back(mebi: int) -> None:
    assert memory_bytes(mebibytes(mebi << 20), "memory") == mebi << 20


@given(st.integers(0, 1 << 40))
def test_memory_in_manifests_is_exact(size: int) -> None:
    assert memory_bytes(memory_text(size), "memory") == size
