"""What setup.cfg installs is what there is: a launch file names parameter files that an installation must have too."""

from __future__ import annotations

from collections.abc import Iterator
from configparser import ConfigParser
from pathlib import Path

ROOT = Path(__file__).parents[2]
SHARE = Path("share/headway")


def section(name: str) -> Iterator[tuple[Path, str]]:
    """(target, file or pattern) of a section of setup.cfg that maps targets to lists."""
    parser = ConfigParser(delimiters=("=",))
    parser.optionxform = str  # type: ignore[method-assign,assignment]
    parser.read(ROOT / "setup.cfg", encoding="utf-8")
    for target, files in parser[f"options.{name}"].items():
        yield from ((Path(target), file) for file in files.split())


def test_every_launch_file_and_message_is_installed_where_it_is_looked_for() -> None:
    installed = {file: target for target, file in section("data_files")}
    folders = ("launch/*.py", "launch/config/*", "launch/security/*", "launch/systemd/*", "headway_msgs/msg/*.msg")
    for found in sorted(path for folder in folders for path in ROOT.glob(folder)):
        file = found.relative_to(ROOT)
        assert installed.get(str(file)) == SHARE / file.parent, file


def test_nothing_is_listed_that_does_not_exist() -> None:
    for _, file in section("data_files"):
        assert (ROOT / file).is_file(), file
    for package, pattern in section("package_data"):
        assert list((ROOT / package).glob(pattern)), pattern
