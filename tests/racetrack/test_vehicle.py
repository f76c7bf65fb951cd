import math
import warnings
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from worker_service.simulators.racetrack.compiled import kernel
from worker_service.simulators.racetrack.vehicle import (
    AIR_DENSITY_KILOGRAMS_PER_METRE3,
    CAR,
    GRAVITY_METRES_PER_SECOND2,
    State,
    Vehicle,
    advance,
    derivatives,
)

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # not this project's code
    from vehiclemodels.parameters_vehicle1 import parameters_vehicle1
    from vehiclemodels.vehicle_dynamics_st import vehicle_dynamics_st

VEHICLE = Vehicle()
P = VEHICLE.record()
STEP_SECONDS = 0.1


def car_at(speed: float = 0.0) -> NDArray[Any]:
    car = np.zeros(1, CAR)
    car["vx"] = speed
    return car


def drive(car: NDArray[Any], commands: list[tuple[float, float]], substeps: int = 10) -> None:
    for steer, acceleration in commands:
        advance(car, P, steer, acceleration, STEP_SECONDS, substeps)


def commonroad_vehicle() -> tuple[Any, Vehicle]:
    """The reference's parameters, and this model with the same ones, without air and at rolling slip only."""
    p = parameters_vehicle1()
    stiffness = -p.tire.p_ky1  # per unit of load, 1/rad
    ours = Vehicle(
        mass_kilograms=p.m,
        yaw_inertia_kilogram_metres2=p.I_z,
        front_axle_metres=p.a,
        rear_axle_metres=p.b,
        gravity_centre_height_metres=p.h_s,
        front_friction=p.tire.p_dy1,
        rear_friction=p.tire.p_dy1,
        front_shape=p.tire.p_cy1,
        rear_shape=p.tire.p_cy1,
        front_stiffness=stiffness / (p.tire.p_cy1 * p.tire.p_dy1),
        rear_stiffness=stiffness / (p.tire.p_cy1 * p.tire.p_dy1),
        drag_area_metres2=1e-9,
        downforce_area_metres2=1e-9,
        rolling_resistance=1e-9,
        power_watts=1e9,
        slip_regularisation_metres_per_second=1e-6,
    )
    return p, ours


@pytest.mark.parametrize("acceleration", [0.0, 1.0, -1.0])
def test_derivatives_agree_with_commonroad_where_tyres_are_linear(acceleration: float) -> None:
    p, vehicle = commonroad_vehicle()
    command = acceleration / (
        vehicle.drive_metres_per_second2 if acceleration > 0 else vehicle.brake_metres_per_second2
    )
    random = np.random.default_rng(1)
    ours, theirs = [], []
    for _ in range(200):
        speed = random.uniform(12.0, 40.0)
        steer, sideslip = random.uniform(-0.002, 0.002, 2)
        yaw_rate = random.uniform(-0.02, 0.02)
        state = (0.0, 0.0, 0.3, speed * math.cos(sideslip), speed * math.sin(sideslip), yaw_rate, steer)
        slope = derivatives(state, 0.0, command, vehicle.record()[0])
        sideslip_rate = (slope[4] * state[3] - slope[3] * state[4]) / speed**2
        ours.append((slope[5], sideslip_rate))
        reference = vehicle_dynamics_st([0.0, 0.0, steer, speed, 0.3, yaw_rate, sideslip], [0.0, acceleration], p)
        theirs.append((reference[5], reference[6]))
    error = np.abs(np.array(ours) - np.array(theirs)).max(axis=0)
    assert (error < 0.03 * np.abs(theirs).max(axis=0)).all()


@pytest.mark.parametrize("speed", [10.0, 20.0, 40.0])
def test_steady_cornering_agrees_with_commonroad(speed: float) -> None:
    p, vehicle = commonroad_vehicle()
    steer = 0.002

    def reference(yaw_rate: float, sideslip: float) -> NDArray[np.float64]:
        slope = vehicle_dynamics_st([0.0, 0.0, steer, speed, 0.0, yaw_rate, sideslip], [0.0, 0.0], p)
        return np.array([slope[5], slope[6]])

    offset = reference(0.0, 0.0)
    matrix = np.stack([reference(1.0, 0.0) - offset, reference(0.0, 1.0) - offset], axis=1)
    yaw_rate, sideslip = np.linalg.solve(matrix, -offset)
    car = car_at(speed)
    car["steer"] = steer
    for _ in range(100):
        advance(car, vehicle.record(), steer / vehicle.steer_limit_radians, 0.0, STEP_SECONDS, 20)
    assert car["yaw_rate"][0] == pytest.approx(yaw_rate, rel=0.01)
    assert car["vy"][0] / car["vx"][0] == pytest.approx(sideslip, rel=0.02, abs=2e-5)


