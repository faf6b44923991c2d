"""Whatever lies on disk: bags, manifests, parameter files. Read, or refused in headway's own words with the file."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from documents import JSON, NAMES, paths, put
from drives import write_drive
from fuzzing import Outcomes, examples, named
from hypothesis import example, given
from hypothesis import strategies as st

from headway.bags import BagReader, BagWriter
from headway.errors import BagError, ConfigError, HeadwayError, ModelError
from headway.node_config import NODE_CONFIGS, load, parameter_file
from headway.runtime.manifest import FILE_NAME, read_manifest, verified_path

CHANGES = st.lists(
    st.tuples(
        st.floats(0, 1, exclude_max=True),  # where
        st.one_of(st.binary(min_size=1, max_size=9), st.sampled_from([b"\xff" * 8, bytes(8), b"\x7f" + b"\xff" * 7])),
        st.sampled_from(["write", "insert", "delete"]),
    ),
    max_size=5,
)


def changed(whole: bytes, changes: list[tuple[float, bytes, str]], length: float) -> bytes:
    """`whole` cut to a part of its length, with bytes written over, put in or left out."""
    data = bytearray(whole[: int(len(whole) * length)])
    for where, content, how in changes:
        at = int(where * len(data))
        end = at + len(content) if how != "insert" else at
        data[at:end] = content if how != "delete" else b""
    return bytes(data)


@pytest.fixture(scope="module")
def bags(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """One small bag in each storage: compressed chunks, and sqlite3."""
    folder = tmp_path_factory.mktemp("bags")
    mcap = write_drive(folder / "drive.mcap", frames=3)
    with BagReader(mcap) as reader:
        found = [(m.topic, m.msgtype, m.stamp_ns, m.data) for m in reader.messages()]
    base = sqlite3.connect(folder / "drive.db3")
    base.execute("CREATE TABLE topics(id INTEGER PRIMARY KEY, name TEXT, type TEXT, serialization_format TEXT)")
    base.execute("CREATE TABLE messages(id INTEGER PRIMARY KEY, topic_id INTEGER, timestamp INTEGER, data BLOB)")
    names = {t: i for i, t in enumerate(dict.fromkeys((t, k) for t, k, _, _ in found))}
    base.executemany("INSERT INTO topics VALUES (?, ?, ?, 'cdr')", [(i, t, k) for (t, k), i in names.items()])
    rows = [(i, names[t, k], stamp, data) for i, (t, k, stamp, data) in enumerate(found)]
    base.executemany("INSERT INTO messages VALUES (?, ?, ?, ?)", rows)
    base.commit()
    base.close()
    with BagWriter(folder / "plain.mcap") as bag:
        bag.write("/text", "std_msgs/msg/String", {"data": "hello"}, 1)
    return {p.name: p.read_bytes() for p in sorted(folder.iterdir())}


def read_all(path: Path) -> tuple[int, str]:
    """(messages that are none of their type, loss). Raises BagError."""
    bad = 0
    with BagReader(path) as bag:
        for message in bag.messages():
            try:
                message.decode()
            except BagError:
                bad += 1
        return bad, bag.loss


@pytest.mark.parametrize("name", ["drive.mcap", "drive.db3", "plain.mcap"])
def test_bag(name: str, bags: dict[str, bytes], tmp_path: Path, outcomes: Outcomes) -> None:
    path = tmp_path / name
    whole = bags[name]

    @examples(15)
    @given(CHANGES, st.one_of(st.just(1.0), st.floats(0, 1)))
    def run(changes: list[tuple[float, bytes, str]], length: float) -> None:
        path.write_bytes(changed(whole, changes, length))
        try:
            bad, loss = read_all(path)
        except BagError as error:
            named(path, error)
            outcomes("refused")
            return
        outcomes("read up to the damage" if loss else "some messages refused" if bad else "read")

    run()


def test_bag_metadata(bags: dict[str, bytes], tmp_path: Path, outcomes: Outcomes) -> None:
    folder = tmp_path / "bag"
    folder.mkdir()
    (folder / "drive.mcap").write_bytes(bags["drive.mcap"])
    outside = tmp_path / "outside.mcap"
    outside.write_bytes(bags["plain.mcap"])
    names = st.lists(
        st.one_of(st.sampled_from(["drive.mcap", "../outside.mcap", str(outside), "", ".", ".."]), NAMES),
        max_size=3,
    )
    modes = st.one_of(
        st.none(), st.sampled_from(["message", "MESSAGE", "file", ""]), st.integers(), st.text(max_size=5)
    )
    information = st.fixed_dictionaries({}, optional={"relative_file_paths": names, "compression_mode": modes})

    @examples(15)
    @given(st.one_of(information.map(lambda i: json.dumps({"rosbag2_bagfile_information": i})), st.text(max_size=80)))
    @example('{"rosbag2_bagfile_information": {"relative_file_paths": ["drive.mcap"], "compression_mode": "message"}}')
    def run(text: str) -> None:
        (folder / "metadata.yaml").write_text(text, encoding="utf-8", errors="replace")
        try:
            with BagReader(folder) as bag:
                assert "/text" not in bag.topics, "a file outside of the bag was read"
                for message in bag.messages():
                    try:
                        message.decode()
                    except BagError:
                        continue
        except BagError:
            outcomes("refused")
            return
        outcomes("read")

    run()


def model_folder(tmp_path: Path) -> tuple[Path, Any]:
    """A small whole model folder and its manifest as JSON."""
    (tmp_path / "m.onnx").write_bytes(b"network")
    tensor = {"shape": [1, 8], "dtype": "float32", "columns": {"box": [0, 4]}, "scale": 1.0, "layout": "", "color": ""}
    digest = "d80ed481f8a2d4e54a9e7e1c8e5b3b1a0a8b8fdd1b4cfb3ad5a2a5b6a1f0c9e7"
    files = {"onnx": {"path": "m.onnx", "sha256": digest}, "weights": {"path": "m.safetensors", "sha256": "0"}}
    raw = {
        "schema": 1, "name": "m", "task": "driving", "files": files, "inputs": {"image": tensor},
        "outputs": {"command": tensor}, "parameters": 1, "config": {"threshold": 0.5}, "evaluation": {"summary": "?"},
        "training": {}, "exporter": "", "data_licence": "",
    }  # fmt: skip
    return tmp_path, raw


@pytest.mark.parametrize("how", ["structure", "bytes"])
def test_manifest(how: str, tmp_path: Path, outcomes: Outcomes) -> None:
    folder, raw = model_folder(tmp_path)
    places, text = list(paths(raw)), json.dumps(raw).encode()
    structure = st.tuples(st.sampled_from(places), JSON).map(lambda drawn: json.dumps(put(raw, *drawn)).encode())
    garbled = st.tuples(CHANGES, st.one_of(st.just(1.0), st.floats(0, 1))).map(lambda drawn: changed(text, *drawn))

    @examples(25)
    @given(structure if how == "structure" else st.one_of(garbled, st.binary(max_size=60)))
    def run(content: bytes) -> None:
        (folder / FILE_NAME).write_bytes(content)
        try:
            manifest = read_manifest(folder)
        except ModelError as error:
            named(folder / FILE_NAME, error)
            outcomes("refused")
            return
        for key in manifest.files:
            try:
                assert verified_path(folder, manifest, key).parent == folder
            except ModelError:
                continue
        assert isinstance(manifest.evaluation.get("summary", ""), object)
        assert manifest.hash == manifest.files["onnx"].sha256
        outcomes("read")

    run()


@pytest.mark.parametrize("node", NODE_CONFIGS)
def test_parameter_file(node: str, tmp_path: Path, outcomes: Outcomes) -> None:
    names = [p.name for p in NODE_CONFIGS[node]().parameters()]
    shipped = parameter_file(node).read_bytes()
    values = st.one_of(
        JSON,
        st.floats(),
        st.integers(),
        st.sampled_from(["raw", "", ".nan", "-.inf", "1e400", "0x10", "!!python/none"]),
    )
    one = st.dictionaries(st.one_of(st.sampled_from(names), st.text(max_size=8)), values, max_size=4)
    nested = st.dictionaries(st.sampled_from([n.partition(".")[0] for n in names]), st.one_of(one, values), max_size=3)
    files = st.one_of(
        st.one_of(one, nested).map(lambda v: json.dumps({node: {"ros__parameters": v}}).encode()),
        st.tuples(CHANGES, st.one_of(st.just(1.0), st.floats(0, 1))).map(lambda drawn: changed(shipped, *drawn)),
        st.binary(max_size=60),
        JSON.map(lambda v: json.dumps(v).encode()),
    )
    path = tmp_path / "parameters.yaml"

    @examples(10)
    @given(files)
    @example(b"[" * 5000)
    @example(node.encode() + b": {ros__parameters: {threads: 2001-99-99}}")
    @example(node.encode() + b": {ros__parameters: {threads: " + b"9" * 5000 + b"}}")
    def run(content: bytes) -> None:
        path.write_bytes(content)
        try:
            config = load(NODE_CONFIGS[node](), node, path)
        except ConfigError:
            outcomes("refused")
            return
        for p in config.parameters():
            if isinstance(p.value, (int, float)):
                assert p.minimum is None or p.value >= p.minimum
                assert p.maximum is None or p.value <= p.maximum
        outcomes("taken")

    run()


def test_a_file_of_aliases_of_aliases_is_refused_without_being_unfolded(tmp_path: Path) -> None:
    """Twenty lines that unfold to 4^20 parameters."""
    lines = ["l0: &l0 {a: 1, b: 1, c: 1, d: 1}"]
    lines += [f"l{i}: &l{i} {{a: *l{i - 1}, b: *l{i - 1}, c: *l{i - 1}, d: *l{i - 1}}}" for i in range(1, 20)]
    (tmp_path / "laughs.yaml").write_text("\n".join([*lines, "headway: {ros__parameters: *l19}"]))
    with pytest.raises(HeadwayError, match="parameters"):
        load(NODE_CONFIGS["headway"](), "headway", tmp_path / "laughs.yaml")


def test_an_alias_of_itself_is_refused(tmp_path: Path) -> None:
    (tmp_path / "circle.yaml").write_text("headway: {ros__parameters: &a {threads: *a}}")
    with pytest.raises(ConfigError, match="nested deeper"):
        load(NODE_CONFIGS["headway"](), "headway", tmp_path / "circle.yaml")
