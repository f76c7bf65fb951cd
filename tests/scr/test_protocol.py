"""The protocol's texts, against examples of its manual and by properties."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.scr.fake_server import encode_sensors, item
from worker_service.simulators.scr.protocol import (
    Action,
    MessageError,
    Notice,
    Sensors,
    decode_message,
    encode_action,
    encode_identification,
)

names = st.text("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ", min_size=1, max_size=16)
numbers = st.floats(allow_nan=False, allow_infinity=False, width=32)
shares = st.floats(0.0, 1.0)


def sensors(datagram: bytes) -> Sensors:
    message = decode_message(datagram)
    assert isinstance(message, Sensors)
    return message


@given(st.dictionaries(names, st.lists(numbers, min_size=2, max_size=5).map(tuple), min_size=1, max_size=5))
def test_sensors_come_back_to_the_bit(sent: dict[str, tuple[float, ...]]) -> None:
    received = sensors(encode_sensors(sent))
    assert {name: received.numbers(name, len(values)) for name, values in sent.items()} == sent


@given(names, numbers)
def test_a_single_number_comes_back_to_the_bit(name: str, value: float) -> None:
    assert sensors(encode_sensors({name: (value,)})).number(name) == value


@given(st.binary(max_size=200))
def test_any_datagram_is_understood_or_refused_in_a_sentence(datagram: bytes) -> None:
    try:
        message = decode_message(datagram)
        if isinstance(message, Sensors):
            message.number("rpm")
    except MessageError as error:
        assert "must be" in str(error)


@given(
    st.builds(
        Action,
        steer=st.floats(-1.0, 1.0),
        accelerate=shares,
        brake=shares,
        gear=st.integers(-1, 6),
        clutch=shares,
        restart=st.booleans(),
    )
)
def test_an_action_tells_everything_in_bounds(action: Action) -> None:
    message = encode_action(action)
    assert message.isascii()
    assert b"e-" not in message, "servers read numbers with and without exponents; plain ones always"
    for name, value in (
        ("steer", action.steer),
        ("accel", action.accelerate),
        ("brake", action.brake),
        ("clutch", action.clutch),
        ("gear", action.gear),
        ("meta", float(action.restart)),
    ):
        assert item(message, name) == pytest.approx(value, abs=1e-6)


def test_messages_of_the_manual_are_read() -> None:
    message = sensors(
        b"(angle -0.0072934)(curLapTime 3.678)(gear 0)(wheelSpinVel 0.907905 -0.614381 4.26186 -3.20328)\0"
    )
    assert message.number("angle") == -0.0072934
    assert message.number("gear") == 0
    assert message.numbers("wheelSpinVel", 4) == (0.907905, -0.614381, 4.26186, -3.20328)
    assert decode_message(b"***identified***\0") is Notice.IDENTIFIED
    assert decode_message(b"***restart***") is Notice.RESTART
    assert decode_message(b"***shutdown***\0") is Notice.SHUTDOWN


def test_identification_is_that_of_the_manual() -> None:
    angles = [-90, -75, -50, -35, -20, -15, -10, -5, -1, 0, 1, 5, 10, 15, 20, 35, 50, 75, 90]
    assert encode_identification(angles) == b"SCR(init -90 -75 -50 -35 -20 -15 -10 -5 -1 0 1 5 10 15 20 35 50 75 90)"


@pytest.mark.parametrize("angles", [[0.0] * 18, [0.0] * 18 + [91.0], [math.nan] * 19])
def test_identification_refuses_other_angles(angles: list[float]) -> None:
    with pytest.raises(ValueError, match=r"they must be 19 in \[-90, 90\]"):
        encode_identification(angles)


@pytest.mark.parametrize(
    ("datagram", "sentence"),
    [
        (b"", "must be a list of"),
        (b"hello", "must be a list of"),
        (b"(rpm 1)(gear", "must be a list of"),
        (b"***what***", "must be sensors or a notice"),
        (b"\xff\xfe", "must be a list of"),
    ],
)
def test_what_the_protocol_does_not_know_is_refused(datagram: bytes, sentence: str) -> None:
    with pytest.raises(MessageError, match=sentence):
        decode_message(datagram)


@pytest.mark.parametrize("text", ["(gear 1)", "(rpm )", "(rpm fast)", "(rpm nan)", "(rpm inf)", "(rpm 1 2)"])
def test_a_sensor_that_is_no_number_is_refused_with_its_name(text: str) -> None:
    with pytest.raises(MessageError, match=r"'rpm' is .*; it must be one finite number"):
        sensors(text.encode()).number("rpm")


@pytest.mark.parametrize("text", ["(gear 1)", "(track 1 2)", "(track 1 2 3 4)", "(track 1 nan 3)", "(track 1 x 3)"])
def test_sensors_of_another_number_are_refused_with_their_name(text: str) -> None:
    with pytest.raises(MessageError, match=r"'track' is .*; it must be 3 finite numbers"):
        sensors(text.encode()).numbers("track", 3)
