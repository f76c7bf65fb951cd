import numpy as np
import pytest

from tests.racetrack.builders import circle_track, drive, make
from worker_service.simulators.racetrack.circuits import CIRCUITS
from worker_service.simulators.racetrack.optimal_driver import OptimalDriver

# The flying lap over its optimum.
RATIOS = {"kestrel": 1.003, "larkfield": 1.005, "northmoor": 1.003, "thornwood": 1.012}


def test_driver_needs_a_known_optimum() -> None:
    with pytest.raises(ValueError, match="no optimum of circle is known; compute it with solve --track"):
        OptimalDriver(circle_track())


def test_driver_goes_from_rest_towards_the_line_at_full_throttle() -> None:
    environment = make(track="kestrel", start="standing", max_steps=45)
    environment.reset(seed=0)
    driver = OptimalDriver(environment.track)
    result = drive(environment, driver.act)
    assert not result.terminated
    speed = np.array([state.forward_metres_per_second for state in result.states])
    assert speed[9] == pytest.approx(7.2, abs=0.3)
    apart = [abs(state.offset_metres - driver.planned_offset_metres(state.arc_metres)) for state in result.states]
    assert apart[0] > 5.0
    assert apart[-1] < apart[0] - 2.0


@pytest.mark.slow
@pytest.mark.parametrize("name", CIRCUITS)
def test_optimum_can_be_driven_at_ten_actions_a_second(name: str) -> None:
    environment = make(track=name, start="standing", laps=2)
    environment.reset(seed=0)
    result = drive(environment, OptimalDriver(environment.track).act)
    assert not result.terminated
    standing, flying = result.laps
    # Between two of its looks at the car the track's edge is not watched: no more than that is to be gained.
    assert 0.999 < flying["lap_ratio"] < RATIOS[name]
    assert 0.999 < standing["lap_ratio"] < 1.05
