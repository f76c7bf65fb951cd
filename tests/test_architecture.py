"""Who may import whom."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def imports(package: str, *, generated: bool = True) -> Iterator[tuple[Path, str]]:
    """Every module that the package's files import anywhere."""
    for path in (ROOT / package).rglob("*.py"):
        if not generated and path.stem.endswith(("_pb2", "_pb2_grpc")):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                yield from ((path, alias.name) for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                yield path, node.module or ""


@pytest.mark.parametrize(
    ("package", "strangers"),
    [
        ("learner_service", {"worker_service", "deploy", "gymnasium", "onnxruntime"}),
        ("worker_service", {"learner_service", "deploy", "torch", "matplotlib"}),
        ("protos/distrib_l2r", {"learner_service", "worker_service", "deploy"}),
    ],
)
def test_services_share_nothing_but_the_contract(package: str, strangers: set[str]) -> None:
    found = [(path.name, name) for path, name in imports(package) if name.partition(".")[0] in strangers]
    assert not found


def test_the_codec_needs_only_numpy_and_protobuf() -> None:
    known = {"distrib_l2r", "numpy", "google"}
    found = {name.partition(".")[0] for _, name in imports("protos/distrib_l2r", generated=False)} - known
    assert found <= {"collections", "dataclasses", "enum", "functools", "hashlib", "math", "time", "typing"}


@pytest.mark.parametrize("package", ["learner_service", "worker_service", "protos/distrib_l2r", "deploy"])
def test_nothing_received_can_be_executed(package: str) -> None:
    forbidden = {"pickle", "cloudpickle", "dill", "marshal", "shelve", "joblib"}
    assert not [(path.name, name) for path, name in imports(package) if name.partition(".")[0] in forbidden]
    for path in (ROOT / package).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call):
                called = ast.unparse(node.func)
                assert called not in {"eval", "exec", "torch.load"}, f"{path} calls {called}"


@pytest.mark.parametrize("package", ["learner_service", "worker_service", "protos/distrib_l2r", "deploy", "tests"])
def test_learn_to_races_package_is_data_and_never_imported(package: str) -> None:
    # The test of the published client runs one program in the client's own environment.
    users = {path.name for path, name in imports(package) if name.partition(".")[0] == "l2r"}
    assert users <= {"published_client.py"}
