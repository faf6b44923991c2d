"""What the file says of itself: another schema, an unknown task or a text of any size are no manifest."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.errors import ModelError
from headway.runtime.manifest import SIZE_LIMIT, FileEntry, read_manifest

GOOD = {
    "schema": 1,
    "name": "m",
    "task": "driving",
    "files": {"onnx": {"path": "m.onnx", "sha256": "0"}},
    "inputs": {},
    "outputs": {},
    "parameters": 1,
}


def write(folder, **changes):
    (folder / "manifest.json").write_text(json.dumps({**GOOD, **changes}))
    return folder


def test_the_form_itself_is_read(tmp_path):
    assert read_manifest(write(tmp_path)).name == "m"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"schema": 2}, "schema 2"),
        ({"task": "flying"}, "task 'flying' is none of"),
        ({"files": {}}, r"files\.onnx is missing"),
        ({"name": 7}, "name = '7': str is wanted"),
        ({"config": []}, "config = "),
    ],
)
def test_what_is_no_manifest_of_this_schema_is_refused_by_what_is_wrong(tmp_path, changes, words):
    with pytest.raises(ModelError, match=words):
        read_manifest(write(tmp_path, **changes))


def test_a_manifest_beyond_the_size_limit_is_not_read_though_it_would_parse(tmp_path):
    with pytest.raises(ModelError, match="larger than 4 MiB"):
        read_manifest(write(tmp_path, config={"x": "y" * SIZE_LIMIT}))


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@given(st.sampled_from(["schema", "task", "files", "inputs", "outputs", "name", "extra"]), JSON_VALUES)
def test_any_damaged_manifest_ends_in_a_model_error_or_in_a_manifest(tmp_path_factory, key, value):
    folder = tmp_path_factory.mktemp("fuzz")
    write(folder, **{key: value})
    try:
        manifest = read_manifest(folder)
    except ModelError:
        return
    assert isinstance(manifest.files["onnx"], FileEntry)
