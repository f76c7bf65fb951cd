"""Random spaces and chunks for property tests."""

from typing import Any

import hypothesis.extra.numpy as hnp
import numpy as np
from hypothesis import strategies as st

from distrib_l2r.spaces import Box, Spaces
from distrib_l2r.tensor import DTYPES, Array
from distrib_l2r.trajectory import Ending, EpisodeSummary, Lap, Purpose, TrajectoryChunk

NAMES = st.text(min_size=1, max_size=8)
FLOATS = st.floats(-1e6, 1e6)


def arrays(dtype: np.dtype[Any], shape: tuple[int, ...]) -> st.SearchStrategy[Array]:
    """Finite arrays."""
    return hnp.arrays(dtype, shape, elements=hnp.from_dtype(dtype, allow_nan=False, allow_infinity=False))


@st.composite
def boxes(draw: st.DrawFn) -> Box:
    """Boxes of any type, unbounded or bounded at random."""
    dtype = draw(st.sampled_from(list(DTYPES.values())))
    shape = draw(hnp.array_shapes(min_dims=0, max_dims=3, max_side=3))
    if dtype.kind == "f" and draw(st.booleans()):
        return Box(low=np.full(shape, -np.inf, dtype), high=np.full(shape, np.inf, dtype))
    one, other = draw(arrays(dtype, shape)), draw(arrays(dtype, shape))
    return Box(low=np.minimum(one, other), high=np.maximum(one, other))


@st.composite
def all_spaces(draw: st.DrawFn) -> Spaces:
    """Spaces with one to three observation columns and up to one privileged column."""
    dtype: np.dtype[Any] = np.dtype(draw(st.sampled_from(["<f4", "<f8"])))
    shape = draw(hnp.array_shapes(min_dims=1, max_dims=2, max_side=3))
    return Spaces(
        observation=draw(st.dictionaries(NAMES, boxes(), min_size=1, max_size=3)),
        action=Box(low=np.full(shape, -1, dtype), high=np.full(shape, 1, dtype)),
        privileged=draw(st.dictionaries(NAMES, boxes(), max_size=1)),
    )


@st.composite
def summaries(draw: st.DrawFn, *, aborted: bool) -> EpisodeSummary:
    """Summaries with up to two laps."""
    times = draw(st.lists(st.floats(0.1, 1e3), max_size=2))
    laps = tuple(Lap(number=i + 1, time_seconds=time, standing_start=i == 0) for i, time in enumerate(times))
    return EpisodeSummary(
        length=draw(st.integers(1, 10**6)),
        episode_return=draw(FLOATS),
        metrics=draw(st.dictionaries(NAMES, FLOATS, max_size=3)),
        laps=laps,
        laps_started=len(laps) + draw(st.integers(0, 2)),
        abort_reason=draw(st.text(max_size=20)) if aborted else "",
    )


@st.composite
def chunks(draw: st.DrawFn, spaces: Spaces) -> TrajectoryChunk:
    """Valid chunks in these spaces."""
    length = draw(st.integers(1, 5))
    ending = draw(st.sampled_from(Ending))
    episode_id = draw(st.integers(0, 2**63))
    action = spaces.action
    return TrajectoryChunk(
        sequence=draw(st.integers(1, 2**63)),
        episode_id=episode_id,
        first_step=draw(st.integers(0, 2**63)),
        policy_version=draw(st.integers(1, 2**63)),
        purpose=draw(st.sampled_from(Purpose)),
        observation={
            name: draw(arrays(box.dtype, (length + 1, *box.shape))) for name, box in spaces.observation.items()
        },
        action=draw(hnp.arrays(action.dtype, (length, *action.shape), elements=st.floats(-1, 1, width=32))),
        reward=draw(arrays(np.dtype("<f4"), (length,))),
        ending=ending,
        privileged={name: draw(arrays(box.dtype, (length + 1, *box.shape))) for name, box in spaces.privileged.items()},
        summary=None if ending is Ending.CONTINUES else draw(summaries(aborted=ending is Ending.ABORTED)),
        simulator_restarts=draw(st.integers(0, 2**63)),
        mirror_of=draw(st.integers(0, 2**63).filter(lambda mirrored: mirrored != episode_id or mirrored == 0)),
    )
