"""The results of a job: pictures, the replayed lap and the summary, made from what its learner left."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

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
from worker_service.simulators.racetrack.catalogue import find_track, track_names
from worker_service.simulators.racetrack.optimum import Optimum, find_optimum
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
    names = track_names(config.track_name) if config.embedded and config.track_name else ()
    # Laps of several tracks compare with no one optimum, and lie on no one picture.
    track = find_track(names[0]) if len(names) == 1 else None
    optimum = find_optimum(track, Vehicle()) if track else None
    if track is not None and optimum is None and job.interrupt.received is None:
        phase = f"computing the fastest possible lap of {track.name}"
        progress.show(Moment(phase=phase, training_total_seconds=config.training_seconds, status=shown))
        optimum = _compute_optimum(track, progress)
    # A lap compares with the optimum of its own kind of start.
    standing = status.HasField("best_lap") and status.best_lap.lap.standing_start
    least = optimum.lap_seconds(standing_start=standing) if optimum else None
    progress.show(Moment(phase="drawing", training_total_seconds=config.training_seconds, status=shown))
    best = config.run_dir / "best"
    kept = all((best / name).is_file() for name in POLICY_FILES)
    replayed: Replay | None = None
    try:
        _draw_learning_curve(config, status, least)
        if kept:
            trace_file = config.run_dir / "trace.csv" if track else None
            replayed = replay(best, config.logs / "replay.log", trace_file)
            if track is not None:
                _draw_racing_line(config.run_dir / "racing_line.png", track, replayed, status, optimum)
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
        optimum_lap_seconds=least,
        replayed_lap_seconds=replayed.trace.lap_seconds if replayed and replayed.trace else None,
        replay_command=drive_line(best) if kept else None,
    )
    summary.write(config.run_dir / "summary.json")
    return summary


def _compute_optimum(track: Track, progress: Progress) -> Optimum | None:
    """Computes an optimum and keeps it for the next run; None, with a sentence on the console, where it cannot."""
    try:
        # CasADi is an extra of its own; all else here works without.
        from worker_service.simulators.racetrack.collocation import SolveError  # noqa: PLC0415
        from worker_service.simulators.racetrack.solve import solve_and_keep  # noqa: PLC0415
    except ModuleNotFoundError as error:
        progress.console.print(
            f"laps are not compared with the optimum: {error.name} is not installed; pip install '.[optimal]'",
            markup=False,
        )
        return None
    try:
        return solve_and_keep(track, Vehicle())
    except (SolveError, OSError) as error:
        progress.console.print(f"laps are not compared with the optimum: {error}", markup=False)
        return None


def _draw_learning_curve(config: Config, status: status_pb2.RunStatus, least: float | None) -> None:
    course = Course(
        evaluations=read_lines(config.run_dir / "evaluations.jsonl"),
        progress=read_lines(config.run_dir / "progress.jsonl"),
        first_lap_seconds=status.first_lap.wall_seconds if status.HasField("first_lap") else None,
        optimum_lap_seconds=least,
    )
    if status.HasField("best_lap"):
        best = _lap_text(status.best_lap.lap.time_seconds, least)
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
    path: Path, track: Track, replayed: Replay, status: status_pb2.RunStatus, optimum: Optimum | None
) -> None:
    trace = replayed.trace
    if trace is None:
        raise JobError("the replay left an empty trace; it should have a line for each step")
    lap = "no complete lap" if trace.lap_seconds is None else f"{trace.lap_seconds:.3f} s"
    compared = ""
    if trace.lap_seconds is not None and optimum is not None:
        least = optimum.lap_seconds(standing_start=trace.standing_start)
        compared = f"{_ratio_text(trace.lap_seconds, least)}  ·  "
    draw_racing_line(
        path,
        track,
        trace,
        np.column_stack([optimum.line.x_metres, optimum.line.y_metres]) if optimum else None,
        title=f"{track.name}, {lap}",
        subtitle=f"{compared}policy version {status.best_evaluation.policy_version}  ·  {_effort_text(status)}",
    )


def _lap_text(lap_seconds: float, least: float | None) -> str:
    compared = f", {_ratio_text(lap_seconds, least)}" if least else ""
    return f"best lap {lap_seconds:.3f} s{compared}"


def _ratio_text(lap_seconds: float, least: float) -> str:
    return f"{lap_seconds / least:.3f} x the optimum of {least:.2f} s"


def _effort_text(status: status_pb2.RunStatus) -> str:
    return f"{status.transitions:,} transitions in {clock(status.training_seconds)} of training"
