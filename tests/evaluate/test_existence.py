"""What a box is believed to be is fitted on labelled material, and holds where nothing was fitted."""

from __future__ import annotations

import importlib.util
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from headway.evaluate.existence import Looks, fit, of_street, reliability, shares, summary
from headway.paths import sample_dir
from headway.runtime.model import open_model
from headway.stages.existence import BELIEF, Belief
from headway.stages.heads import HeadStage

TOOL = Path(__file__).parents[2] / "tools" / "calibrate_existence.py"
TRUE = Belief(bias=0.5, score=2.0, sigma=-1.5, size=-1.0, track=1.4)


def looks(n: int, seed: int, sightings: float = 1.0, mean: float = 0.0) -> Looks:
    """Made from a known belief."""
    random = np.random.default_rng(seed)
    x = random.normal([mean, 0.0, 0.0], 1.0, (n, 3))
    many = np.full(n, sightings)
    free = replace(TRUE, limit=100.0)
    return Looks(x, many, random.random(n) < free.probability(free.linear(x), many), np.ones(n))


def test_the_fit_finds_the_numbers_that_the_material_was_made_with() -> None:
    found = fit([[looks(20_000, 1)], [looks(20_000, 2, sightings=15.0)]])
    for name in ("bias", "score", "sigma", "size"):
        assert getattr(found, name) == pytest.approx(getattr(TRUE, name), abs=0.08)
    assert found.track == pytest.approx(TRUE.track, abs=0.1)


def test_every_kind_of_material_weighs_the_same_however_much_there_is() -> None:
    kinds = [[looks(300, 1), looks(100, 2)], [looks(50, 3)]]
    first, second, third = shares(kinds)
    assert first == second
    assert 400 * first == pytest.approx(50 * third)
    assert 400 * first + 50 * third == pytest.approx(450)


def test_a_belief_that_tells_the_truth_is_reliable_and_one_that_does_not_is_seen() -> None:
    material = [looks(20_000, 4)]
    good, bad = reliability(TRUE, material), reliability(replace(TRUE, bias=TRUE.bias + 1.5), material)
    assert all(abs(b["said"] - b["real"]) < 0.04 for b in good["bands"])
    assert max(b["said"] - b["real"] for b in bad["bands"]) > 0.2
    assert good["brier"] < bad["brier"]


@pytest.mark.train
def test_the_shipped_numbers_are_fitted_on_no_photograph(monkeypatch, tmp_path) -> None:
    """Photographs of `people/` are for looking at results alone: nothing that is shipped may learn from them."""
    pytest.importorskip("torch")
    spec = importlib.util.spec_from_file_location("calibrate_existence", TOOL)
    assert spec
    assert spec.loader
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    (tmp_path / "walker-1.mcap").touch()
    fitted: list[str] = []
    for name, kind in (("read_people", "photographs"), ("read_sheets", "sheets")):
        monkeypatch.setattr(tool, name, lambda kind=kind: kind)
    monkeypatch.setattr(tool, "read_labels", lambda folder: "people")
    for name in ("open_model", "HeadStage", "show"):
        monkeypatch.setattr(tool, name, lambda *_: None)
    for name in ("of_images", "of_pictures"):
        monkeypatch.setattr(tool.existence, name, lambda stage, kind: kind)
    monkeypatch.setattr(tool.existence, "of_street", lambda stage, bag: bag.stem)
    monkeypatch.setattr(tool.existence, "fit", lambda kinds: fitted.extend(k for kind in kinds for k in kind) or BELIEF)
    for name in ("scored", "summary", "reliability"):
        monkeypatch.setattr(tool.existence, name, lambda *_: {})
    monkeypatch.setattr("sys.argv", ["tool", "--people", "labels", "--streets", str(tmp_path), "--models", "head-pose"])
    tool.main()
    assert set(fitted) == {"people", "sheets", "walker-1"}


def test_a_track_is_one_witness_however_long_it_lasts() -> None:
    probability, real = np.array([0.9, 0.9, 0.9, 0.9, 0.2]), np.array([True] * 4 + [False])
    found = summary([(probability, real, np.array([0.25] * 4 + [1.0]))])
    assert found["witnesses"] == pytest.approx(2.0)
    assert found["real"] == pytest.approx(0.5)


def test_on_the_bundled_street_people_are_believed_and_what_is_none_is_doubted() -> None:
    """The bags are not fitted on. Bounds are wide: they hold for other weights of the same kind."""
    stage = HeadStage(open_model("head-pose", "head-pose"))
    found = of_street(stage, sample_dir() / "street-vehicle.mcap")
    probability = BELIEF.probability(BELIEF.linear(found.features), found.sightings)
    assert np.mean(probability[found.real]) > 0.8
    assert np.mean(probability[found.real] < 0.25) < 0.02
    if (~found.real).sum() > 30:
        assert np.mean(probability[~found.real]) < 0.5
