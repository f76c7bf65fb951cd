"""The emulator's control: JSON-RPC 2.0 requests in, answers out."""

import json
import logging
from collections.abc import Callable
from dataclasses import asdict
from typing import Any, Final

from worker_service.simulators.l2r.emulator.simulation import Simulation

_logger = logging.getLogger(__name__)

PARSE_ERROR, INVALID_REQUEST, METHOD_NOT_FOUND, INVALID_PARAMS = -32700, -32600, -32601, -32602
"""Codes of JSON-RPC 2.0, section 5.1."""
VEHICLE_CLASS: Final = "EmbeddedCar"
DONE: Final = 0

Parameters = dict[str, Any]


class Methods:
    """Answers the calls of the simulator's control.

    Args:
        simulation: that they are about.
    """

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation
        self._methods: dict[str, Callable[[Parameters], Any]] = {
            "open_level": self._open_level,
            "reset_level": self._reset_level,
            "get_level": lambda _: simulation.level,
            "get_levels": lambda _: simulation.levels,
            "set_vehicle_position": self._set_vehicle_position,
            "get_vehicle_state": lambda _: simulation.vehicle_state(),
            "get_vehicle_params": self._get_vehicle_params,
            "set_vehicle_params": self._set_vehicle_params,
            "reset_default_vehicle_params": self._reset_vehicle_params,
            "get_level_vehicles": self._get_level_vehicles,
            "get_vehicle_classes": lambda _: [VEHICLE_CLASS],
            "get_sensor_params": lambda given: simulation.sensor(given["sensor_name"]).describe(),
            "get_sensors_params": lambda _: [sensor.describe() for sensor in simulation.sensors],
            "get_sensor_param": self._get_sensor_param,
            "set_sensor_param": self._set_sensor_param,
            "set_sensor_params": self._set_sensor_params,
            "enable_sensor": lambda given: self._enable(given, True),
            "disable_sensor": lambda given: self._enable(given, False),
        }

    def answer(self, text: str | bytes) -> str:
        """The answer to a request, a result or an error."""
        try:
            request = json.loads(text)
        except ValueError as error:
            return _error(None, PARSE_ERROR, f"the request is not JSON: {error}")
        if not isinstance(request, dict) or not isinstance(request.get("method"), str):
            return _error(None, INVALID_REQUEST, "the request is no JSON object with a method")
        number, name, given = request.get("id"), request["method"], request.get("params", {})
        if name not in self._methods:
            return _error(number, METHOD_NOT_FOUND, f"method {name!r} is unknown")
        if not isinstance(given, dict):
            return _error(number, INVALID_PARAMS, f"params are a {type(given).__name__}; they must be by name")
        try:
            result = self._methods[name](given)
        except KeyError as error:
            return _error(number, INVALID_PARAMS, f"{name} needs the parameter {error}")
        except (ValueError, TypeError, OSError) as error:
            return _error(number, INVALID_PARAMS, str(error))
        _logger.info("%s(%s)", name, given)
        return json.dumps({"jsonrpc": "2.0", "id": number, "result": result})

    def _open_level(self, given: Parameters) -> int:
        self._simulation.open_level(str(given["level_name"]))
        return DONE

    def _reset_level(self, _: Parameters) -> int:
        self._simulation.reset_level()
        return DONE

    def _set_vehicle_position(self, given: Parameters) -> int:
        location, rotation = given["location"], given["rotation"]
        self._simulation.place(float(location["x"]), float(location["y"]), float(rotation["yaw"]))
        return DONE

    def _get_vehicle_params(self, _: Parameters) -> Parameters:
        parameters = asdict(self._simulation.vehicle)
        return {"parameters": [{"name": name, "value": value} for name, value in parameters.items()]}

    def _set_vehicle_params(self, given: Parameters) -> int:
        values = {entry["name"]: float(entry["value"]) for entry in given["parameters"]}
        if values:
            self._simulation.set_vehicle(values)
        return DONE

    def _reset_vehicle_params(self, _: Parameters) -> int:
        self._simulation.set_vehicle({})
        return DONE

    def _get_level_vehicles(self, _: Parameters) -> list[Parameters]:
        return [{"veh_id": 0, "vehicle_class_name": VEHICLE_CLASS}] if self._simulation.car else []

    def _get_sensor_param(self, given: Parameters) -> Any:
        sensor, name = self._simulation.sensor(given["sensor_name"]), given["parameter_name"]
        if name not in sensor.values:
            raise ValueError(f"sensor {sensor.name} has no parameter {name!r}; it has {', '.join(sensor.values)}")
        return sensor.values[name]

    def _set_sensor_param(self, given: Parameters) -> int:
        self._simulation.set_sensor(given["sensor_name"], {given["parameter_name"]: given["value"]})
        return DONE

    def _set_sensor_params(self, given: Parameters) -> int:
        values = {entry["name"]: entry["value"] for entry in given["parameters"]}
        self._simulation.set_sensor(given["sensor_name"], values)
        return DONE

    def _enable(self, given: Parameters, enabled: bool) -> int:
        self._simulation.enable(given["sensor_name"], enabled)
        return DONE


def _error(number: Any, code: int, message: str) -> str:
    _logger.warning("refused: %s", message)
    return json.dumps({"jsonrpc": "2.0", "id": number, "error": {"code": code, "message": message}})
