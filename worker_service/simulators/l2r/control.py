"""The client's end of the simulator's control: JSON-RPC 2.0 over a WebSocket."""

import contextlib
import json
import time
from collections.abc import Mapping
from typing import Any, Final

from websockets.exceptions import WebSocketException
from websockets.sync.client import connect

from worker_service.simulators.l2r.errors import SimulatorRefusedError, SimulatorUnreachableError
from worker_service.simulators.l2r.protocol import DRIVER, MODE_PARAMETER, ProtocolError

VEHICLE: Final = 0
CONNECT_SECONDS: Final = 20.0
ANSWER_SECONDS: Final = 60.0
"""Loading a level takes long."""
LONG_PAUSE_SECONDS: Final = 3.0
SHORT_PAUSE_SECONDS: Final = 0.1


class Control:
    """Calls the simulator's methods, one at a time.

    Args:
        host, port: of the simulator.
        pauses: wait after each call, as a simulator needs that answers before it has done what it was told: 3 s after
            changes of level, position and sensors, 0.1 s after others.

    Raises:
        SimulatorUnreachableError: nobody listens there.
    """

    def __init__(self, host: str, port: int, *, pauses: bool) -> None:
        self._address = f"ws://{host}:{port}"
        self._pauses = pauses
        self._calls = 0
        self._stack = contextlib.ExitStack()
        try:
            # Whoever loads a level answers no pings meanwhile; every answer has its own deadline.
            connection = connect(self._address, open_timeout=CONNECT_SECONDS, ping_interval=None, proxy=None)
            self._socket = self._stack.enter_context(connection)
        except (OSError, WebSocketException) as error:
            raise SimulatorUnreachableError(
                f"no simulator answers at {self._address} ({error}); start it, or name its host and ports"
            ) from error

    def open_level(self, level_name: str) -> None:
        """Loads a level, given as the simulator's path."""
        self.call("open_level", {"level_name": level_name}, LONG_PAUSE_SECONDS)

    def reset_level(self) -> None:
        """Puts the car back to where the level begins."""
        self.call("reset_level", {}, LONG_PAUSE_SECONDS)

    def set_vehicle_position(self, x: float, y: float, z: float, yaw: float) -> None:
        """Puts the car at rest somewhere, in the simulator's axes: x against East, y against North."""
        location = {"x": x, "y": y, "z": z}
        rotation = {"yaw": yaw, "pitch": 0.0, "roll": 0.0}
        arguments = {"veh_id": VEHICLE, "location": location, "rotation": rotation}
        self.call("set_vehicle_position", arguments, 2.0 * LONG_PAUSE_SECONDS)

    def enable_sensor(self, sensor: str) -> None:
        """Switches a sensor on."""
        self.call("enable_sensor", {"veh_id": VEHICLE, "sensor_name": sensor}, SHORT_PAUSE_SECONDS)

    def set_sensor_params(self, sensor: str, values: Mapping[str, Any]) -> None:
        """Sets parameters of a sensor, by name."""
        parameters = [{"name": name, "value": value} for name, value in values.items()]
        arguments = {"veh_id": VEHICLE, "sensor_name": sensor, "parameters": parameters}
        self.call("set_sensor_params", arguments, LONG_PAUSE_SECONDS)

    def let_client_drive(self) -> None:
        """Hands the wheel to the actions."""
        arguments = {"veh_id": VEHICLE, "sensor_name": DRIVER, "parameter_name": MODE_PARAMETER, "value": True}
        self.call("set_sensor_param", arguments, SHORT_PAUSE_SECONDS)

    def call(self, method: str, arguments: Mapping[str, Any], pause_seconds: float = SHORT_PAUSE_SECONDS) -> Any:
        """The result of a method.

        Raises:
            SimulatorUnreachableError: the connection broke, or no answer came in time.
            SimulatorRefusedError: the answer is an error.
            ProtocolError: it is no answer at all.
        """
        self._calls += 1
        request = {"jsonrpc": "2.0", "id": self._calls, "method": method, "params": dict(arguments)}
        try:
            self._socket.send(json.dumps(request))
            text = self._socket.recv(ANSWER_SECONDS)
        except TimeoutError:
            raise SimulatorUnreachableError(
                f"the simulator at {self._address} did not answer {method} within {ANSWER_SECONDS:g} s"
            ) from None
        except (OSError, WebSocketException) as error:
            raise SimulatorUnreachableError(
                f"the simulator at {self._address} left during {method} ({error}); its own log may say why"
            ) from error
        try:
            answer = json.loads(text)
            refusal, result = answer.get("error"), answer.get("result")
        except (ValueError, AttributeError):
            raise ProtocolError(f"the simulator answered {method} with {text!r:.200}; it must be JSON-RPC") from None
        if "result" not in answer:
            raise SimulatorRefusedError(f"the simulator refused {method}({request['params']}): {refusal}")
        if self._pauses:
            time.sleep(pause_seconds)
        return result

    def close(self) -> None:
        """Ends the connection."""
        self._stack.close()
