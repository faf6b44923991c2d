"""JSON files hold what was measured; what was not is null."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from headway.json_files import finite, write_json

LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
TREES = st.recursive(LEAVES, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=20)


def refuse(name: str) -> Any:
    raise AssertionError(f"{name} is no JSON")


@given(TREES)
def test_any_report_becomes_strict_json_and_finite_numbers_stay(tree: Any) -> None:
    def same(before: Any, after: Any) -> bool:
        if isinstance(before, dict):
            return before.keys() == after.keys() and all(same(before[k], after[k]) for k in before)
        if isinstance(before, list):
            return len(before) == len(after) and all(map(same, before, after))
        if isinstance(before, float) and not math.isfinite(before):
            return after is None
        return type(before) is type(after) and before == after

    assert same(tree, json.loads(json.dumps(finite(tree)), parse_constant=refuse))


def test_a_number_of_numpy_that_is_nan_is_null_and_the_folder_is_made(tmp_path) -> None:
    file = tmp_path / "new" / "report.json"
    write_json(file, {"auroc": np.float64("nan"), "rows": (1.5, np.float64(2.5))})
    assert json.loads(file.read_text(), parse_constant=refuse) == {"auroc": None, "rows": [1.5, 2.5]}
