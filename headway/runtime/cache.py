"""Engines built on this machine, kept for the next start.

One file an engine in a 0700 folder of the user: a line of JSON (what it was built from and for, SHA-256 of the rest),
then the engine. Whatever does not match the line, or cannot be loaded, is built again. Nothing here is ever pickled,
and there is no fall-back to a folder that others can write to: without a cache folder an engine is built, not kept.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import logging
import os
import stat
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeVar

from headway.errors import EngineError

log = logging.getLogger("headway.engine")

FORMAT = "headway-engine-2"
"""The number counts how engines are built: one of another number is built again (since 2: FP32 without TF32)."""
TICK_S = 1.0
"""A line this often while something is built or waited for: a start that says nothing looks like one that hangs."""

T = TypeVar("T")
Say = Callable[[str], None]
Build = Callable[[Callable[[str], None]], bytes]
"""Gets a function to name the phase it is in, returns the engine."""


@dataclass(frozen=True)
class EngineKey:
    """What an engine was built from and for; any difference means another engine."""

    onnx_sha256: str
    precision: str
    library: str
    gpu: str
    driver: str

    @property
    def digest(self) -> str:
        """Name of the file in the cache."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()[:32]


def pack(key: EngineKey, engine: bytes) -> bytes:
    """The bytes of an engine file."""
    head = {"format": FORMAT, **asdict(key), "bytes": len(engine), "sha256": hashlib.sha256(engine).hexdigest()}
    return json.dumps(head, sort_keys=True).encode() + b"\n" + engine


def unpack(data: bytes, key: EngineKey) -> bytes:
    """The engine in `data`; raises EngineError saying what does not match `key` or is damaged."""
    line, _, engine = data.partition(b"\n")
    try:
        head = json.loads(line)
        if not isinstance(head, dict) or head.get("format") != FORMAT:
            raise ValueError
    except ValueError:
        raise EngineError("it is no engine file of headway") from None
    for name, wanted in asdict(key).items():
        if head.get(name) != wanted:
            raise EngineError(f"it was built for {name} {head.get(name)}, here it is {wanted}")
    if head.get("bytes") != len(engine):
        raise EngineError(f"it is cut short: {len(engine)} of {head.get('bytes')} bytes")
    if head.get("sha256") != hashlib.sha256(engine).hexdigest():
        raise EngineError("its checksum is wrong")
    return engine


def cache_dir() -> Path:
    """$XDG_CACHE_HOME/headway/engines, by default ~/.cache/headway/engines; raises OSError where there is no home."""
    root = os.environ.get("XDG_CACHE_HOME", "")
    try:
        base = Path(root) if os.path.isabs(root) else Path.home() / ".cache"
    except RuntimeError as error:
        raise OSError(f"no home folder: {error}") from error
    return base / "headway" / "engines"


class EngineCache:
    """get() returns an engine that was loaded: from the file if it fits, else built, loaded and kept."""

    def __init__(self, folder: Path | None = None, say: Say | None = None) -> None:
        self._folder = folder
        self._say = say or (lambda line: log.warning("%s", line))

    def get(self, key: EngineKey, name: str, build: Build, load: Callable[[bytes], T]) -> T:
        """Raises what `build` raises, and EngineError where a freshly built engine cannot be loaded.

        `name` stands in the lines that are said. Of several processes that ask at once, one builds.
        """
        try:
            folder = private_folder(self._folder or cache_dir())
            path = folder / f"{key.digest}.engine"
            with self._locked(path.with_suffix(".lock"), name):
                loaded = self._from_file(path, key, name, load)
                if loaded is not None:
                    return loaded
                engine = self._built(name, build)
                self._keep(path, pack(key, engine), name)
        except OSError as error:
            self._say(f"{name}: no engine cache ({error}): the engine is built at every start")
            engine = self._built(name, build)
        return load(engine)

    def _from_file(self, path: Path, key: EngineKey, name: str, load: Callable[[bytes], T]) -> T | None:
        try:
            return load(unpack(path.read_bytes(), key))
        except FileNotFoundError:
            return None
        except EngineError as error:
            self._say(f"{name}: the cached engine {path.name} is built again: {error}")
            return None

    def _built(self, name: str, build: Build) -> bytes:
        phase = ["starting"]
        with ticking(self._say, lambda seconds: f"{name}: building the engine, {seconds:.0f} s, {phase[0]}"):
            return build(lambda text: phase.__setitem__(0, text))

    def _keep(self, path: Path, data: bytes, name: str) -> None:
        # The lock is held: nobody else writes this name, and what a crash left behind is overwritten.
        part = path.with_suffix(".part")
        try:
            file = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
            with os.fdopen(file, "wb") as stream:
                stream.write(data)
                stream.flush()
                os.fsync(stream.fileno())
            os.replace(part, path)
        except OSError as error:
            with contextlib.suppress(OSError):
                part.unlink(missing_ok=True)
            self._say(f"{name}: the engine works but cannot be kept in {path.parent}: {error.strerror or error}")

    @contextmanager
    def _locked(self, path: Path, name: str) -> Iterator[None]:
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        try:
            with ticking(self._say, lambda seconds: f"{name}: another process builds the engine, {seconds:.0f} s"):
                fcntl.flock(file, fcntl.LOCK_EX)
            yield
        finally:
            os.close(file)  # and with it the lock, also when this process dies


@contextmanager
def ticking(say: Say, line: Callable[[float], str]) -> Iterator[None]:
    """Says `line(seconds)` every TICK_S from a thread of its own until the block ends."""
    done, start = threading.Event(), time.monotonic()

    def tick() -> None:
        while not done.wait(TICK_S):
            say(line(time.monotonic() - start))

    thread = threading.Thread(target=tick, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def private_folder(folder: Path) -> Path:
    """Makes `folder` with mode 0700 or narrows it to that; raises OSError where it belongs to somebody else."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode):
        raise OSError(f"{folder} is a link, not a folder")
    if found.st_uid != os.getuid():
        raise OSError(f"{folder} belongs to user {found.st_uid}")
    if stat.S_IMODE(found.st_mode) != 0o700:
        folder.chmod(0o700)
    return folder
