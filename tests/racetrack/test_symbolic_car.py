import casadi
import numpy as np
import pytest

from worker_service.simulators.racetrack.symbolic_car import symbolic_derivatives
from worker_service.simulators.racetrack.vehicle import Vehicle, derivatives

CARS = [Vehicle(), Vehicle(mass_kilograms=700.0, front_friction=1.1, rear_shape=1.3, brake_balance=0.5)]


@pytest.mark.parametrize("vehicle", CARS, ids=["default", "another"])
def test_optimised_equations_are_those_the_environment_integrates(vehicle: Vehicle) -> None:
    state, pedals = casadi.SX.sym("state", 4), casadi.SX.sym("pedals", 2)
    columns = [state[i] for i in range(4)]
    symbolic = casadi.Function("car", [state, pedals], symbolic_derivatives(columns, pedals[0], pedals[1], vehicle))
    random = np.random.default_rng(0)
    low, high = np.array([-5.0, -8.0, -3.0, -0.3, -1.0]), np.array([75.0, 8.0, 3.0, 0.3, 1.0])
    record = vehicle.record()[0]
    for row in random.uniform(low, high, (500, 5)):
        vx, vy, yaw_rate, steer, command = row.tolist()
        expected = derivatives((0.0, 0.0, 0.0, vx, vy, yaw_rate, steer), 0.1, command, record)
        found = symbolic(row[:4], [max(command, 0.0), max(-command, 0.0)])
        np.testing.assert_allclose(np.array(found, float).ravel(), expected[3:6], rtol=1e-10, atol=1e-10)
