from pathlib import Path

import pytest

from deploy.pictures.trace import best_trace, read_traces

HEADER = "episode,x_metres,y_metres,speed_metres_per_second,lap_seconds\n"


def test_trace_is_cut_into_laps_at_the_line(tmp_path: Path) -> None:
    rows = ["0,0,0,1,", "0,1,0,2,", "0,2,0,3,20.5", "0,3,0,4,", "0,4,0,5,19.5", "1,0,9,1,", "1,1,9,1,"]
    (tmp_path / "trace.csv").write_text(HEADER + "\n".join(rows) + "\n")
    first, second, unfinished = read_traces(tmp_path / "trace.csv")
    assert (first.lap_seconds, second.lap_seconds, unfinished.lap_seconds) == (20.5, 19.5, None)
    assert first.points[:, 0].tolist() == [0, 1, 2]
    assert second.points[:, 0].tolist() == [2, 3, 4]
    assert second.speed_metres_per_second.tolist() == [3, 4, 5]
    assert unfinished.points.tolist() == [[0, 9], [1, 9]]
    assert best_trace([first, second, unfinished]) is second
    assert best_trace([unfinished]) is unfinished
    assert best_trace([]) is None


def test_file_without_the_columns_is_refused(tmp_path: Path) -> None:
    (tmp_path / "trace.csv").write_text("episode,x_metres\n0,1\n")
    with pytest.raises(ValueError, match=r"lacks the columns .*speed_metres_per_second"):
        read_traces(tmp_path / "trace.csv")
