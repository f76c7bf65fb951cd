"""Where races come from: TORCS started here, or a server that runs already."""

from collections.abc import Sequence
from typing import Final, Protocol

from worker_service.simulators.scr.connection import NoAnswerError, ScrConnection
from worker_service.simulators.scr.protocol import MessageError, Sensors
from worker_service.simulators.scr.race_files import GRID_METRES
from worker_service.simulators.scr.torcs import START_SECONDS, Torcs

LINE_MARGIN_METRES: Final = 2.0
"""Random starts keep this from the line, on both sides: which side the car stands on must be plain."""

PLACE_METRES: Final = 1.0
"""A car stands this close to where it was asked to, or somewhere else altogether."""


class Server(Protocol):
    """Begins races."""

    from_grid: bool
    """Whether the race under way began on the grid."""

    @property
    def connection(self) -> ScrConnection:
        """To the race under way."""

    def begin_race(self, share: float | None, angles_degrees: Sequence[float]) -> Sensors:
        """Begins a race, in place of the one under way; returns what the car senses.

        Args:
            share: of the lap, in [0, 1), where the car stands; None for the grid.
            angles_degrees: of the range finders.

        Raises:
            SimulatorProcessError: it did not start, or does not answer.
            NoAnswerError: it does not answer.
            MessageError: it answered what the protocol does not know.
        """

    def failure(self, error: Exception) -> Exception:
        """The error to raise for one that came up in the race; the next race begins anew."""

    def close(self) -> None:
        """Ends what was begun."""


class OwnServer:
    """TORCS, a process a race.

    Some of its tracks have a grid of their own, and a race begins nowhere else whatever is asked for.
    """

    from_grid = True

    def __init__(self, track: str, car: str, *, answer_seconds: float) -> None:
        self._torcs = Torcs(track, car)
        self._answer_seconds = answer_seconds
        self._connection: ScrConnection | None = None
        self._lap_metres: float | None = None

    @property
    def connection(self) -> ScrConnection:
        """To the race under way."""
        assert self._connection is not None, "a race was begun"
        return self._connection

    def begin_race(self, share: float | None, angles_degrees: Sequence[float]) -> Sensors:
        """See `Server`."""
        self.from_grid = True
        if share is None:
            return self._begin(GRID_METRES, angles_degrees)
        if self._lap_metres is None:
            # Only a car on the grid knows how far it is around.
            self._lap_metres = self._begin(GRID_METRES, angles_degrees).number("distFromStart") + GRID_METRES
        place = LINE_MARGIN_METRES + share * (self._lap_metres - 2 * LINE_MARGIN_METRES)
        sensors = self._begin(self._lap_metres - place, angles_degrees)
        self.from_grid = abs(sensors.number("distFromStart") - place) > PLACE_METRES
        return sensors

    def failure(self, error: Exception) -> Exception:
        """See `Server`."""
        return self._torcs.failure(f"failed: {error}")

    def close(self) -> None:
        """See `Server`."""
        self._disconnect()
        self._torcs.close()

    def _begin(self, to_start_metres: float, angles_degrees: Sequence[float]) -> Sensors:
        self._disconnect()
        port = self._torcs.start(to_start_metres)
        self._connection = ScrConnection("127.0.0.1", port, answer_seconds=self._answer_seconds)
        try:
            return self._connection.identify(angles_degrees, START_SECONDS)
        except (NoAnswerError, MessageError) as error:
            raise self.failure(error) from error

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


class StrangeServer:
    """A server that runs already, and begins races anew when asked."""

    from_grid = True

    def __init__(self, host: str, port: int, *, answer_seconds: float) -> None:
        self.connection = ScrConnection(host, port, answer_seconds=answer_seconds)
        self._answer_seconds = answer_seconds
        self._racing = False

    def begin_race(self, share: float | None, angles_degrees: Sequence[float]) -> Sensors:
        """See `Server`; `share` is passed over, as the server chooses."""
        if self._racing:
            self._racing = False
            self.connection.restart()
        sensors = self.connection.identify(angles_degrees, max(START_SECONDS, self._answer_seconds))
        self._racing = True
        return sensors

    def failure(self, error: Exception) -> Exception:
        """See `Server`."""
        self._racing = False
        return error

    def close(self) -> None:
        """See `Server`."""
        self.connection.close()
