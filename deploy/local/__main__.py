"""`python -m deploy.local`: the launcher from flags."""

import sys

import tyro
from rich.console import Console

from deploy.local.config import Config, ConfigError, Programs
from deploy.local.interrupt import Interrupt
from deploy.local.job import Job
from deploy.local.job_error import JobError
from deploy.local.progress import Progress
from deploy.local.results import conclude


def main(arguments: list[str] | None = None, programs: Programs | None = None) -> int:
    """Trains and concludes as the flags say; returns the exit status.

    0: the job did its work; 1: it did not; 2: a flag is wrong; 130: Ctrl-C.
    """
    try:
        config = tyro.cli(Config, prog="python -m deploy.local", description=__doc__, args=arguments)
    except ConfigError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    console = Console(highlight=False)
    with Interrupt() as interrupt:
        try:
            return _run(config, programs or Programs(), console, interrupt)
        except KeyboardInterrupt:
            console.print("killed before the results were written", markup=False)
            return interrupt.exit_status
        except (JobError, OSError) as error:
            print(f"error: {error}", file=sys.stderr)
            return 1


def _run(config: Config, programs: Programs, console: Console, interrupt: Interrupt) -> int:
    with Progress(console) as progress:
        job = Job(config, programs, progress, interrupt)
        job.train()
        summary = conclude(job, progress)
    if job.failure is not None:
        console.print(str(job.failure), markup=False, soft_wrap=True)
    console.print(summary.table())
    console.print(f"\nEverything of this run is in {config.run_dir}", markup=False, soft_wrap=True)
    if summary.replay_command is not None:
        console.print(f"Drive it again:  {summary.replay_command}", markup=False, soft_wrap=True)
    outcome = "done" if summary.exit_status == 0 else "not done"
    console.print(f"{outcome}: {summary.exit_reason}", markup=False, soft_wrap=True)
    return summary.exit_status


if __name__ == "__main__":
    sys.exit(main())
