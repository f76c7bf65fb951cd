"""`python -m tests.deploy.launch [--learner-flag=FLAG] FLAGS`: the launcher with a fake learner and idle workers."""

import sys

from deploy.local.__main__ import main
from deploy.local.config import Programs
from tests.deploy.processes import python

LEARNER = (sys.executable, "-m", "tests.deploy.fake_learner")
WORKER = tuple(python("print('hello from', sys.argv[1:], flush=True); time.sleep(60)"))

if __name__ == "__main__":
    prefix = "--learner-flag="
    given = [argument.removeprefix(prefix) for argument in sys.argv[1:] if argument.startswith(prefix)]
    flags = [argument for argument in sys.argv[1:] if not argument.startswith(prefix)]
    learner = (*LEARNER, *given)
    sys.exit(main(flags, Programs(learner=learner, worker=WORKER)))
