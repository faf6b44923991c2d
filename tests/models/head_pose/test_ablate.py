"""Ablations: one run for each part that is left out, none twice, and a table in the card."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("torch")

from headway.errors import UsageError
from headway.models.head_pose import ablate as module
from headway.models.head_pose.config import TrainConfig
from headway.models.head_pose.fit import Limit
from headway.models.head_pose.produce import Order, finish, produce
from headway.runtime.manifest import read_manifest

pytestmark = pytest.mark.train

CONFIG = TrainConfig(
    crop_size=64, crop_batch=4, frame_size=64, frame_batch=2, photo_share=0.0, teach_each=0, large_each=0
)


def test_every_part_is_really_switched_off() -> None:
    order = Order(*4 * [None], Limit(steps=1), TrainConfig(), teacher=Path("larger"))
    changed = {name: change(order) for name, change in module.WITHOUT.items()}
    assert changed.pop("nothing left out") == order
    assert changed["crop start"].config.crop_share == 0.0
    assert changed["uncertainty term"].loss.sigma == 0.0
    assert changed["photo-like cut-outs"].config.photo_share == 0.0
    assert changed["semi-supervision"].config.teach_each == 0
    assert changed["distillation"].teacher is None
    assert all(run != order for run in changed.values())


def test_the_card_has_a_row_for_each_and_no_run_is_made_twice(folder, monkeypatch):
    monkeypatch.setenv("HEADWAY_DATA", str(folder.parent / "nowhere"))
    kept = {name: module.WITHOUT[name] for name in ("nothing left out", "uncertainty term", "distillation")}
    monkeypatch.setattr(module, "WITHOUT", kept)
    parent, told = folder.parent, []
    order = Order(
        folder, parent / "val", parent / "out", parent / "work", Limit(steps=2), CONFIG, 64, 96, "test", size="nano"
    )
    produce(order)
    for _ in range(2):
        module.ablate(replace(order, command="ablation"), lambda name, row: told.append(name))
    assert told == ["nothing left out", "uncertainty term"], "without a teacher there is nothing to leave out"
    finish(order.out, order.validation)
    assert "| uncertainty term |" in (order.out / "README.md").read_text()
    assert "ablations" in read_manifest(order.out).files
    for other in (replace(order, teacher=order.out), replace(order, limit=Limit(steps=3))):
        with pytest.raises(UsageError, match=r"holds runs with another (teacher|limit)"):
            module.ablate(other)


def test_without_a_cache_pictures_are_decoded_once_for_all_runs(folder, monkeypatch):
    monkeypatch.setenv("HEADWAY_DATA", str(folder.parent / "nowhere"))
    monkeypatch.setattr(
        module, "WITHOUT", {name: module.WITHOUT[name] for name in ("nothing left out", "distillation")}
    )
    parent = folder.parent
    teacher = Order(
        folder, parent / "val", parent / "big", parent / "big.work", Limit(steps=1), CONFIG, 64, 96, size="nano"
    )
    produce(teacher)
    order = replace(teacher, out=parent / "out", work=parent / "work", teacher=teacher.out)
    rows = json.loads(module.ablate(order).read_text())["rows"]
    assert list(rows) == ["nothing left out", "distillation"]
    links = [parent / "work" / f"ablation-{name.replace(' ', '-')}" / "cache" for name in rows]
    assert {link.resolve() for link in links} == {(parent / "work" / "cache").resolve()}
    shutil.copyfile(order.out / "ablations.json", teacher.out / "ablations.json")
    finish(teacher.out, order.validation)
    assert "distilled from `head-pose-nano`" in (teacher.out / "README.md").read_text()
