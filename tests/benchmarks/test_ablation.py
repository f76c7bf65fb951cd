"""The ablation's own arithmetic and its commands."""

import json
from pathlib import Path

import pytest
import tyro

from tests.benchmarks import ablation
from tests.benchmarks.ablation import VARIABLES, Flags, command, figures, table
from tests.benchmarks.learn_in_process import Settings


@pytest.mark.parametrize(
    ("variable", "value"), [(variable, value) for variable, values in VARIABLES.items() for value in values]
)
def test_every_command_differs_from_the_defaults_in_its_own_setting_alone(variable: str, value: str) -> None:
    def settings(flags: str) -> Settings:
        return tyro.cli(Settings, args=command(Flags(updates=500), flags, 7)[3:])

    changed, defaults = settings(VARIABLES[variable][value]), settings("")
    assert (changed.seed, changed.max_updates, changed.env_args[0]) == (7, 500, "track=larkfield")
    differing = [name for name in vars(defaults) if name != "sac" and getattr(changed, name) != getattr(defaults, name)]
    differing += [name for name in vars(defaults.sac) if getattr(changed.sac, name) != getattr(defaults.sac, name)]
    assert len(differing) == (0 if variable == "defaults" else 1)


def test_figures_take_the_median_of_the_last_evaluations() -> None:
    ratios = (None, 1.2, 1.09, None, 1.06, 1.05)
    history = [
        {"updates": 100 * i} | ({} if ratio is None else {"median_lap_ratio": ratio}) for i, ratio in enumerate(ratios)
    ]
    result = {"history": history, "best_lap": {"lap_ratio": 1.04}, "steps": 1, "updates": 2, "seconds": 3.0}
    row = figures(result | {"updates_per_second": 4.0})
    assert (row["updates_to_ratio"], row["best_lap_ratio"], row["final_lap_ratio"]) == (200, 1.04, 1.06)


def test_the_table_shows_medians_and_what_never_came() -> None:
    shared = {"variable": "n_step", "value": "1", "asked_updates": 500, "track": "larkfield", "best_lap_ratio": 1.0}
    rows = [
        shared | {"final_lap_ratio": 1.2, "updates_to_ratio": 300},
        shared | {"final_lap_ratio": None, "updates_to_ratio": None},
        shared | {"final_lap_ratio": 1.1, "updates_to_ratio": None},
    ]
    assert table(rows).splitlines()[-1] == (
        "| larkfield | 500 | n_step | 1 | 3 | 1.2000 (1.1000 to -) | 1.0000 (1.0000 to 1.0000) | - |"
    )


def test_what_is_there_is_not_run_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    output = tmp_path / "ablation.json"
    asked: list[tuple[str, str, int]] = []

    def run(flags: Flags, variable: str, value: str, seed: int) -> dict[str, object]:
        asked.append((variable, value, seed))
        row = {"variable": variable, "value": value, "seed": seed, "asked_updates": flags.updates, "track": flags.track}
        return row | {"final_lap_ratio": 1.1, "best_lap_ratio": 1.1, "updates_to_ratio": 100}

    monkeypatch.setattr(ablation, "run", run)
    ablation.main(Flags(variables=("starts",), seeds=(0,), output=output))
    ablation.main(Flags(variables=("starts",), seeds=(0, 1), output=output))
    assert asked == [("starts", "standing", 0), ("starts", "standing", 1)]
    assert [json.loads(line)["seed"] for line in output.read_text().splitlines()] == [0, 1]
    assert "standing" in output.with_suffix(".md").read_text()


def test_an_unknown_variable_is_refused() -> None:
    with pytest.raises(ValueError, match="variables has colour"):
        Flags(variables=("colour",))
