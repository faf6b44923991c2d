"""The engine cache, with builders that return known bytes: the cache is what is tested here."""

import os
import stat
import subprocess
import sys
from dataclasses import replace

import pytest

from headway.errors import EngineError
from headway.runtime import cache as cache_module
from headway.runtime.cache import EngineCache, EngineKey, cache_dir, pack, private_folder, unpack

KEY = EngineKey("a" * 64, "fp16", "tensorrt 10.3", "Orin sm87", "12060")
ENGINE = bytes(range(256)) * 40


class Workshop:
    """Builds ENGINE and counts how often; loads what starts as ENGINE does."""

    def __init__(self):
        self.built = 0

    def build(self, phase):
        self.built += 1
        phase("measuring kernels")
        return ENGINE

    def load(self, engine):
        if engine != ENGINE:
            raise EngineError("deserialization failed")
        return len(engine)


@pytest.fixture
def shop():
    return Workshop()


@pytest.fixture
def said():
    return []


@pytest.fixture
def cache(tmp_path, said):
    return EngineCache(tmp_path / "engines", said.append)


def engine_file(tmp_path):
    return tmp_path / "engines" / f"{KEY.digest}.engine"


def test_an_engine_is_built_once_and_then_loaded(cache, shop, said):
    assert cache.get(KEY, "m", shop.build, shop.load) == len(ENGINE)
    assert cache.get(KEY, "m", shop.build, shop.load) == len(ENGINE)
    assert shop.built == 1
    assert said == []


def test_folder_and_files_are_the_users_alone(cache, shop, tmp_path):
    cache.get(KEY, "m", shop.build, shop.load)
    folder = tmp_path / "engines"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(p.stat().st_mode) for p in folder.iterdir()} == {0o600}
    assert not list(folder.glob("*.part"))


def test_a_folder_open_to_others_is_narrowed(tmp_path):
    (tmp_path / "open").mkdir(mode=0o777)
    (tmp_path / "open").chmod(0o777)
    private_folder(tmp_path / "open")
    assert stat.S_IMODE((tmp_path / "open").stat().st_mode) == 0o700


def test_a_link_in_place_of_the_folder_is_not_followed(tmp_path, shop, said):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "engines").symlink_to(tmp_path / "elsewhere")
    assert EngineCache(tmp_path / "engines", said.append).get(KEY, "m", shop.build, shop.load) == len(ENGINE)
    assert not list((tmp_path / "elsewhere").iterdir())
    assert "is a link" in said[0]


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda data: data[:-100], "cut short"),
        (lambda data: data[:40], "no engine file"),
        (lambda data: b"", "no engine file"),
        (lambda data: data[:-5] + bytes([data[-5] ^ 1]) + data[-4:], "checksum"),
        (lambda data: b"\x80\x04\x95pickle" + data, "no engine file"),
        (lambda data: pack(replace(KEY, gpu="GTX 750"), ENGINE), "built for gpu GTX 750"),
        (lambda data: pack(replace(KEY, library="tensorrt 8.6"), ENGINE), "built for library tensorrt 8.6"),
        (lambda data: pack(KEY, b"an engine the library refuses"), "deserialization failed"),
    ],
)
def test_a_damaged_or_foreign_engine_is_built_again_with_one_line(cache, shop, said, tmp_path, damage, reason):
    cache.get(KEY, "m", shop.build, shop.load)
    path = engine_file(tmp_path)
    path.write_bytes(damage(path.read_bytes()))
    assert cache.get(KEY, "m", shop.build, shop.load) == len(ENGINE)
    assert shop.built == 2
    assert len(said) == 1
    assert reason in said[0]
    assert unpack(path.read_bytes(), KEY) == ENGINE


@pytest.mark.parametrize("field", ["onnx_sha256", "precision", "library", "gpu", "driver"])
def test_each_part_of_the_key_makes_another_engine(cache, shop, field):
    cache.get(KEY, "m", shop.build, shop.load)
    cache.get(replace(KEY, **{field: "other"}), "m", shop.build, shop.load)
    assert shop.built == 2


