"""Environments of any Box or Dict-of-Box kind join; others are refused with the remedy."""

from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces

from distrib_l2r.environment import decode_arguments
from learner_service.config import EnvironmentConfig
from worker_service.columns import Environment, column_boxes, observation_columns
from worker_service.environment import environment_spaces, load_wrapper, make_environment
from worker_service.exploration import HeldNoise


class Shapeless(gymnasium.Env[Any, Any]):
    def __init__(self, observation: spaces.Space[Any], action: spaces.Space[Any]) -> None:
        self.observation_space, self.action_space = observation, action


BOX = spaces.Box(-1, 1, (2,), np.float32)


def test_a_plain_box_becomes_one_column() -> None:
    found = environment_spaces(Shapeless(BOX, BOX))
    assert {name: str(box) for name, box in found.observation.items()} == {"observation": "float32 (2,)"}
    row = np.zeros(2, np.float32)
    assert observation_columns(row)["observation"] is row


def test_a_dictionary_keeps_its_columns_and_types() -> None:
    image = spaces.Box(0, 255, (8, 8, 3), np.uint8)
    found = environment_spaces(Shapeless(spaces.Dict({"camera": image, "speed": BOX}), BOX))
    assert {name: str(box) for name, box in found.observation.items()} == {
        "camera": "uint8 (8, 8, 3)",
        "speed": "float32 (2,)",
    }


def test_privileged_columns_are_named_by_their_prefix() -> None:
    found = environment_spaces(Shapeless(spaces.Dict({"speed": BOX, "privileged/grip": BOX}), BOX))
    assert (list(found.observation), list(found.privileged)) == (["speed"], ["grip"])
    assert list(column_boxes(found)) == ["speed", "privileged/grip"]


def test_car_that_sees_its_camera_alone_tells_critics_the_rest() -> None:
    environment = make_environment("Racetrack-v0", {"camera": 32, "camera_alone": True})
    found = environment_spaces(environment)
    assert {name: box.shape for name, box in found.observation.items()} == {"camera": (32, 32, 3), "speed": (1,)}
    assert {name: box.shape for name, box in found.privileged.items()} == {"observation": (59,)}
    observation, _ = environment.reset(seed=0)
    assert observation["speed"] == observation["privileged/observation"][3]
    environment.close()
    with pytest.raises(ValueError, match="camera_alone is given without a camera: give camera=64"):
        make_environment("Racetrack-v0", {"camera_alone": True})


@pytest.mark.parametrize(
    ("observation", "action", "sentence"),
    [
        (spaces.Discrete(3), BOX, "observation 'observation' is a Discrete space; only Box travels: wrap"),
        (BOX, spaces.Discrete(3), "action is a Discrete space"),
        (spaces.Dict({"a": spaces.Dict({"b": BOX})}), BOX, "observation 'a' is a Dict space"),
    ],
)
def test_other_spaces_are_refused_by_name(
    observation: spaces.Space[Any], action: spaces.Space[Any], sentence: str
) -> None:
    with pytest.raises(TypeError, match=sentence):
        environment_spaces(Shapeless(observation, action))


def test_environment_arguments_keep_their_types_over_the_wire() -> None:
    texts = ("laps=3", "friction=0.5", "camera=true", "track=random:7")
    message = EnvironmentConfig(env_args=texts).message()
    assert decode_arguments(message.arguments) == {"laps": 3, "friction": 0.5, "camera": True, "track": "random:7"}


def test_the_embedded_car_is_made_by_its_short_id() -> None:
    environment = make_environment("Racetrack-v0", {})
    assert environment_spaces(environment).action.shape == (2,)
    environment.close()


def identity(environment: Environment) -> Environment:
    return environment


def test_a_wrapper_is_loaded_by_name() -> None:
    assert load_wrapper("tests.worker.test_environment:identity") is identity


@pytest.mark.parametrize("reference", ["nowhere:f", "tests.fakes:nothing", "tests.fakes", "tests.fakes:SPACES"])
def test_a_wrapper_that_cannot_be_loaded_is_named(reference: str) -> None:
    with pytest.raises(ValueError, match=f"env wrapper '{reference}'"):
        load_wrapper(reference)


def test_noise_is_held_for_its_steps_and_repeats_by_seed() -> None:
    noise = HeldNoise(2, scale=0.5, hold_steps=3, seed=4)
    assert not noise.values.any()
    draws = [(noise.advance(), noise.values.copy()) for _ in range(9)]
    assert [changed for changed, _ in draws] == [True, False, False] * 3
    assert all((draws[i][1] == draws[i - i % 3][1]).all() for i in range(9))
    assert (draws[0][1] != draws[3][1]).all()
    again = HeldNoise(2, scale=0.5, hold_steps=3, seed=4)
    assert all(again.advance() == changed and (again.values == draw).all() for changed, draw in draws)
    many = HeldNoise(10_000, scale=0.5, hold_steps=1, seed=0)
    many.advance()
    assert abs(many.values.std() - 0.5) < 0.02
