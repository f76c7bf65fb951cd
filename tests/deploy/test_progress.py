import io

from rich.console import Console

from deploy.local.progress import Moment, Progress, clock
from tests.deploy.statuses import pendulum_status, racing_status

RACE = Moment(phase="training", training_total_seconds=480.0, status=racing_status(), workers_alive=3, restarts=1)


def test_plain_line_has_every_figure_of_a_race() -> None:
    output = io.StringIO()
    with Progress(Console(file=output, width=80)) as progress:
        progress.show(RACE)
    line = output.getvalue()
    assert line.count("\n") == 1
    for text in (
        "trained 3:04 of 8:00",
        "time left 4:56",
        "steps 177,258 (1,050/s)",
        "updates 10,920 (66/s)",
        "policy version 183",
        "staleness 2 versions",
        "newest lap 61.500 s",
        "best lap 60.000 s",
        "clean laps 429 of 450",
        "flow starved",
        "workers restarted 1",
    ):
        assert text in line


def test_plain_lines_come_seconds_apart_unless_the_phase_changes() -> None:
    output = io.StringIO()
    with Progress(Console(file=output)) as progress:
        for phase in ("training", "training", "stopping", "stopping"):
            progress.show(Moment(phase=phase, training_total_seconds=60.0, status=pendulum_status()))
    assert [line.split()[0] for line in output.getvalue().splitlines()] == ["training", "stopping"]


def test_terminal_shows_a_table_with_the_reason_of_the_flow() -> None:
    output = io.StringIO()
    status = racing_status()
    status.flow_detail = "the trainer waits for transitions"
    moment = Moment(phase="training", training_total_seconds=480.0, status=status)
    with Progress(Console(file=output, force_terminal=True, width=100)) as progress:
        progress.show(moment)
        progress.show(moment)
    assert "the trainer waits for transitions" in output.getvalue()
    assert "60.000 s" in output.getvalue()


def test_clock_counts_minutes_and_seconds() -> None:
    assert [clock(seconds) for seconds in (0.0, 59.6, 61.0, 3600.0)] == ["0:00", "1:00", "1:01", "60:00"]
