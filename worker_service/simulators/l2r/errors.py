"""What goes wrong between the environment and its simulator."""


class SimulatorUnreachableError(ConnectionError):
    """The simulator does not answer, or not in time; the message says which interface, and what to check."""


class SimulatorRefusedError(RuntimeError):
    """The simulator answered a call with an error."""
