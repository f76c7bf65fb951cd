"""A learner that tells its threads' native ids, by which Linux counts their CPU time.

    THREADS_FILE=threads.json python -m tests.benchmarks.named_threads [flags of learner_service]

On SIGUSR1 it writes a JSON object of names and ids; Python 3.11 does not pass names on to the kernel.
"""

import json
import os
import signal
import sys
import threading
from pathlib import Path
from types import FrameType

from learner_service.__main__ import main
from learner_service.replace_file import replace_file

FILE_VARIABLE = "THREADS_FILE"


def write(_number: int, _frame: FrameType | None) -> None:
    """Writes the file."""
    ids = {thread.name: thread.native_id for thread in threading.enumerate()}
    replace_file(Path(os.environ[FILE_VARIABLE]), json.dumps(ids).encode())


if __name__ == "__main__":
    signal.signal(signal.SIGUSR1, write)
    sys.exit(main())
