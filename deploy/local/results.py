"""The results of a job: pictures, the replayed lap and the summary, made from what its learner left."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from deploy.local.config import Config
from deploy.local.job import Job
from deploy.local.job_error import JobError
from deploy.local.learning_curve import Course, draw_learning_curve, read_lines
from deploy.local.progress import Moment, Progress, clock
from deploy.local.replay import Replay, drive_line, replay
from deploy.local.summary import Summary, races, summarise
from deploy.pictures.racing_line import draw_racing_line
from distrib_l2r.v1 import status_pb2
from worker_service.simulators.racetrack import Vehicle
from worker_service.simulators.racetrack.catalogue import find_track
from worker_service.simulators.racetrack.racing_line import reference_lap_seconds
from worker_service.simulators.racetrack.track import Track

POLICY_FILES: Final = ("graph.onnx", "weights.safetensors", "policy.json")
"""What a folder of a policy holds."""


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """Whether a job did its work."""

    exit_status: int
    reason: str
    """One sentence."""


def judge(job: Job) -> Verdict:
    """The verdict on a job whose children have ended."""
    status, config = job.status, job.config
    trained = clock(status.training_seconds)
    if job.failure is not None:
        return Verdict(exit_status=1, reason=job.failure.sentence)
    if job.interrupt.received is not None:
        name = job.interrupt.received.name
        return Verdict(
            exit_status=job.interrupt.exit_status, reason=f"interrupted by {name} after {trained} of training"
        )
    if races(config, status) and status.laps_clean == 0:
        return Verdict(
            exit_status=1,
            reason=f"no evaluation lap was completed in {trained} of training ({status.laps_total} were begun): "
            "give more MINUTES",
        )
    if not status.HasField("newest_evaluation"):
        return Verdict(exit_status=1, reason=f"no evaluation was completed in {trained} of training: give more MINUTES")
    missing = [name for name in POLICY_FILES if not (config.run_dir / "best" / name).is_file()]
    if missing:
        return Verdict(exit_status=1, reason=f"the learner left no {config.run_dir / 'best' / missing[0]}")
    return Verdict(exit_status=0, reason=f"the training time of {clock(config.training_seconds)} is over")


def conclude(job: Job, progress: Progress) -> Summary:
    """Makes pictures and summary of an ended job in its run directory; what cannot be made is said on the console.

    Raises:
        OSError: the summary cannot be written.
    """
    config, status, verdict = job.config, job.status, judge(job)
    shown = status if status.transitions else None
    progress.show(Moment(phase="drawing", training_total_seconds=config.training_seconds, status=shown))
    track = find_track(config.track_name) if config.track_name else None
    reference = reference_lap_seconds(track, Vehicle()) if track else None
    best = config.run_dir / "best"
    kept = all((best / name).is_file() for name in POLICY_FILES)
    replayed: Replay | None = None
    try:
        _draw_learning_curve(config, status, reference)
        if kept:
            trace_file = config.run_dir / "trace.csv" if track else None
            replayed = replay(best, config.logs / "replay.log", trace_file)
            if track is not None:
                _draw_racing_line(config.run_dir / "racing_line.png", track, replayed, status, reference)
    except (JobError, ValueError, OSError) as error:
        progress.console.print(f"the results are incomplete: {error}", markup=False)
        if verdict.exit_status == 0:
            reason = error.sentence if isinstance(error, JobError) else str(error)
            verdict = Verdict(exit_status=1, reason=f"the results are incomplete: {reason}")
    summary = summarise(
        config,
        status,
        exit_reason=verdict.reason,
        exit_status=verdict.exit_status,
        flow_state=job.flow_state,
        wall_seconds=job.wall_seconds,
        worker_restarts=job.restarts,
        reference_lap_seconds=reference,
        replayed_lap_seconds=replayed.trace.lap_seconds if replayed and replayed.trace else None,
        replay_command=drive_line(best) if kept else None,
    )
    summary.write(config.run_dir / "summary.json")
    return summary


def _draw_learning_curve(config: Config, status: status_pb2.RunStatus, reference: float | None) -> None:
    course = Course(
        evaluations=read_lines(config.run_dir / "evaluations.jsonl"),
        progress=read_lines(config.run_dir / "progress.jsonl"),
        first_lap_seconds=status.first_lap.wall_seconds if status.HasField("first_lap") else None,
        reference_lap_seconds=reference,
    )
    if status.HasField("best_lap"):
        best = _lap_text(status.best_lap.lap.time_seconds, reference)
    elif status.HasField("best_evaluation"):
        best = f"best mean return {status.best_evaluation.mean_return:,.1f}"
    else:
        best = "no evaluation yet"
    draw_learning_curve(
        config.run_dir / "learning_curve.png",
        course,
        title=config.env if config.track_name is None else f"{config.env}, {config.track_name}",
        subtitle=f"{best}  ·  {_effort_text(status)}  ·  {config.workers} workers, seed {config.seed}",
    )


def _draw_racing_line(
    path: Path, track: Track, replayed: Replay, status: status_pb2.RunStatus, reference: float | None
) -> None:
    trace = replayed.trace
    if trace is None:
        raise JobError("the replay left an empty trace; it should have a line for each step")
    lap = "no complete lap" if trace.lap_seconds is None else f"{trace.lap_seconds:.3f} s"
    compared = "" if trace.lap_seconds is None or not reference else f"{_ratio_text(trace.lap_seconds, reference)}  ·  "
    draw_racing_line(
        path,
        track,
        trace,
        title=f"{track.name}, {lap}",
        subtitle=f"{compared}policy version {status.best_evaluation.policy_version}  ·  {_effort_text(status)}",
    )


def _lap_text(lap_seconds: float, reference: float | None) -> str:
    compared = f", {_ratio_text(lap_seconds, reference)}" if reference else ""
    return f"best lap {lap_seconds:.3f} s{compared}"


def _ratio_text(lap_seconds: float, reference: float) -> str:
    return f"{lap_seconds / reference:.3f} x the reference of {reference:.2f} s"


def _effort_text(status: status_pb2.RunStatus) -> str:
    return f"{status.transitions:,} transitions in {clock(status.training_seconds)} of training"
