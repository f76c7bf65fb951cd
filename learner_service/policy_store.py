"""Published policy versions: the newest for everyone, older ones while an evaluator drives them."""

import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping

from distrib_l2r.limits import MAX_MESSAGE_BYTES
from distrib_l2r.policy import PolicyGraph, PolicyVersion, encode_version
from distrib_l2r.tensor import Array
from distrib_l2r.v1 import learner_service_pb2

PINS_PER_SESSION = 4
"""Versions kept for one evaluator: the one it drives, and those whose last chunks may still be on their way."""

PINNING_SESSIONS = 64
"""Evaluators whose versions are kept; each process is a new one, so that those of long ago must go."""

_NOTHING_NEWER = learner_service_pb2.GetPolicyResponse().SerializeToString()


class PolicyStore:
    """Versions of one graph's weights. Thread-safe: the trainer publishes, the server reads."""

    def __init__(
        self,
        graph: PolicyGraph,
        *,
        first_version: int = 1,
        before_publish: Callable[[int], None] = lambda version: None,
    ) -> None:
        self.graph = graph
        self.fingerprint = graph.fingerprint
        self._lock = threading.Lock()
        self._next_version = first_version
        self._before_publish = before_publish
        self._newest: PolicyVersion | None = None
        self._response = _NOTHING_NEWER
        self._pins: OrderedDict[str, deque[PolicyVersion]] = OrderedDict()
        self.on_publish: Callable[[], None] = lambda: None

    def publish(
        self, weights: Mapping[str, Array], *, training_step: int, mirrored_noise: float = 0.0
    ) -> PolicyVersion:
        """Makes `weights`, which must not change afterwards, the newest version and serialises them once.

        Raises:
            ValueError: the policy does not fit into one message.
        """
        with self._lock:
            version = self._next_version
            self._next_version += 1
        policy = PolicyVersion(
            version=version,
            training_step=training_step,
            graph_fingerprint=self.fingerprint,
            weights=weights,
            mirrored_noise=mirrored_noise,
        )
        response = learner_service_pb2.GetPolicyResponse(policy=encode_version(policy)).SerializeToString()
        if len(response) > MAX_MESSAGE_BYTES:
            raise ValueError(
                f"the policy takes {len(response)} bytes on the wire; a message holds at most {MAX_MESSAGE_BYTES}: "
                "make the actor smaller"
            )
        # Before anybody can hear of it: a learner that dies right afterwards must not use the number again.
        self._before_publish(version)
        with self._lock:
            self._newest, self._response = policy, response
        self.on_publish()
        return policy

    @property
    def newest_version(self) -> int:
        """0 before the first."""
        newest = self._newest
        return newest.version if newest else 0

    @property
    def newest(self) -> PolicyVersion | None:
        """None before the first."""
        return self._newest

    def response(self, known_version: int) -> bytes:
        """A serialised `GetPolicyResponse` for a caller that holds `known_version`."""
        with self._lock:
            newest, response = self._newest, self._response
        return _NOTHING_NEWER if newest is not None and newest.version == known_version else response

    def pin(self, session_id: str) -> None:
        """Keeps the newest version findable while this evaluator drives it."""
        with self._lock:
            pins = self._pins.setdefault(session_id, deque(maxlen=PINS_PER_SESSION))
            self._pins.move_to_end(session_id)
            while len(self._pins) > PINNING_SESSIONS:
                self._pins.popitem(last=False)
            if self._newest is not None and (not pins or pins[-1] is not self._newest):
                pins.append(self._newest)

    def unpin(self, session_id: str) -> None:
        """Lets go of all versions of an evaluator that left for good."""
        with self._lock:
            self._pins.pop(session_id, None)

    def find(self, version: int) -> PolicyVersion | None:
        """The version if it is the newest or pinned."""
        with self._lock:
            if self._newest is not None and self._newest.version == version:
                return self._newest
            for pins in self._pins.values():
                for policy in pins:
                    if policy.version == version:
                        return policy
        return None
