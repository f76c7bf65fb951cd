"""The environment against a server that is real on the wire and does as it likes."""

import socket
import threading

import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from numpy.typing import NDArray

from tests.scr.fake_server import FakeServer, closed_port
from worker_service.columns import Environment
from worker_service.environment import environment_spaces, make_environment
from worker_service.simulators.scr.connection import NoAnswerError, RaceEndedError, ScrConnection
from worker_service.simulators.scr.environment import Torcs
from worker_service.simulators.scr.observation import ANGLES_DEGREES
from worker_service.simulators.scr.protocol import MessageError

FULL = np.array([0.0, 1.0], np.float32)


def environment(server: FakeServer, **arguments: object) -> Environment:
    return make_environment("Torcs-v0", {"host": "127.0.0.1", "port": server.port, **arguments})


def test_the_environment_is_one_of_gymnasiums() -> None:
    with FakeServer() as server:
        made = Torcs(host="127.0.0.1", port=server.port, max_steps=20)
        check_env(made, skip_render_check=True)
        assert environment_spaces(made).observation["observation"].shape == (42,)
        made.close()


def test_laps_are_told_as_all_racing_environments_tell_them() -> None:
    with FakeServer() as server:
        made = environment(server, laps=2)
        made.reset(seed=0)
        infos = []
        terminated = truncated = False
        while not (terminated or truncated):
            _, reward, terminated, truncated, info = made.step(FULL)
            assert reward == pytest.approx(0.1 * info["progress_metres"])
            infos.append(info)
        made.close()
    laps = [info["lap"] for info in infos if "lap" in info]
    assert truncated and len(laps) == 2
    assert laps[0]["standing_start"] and not laps[1]["standing_start"]
    assert laps[1].keys() >= {"number", "time_seconds", "sector_times_seconds", "standing_start"}
    assert laps[1]["reference_ratio"] == pytest.approx(laps[1]["time_seconds"] / 55.12)
    assert infos[-1]["metrics"]["laps_started"] == infos[-1]["metrics"]["laps_completed"] == 2.0
    assert sum(info["progress_metres"] for info in infos) == pytest.approx(infos[-1]["metrics"]["distance_metres"])


def test_reset_asks_the_server_for_a_new_race() -> None:
    with FakeServer() as server:
        made = environment(server)
        first, _ = made.reset()
        for _ in range(10):
            made.step(FULL)
        again, _ = made.reset()
        made.close()
        assert server.races == 2
        np.testing.assert_array_equal(first, again)


def test_range_finders_are_aimed_once_a_race() -> None:
    with FakeServer() as server:
        made = environment(server)
        made.reset()
        made.close()
        assert server.identifications == [f"SCR(init {' '.join(map(str, ANGLES_DEGREES))})".encode()]


def test_a_server_that_is_still_loading_is_asked_again() -> None:
    with FakeServer(deaf=2) as server:
        made = environment(server)
        made.reset()
        made.close()
        assert len(server.identifications) == 3


@pytest.mark.parametrize(("rate", "messages"), [(10, 5), (50, 1), (5, 10)])
def test_an_action_is_held_for_a_decision(rate: int, messages: int) -> None:
    with FakeServer() as server:
        made = environment(server, decisions_per_second=rate)
        made.reset()
        for _ in range(4):
            made.step(FULL)
        made.close()
        assert len(server.gears) == 4 * messages


def test_without_the_automatic_gearbox_the_policy_shifts() -> None:
    with FakeServer() as server:
        made = environment(server, automatic_gearbox=False, decisions_per_second=50)
        assert made.action_space.shape == (3,)
        made.reset()
        for gear in (-1.0, -0.3, 0.0, 0.5, 1.0):
            made.step(np.array([0.0, 1.0, gear], np.float32))
        made.close()
        assert server.gears == [1, 2, 3, 4, 5]


def test_a_server_that_stops_answering_is_told_in_one_sentence() -> None:
    with FakeServer(replies={12: None}) as server:
        made = environment(server, answer_seconds=0.2)
        made.reset()
        made.step(FULL)
        made.step(FULL)
        sentence = f"the SCR server at 127.0.0.1:{server.port} has not answered within 0.2 s"
        with pytest.raises(NoAnswerError) as raised:
            made.step(FULL)
        assert str(raised.value) == sentence
        with pytest.raises(RuntimeError, match="call reset before step"):
            made.step(FULL)
        server.replies.clear()
        made.reset()
        made.step(FULL)
        made.close()


@pytest.mark.parametrize(
    ("reply", "error", "sentence"),
    [
        (b"garbage", MessageError, "must be a list of"),
        (b"(angle 0)(rpm 1000)\0", MessageError, "'speedX' is None; it must be one finite number"),
        (b"***shutdown***\0", RaceEndedError, r"said \*\*\*shutdown\*\*\* while the car was driven"),
        (b"***restart***\0", RaceEndedError, r"said \*\*\*restart\*\*\* while the car was driven"),
    ],
)
def test_what_does_not_belong_into_a_race_ends_it(reply: bytes, error: type[Exception], sentence: str) -> None:
    with FakeServer(replies={7: reply}) as server:
        made = environment(server)
        made.reset()
        made.step(FULL)
        with pytest.raises(error, match=sentence):
            made.step(FULL)
        server.replies.clear()
        made.reset()
        made.step(FULL)
        made.close()


def test_nobody_at_the_port_is_told_with_the_remedy() -> None:
    with closed_port() as port:
        connection = ScrConnection("127.0.0.1", port, answer_seconds=1.0)
        with pytest.raises(NoAnswerError, match=r"no SCR server answered at 127\.0\.0\.1:\d+ within 0\.3 s: start one"):
            connection.identify(ANGLES_DEGREES, 0.3)
        connection.close()


def test_strangers_are_not_heard() -> None:
    with FakeServer(replies={3: None}) as server:
        made = environment(server, answer_seconds=0.3)
        made.reset()
        own = made.unwrapped._server.connection._socket.getsockname()  # type: ignore[attr-defined]
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
            sender = threading.Thread(target=stranger.sendto, args=(b"***shutdown***", own), name="stranger")
            sender.start()
            sender.join()
            with pytest.raises(NoAnswerError):
                made.step(FULL)
        made.close()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"laps": 0}, "laps is 0; it must be at least 1"),
        ({"max_steps": -1}, "max_steps is -1; it must be at least 1"),
        ({"start": "here"}, "start is 'here'; it must be 'random' or 'grid'"),
        ({"decisions_per_second": 7}, "decisions_per_second is 7; it must divide 50"),
        ({"answer_seconds": 0}, "answer_seconds is 0; it must be above 0"),
        ({"port": None}, "host is '127.0.0.1' and port None; give both"),
    ],
)
def test_invalid_arguments_are_refused(arguments: dict[str, object], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        make_environment("Torcs-v0", {"host": "127.0.0.1", "port": 3001, **arguments})


@pytest.mark.parametrize("action", [np.zeros(3, np.float32), np.array([np.nan, 0.0], np.float32)])
def test_invalid_actions_are_refused(action: NDArray[np.float32]) -> None:
    with FakeServer() as server:
        made = environment(server)
        made.reset()
        with pytest.raises(ValueError, match="it must be 2 finite numbers"):
            made.step(action)
        made.close()


def test_without_torcs_the_remedy_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    monkeypatch.setenv("DISTRIB_L2R_TORCS", str(tmp_path))
    with pytest.raises(FileNotFoundError, match="run make torcs, let DISTRIB_L2R_TORCS name the folder"):
        make_environment("Torcs-v0")
