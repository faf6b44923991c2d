"""Cards say what the manifest says."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from headway.models.driving.card import tub_card
from headway.models.driving.road_card import road_card
from headway.runtime.manifest import read_manifest

SHIPPED = Path(__file__).parents[3] / "models" / "weights" / "driving-roadworld"


@pytest.mark.parametrize(("name", "card"), [("driving-roadworld", road_card), ("driving", tub_card)])
def test_the_shipped_card_is_written_from_the_shipped_manifest(name, card):
    folder = SHIPPED.with_name(name)
    manifest = read_manifest(folder)
    assert (folder / "README.md").read_text(encoding="utf-8") == card(manifest, manifest.evaluation)


def test_stress_and_reference_are_in_the_card_where_they_were_measured():
    manifest = read_manifest(SHIPPED)
    row = {"off_road_m": 1.5, "stopped": 0.0, "runs": 3}
    stress = {"noise": {"straight": {"caril": row, "headway": {**row, "off_road_m": 0.0, "stopped": 1.0}}}}
    reference = {"frames": 123, "epochs": 1.5}
    text = road_card(manifest, {**manifest.evaluation, "stress": stress, "reference": reference})
    assert "| camera | caril | headway |" in text
    assert "| noise | 1.5 (0%) | 0.0 (100%) |" in text
    assert "the same 123 frames for 1.5 epochs" in text
    without = road_card(manifest, {k: v for k, v in manifest.evaluation.items() if k not in ("stress", "reference")})
    assert "| camera |" not in without
    assert "has not been trained" in without


def test_the_ablation_of_the_dual_heads_is_in_the_card_of_a_network_that_had_a_teacher():
    manifest = read_manifest(SHIPPED.with_name("driving"))
    assert "distillation" not in tub_card(manifest, manifest.evaluation)
    found = {"held_out": {"plain": {"steering_mae": 0.1234, "bin_nll": 1.5}}, "mix": 0.25}
    taught = replace(manifest, training={**manifest.training, "distillation": found})
    text = tub_card(taught, manifest.evaluation)
    assert "| plain | 0.1234 | 1.500 |" in text
    assert "The mixture shipped is 0.25." in text
