"""Statuses of runs, as a learner answers with them."""

from distrib_l2r.v1 import status_pb2, trajectory_pb2


def lap_record(seconds: float, version: int, wall_seconds: float) -> status_pb2.LapRecord:
    lap = trajectory_pb2.Lap(number=2, time_seconds=seconds)
    return status_pb2.LapRecord(lap=lap, policy_version=version, wall_seconds=wall_seconds, worker_name="evaluator")


def racing_status() -> status_pb2.RunStatus:
    """After a few minutes on a track."""
    evaluation = status_pb2.Evaluation(
        policy_version=170,
        episodes=1,
        mean_return=552.0,
        best_lap_seconds=60.5,
        clean_fraction=1.0,
        wall_seconds=170.0,
        training_step=10_000,
    )
    return status_pb2.RunStatus(
        run_id="recorded",
        training_seconds=184.0,
        transitions=177_258,
        updates=10_920,
        policy_version=183,
        samples_per_insert=15.75,
        transitions_per_second=1_050.0,
        updates_per_second=66.0,
        flow_state=status_pb2.FLOW_STATE_STARVED,
        workers=[
            status_pb2.WorkerStatus(name="worker-0", aborted_episodes=2),
            status_pb2.WorkerStatus(name="worker-1", aborted_episodes=1),
        ],
        staleness=[
            status_pb2.StalenessBucket(max_versions_behind=0, transitions=40),
            status_pb2.StalenessBucket(max_versions_behind=1, transitions=5),
            status_pb2.StalenessBucket(max_versions_behind=2, transitions=50),
        ],
        best_lap=lap_record(60.0, 173, 172.0),
        newest_lap=lap_record(61.5, 180, 181.0),
        first_lap=lap_record(80.0, 23, 22.9),
        laps_clean=429,
        laps_total=450,
        newest_evaluation=evaluation,
        best_evaluation=evaluation,
    )


def pendulum_status() -> status_pb2.RunStatus:
    """After a minute of an environment without laps."""
    evaluation = status_pb2.Evaluation(policy_version=60, episodes=5, mean_return=-167.6, wall_seconds=59.8)
    return status_pb2.RunStatus(
        run_id="recorded",
        training_seconds=62.0,
        transitions=47_528,
        updates=2_810,
        policy_version=62,
        samples_per_insert=15.8,
        flow_state=status_pb2.FLOW_STATE_HEALTHY,
        newest_evaluation=evaluation,
        best_evaluation=evaluation,
    )
