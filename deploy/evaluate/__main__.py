"""`python -m deploy.evaluate POLICY...`: drives saved policies and publishes how well they race."""

import shlex
import sys

import tyro
from rich.console import Console

from deploy.evaluate.config import EVALUATION_FILE, Config
from deploy.evaluate.evaluation import evaluate
from deploy.evaluate.pictures import draw_pictures
from deploy.evaluate.progress import Progress
from deploy.evaluate.report import report, write_report, write_rows
from deploy.evaluate.tables import tables
from deploy.local.config import ConfigError


def main(arguments: list[str] | None = None) -> int:
    """Evaluates as the flags say; returns the exit status.

    0: everything is written, however the laps went; 1: driving or writing failed; 2: a flag or a policy is wrong;
    130: Ctrl-C.
    """
    given = sys.argv[1:] if arguments is None else arguments
    console = Console(highlight=False)
    try:
        config = tyro.cli(Config, prog="python -m deploy.evaluate", description=__doc__, args=given)
        _run(config, shlex.join(["python", "-m", "deploy.evaluate", *given]), console)
    except ConfigError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted before the results were written", file=sys.stderr)
        return 130
    return 0


def _run(config: Config, command: str, console: Console) -> None:
    with Progress(console) as progress:
        evaluation = evaluate(config, progress)
    for part in tables(evaluation):
        console.print()
        console.print(part)
    config.out.mkdir(parents=True, exist_ok=True)
    written = [write_rows(config.out, evaluation), *draw_pictures(config.out, evaluation)]
    # Last: with it the folder is complete.
    write_report(config.out / EVALUATION_FILE, report(evaluation, command))
    names = ", ".join([EVALUATION_FILE, *(path.name for path in written)])
    console.print(f"\nIn {config.out}: {names}", markup=False, soft_wrap=True)


if __name__ == "__main__":
    sys.exit(main())
