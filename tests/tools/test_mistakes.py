"""A mistake of whoever calls a tool is told in one line, with no traceback."""

import runpy
from pathlib import Path

import pytest

TOOLS = Path(__file__).parents[2] / "tools"
pytestmark = pytest.mark.skipif(not TOOLS.is_dir(), reason="tools/ is only in a checkout")


@pytest.mark.parametrize(
    "words",
    [
        "alerts_on_street.py nowhere.mcap",
        "calibrate_contacts.py --model nowhere",
        "calibrate_existence.py --people nowhere --streets nowhere",
        "head_pose_ablations.py --data nowhere --val nowhere --out out --work work",
        "radius_on_street.py nowhere.mcap",
        "reference_output.py --engine nowhere",
        "renew_graph.py nowhere",
        "renew_trajectory.py nowhere --calibrate",
        "replay_proof.py --bag nowhere.mcap",
        "tune_alerts.py --model nowhere",
    ],
)
def test_what_does_not_exist_is_named_in_one_line(words, tmp_path, monkeypatch):
    tool, *arguments = words.split()
    if tool in ("calibrate_existence.py", "head_pose_ablations.py", "renew_graph.py", "renew_trajectory.py"):
        pytest.importorskip("torch")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", [tool, *arguments])
    with pytest.raises(SystemExit) as end:
        runpy.run_path(str(TOOLS / tool), run_name="__main__")
    assert str(end.value.code).startswith("error: ")
    assert "nowhere" in str(end.value.code)
