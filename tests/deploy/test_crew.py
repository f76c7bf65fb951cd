from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from deploy.local.child import Child, kill
from deploy.local.crew import MAX_EARLY_DEATHS, Crew
from deploy.local.job_error import JobError
from tests.deploy.processes import await_true, python

SLEEPS = python("time.sleep(60)")


@pytest.fixture
def crew(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Crew]:
    """Workers that run the commands in the test's parameter."""
    starts = {name: partial(Child, name, command, tmp_path / name) for name, command in request.param.items()}
    crew = Crew(starts)
    crew.start()
    yield crew
    kill(crew.alive)


def watched(crew: Crew) -> bool:
    crew.watch()
    return True


@pytest.mark.parametrize("crew", [{"worker-0": SLEEPS, "worker-1": SLEEPS}], indirect=True)
def test_worker_that_dies_is_started_again_and_the_other_left_alone(crew: Crew) -> None:
    first, second = crew.alive
    kill([first])
    await_true(lambda: watched(crew) and len(crew.alive) == 2, "the restart")
    assert crew.restarts == 1
    assert first not in crew.alive
    assert second in crew.alive


@pytest.mark.parametrize("crew", [{"worker-0": python("sys.exit('the last words')")}], indirect=True)
def test_worker_that_keeps_dying_fails_the_job_with_its_last_log_line(
    crew: Crew, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("deploy.local.crew.RESTART_DELAYS_SECONDS", (0.0, 0.0, 0.0))
    with pytest.raises(JobError) as raised:
        await_true(lambda: watched(crew) and False, "giving up")
    assert f"it died {MAX_EARLY_DEATHS} times within 30 s of its start" in raised.value.sentence
    assert str(raised.value).endswith("the last words")
    assert crew.restarts == MAX_EARLY_DEATHS - 1


@pytest.mark.parametrize("crew", [{"worker-0": SLEEPS}], indirect=True)
def test_deaths_of_a_worker_that_worked_do_not_add_up(crew: Crew, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("deploy.local.crew.EARLY_DEATH_SECONDS", 0.0)
    for restarts in range(1, MAX_EARLY_DEATHS + 2):
        kill(crew.alive)
        await_true(lambda: watched(crew) and bool(crew.alive), "the restart")
        assert crew.restarts == restarts


@pytest.mark.parametrize("crew", [{"worker-0": SLEEPS, "worker-1": SLEEPS}], indirect=True)
def test_stop_leaves_nobody(crew: Crew) -> None:
    assert crew.stop(grace_seconds=10) == []
    assert crew.alive == []
