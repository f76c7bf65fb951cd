"""A run of one's own, made and rendered by the very make targets that people use."""

import os
import shutil
import subprocess
from pathlib import Path

from tests.deploy_manifests.manifests import DEPLOY, ROOT, Manifest, documents, program


def copy_of_deploy(folder: Path) -> Path:
    """What the targets of Kubernetes need, and nothing else, so that a run's folder is not made in the repository."""
    shutil.copy(ROOT / "Makefile", folder)
    (folder / "deploy").mkdir()
    for makefile in ("deploy.mk", "torcs/torcs.mk", "encoder/encoder.mk"):
        (folder / "deploy" / makefile).parent.mkdir(exist_ok=True)
        shutil.copy(DEPLOY / makefile, folder / "deploy" / makefile)
    for name in ("base", "components", "overlays"):
        shutil.copytree(DEPLOY / name, folder / "deploy" / name)
    return folder


def make(folder: Path, *arguments: str, path: str | None = None, **environ: str) -> subprocess.CompletedProcess[str]:
    """`make` in a copy, with the kubectl of the tests; `path` replaces the PATH altogether."""
    path = path or f"{Path(program('kubectl')).parent}:{os.environ['PATH']}"
    environment = {"PATH": path, "HOME": os.environ.get("HOME", "/"), **environ}
    return subprocess.run(
        [program("make"), "--silent", *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def render_run(folder: Path, run: str, overlay: str) -> list[Manifest]:
    done = make(folder, "k8s-render", f"RUN={run}", f"OVERLAY={overlay}")
    assert done.returncode == 0, done.stderr
    return documents(done.stdout)
