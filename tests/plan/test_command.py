"""`python -m deploy.plan`, as people call it."""

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.plan.__main__ import main
from tests.plan.builders import BASE, kubernetes_node, shared_labels

CLUSTER = """
nodes:
  - {name: gpu-a, gpus: 2, replicas: 3, cpu: 16, memory: 64Gi}
  - {name: gpu-b, gpus: 2, replicas: 3, cpu: 16, memory: 64Gi}
  - {name: cpu-a, gpus: 0}
"""


@pytest.fixture
def flags(tmp_path: Path) -> list[str]:
    nodes = tmp_path / "nodes.yaml"
    nodes.write_text(CLUSTER)
    return ["--nodes", str(nodes), "--run", "kestrel", "--base", str(BASE), "--out", str(tmp_path / "out")]


def test_what_fits_is_written_and_shown(flags: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*flags, "--workers", "6"]) == 0
    shown = capsys.readouterr().out
    assert "gpu-b  0[www] 1[www]" in shown
    assert f"kubectl apply -k {tmp_path / 'out'}" in shown
    assert (tmp_path / "out/placement/worker.yaml").exists()


def test_what_does_not_fit_is_refused_and_nothing_written(
    flags: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*flags, "--workers", "8"]) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    first, *rest = printed.err.splitlines()
    assert first.startswith("error: 8 workers need 8 places and there are 6: 2 GPUs x 3 = 6")
    assert rest == ["cpu-a: left out: no GPU"]
    assert not (tmp_path / "out").exists()


def test_force_writes_all_of_them(flags: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*flags, "--workers", "8", "--force"]) == 0
    assert "It does not fit: 2 workers will stay Pending." in capsys.readouterr().out
    assert "value: 8\n" in (tmp_path / "out/placement/worker.yaml").read_text()


def test_pinned_is_a_choice(flags: list[str], tmp_path: Path) -> None:
    assert main([*flags, "--workers", "9", "--kind", "pinned", "--runtime-class", "nvidia"]) == 0
    text = (tmp_path / "out/placement/workers.yaml").read_text()
    assert text.count("kind: Deployment") == 3
    assert text.count("runtimeClassName: nvidia") == 3


def test_requests_count_and_are_written(flags: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = [*flags, "--workers", "6", "--worker-cpu", "4", "--learner-gpus", "0", "--worker-memory", "2Gi"]
    assert main([*command, "--evaluator-gpu"]) == 0
    capsys.readouterr()
    assert main([*command[:5], "9", *command[6:]]) == 2
    assert main([*flags, "--workers", "9", "--worker-cpu", "4", "--learner-gpus", "0"]) == 1
    assert "there are 8: 4 GPUs x 3 - 4 = 8" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--workers", "0"], "workers is 0; it must be at least 1"),
        (["--workers", "1", "--workers-per-gpu", "0"], "workers_per_gpu is 0; it must be at least 1"),
        (["--workers", "1", "--learner-gpus", "-1"], "learner_gpus is -1; it must be at least 0"),
        (["--workers", "1", "--replicas", "0"], "replicas is 0; it must be at least 1"),
        (["--workers", "1", "--run", "Kestrel"], "run is 'Kestrel'; it must be at most 40 small letters"),
        (["--workers", "1", "--run", "a" * 41], "it must be at most 40 small letters"),
        (["--workers", "1", "--nodes", "/nowhere.yaml"], "nodes /nowhere.yaml cannot be read"),
        (["--workers", "1", "--base", "/nowhere"], "base /nowhere has no kustomization.yaml"),
        (["--workers", "1", "--worker-cpu", "much"], "the worker's request for CPU is 'much'"),
        (["--workers", "1", "--out", __file__], "is a file; it must be a folder"),
    ],
)
def test_wrong_flags_are_told_with_value_rule_and_remedy(
    flags: list[str], more: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*flags, *more]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert message in error
    assert len(error.splitlines()) == 1


def test_a_base_without_a_workload_is_refused(
    flags: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    base = tmp_path / "base"
    base.mkdir()
    for name in ("kustomization", "learner", "evaluator"):
        (base / f"{name}.yaml").write_text((BASE / f"{name}.yaml").read_text())
    assert main([*flags, "--workers", "1", "--base", str(base)]) == 2
    assert f"base {base} has no Deployment worker; it needs one" in capsys.readouterr().err
    (base / "worker.yaml").write_text("{kind: Deployment, metadata: {name: worker}, spec: {template: {}}}")
    assert main([*flags, "--workers", "1", "--base", str(base)]) == 2
    assert f"the Deployment worker of base {base} has no container" in capsys.readouterr().err


def test_the_output_of_kubectl_comes_by_standard_input(tmp_path: Path) -> None:
    item = kubernetes_node("gpu-a", labels=shared_labels(2, 3), capacity={"nvidia.com/gpu": "6"})
    cluster = json.dumps({"apiVersion": "v1", "kind": "List", "items": [item]})
    command = [sys.executable, "-m", "deploy.plan", "--nodes", "-", "--run", "kestrel", "--workers", "6"]
    done = subprocess.run(
        [*command, "--learner-gpus", "0", "--base", str(BASE), "--out", str(tmp_path / "out")],
        input=cluster,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "COLUMNS": "60"},
    )
    assert done.returncode == 0, done.stderr
    assert "gpu-a  0[www] 1[www]" in done.stdout
    assert (tmp_path / "out/kustomization.yaml").exists()


def test_a_closed_standard_input_is_no_cluster(
    flags: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    assert main([*flags, "--workers", "1", "--nodes", "-"]) == 2
    assert "neither a mapping with a list named nodes" in capsys.readouterr().err
