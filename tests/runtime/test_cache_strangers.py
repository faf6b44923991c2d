"""The engine cache where somebody else has been: links in place of its files, and a folder that is not ours."""

import os

import pytest

from headway.errors import EngineError
from headway.runtime import cache as cache_module
from headway.runtime.cache import FORMAT, EngineCache, EngineKey, pack, private_folder, unpack

KEY = EngineKey("a" * 64, "fp16", "tensorrt 10.3", "Orin sm87", "12060")
ENGINE = bytes(range(256)) * 40


@pytest.mark.parametrize("ending", [".part", ".lock"])
def test_a_link_in_place_of_a_file_is_not_written_through(tmp_path, ending):
    folder, precious = tmp_path / "engines", tmp_path / "precious"
    folder.mkdir(mode=0o700)
    precious.write_text("as it was")
    (folder / (KEY.digest + ending)).symlink_to(precious)
    said = []
    assert EngineCache(folder, said.append).get(KEY, "m", lambda phase: ENGINE, len) == len(ENGINE)
    assert precious.read_text() == "as it was"
    assert said, "it is said that nothing could be kept"


def test_a_folder_of_somebody_else_is_not_used_and_the_engine_works_all_the_same(tmp_path, monkeypatch):
    uid = os.getuid() + 1
    monkeypatch.setattr(cache_module.os, "getuid", lambda: uid)
    with pytest.raises(OSError, match="belongs to user"):
        private_folder(tmp_path / "engines")
    said = []
    assert EngineCache(tmp_path / "engines", said.append).get(KEY, "m", lambda phase: ENGINE, len) == len(ENGINE)
    assert "no engine cache" in said[0]
    assert not list((tmp_path / "engines").iterdir())


def test_an_engine_that_was_built_in_another_way_is_built_again():
    older = pack(KEY, ENGINE).replace(FORMAT.encode(), b"headway-engine-1", 1)
    with pytest.raises(EngineError, match="no engine file of headway"):
        unpack(older, KEY)
