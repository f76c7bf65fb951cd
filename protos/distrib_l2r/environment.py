"""Keyword arguments of environments as messages, and back."""

from collections.abc import Iterable, Mapping
from typing import TypeAlias

from distrib_l2r.v1 import join_pb2

ArgumentValue: TypeAlias = bool | int | float | str


def encode_arguments(arguments: Mapping[str, ArgumentValue]) -> list[join_pb2.EnvironmentArgument]:
    """The messages of keyword arguments, in their mapping's order."""
    messages = []
    for name, value in arguments.items():
        message = join_pb2.EnvironmentArgument(name=name)
        # bool before int: every bool is an int too.
        if isinstance(value, bool):
            message.bool_value = value
        elif isinstance(value, int):
            message.int_value = value
        elif isinstance(value, float):
            message.double_value = value
        else:
            message.string_value = value
        messages.append(message)
    return messages


def decode_arguments(messages: Iterable[join_pb2.EnvironmentArgument]) -> dict[str, ArgumentValue]:
    """The keyword arguments of messages."""
    return {message.name: getattr(message, message.WhichOneof("value") or "string_value") for message in messages}
