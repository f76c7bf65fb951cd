"""Layouts against bytes written by hand from the description of the interfaces."""

import numpy as np
import pytest

from worker_service.simulators.l2r.protocol import (
    Action,
    Gear,
    Ports,
    PoseIndex,
    ProtocolError,
    decode_action,
    decode_image,
    decode_pose,
    encode_action,
    encode_image,
    encode_pose,
)

GOLDEN_ACTION = bytes.fromhex(
    "0000003f"  # 0: steer 0.5 rad, float32
    "000080c1"  # 4: acceleration -16 m/s2, float32
    "01"  # 8: drive, int8
)

GOLDEN_POSE = bytes.fromhex(
    "0000803e"  # 0: steer 0.25 rad, float32
    "01"  # 4: drive, int8
    "01"  # 5: autonomous, int8
    "0000803f0000004000004040"  # 6: velocity 1, 2, 3
    "000080bf0000000000001841"  # 18: acceleration -1, 0, 9.5
    "0000003f000000bf0000003e"  # 30: angular velocity 0.5, -0.5, 0.125
    "00000040000000c000000000"  # 42: yaw 2, pitch -2, roll 0
    "000000000000f8bf"  # 54: longitude -1.5, float64
    "0000000000a04940"  # 62: latitude 51.25, float64
    "0000000000005040"  # 70: altitude 64 m, float64
    "0000c8420000c8420000c8420000c842"  # 78: 100 rpm of each wheel
    "0000403f0000403f0000403f0000403f"  # 94: brakes 0.75
    "000000c1000000c1000000c1000000c1"  # 110: torques -8
)
GOLDEN_POSE_VALUES = [
    *(0.25, 1.0, 1.0),
    *(1.0, 2.0, 3.0),
    *(-1.0, 0.0, 9.5),
    *(0.5, -0.5, 0.125),
    *(2.0, -2.0, 0.0),
    *(-1.5, 51.25, 64.0),
    *[100.0] * 4,
    *[0.75] * 4,
    *[-8.0] * 4,
]

GOLDEN_IMAGE = bytes.fromhex(
    "01000000"  # 0: depth 1, int32
    "01000000"  # 4: height 1
    "02000000"  # 8: width 2
    "03000000"  # 12: channels 3
    "00000000"  # 16: type 0, bytes
    "00000000"  # 20: padding
    "dc05000000000000"  # 24: 1500 ms, int64
    "0700000000000000"  # 32: frame 7, int64
    "030201"  # 40: blue 3, green 2, red 1
    "060504"
)
IMAGE = np.array([[[1, 2, 3], [4, 5, 6]]], np.uint8)


def test_golden_messages_have_the_documented_sizes() -> None:
    assert (len(GOLDEN_ACTION), len(GOLDEN_POSE), len(GOLDEN_IMAGE)) == (9, 126, 40 + 6)


def test_action_is_the_golden_bytes_both_ways() -> None:
    action = Action(steer_radians=0.5, acceleration=-16.0, gear=Gear.DRIVE)
    assert encode_action(action) == GOLDEN_ACTION
    assert decode_action(GOLDEN_ACTION) == action


def test_pose_is_the_golden_bytes_both_ways() -> None:
    pose = decode_pose(GOLDEN_POSE)
    assert pose.tolist() == GOLDEN_POSE_VALUES
    assert encode_pose(pose) == GOLDEN_POSE
    assert pose[PoseIndex.LATITUDE] == 51.25
    assert pose[PoseIndex.BRAKE] == 0.75


def test_image_is_the_golden_bytes_both_ways_and_turns_to_red_green_blue() -> None:
    assert encode_image(IMAGE, milliseconds=1500, frame=7) == GOLDEN_IMAGE
    image, frame = decode_image(GOLDEN_IMAGE)
    np.testing.assert_array_equal(image, IMAGE)
    assert frame == 7


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (GOLDEN_ACTION[:8], "an action of 8 bytes; it must have 9"),
        (GOLDEN_ACTION + b"\0", "an action of 10 bytes"),
        (bytes.fromhex("0000c07f") + GOLDEN_ACTION[4:], "steer nan and acceleration -16.0; both must be finite"),
        (GOLDEN_ACTION[:8] + b"\x04", "gear 4; it must be 0 to 3"),
    ],
)
def test_broken_action_is_refused(content: bytes, message: str) -> None:
    with pytest.raises(ProtocolError, match=message):
        decode_action(content)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (GOLDEN_POSE[:-1], "a pose of 125 bytes; it must have 126"),
        (bytes.fromhex("0000807f") + GOLDEN_POSE[4:], "a pose whose entry 0 is not finite"),
    ],
)
def test_broken_pose_is_refused(content: bytes, message: str) -> None:
    with pytest.raises(ProtocolError, match=message):
        decode_pose(content)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (GOLDEN_IMAGE[:39], "a picture of 39 bytes; its header alone has 40"),
        (GOLDEN_IMAGE[:-1], "a picture of 45 bytes; by its header it has 46"),
        (b"\x02" + GOLDEN_IMAGE[1:], "a picture of depth 2, 1 x 2, 3 channels of type 0"),
        (GOLDEN_IMAGE[:16] + b"\x05" + GOLDEN_IMAGE[17:], "of type 5"),
        (GOLDEN_IMAGE[:4] + b"\0" + GOLDEN_IMAGE[5:], "depth 1, 0 x 2"),
    ],
)
def test_broken_image_is_refused(content: bytes, message: str) -> None:
    with pytest.raises(ProtocolError, match=message):
        decode_image(content)


def test_ports_are_the_published_ones_or_consecutive() -> None:
    cameras = {"CameraFrontRGB": 8008, "CameraLeftRGB": 8009, "CameraRightRGB": 8010}
    assert Ports() == Ports(action=7077, pose=7078, control=16000, cameras=cameras)
    cameras = {"CameraFrontRGB": 20003, "CameraLeftRGB": 20004, "CameraRightRGB": 20005}
    assert Ports.from_base(20000) == Ports(action=20000, pose=20001, control=20002, cameras=cameras)