STATES = st.tuples(
    st.just(0.0),
    st.just(0.0),
    st.floats(-4.0, 4.0),
    st.floats(-10.0, 80.0),
    st.floats(-20.0, 20.0),
    st.floats(-3.0, 3.0),
    st.floats(-0.3, 0.3),
)


@settings(derandomize=True, max_examples=300)
@given(state=STATES, command=st.floats(-1.0, 1.0))
def test_tyres_never_give_more_than_their_friction(state: State, command: float) -> None:
    _, _, _, vx, vy, yaw_rate, _ = state
    slope = derivatives(state, 0.0, command, P[0])
    half_density = 0.5 * AIR_DENSITY_KILOGRAMS_PER_METRE3
    drag = half_density * VEHICLE.drag_area_metres2 * vx * abs(vx) / VEHICLE.mass_kilograms
    drag += VEHICLE.rolling_resistance * GRAVITY_METRES_PER_SECOND2 * vx / math.hypot(vx, 0.5)
    lift = half_density * VEHICLE.downforce_area_metres2 * vx**2 / VEHICLE.mass_kilograms
    tyres = math.hypot(slope[3] - vy * yaw_rate + drag, slope[4] + vx * yaw_rate)
    friction = max(VEHICLE.front_friction, VEHICLE.rear_friction)
    assert tyres <= friction * (GRAVITY_METRES_PER_SECOND2 + lift) * (1 + 1e-9)


@settings(derandomize=True, max_examples=100)
@given(state=STATES, command=st.floats(-1.0, 1.0), steer_rate=st.floats(-0.8, 0.8))
def test_left_and_right_are_mirror_images(state: State, command: float, steer_rate: float) -> None:
    x, y, yaw, vx, vy, yaw_rate, steer = state
    here = derivatives(state, steer_rate, command, P[0])
    there = derivatives((x, -y, -yaw, vx, -vy, -yaw_rate, -steer), -steer_rate, command, P[0])
    np.testing.assert_allclose(there, np.array(here) * [1, -1, -1, 1, -1, -1, -1], rtol=1e-12, atol=1e-12)


def test_drive_is_limited_by_power_and_top_speed_is_where_drag_takes_it_all() -> None:
    car = car_at()
    seconds = 0.0
    for _ in range(1500):
        advance(car, P, 0.0, 1.0, STEP_SECONDS, 10)
        seconds += STEP_SECONDS
        assert 0.5 * VEHICLE.mass_kilograms * car["vx"][0] ** 2 <= VEHICLE.power_watts * seconds
    speed = car["vx"][0]
    drag = 0.5 * AIR_DENSITY_KILOGRAMS_PER_METRE3 * VEHICLE.drag_area_metres2 * speed**2
    rolling = VEHICLE.rolling_resistance * VEHICLE.mass_kilograms * GRAVITY_METRES_PER_SECOND2
    power_speed = VEHICLE.power_watts / (VEHICLE.mass_kilograms * VEHICLE.drive_metres_per_second2)
    available = VEHICLE.power_watts / math.hypot(speed, power_speed)
    assert drag + rolling == pytest.approx(available, rel=1e-3)
    assert 60.0 < speed < 80.0


