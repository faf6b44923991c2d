"""Whatever words follow `headway`: one of the four exit codes, and never a traceback.

The words run through `main` in this process. What takes long once it starts (training, rendering, the
demo, a benchmark) always gets one option that does not exist, so that only its parsing is tried.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from fuzzing import Outcomes, examples
from hypothesis import example, given
from hypothesis import strategies as st

from headway.cli.main import COMMANDS, GROUPS, main

RUN = [
    ["replay"],
    ["models"],
    ["convert", "video"],
    ["convert", "tub"],
    ["import", "directmhp"],
    ["evaluate", "driving"],
]
PARSED = [
    ["demo"],
    ["bench"],
    ["export"],
    ["doctor"],
    ["train", "head-pose"],
    ["train", "driving"],
    ["render", "scene"],
    ["render", "drives"],
]
PARSED += [["evaluate", "head-pose"], ["evaluate", "trajectory"], ["train", "trajectory"], ["render", "people"]]
OPTIONS = [
    "--out", "--json", "--limit", "--params", "--image", "--imu", "--fault", "--graph", "--no-video", "--verify",
    "--sign", "--model", "--rate", "--hfov", "--overwrite", "--variant", "--data", "--protocol", "--help", "--", "-",
]  # fmt: skip
FILES = ["garbage.mcap", "garbage.yaml", "garbage.safetensors", "garbage.png", "folder", "empty", "missing.mcap", "."]
WORDS = st.one_of(
    st.sampled_from(FILES),
    st.sampled_from(["", "0", "-1", "nan", "inf", "1e400", "9" * 400, "[red]", "%s", "é", "\udcff", "all", "x" * 5000]),
    st.text(st.characters(codec="utf-8", exclude_characters="\0/\\"), max_size=12),
)


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with files of every kind, none of which holds what its name says."""
    for name in FILES[:4]:
        (tmp_path / name).write_bytes(b"\x00garbage: [1, 2\n" * 20)
    (tmp_path / "folder").mkdir()
    (tmp_path / "empty").write_bytes(b"")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HEADWAY_MODELS", str(tmp_path / "folder"))
    return tmp_path


def test_every_command_is_tried() -> None:
    told = {tuple(words) for words in RUN + PARSED}
    known = {(c,) for commands in COMMANDS.values() for c in commands}
    known |= {(group, command) for group, (_, commands) in GROUPS.items() for command in commands}
    assert told <= known
    assert known - told <= {("convert", name) for name in GROUPS["convert"][1]}


def test_command_line(desk: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any, outcomes: Outcomes) -> None:
    numbers = st.sampled_from(["0", "1", "-1", "3.5", "nan", "inf", "1e400", "9" * 400])
    pair = st.one_of(  # an option with something of its kind
        st.tuples(st.sampled_from(["--limit", "--rate", "--hfov"]), numbers),
        st.tuples(st.sampled_from(["--json", "--params", "--sign", "--model"]), st.sampled_from(FILES)),
        st.tuples(st.sampled_from(["--fault", "--image", "--imu"]), WORDS),
        st.tuples(st.sampled_from(["--no-video", "--overwrite", "--verify", "--graph"])),
    )
    words = st.lists(st.one_of(st.sampled_from(OPTIONS), WORDS), max_size=6)
    file = st.one_of(st.sampled_from(FILES), WORDS)
    whole = st.one_of(  # what is required is there, so that the command itself begins
        st.tuples(st.just("replay"), file, st.just("--out"), st.just("out")),
        st.tuples(st.just("models"), st.just("--model"), file),
        st.tuples(st.just("convert"), st.just("video"), file, st.just("out.mcap")),
        st.tuples(st.just("convert"), st.just("tub"), file, st.just("out.mcap")),
    )
    run = st.tuples(
        st.one_of(whole, whole, st.sampled_from(RUN)), st.lists(pair, max_size=2) | words.map(lambda w: [w])
    )
    run = run.map(lambda drawn: [*drawn[0], *(word for part in drawn[1] for word in part)])
    parsed = st.tuples(st.sampled_from(PARSED), words).map(lambda drawn: [*drawn[0], "--no-such-option", *drawn[1]])
    nonsense = words.filter(lambda w: "demo" not in w)

    @examples(25)
    @given(st.one_of(run, parsed, nonsense))
    @example(["replay", "garbage.mcap", "--out", "folder", "--json", "."])
    @example(["models", "--json", "."])
    @example(["convert", "video", "", ""])
    @example(["models", "--verify", "folder"])
    @example(["models", "--model", "\udcff"])
    @example(["replay", "garbage.mcap", "--out", "out", "\udcff"])
    def call(words: list[str]) -> None:
        monkeypatch.setattr(sys, "argv", ["headway", *(w for w in words if w != "--debug")])
        code: Any = 0
        try:
            main()
        except SystemExit as done:
            code = done.code
        shown = capsys.readouterr()
        assert code in (0, 1, 2, 3, None)
        assert "Traceback" not in shown.err
        assert bool(shown.err.strip()) or bool(shown.out.strip()) or code in (0, None)
        outcomes(f"exit {code or 0}")

    call()
