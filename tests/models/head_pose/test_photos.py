"""The photographs without labels: one person each, and nobody who is held out."""

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("openpeople", reason="openpeople is not installed: pip install openpeople")

from headway.models.head_pose import photos

pytestmark = pytest.mark.train


def test_every_sheet_falls_into_its_panels_and_nothing_is_larger_than_wanted():
    for person in photos.PEOPLE:
        cut = photos.panels(photos.read(photos.curated() / person / "assets" / f"{photos.SHEET}.jpg"))
        assert len(cut) == photos.PANELS
        assert all(1.3 < p.shape[1] / p.shape[0] < 1.8 for p in cut)
    loaded = photos.load_photos()
    assert len(loaded) == len(photos.PEOPLE) * (len(photos.SINGLE) + photos.PANELS)
    assert max(max(p.shape) for p in loaded) <= photos.LONGEST


def test_the_people_who_are_held_out_are_not_among_them():
    assert not {"P008", "P009", "P010"} & set(photos.PEOPLE)


def test_a_sheet_without_frames_has_no_panels():
    assert photos.panels(np.full((300, 400, 3), 120, np.uint8)) == []
