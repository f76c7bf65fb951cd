"""What can be known of the images without building them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.probe.__main__ import QUESTIONS
from tests.deploy_manifests.manifests import DEPLOY, ROOT, instructions, program, words

DOCKERFILES = sorted((DEPLOY / "docker").rglob("*Dockerfile"))
OURS = [path for path in DOCKERFILES if path.parent == DEPLOY / "docker"]


def names(paths: list[Path]) -> list[str]:
    return [str(path.relative_to(DEPLOY)) for path in paths]


@pytest.mark.parametrize("dockerfile", DOCKERFILES, ids=names(DOCKERFILES))
def test_hadolint_has_nothing_to_say(dockerfile: Path) -> None:
    done = subprocess.run([program("hadolint"), str(dockerfile)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("dockerfile", DOCKERFILES, ids=names(DOCKERFILES))
def test_dockerfiles_need_no_newer_builder(dockerfile: Path) -> None:
    text = dockerfile.read_text()
    assert "# syntax" not in text
    assert "<<" not in text
    assert "--mount" not in text


@pytest.mark.parametrize("dockerfile", OURS, ids=names(OURS))
def test_images_are_built_in_two_stages_on_a_base_that_can_be_chosen(dockerfile: Path) -> None:
    given = list(instructions(dockerfile))
    name, base = given[0]
    assert name == "ARG"
    _, _, tag = base.removeprefix("BASE=").partition(":")
    assert tag, "the base is pinned to a version"
    stages = [text for name, text in given if name == "FROM"]
    assert stages == ["${BASE} AS build", "${BASE}"]


@pytest.mark.parametrize("dockerfile", OURS, ids=names(OURS))
def test_dependencies_are_held_to_the_lock(dockerfile: Path) -> None:
    installs = [text for name, text in instructions(dockerfile) if name == "RUN" and "pip install" in text]
    assert len(installs) == 2
    assert "--constraint=requirements.lock" in installs[0]
    assert "--no-deps" in installs[1]


@pytest.mark.parametrize("dockerfile", OURS, ids=names(OURS))
def test_health_checks_ask_a_question_that_the_probe_answers(dockerfile: Path) -> None:
    (check,) = (text for name, text in instructions(dockerfile) if name == "HEALTHCHECK")
    assert check.rstrip('"]').rpartition('"')[2] in QUESTIONS


def test_the_worker_image_takes_nothing_of_the_learner() -> None:
    given = list(instructions(DEPLOY / "docker" / "worker.Dockerfile"))
    assert not [text for name, text in given if name == "COPY" and "learner_service" in text]
    # The same extras in both stages, and neither torch's nor the launcher's.
    extras = [text for name, text in given if name == "ARG" and text.startswith("EXTRAS")]
    assert extras == ["EXTRAS=worker-base,racetrack"] * 2


@pytest.mark.parametrize("dockerfile", OURS, ids=names(OURS))
def test_what_images_copy_is_sent_to_the_builder_and_exists(dockerfile: Path) -> None:
    sent = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    for copy in (text for name, text in instructions(dockerfile) if name == "COPY" and "--from" not in text):
        for source in words(copy)[:-1]:
            assert source.rstrip("*") in sent, f"{source} is left out by .dockerignore"
            assert "*" in source or (ROOT / source).exists()


def start(tmp_path: Path, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Runs the images' first process with a module that tells its process id and flags."""
    (tmp_path / "tell.py").write_text("import os, sys\nprint(os.getpid(), *sys.argv[1:], sep='\\n')\n")
    (tmp_path / "python").symlink_to(sys.executable)
    return subprocess.run(
        ["/bin/sh", "-c", 'echo $$; exec "$@"', "sh", str(DEPLOY / "docker" / "start"), "tell", *arguments],
        env={"PATH": f"{tmp_path}:{os.environ['PATH']}", "PYTHONPATH": str(tmp_path), **environ},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )


def test_the_first_process_becomes_the_service_so_that_signals_reach_it(tmp_path: Path) -> None:
    shell, service = start(tmp_path).stdout.splitlines()
    assert shell == service


def test_flags_of_the_environment_follow_those_of_the_command_and_are_not_interpreted(tmp_path: Path) -> None:
    _, _, *flags = start(tmp_path, "--env", "a b", FLAGS="--scales 1 2  * $HOME `id`").stdout.splitlines()
    assert flags == ["--env", "a b", "--scales", "1", "2", "*", "$HOME", "`id`"]
