"""Recordings hold what happened, whole or not at all."""

import json
import logging
import multiprocessing
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import gymnasium
import h5py
import numpy as np
import pytest

from tests.bare_client import eventually
from tests.fakes import CountingEnvironment
from tests.racetrack.builders import make
from worker_service import recording, recording_writer
from worker_service.recorded_episode import RecordedEpisode, read_recording
from worker_service.recording import BLOCK_STEPS, RecordedEnvironment, Recorder, RecordingError
from worker_service.simulators.racetrack.driver import Driver


@pytest.fixture
def recorder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Recorder]:
    # What is written is tested, not how soon.
    monkeypatch.setattr(recording, "CLOSE_SECONDS", 60.0)
    with closing(Recorder(tmp_path, name="worker", about={"environment": "Racetrack-v0", "arguments": "{}"})) as made:
        yield made


def recordings(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.h5"))


def record(environment: Any, recorder: Recorder, *, steps: int, version: Any = lambda: 3) -> list[Any]:
    """Drives at random for so many steps or an episode; what the environment returned."""
    recorded = RecordedEnvironment(environment, recorder, version)
    recorded.action_space.seed(0)
    answers: list[Any] = [recorded.reset(seed=0)]
    for _ in range(steps):
        answers.append(recorded.step(recorded.action_space.sample()))
        if answers[-1][2] or answers[-1][3]:
            break
    recorded.close()
    return answers


def read_only(folder: Path, recorder: Recorder) -> RecordedEpisode:
    """The one recording, once it is written."""
    recorder.close()
    (path,) = recordings(folder)
    return read_recording(path)


def test_episode_of_the_racetrack_comes_back_as_it_was(tmp_path: Path, recorder: Recorder) -> None:
    environment = make(start="standing", laps=1)
    driver = Driver(environment.track)
    versions = iter(range(10_000))
    recorded = RecordedEnvironment(environment, recorder, lambda: next(versions))
    observations, states, actions, rewards = [recorded.reset(seed=0)[0]], [environment.state], [], []
    ended = False
    while not ended:
        actions.append(driver.act(environment.state))
        observation, reward, terminated, truncated, info = recorded.step(actions[-1])
        observations.append(observation)
        states.append(environment.state)
        rewards.append(reward)
        ended = terminated or truncated
    episode = read_only(tmp_path, recorder)
    assert episode.steps == len(rewards) > 3 * BLOCK_STEPS
    np.testing.assert_array_equal(episode.observation["observation"], observations)
    assert episode.observation["observation"].dtype == np.float32
    np.testing.assert_array_equal(episode.action, actions)
    np.testing.assert_array_equal(episode.reward, rewards)
    np.testing.assert_array_equal(episode.policy_version, range(episode.steps))
    np.testing.assert_array_equal(episode.pose["x_metres"], [state.x_metres for state in states])
    np.testing.assert_array_equal(episode.pose["yaw_radians"], [state.yaw_radians for state in states])
    assert episode.info["progress_metres"].sum() == pytest.approx(states[-1].distance_metres)
    assert episode.ending == "truncated"
    (lap,) = episode.laps
    assert lap["step"] == episode.steps
    assert lap["time_seconds"] == pytest.approx(0.1 * episode.steps, abs=0.1)
    assert episode.metrics == info["metrics"]
    assert episode.about["return"] == pytest.approx(sum(rewards))
    assert (episode.environment, episode.steps_per_second) == ("Racetrack-v0", 10.0)


def test_file_is_plain_hdf5(tmp_path: Path, recorder: Recorder) -> None:
    record(make(), recorder, steps=10)
    recorder.close()
    (path,) = recordings(tmp_path)
    with h5py.File(path) as file:
        assert set(file) == {"observation", "pose", "action", "reward", "policy_version", "info"}
        assert file["observation/observation"].shape == (11, 59)
        assert file["action"].shape == (10, 2)
        assert file.attrs["ending"] == "unfinished"
        assert json.loads(file.attrs["metrics"]) == {}


def test_pictures_are_kept_byte_for_byte_and_packed(tmp_path: Path, recorder: Recorder) -> None:
    answers = record(make(camera=64), recorder, steps=90)
    episode = read_only(tmp_path, recorder)
    pictures = np.stack([answer[0]["camera"] for answer in answers])
    np.testing.assert_array_equal(episode.observation["camera"], pictures)
    (path,) = recordings(tmp_path)
    assert path.stat().st_size < 0.5 * pictures.nbytes


def test_every_third_episode_is_recorded(tmp_path: Path) -> None:
    with closing(Recorder(tmp_path, name="w", every=3)) as recorder:
        for _ in range(7):
            record(make(max_steps=5), recorder, steps=5)
    assert [path.stem[-1] for path in recordings(tmp_path)] == ["0", "3", "6"]
    assert all(read_recording(path).ending == "truncated" for path in recordings(tmp_path))


def test_environment_without_places_has_none(tmp_path: Path, recorder: Recorder) -> None:
    record(gymnasium.make("Pendulum-v1"), recorder, steps=20)
    episode = read_only(tmp_path, recorder)
    assert episode.pose == {}
    assert episode.observation["observation"].shape == (21, 3)


class FailingEnvironment(CountingEnvironment):
    """Raises in its fifth step."""

    steps_taken = 0

    def step(self, action: Any) -> Any:
        self.steps_taken += 1
        if self.steps_taken == 5:
            raise ConnectionError("the planted crash")
        return super().step(action)


def test_failed_episode_keeps_what_was_before_and_why(tmp_path: Path, recorder: Recorder) -> None:
    with pytest.raises(ConnectionError, match="planted"):
        record(FailingEnvironment(), recorder, steps=10)
    episode = read_only(tmp_path, recorder)
    assert (episode.ending, episode.steps) == ("aborted", 4)
    assert episode.about["abort_reason"] == "ConnectionError: the planted crash"
    assert len(episode.observation["observation"]) == 5


def test_driving_never_waits_for_a_slow_disk(
    tmp_path: Path, recorder: Recorder, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    stuck, release = threading.Event(), threading.Event()
    append = recording_writer.RecordingWriter._append

    def slow(writer: Any, block: Any) -> None:
        stuck.set()
        assert release.wait(60.0)
        append(writer, block)

    monkeypatch.setattr(recording_writer.RecordingWriter, "_append", slow)
    monkeypatch.setattr(recording_writer, "QUEUE_BYTES", 500_000)
    environment = make(start="standing", max_steps=100_000)
    recorded = RecordedEnvironment(environment, recorder, lambda: 1)
    driver = Driver(environment.track)
    recorded.reset(seed=0)
    with caplog.at_level(logging.WARNING):
        while recorder.records:
            recorded.step(driver.act(environment.state))
    assert stuck.is_set()
    assert "episode 0 is not recorded: the disk is slower than the simulator" in caplog.text
    recorded.step(driver.act(environment.state))
    release.set()
    # The next episode has a disk again.
    eventually(recorder._writer._queue.empty, "the queue is worked off")
    recorded.reset(seed=1)
    recorded.step(driver.act(environment.state))
    recorder.close()
    (path,) = recordings(tmp_path)
    assert path.stem.endswith("000001")
    assert list(tmp_path.iterdir()) == [path], "nothing of the one given up"


def test_fast_simulator_outruns_the_opening_of_a_file(
    tmp_path: Path, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    release = threading.Event()
    append = recording_writer.RecordingWriter._append

    def late(writer: Any, block: Any) -> None:
        assert release.wait(60.0)
        append(writer, block)

    monkeypatch.setattr(recording_writer.RecordingWriter, "_append", late)
    steps = 20 * BLOCK_STEPS
    record(gymnasium.make("Pendulum-v1", max_episode_steps=steps), recorder, steps=steps)
    release.set()
    assert read_only(tmp_path, recorder).steps == steps


def test_full_disk_gives_up_the_recording_alone(
    tmp_path: Path, recorder: Recorder, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(*_: Any, **__: Any) -> Any:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(h5py, "File", full)
    record(make(max_steps=200), recorder, steps=3)
    recorder.close()
    assert recordings(tmp_path) == []
    assert "cannot be written and is given up" in caplog.text
    assert "No space left on device" in caplog.text


def _drive_until_killed(folder: Path, ready: Any) -> None:
    recorder = Recorder(folder, name="worker")
    recorded = RecordedEnvironment(gymnasium.make("Pendulum-v1", max_episode_steps=100_000), recorder, lambda: 1)
    for _ in range(2):
        recorded.reset(seed=0)
        for _ in range(2 * BLOCK_STEPS):
            recorded.step(np.zeros(1, np.float32))
    eventually(lambda: bool(recordings(folder) and list(folder.glob(".worker-*"))), "one is complete, one begun")
    ready.set()
    threading.Event().wait(60.0)


@pytest.mark.slow
def test_killed_worker_leaves_no_half_file_under_a_final_name(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    ready = context.Event()
    process = context.Process(target=_drive_until_killed, args=(tmp_path, ready))
    process.start()
    assert ready.wait(120.0)
    process.kill()
    process.join(10.0)
    (path,) = recordings(tmp_path)
    assert read_recording(path).steps == 2 * BLOCK_STEPS
    assert list(tmp_path.glob(".worker-*.partial"))
    Recorder(tmp_path, name="worker").close()
    assert not list(tmp_path.glob(".worker-*")), "the next of this name tidies up"


def test_wrong_settings_are_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="record_every is 0; it must be at least 1"):
        Recorder(tmp_path, name="w", every=0)
    with pytest.raises(FileNotFoundError, match="there is no recording"):
        read_recording(tmp_path / "none.h5")
    path = tmp_path / "text.h5"
    path.write_text("no HDF5")
    with pytest.raises(RecordingError, match=r"text.h5 is no recording of an episode"):
        read_recording(path)
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["x"] = 1
    with pytest.raises(RecordingError, match="is of the format None; it must be 'distributed-l2r episode 1'"):
        read_recording(tmp_path / "other.h5")


def test_missing_library_is_named_with_the_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("worker_service.recording.find_spec", lambda _: None)
    with pytest.raises(RecordingError, match=r"needs the library h5py, .*: pip install '\.\[recording\]'"):
        Recorder(tmp_path, name="w")
