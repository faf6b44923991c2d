import pytest

from headway.cli.trajectory import PROTOCOLS, _print, evaluate
from headway.errors import ModelError, UsageError
from headway.paths import weights_dir


def call(**options) -> None:
    defaults = {"data": "", "protocol": "leave-one-out", "nominal": 0.9, "model": "trajectory"}
    evaluate(**(defaults | {"wearers": 1, "seed": 0, "json_file": None} | options))


@pytest.mark.parametrize(("data", "protocol"), [("eth_ucy", "kitti"), ("moon", "leave-one-out"), ("", "best-of-all")])
def test_a_protocol_that_does_not_exist_names_those_that_do(data: str, protocol: str) -> None:
    with pytest.raises(UsageError) as error:
        call(data=data, protocol=protocol)
    assert all(name in str(error.value) for name in PROTOCOLS)


@pytest.mark.parametrize("data", ["/data/eth_ucy", "./eth_ucy", "."])
def test_a_path_is_told_that_a_name_is_wanted(data: str) -> None:
    with pytest.raises(UsageError, match=r"the name of a data set is wanted \(eth_ucy, .*HEADWAY_DATA"):
        call(data=data)


def test_without_the_five_networks_no_scene_is_predicted_by_one_that_saw_it(tmp_path) -> None:
    for name in ("manifest.json", "trajectory.onnx", "calibration.json"):
        (tmp_path / name).write_bytes((weights_dir() / "trajectory" / name).read_bytes())
    with pytest.raises(ModelError, match="leave-one-out"):
        call(model=f"{tmp_path}/")


def test_a_level_of_noise_is_printed_by_itself_and_says_whose_ways_were_counted(capsys):
    """The egocentric protocol prints its levels one by one: such a part names no protocol."""
    cover = {"nominal": 0.9, "measured": 0.9, "together": {"measured": 0.9, "by_scene": {"eth": 0.9}}}
    _print({"scenes": {}, "mean": {}, "alerts": {}, "coverage": cover}, "seen by a walker")
    said = " ".join(capsys.readouterr().out.split())
    assert "90.0 % of pairs of a camera and a person stayed inside" in said
