"""Which paths are taken in, which ones are only put where they belong, and why the others are refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelyard.domain.errors import InvalidPath
from modelyard.domain.manifest import media_type_of
from modelyard.domain.paths import check_path, check_placement

LEAVES = {
    "": "empty",
    "/etc/passwd": "absolute",
    "../x": "part '..'",
    "a/../b": "part '..'",
    "a//b": "part ''",
    "a/./b": "part '.'",
    "./a": "part '.'",
    "a/": "part ''",
    "a\\b": "backslash",
    "C:\\x": "backslash",
    "a\0b": "control",
    "a\nb": "control",
    "a\x7fb": "control",
    "a\u2028b": "control",
    "\ud800": "Unicode",
    "/".join(["x" * 200] * 6): "bytes",
    ".cache/x": "belongs to the clients",
    ".Cache/x": "belongs to the clients",
    ".CACHE/modelyard/pulled.json": "belongs to the clients",
    ".git/hooks/post-checkout": "repository",
    "sub/.GIT/config": "repository",
    "git~1/config": "repository",
    ".g\u200cit/config": "repository",
    ".gi\ufe0ft/config": "repository",
    ".\u200dcache/a": "cache",
    ".hg/hgrc": "repository",
    "．git/config": "repository",
}
UNPORTABLE = {
    ".ba\u200dshrc": "controls",
    "C:/x": "drive or a stream",
    "c:x": "drive or a stream",
    "a:b.bin": "drive or a stream",
    "ckpt:v1.bin": "drive or a stream",
    "model.bin:evil": "drive or a stream",
    "a?b.bin": "Windows does not allow",
    "star*.bin": "Windows does not allow",
    "lt<gt>.bin": "Windows does not allow",
    "pipe|.bin": "Windows does not allow",
    'q"q.bin': "Windows does not allow",
    "aux.py": "device",
    "con": "device",
    "nul.txt": "device",
    "a/COM1.tar.gz": "device",
    "Lpt9": "device",
    "com².log": "device",
    "aux .txt": "device",
    "CONOUT$": "device",
    "a/b.": "ends in a dot",
    "a /b": "ends in a dot or a space",
    "x" * 256: "longer than",
    "e\u0301": "NFC",
    "invoice\u202egnp.exe": "U+202E",
    "a\u200bb": "U+200B",
    "a\u2066b": "U+2066",
    "\ufeffa": "U+FEFF",
    "a\u00adb": "U+00AD",
    "/".join(["d"] * 33): "levels deep",
    ".vscode/tasks.json": "controls tools",
    "sub/.envrc": "controls tools",
    ".BASHRC": "controls tools",
    ".github/workflows/x.yml": "controls tools",
    "autorun.inf": "controls tools",
}


@pytest.mark.parametrize("path", LEAVES)
def test_a_path_that_leaves_its_folder_is_never_taken(path: str) -> None:
    for check in (check_placement, check_path):
        with pytest.raises(InvalidPath) as refused:
            check(path)
        assert LEAVES[path] in refused.value.message


@pytest.mark.parametrize("path", UNPORTABLE)
def test_a_name_that_another_system_cannot_hold_is_refused_with_the_reason(path: str) -> None:
    with pytest.raises(InvalidPath) as refused:
        check_path(path)
    assert UNPORTABLE[path] in refused.value.message
    # What was registered before can still be pulled.
    assert check_placement(path) == path


@pytest.mark.parametrize(
    "path",
    [
        "a",
        "a/b/c.txt",
        "weights 1.bin",
        "é.txt",
        "..a",
        "a..b",
        ".hidden",
        "日本/模型.onnx",
        ".gitattributes",
        ".gitignore",
        "console.py",
        "auxiliary/aux_loss.py",
        "com10.txt",
        "null.bin",
        "a+b=c,d;e@f#g$h%i&j'k(l)m[n]{o}~p!q^r`s",
        "مدل\u200cزبان.bin",
        "/".join(["d"] * 32),
        "x" * 255,
    ],
)
def test_good_paths(path: str) -> None:
    assert check_path(path) == path


@given(st.text(max_size=40))
def test_a_path_is_refused_or_stays_inside(path: str) -> None:
    try:
        check_placement(path)
    except InvalidPath:
        return
    assert not path.startswith("/")
    assert ".." not in path.split("/")
    assert media_type_of(path).endswith(".v1.raw")
