"""Where the client keeps its files."""

from __future__ import annotations

from pathlib import Path

import pytest

from modelyard.sdk import locations

HOME = Path("/home/ann")


@pytest.mark.parametrize(
    ("platform", "variables", "config", "cache", "spool"),
    [
        ("linux", {}, ".config/modelyard", ".cache/modelyard", ".local/state/modelyard/spool"),
        (
            "linux",
            {"XDG_CONFIG_HOME": "/etc/ann"},
            "/etc/ann/modelyard",
            ".cache/modelyard",
            ".local/state/modelyard/spool",
        ),
        (
            "linux",
            {"XDG_CACHE_HOME": "here"},
            ".config/modelyard",
            ".cache/modelyard",
            ".local/state/modelyard/spool",
        ),
        (
            "darwin",
            {},
            "Library/Application Support/modelyard",
            "Library/Caches/modelyard",
            "Library/Application Support/modelyard/spool",
        ),
        (
            "win32",
            {"LOCALAPPDATA": "/local"},
            "/local/modelyard/modelyard",
            "/local/modelyard/modelyard/Cache",
            "/local/modelyard/modelyard/spool",
        ),
        ("linux", {"MODELYARD_HOME": "/mine"}, "/mine", "/mine/cache", "/mine/spool"),
    ],
)
def test_the_folders_are_those_of_the_platform(
    platform: str,
    variables: dict[str, str],
    config: str,
    cache: str,
    spool: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("MODELYARD_HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_STATE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(HOME))
    monkeypatch.setattr("sys.platform", platform)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    found = (locations.config_folder(), locations.cache_folder(), locations.spool_folder())
    assert found == (HOME / config, HOME / cache, HOME / spool)