def test_throttle_costs_the_rear_axle_lateral_grip_by_the_friction_ellipse() -> None:
    vehicle = replace(VEHICLE, gravity_centre_height_metres=1e-9)  # no load transfer
    sliding = (0.0, 0.0, 0.0, 20.0, -3.0, 0.0, 0.0)

    def axles(command: float) -> tuple[float, float]:
        """Lateral forces, front and rear, from the two accelerations."""
        slope = derivatives(sliding, 0.0, command, vehicle.record()[0])
        total = vehicle.mass_kilograms * slope[4]
        moment = vehicle.yaw_inertia_kilogram_metres2 * slope[5]
        rear = (vehicle.front_axle_metres * total - moment) / vehicle.wheelbase_metres
        return total - rear, rear

    weight = vehicle.mass_kilograms * GRAVITY_METRES_PER_SECOND2
    downforce = 0.5 * AIR_DENSITY_KILOGRAMS_PER_METRE3 * vehicle.downforce_area_metres2 * 20.0**2
    load = weight * vehicle.front_axle_metres / vehicle.wheelbase_metres
    load += downforce * (1.0 - vehicle.aerodynamic_balance)
    power_speed = vehicle.power_watts / (vehicle.mass_kilograms * vehicle.drive_metres_per_second2)
    drive_force = vehicle.mass_kilograms * vehicle.drive_metres_per_second2 / math.hypot(1.0, 20.0 / power_speed)
    asked = drive_force / (vehicle.rear_friction * load)
    used = asked / (1.0 + asked**4) ** 0.25
    (front, rear), (front_driven, rear_driven) = axles(0.0), axles(1.0)
    assert front_driven == pytest.approx(front)
    assert rear_driven / rear == pytest.approx(math.sqrt(1.0 - used**2))
    assert rear_driven < 0.9 * rear


def test_car_rolls_as_a_kinematic_one_at_low_speed() -> None:
    car = car_at(1.5)
    for _ in range(60):
        advance(car, P, 0.8, 0.02, STEP_SECONDS, 10)
    speed, steer = car["vx"][0], car["steer"][0]
    assert 0.8 < speed < 4.0
    expected = speed * math.tan(steer) / VEHICLE.wheelbase_metres
    assert car["yaw_rate"][0] == pytest.approx(expected, rel=0.02)
    assert car["vy"][0] == pytest.approx(expected * VEHICLE.rear_axle_metres, rel=0.05)


@pytest.mark.parametrize("steer", [-1.0, 0.0, 1.0])
def test_car_at_rest_stays_at_rest_however_it_steers_and_brakes(steer: float) -> None:
    car = car_at()
    drive(car, [(steer, -1.0)] * 50)
    assert [car[name][0] for name in ("x", "y", "yaw", "vx", "vy", "yaw_rate")] == [0.0] * 6
    assert car["steer"][0] == pytest.approx(steer * VEHICLE.steer_limit_radians)


def test_full_braking_stops_straight_and_stays_stopped() -> None:
    car = car_at(60.0)
    car["yaw_rate"] = 0.02
    drive(car, [(0.0, -1.0)] * 60)
    assert abs(car["vx"][0]) < 1e-3
    assert abs(car["yaw"][0]) < 0.1
    assert 90.0 < car["x"][0] < 140.0


def test_steer_keeps_to_its_rate_limit() -> None:
    car = car_at(10.0)
    drive(car, [(1.0, 0.0)])
    assert car["steer"][0] == pytest.approx(VEHICLE.steer_rate_radians_per_second * STEP_SECONDS)
    drive(car, [(0.3, 0.0)])
    assert car["steer"][0] == pytest.approx(0.3 * VEHICLE.steer_limit_radians)


def test_integration_has_converged_at_the_environments_step() -> None:
    random = np.random.default_rng(3)
    commands = [(0.0, 1.0)] * 30  # a standing start, then anything a driver might do
    commands += [(0.15 * s, a) for s, a in random.uniform(-1.0, 1.0, (60, 2)).repeat(2, axis=0)]
    commands += [(0.05, -1.0)] * 40
    ends = {}
    for substeps in (5, 10, 20, 80):
        car = car_at()
        drive(car, commands, substeps)
        ends[substeps] = np.array([*car[0].item()])
    error = {n: np.abs(ends[n] - ends[80]).max() for n in (5, 10, 20)}
    assert ends[80][0] > 100.0
    assert error[10] < 1e-2
    assert error[20] < error[10] / 6.0, "the error falls with the fourth power of the step, or nearly"


@pytest.mark.parametrize("value", [0.0, -1.0, math.nan])
def test_vehicle_rejects_impossible_parameters(value: float) -> None:
    with pytest.raises(ValueError, match=r"mass_kilograms is .*; it must be a positive number"):
        Vehicle(mass_kilograms=value)


def test_kernels_compile_where_nothing_can_be_cached(monkeypatch: pytest.MonkeyPatch) -> None:
    # What numba finds in a container whose file system is read-only: no place for its cache.
    monkeypatch.setattr("numba.core.caching.CompileResultCacheImpl._locator_classes", [])

    @kernel
    def doubled(value: float) -> float:
        return 2.0 * value

    assert doubled(1.5) == 3.0
