"""The one error of the codec."""

from typing import NoReturn


class InvalidMessageError(ValueError):
    """A message breaks a rule of the contract.

    Attributes:
        path: where in the message, such as `chunk.reward.shape`.
        value: what came, as short text.
        rule: what the contract demands, with the remedy where there is one.
    """

    def __init__(self, path: str, value: object, rule: str) -> None:
        self.path = path
        self.value = str(value)
        self.rule = rule
        super().__init__(f"{path} is {self.value}; {rule}")


def refuse(path: str, value: object, rule: str) -> NoReturn:
    """Raises `InvalidMessageError`."""
    raise InvalidMessageError(path, value, rule)
