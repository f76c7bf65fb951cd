"""Both settings of everything that is unverified, at the emulator's end and at the environment's."""

import numpy as np
import pytest

from tests.l2r.courses import ring
from worker_service.simulators.l2r.conventions import UNVERIFIED, Conventions
from worker_service.simulators.l2r.emulator.car import EmulatedCar
from worker_service.simulators.l2r.protocol import Action, Pose, PoseIndex
from worker_service.simulators.l2r.road_view import RoadView

ALL = [
    "",
    "pose_yaw=anticlockwise",
    "steer=right",
    "velocity=world",
    "start_yaw=degrees",
    "pose_yaw=anticlockwise,steer=right,velocity=world,start_yaw=degrees",
]


def turning_left(conventions: Conventions) -> Pose:
    """A pose after two seconds of driving to the left, by what the conventions say is left."""
    car = EmulatedCar(ring(), conventions)
    car.autonomous = True
    car.drive(Action(steer_radians=conventions.steer_sign * 0.1, acceleration=4.0))
    for _ in range(20):
        car.advance(0.1)
    return car.pose()


def test_unverified_is_what_the_text_leaves_out() -> None:
    assert Conventions.parse("") == UNVERIFIED
    assert UNVERIFIED.pose_yaw == "clockwise"
    assert Conventions.parse(" pose_yaw=anticlockwise").pose_yaw == "anticlockwise"


@pytest.mark.parametrize("text", ["yaw=clockwise", "pose_yaw=left", "pose_yaw", "steer=left,speed=1"])
def test_unknown_convention_is_refused_with_the_choices(text: str) -> None:
    with pytest.raises(ValueError, match=r"it must be one of pose_yaw=clockwise\|anticlockwise, steer=left\|right"):
        Conventions.parse(text)


@pytest.mark.parametrize(
    ("direction", "east", "north_west"),
    [("clockwise", 0.5 * np.pi, -0.25 * np.pi), ("anticlockwise", -0.5 * np.pi, 0.25 * np.pi)],
)
def test_yaw_of_a_pose_counts_from_north_in_either_direction(direction: str, east: float, north_west: float) -> None:
    conventions = Conventions.parse(f"pose_yaw={direction}")
    # The project's own yaws count anticlockwise from East.
    for yaw, pose_yaw in ((0.0, east), (0.75 * np.pi, north_west), (0.5 * np.pi, 0.0)):
        assert conventions.encode_yaw(yaw) == pytest.approx(pose_yaw)
        assert conventions.decode_yaw(pose_yaw) == pytest.approx(yaw)


def test_poses_of_the_same_drive_differ_as_the_conventions_say() -> None:
    usual = turning_left(UNVERIFIED)
    turned = turning_left(Conventions.parse("pose_yaw=anticlockwise"))
    assert turned[PoseIndex.YAW] == pytest.approx(-usual[PoseIndex.YAW])
    assert usual[PoseIndex.ANGULAR_VELOCITY + 2] < 0.0 < turned[PoseIndex.ANGULAR_VELOCITY + 2]
    right = turning_left(Conventions.parse("steer=right"))
    assert usual[PoseIndex.STEER] == pytest.approx(0.1)
    assert right[PoseIndex.STEER] == pytest.approx(-0.1)
    world = turning_left(Conventions.parse("velocity=world"))
    speed = PoseIndex.VELOCITY
    assert np.hypot(*world[speed : speed + 2]) == pytest.approx(np.hypot(*usual[speed : speed + 2]))
    assert abs(world[speed] - usual[speed]) > 0.5


@pytest.mark.parametrize("text", ALL)
def test_environment_understands_an_emulator_of_the_same_conventions(text: str) -> None:
    conventions, course = Conventions.parse(text), ring()
    road = RoadView(course, conventions, 0.3)
    pose = turning_left(conventions)
    east, north, up = course.reference.enu(*pose[15:18])
    pose[15:18] = north, east, up
    road.begin(pose)
    state, expected = road.state, RoadView(course, UNVERIFIED, 0.3)
    usual = turning_left(UNVERIFIED)
    usual[15:18] = north, east, up
    expected.begin(usual)
    assert state.yaw_radians == pytest.approx(expected.state.yaw_radians)
    assert state.steer_radians == pytest.approx(0.1)
    assert state.yaw_rate_radians_per_second > 0.0, "to the left"
    np.testing.assert_allclose(road.observe(), expected.observe(), atol=1e-6)


def test_environment_misreads_an_emulator_of_another_yaw() -> None:
    course = ring()
    yaws = []
    for text in ("", "pose_yaw=anticlockwise"):
        pose = turning_left(Conventions.parse(text))
        east, north, up = course.reference.enu(*pose[15:18])
        pose[15:18] = north, east, up
        road = RoadView(course, UNVERIFIED, 0.3)
        road.begin(pose)
        yaws.append(road.state.yaw_radians)
    right, wrong = yaws
    assert abs(wrong - right) > 0.3
    assert np.cos(wrong) == pytest.approx(-np.cos(right)), "mirrored at North"


@pytest.mark.parametrize("text", ["", "start_yaw=degrees"])
def test_start_positions_have_the_simulators_axes_and_either_unit(text: str) -> None:
    conventions = Conventions.parse(text)
    # South-east, clockwise from North: 135 degrees.
    rotation = conventions.encode_start_yaw(-0.25 * np.pi)
    assert rotation == pytest.approx(135.0 if text else np.radians(135.0))
    assert conventions.decode_start_yaw(rotation) == pytest.approx(-0.25 * np.pi)