def test_a_long_build_says_so_in_regular_lines(cache, said, monkeypatch):
    monkeypatch.setattr(cache_module, "TICK_S", 0.02)

    def build(phase):
        phase("measuring kernels")
        while len(said) < 3:
            os.sched_yield()
        return ENGINE

    cache.get(KEY, "head-pose", build, len)
    assert all(line.startswith("head-pose: building the engine") for line in said)
    assert "measuring kernels" in said[-1]


def test_a_build_that_fails_leaves_nothing_and_the_next_one_may_work(cache, shop, tmp_path):
    def fail(phase):
        raise EngineError("GPU out of memory")

    with pytest.raises(EngineError, match="out of memory"):
        cache.get(KEY, "m", fail, shop.load)
    assert not engine_file(tmp_path).exists()
    assert cache.get(KEY, "m", shop.build, shop.load) == len(ENGINE)


def test_a_fresh_engine_that_does_not_load_is_an_error_not_a_loop(cache):
    def refuse(engine):
        raise EngineError("no driver")

    with pytest.raises(EngineError, match="no driver"):
        cache.get(KEY, "m", lambda phase: ENGINE, refuse)


PROCESS = """
import sys, time
from pathlib import Path
from headway.runtime.cache import EngineCache, EngineKey
import headway.runtime.cache as module
module.TICK_S = 0.05
folder = Path(sys.argv[1])
def build(phase):
    with (folder / "built").open("a") as file:
        file.write("x")
    limit = time.monotonic() + 30
    while not (folder / "waited").exists() and time.monotonic() < limit:
        time.sleep(0.02)
    return b"engine" * 1000
def say(line):
    print(line, flush=True)
    if "another process builds the engine" in line:
        (folder / "waited").touch()
key = EngineKey("a", "fp32", "l", "g", "d")
print(EngineCache(folder / "engines", say).get(key, "m", build, len))
"""


def test_two_processes_at_once_build_once_and_the_second_says_it_waits(tmp_path):
    both = [
        subprocess.Popen([sys.executable, "-c", PROCESS, str(tmp_path)], stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    texts = [p.communicate(timeout=60)[0] for p in both]
    assert [p.returncode for p in both] == [0, 0]
    assert all(text.splitlines()[-1] == "6000" for text in texts)
    assert (tmp_path / "built").read_text() == "x"
    builder, waiter = sorted(texts, key=lambda text: "another process" in text)
    assert "another process" not in builder
    assert waiter.startswith("m: another process builds the engine, ")
    assert "m: building the engine" not in waiter


def test_a_killed_builder_leaves_no_lock_behind(tmp_path, shop):
    code = PROCESS.replace("time.sleep(0.02)", "print('building', flush=True); time.sleep(60)")
    process = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline().strip() == "building"
    process.kill()
    process.wait()
    key = EngineKey("a", "fp32", "l", "g", "d")
    assert EngineCache(tmp_path / "engines").get(key, "m", shop.build, shop.load) == len(ENGINE)


FULL = """
import resource, signal, sys
from pathlib import Path
from headway.runtime.cache import EngineCache, EngineKey
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))  # the kernel refuses longer files, as on a full disk
key = EngineKey("a", "fp32", "l", "g", "d")
print(EngineCache(Path(sys.argv[1]), print).get(key, "m", lambda phase: bytes(100_000), len))
"""


def test_a_full_disk_costs_the_cache_entry_and_not_the_engine(tmp_path):
    folder = tmp_path / "engines"
    found = subprocess.run([sys.executable, "-c", FULL, str(folder)], capture_output=True, text=True, check=True).stdout
    said, answer = found.splitlines()
    assert answer == "100000"
    assert "the engine works but cannot be kept in" in said
    assert [p.suffix for p in folder.iterdir()] == [".lock"]


def test_without_a_home_the_engine_is_built_and_not_kept(monkeypatch, shop, said):
    monkeypatch.setattr(cache_module, "cache_dir", lambda: (_ for _ in ()).throw(OSError("no home folder")))
    assert EngineCache(say=said.append).get(KEY, "m", shop.build, shop.load) == len(ENGINE)
    assert said == ["m: no engine cache (no home folder): the engine is built at every start"]


def test_the_cache_is_the_users_and_a_relative_setting_is_ignored(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_dir() == tmp_path / "headway" / "engines"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    monkeypatch.setenv("HOME", "/home/somebody")
    assert str(cache_dir()) == "/home/somebody/.cache/headway/engines"
