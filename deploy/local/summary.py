"""The summary of a job: what is written into summary.json and printed at the end."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.table import Table

from deploy.local.config import Config
from deploy.local.status import flow_state_name
from deploy.versions import library_versions
from distrib_l2r.v1 import status_pb2
from worker_service.simulators.scr.race_files import DEFAULT_CAR
from worker_service.simulators.scr.references import reference_lap_seconds


@dataclass(frozen=True, kw_only=True)
class Summary:
    """All fields of summary.json; null where one does not apply."""

    exit_reason: str
    """Why the job ended, one sentence."""
    exit_status: int
    """0: the job did its work; 1: it did not; 130: Ctrl-C."""
    environment: str
    """Gymnasium id."""
    track: str | None
    """Racing: the track's name."""
    best_lap_seconds: float | None
    """Fastest evaluation lap."""
    best_lap_policy_version: int | None
    """What drove it."""
    optimum_lap_seconds: float | None
    """The least that a lap begun like the best can take, by optimal control; null where it is not known."""
    lap_ratio: float | None
    """best_lap_seconds over optimum_lap_seconds; null where that is not known."""
    reference_lap_seconds: float | None
    """The best flying lap of the simulator's own drivers, on TORCS; null where it is not known."""
    best_policy_version: int | None
    """The version kept in best/: every lap clean before any lap lost, then lap time; without laps the mean return."""
    best_policy_lap_seconds: float | None
    """Fastest lap of its evaluation."""
    best_policy_mean_return: float | None
    """Mean return of its evaluation."""
    replayed_lap_seconds: float | None
    """Fastest lap when the best policy was driven again for the picture."""
    first_lap_wall_seconds: float | None
    """From the first training transition to the first complete lap, of whatever purpose."""
    laps_clean: int | None
    """Evaluation laps completed."""
    laps_total: int | None
    """Evaluation laps begun and ended."""
    transitions: int
    """Training transitions taken in."""
    updates: int
    """Gradient updates done."""
    policy_version: int
    """Newest version published."""
    samples_per_insert: float
    """Samples drawn over transitions taken in."""
    flow_state: str
    """Who waited on whom when training ended: healthy, starved, throttled or unspecified."""
    training_seconds: float
    """From the first training transition to the end."""
    wall_seconds: float
    """From the job's start to its end, pictures included."""
    workers: int
    """Collecting workers; the evaluator comes on top."""
    worker_restarts: int
    """Workers that died and were started again."""
    aborted_episodes: int
    """Episodes that a failing simulator cut short."""
    seed: int
    """As given."""
    replay_command: str | None
    """Drives the best policy again; null where none was kept."""
    versions: Mapping[str, str | None]
    """Of Python and the main libraries; null where one is not installed."""

    def write(self, path: Path) -> None:
        """Writes the summary as JSON, whole or not at all.

        Raises:
            OSError: the file cannot be written.
        """
        new = path.with_name(path.name + ".new")
        new.write_text(json.dumps(asdict(self), indent=2) + "\n")
        new.replace(path)

    def table(self) -> Table:
        """The main figures, for people."""
        table = Table.grid(padding=(0, 2))
        table.add_column(style="dim", justify="right")
        table.add_column(overflow="fold")
        for name, text in self._lines():
            table.add_row(name, text)
        return table

    def _lines(self) -> list[tuple[str, str]]:
        lines = [("environment", self.environment if self.track is None else f"{self.environment}, {self.track}")]
        if self.best_lap_seconds is not None:
            ratio = ""
            if self.lap_ratio is not None:
                ratio = f", {self.lap_ratio:.3f} x the optimum of {self.optimum_lap_seconds:.3f} s"
            elif self.reference_lap_seconds is not None:
                share = self.best_lap_seconds / self.reference_lap_seconds
                ratio = f", {share:.3f} x the {self.reference_lap_seconds:.2f} s of TORCS's best robot"
            lines.append(("best lap", f"{self.best_lap_seconds:.3f} s{ratio}"))
        if self.first_lap_wall_seconds is not None:
            lines.append(("first lap", f"after {self.first_lap_wall_seconds:.0f} s of training"))
        if self.laps_total is not None:
            lines.append(("clean laps", f"{self.laps_clean} of {self.laps_total}"))
        if self.best_policy_mean_return is not None:
            return_text = f"{self.best_policy_mean_return:,.2f} (policy version {self.best_policy_version})"
            lines.append(("best mean return", return_text))
        lines += [
            ("transitions", f"{self.transitions:,}"),
            ("updates", f"{self.updates:,}"),
            ("policy version", f"{self.policy_version}"),
            ("samples per insert", f"{self.samples_per_insert:.1f}"),
            ("training time", f"{self.training_seconds:.0f} s of {self.wall_seconds:.0f} s"),
        ]
        if self.worker_restarts or self.aborted_episodes:
            lines.append(("workers restarted", f"{self.worker_restarts}"))
            lines.append(("episodes aborted", f"{self.aborted_episodes}"))
        return lines


def summarise(
    config: Config,
    status: status_pb2.RunStatus,
    *,
    exit_reason: str,
    exit_status: int,
    flow_state: status_pb2.FlowState.ValueType,
    wall_seconds: float,
    worker_restarts: int,
    optimum_lap_seconds: float | None,
    replayed_lap_seconds: float | None,
    replay_command: str | None,
) -> Summary:
    """The summary of a job from the learner's last status; `flow_state` is that of the last moment of training."""
    laps = races(config, status)
    best_lap = status.best_lap if status.HasField("best_lap") else None
    best_lap_seconds = best_lap.lap.time_seconds if best_lap else None
    best = status.best_evaluation if status.HasField("best_evaluation") else None
    ratio = best_lap_seconds / optimum_lap_seconds if best_lap_seconds and optimum_lap_seconds else None
    return Summary(
        exit_reason=exit_reason,
        exit_status=exit_status,
        environment=config.env,
        track=config.track_name,
        best_lap_seconds=best_lap_seconds,
        best_lap_policy_version=best_lap.policy_version if best_lap else None,
        optimum_lap_seconds=optimum_lap_seconds,
        lap_ratio=ratio,
        reference_lap_seconds=reference_lap_seconds(DEFAULT_CAR, config.track_name or "") if config.torcs else None,
        best_policy_version=best.policy_version if best else None,
        best_policy_lap_seconds=best.best_lap_seconds if best and best.HasField("best_lap_seconds") else None,
        best_policy_mean_return=best.mean_return if best else None,
        replayed_lap_seconds=replayed_lap_seconds,
        first_lap_wall_seconds=status.first_lap.wall_seconds if status.HasField("first_lap") else None,
        laps_clean=status.laps_clean if laps else None,
        laps_total=status.laps_total if laps else None,
        transitions=status.transitions,
        updates=status.updates,
        policy_version=status.policy_version,
        samples_per_insert=status.samples_per_insert,
        flow_state=flow_state_name(flow_state),
        training_seconds=status.training_seconds,
        wall_seconds=wall_seconds,
        workers=config.workers,
        worker_restarts=worker_restarts,
        aborted_episodes=sum(worker.aborted_episodes for worker in status.workers),
        seed=config.seed,
        replay_command=replay_command,
        versions=library_versions(),
    )


def races(config: Config, status: status_pb2.RunStatus) -> bool:
    """Whether laps are what counts: a racing environment, or any that reports laps."""
    return config.races or status.laps_total > 0 or status.HasField("first_lap")
