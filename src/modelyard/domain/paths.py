"""Check the paths of files in versions and runs: every system must be able to store them, inside their folder."""

from __future__ import annotations

import unicodedata
from functools import lru_cache

from modelyard.domain.errors import InvalidPath

MAX_PATH_BYTES = 1024
MAX_PART_BYTES = 255
MAX_DEPTH = 32

_WINDOWS_CHARACTERS = '<>:"|?*'
_WINDOWS_NAMES = frozenset(
    {"con", "prn", "aux", "nul", "conin$", "conout$", "clock$"}
    | {f"{device}{digit}" for device in ("com", "lpt") for digit in "0123456789¹²³"}
)
"""Source: Microsoft, "Naming Files, Paths, and Namespaces"."""

# Invisible marks, and marks that change the order in which a name is shown.
_UNSEEN = frozenset("\u00ad\u061c\u115f\u1160\u180e\u3164\ufeff\uffa0") | frozenset(
    chr(code)
    for first, last in (
        (0x200B, 0x200B),
        (0x200E, 0x200F),
        (0x202A, 0x202E),
        (0x2060, 0x206F),
        (0xE0000, 0xE007F),
    )
    for code in range(first, last + 1)
)
# Some scripts and emoji need these, so a name may contain them; HFS+ ignores them in comparisons.
_JOINERS = frozenset("\u200c\u200d") | frozenset(map(chr, range(0xFE00, 0xFE10)))
_REPOSITORIES = frozenset({".git", "git~1", ".hg", ".svn", ".bzr", "_darcs", ".jj"})
# Tools that merely work in the folder run or obey the files in these places.
_TOOLS = frozenset(
    ".ssh .gnupg .vscode .idea .zed .devcontainer .github .gitlab .gitlab-ci.yml .circleci .husky .config .envrc .direnv .bashrc "
    ".bash_profile .bash_login .bash_logout .bash_aliases .profile .zshrc .zshenv .zprofile .zlogin .zlogout .login .cshrc .tcshrc "
    ".kshrc .inputrc .netrc .npmrc .yarnrc .yarnrc.yml .pypirc .pythonrc .gitconfig .gitmodules .pre-commit-config.yaml .mailcap "
    ".vimrc .exrc .nvimrc .emacs .emacs.d .dir-locals.el .tmux.conf .screenrc .curlrc .wgetrc .rustup .cargo .gradle .m2 .bundle "
    ".mcp.json autorun.inf desktop.ini".split()
)


def check_placement(path: str) -> str:
    """Return the path if a file of that name stays in its folder and changes no repository. Raises InvalidPath.

    This is the check for existing files; new files must pass `check_path`.
    """
    if not path:
        raise InvalidPath(path=path, reason="it is empty")
    try:
        size = len(path.encode())
    except UnicodeEncodeError:
        raise InvalidPath(path=ascii(path)[:200], reason="it is not valid Unicode") from None
    if size > MAX_PATH_BYTES:
        raise InvalidPath(path=path[:200], reason=f"it has {size} bytes, at most {MAX_PATH_BYTES} are allowed")
    if "\\" in path:
        raise InvalidPath(path=path, reason="it has a backslash")
    if any(unicodedata.category(c) in ("Cc", "Zl", "Zp") for c in path):
        raise InvalidPath(path=ascii(path), reason="it has a control character")
    if path.startswith("/"):
        raise InvalidPath(path=path, reason="it is absolute")
    parts = path.split("/")
    for part in parts:
        if part in ("", ".", ".."):
            raise InvalidPath(path=path, reason=f"it has the part {part!r}")
        if _folded(part) in _REPOSITORIES:
            raise InvalidPath(path=path, reason=f"{part!r} is the inside of a repository")
    if _folded(parts[0]) == ".cache":
        raise InvalidPath(path=path, reason="'.cache/' belongs to the clients that pull")
    return path


# Models hold files of the same few names.
@lru_cache(2048)
def check_path(path: str) -> str:
    """Return the path if every system that may pull it can store it. Raises InvalidPath."""
    check_placement(path)
    if unicodedata.normalize("NFC", path) != path:
        raise InvalidPath(path=path, reason="it is not in Unicode form NFC")
    parts = path.split("/")
    if len(parts) > MAX_DEPTH:
        raise InvalidPath(
            path=path[:200], reason=f"it is {len(parts)} levels deep, at most {MAX_DEPTH} are allowed"
        )
    for part in parts:
        reason = _unportable(part)
        if reason is not None:
            raise InvalidPath(path=path if path.isprintable() else ascii(path), reason=reason)
    return path


def _unportable(part: str) -> str | None:
    """Return why another system cannot or should not store a file or folder of that name; None if it can."""
    if len(part.encode()) > MAX_PART_BYTES:
        return f"a part is longer than {MAX_PART_BYTES} bytes"
    if part[-1] in ". ":
        return "a part ends in a dot or a space, which Windows removes"
    for char in part:
        if char in _WINDOWS_CHARACTERS:
            what = (
                ", which Windows reads as a drive or a stream"
                if char == ":"
                else ", which Windows does not allow"
            )
            return f"it has the character {char!r}{what}"
        if char in _UNSEEN:
            return f"it has the invisible character U+{ord(char):04X}, which can disguise its name"
    stem = _folded(part.split(".")[0]).rstrip()
    if stem in _WINDOWS_NAMES:
        return f"{part!r} is the name of a device on Windows"
    if _folded(part) in _TOOLS:
        return f"{part!r} controls tools that work in the folder it is pulled to"
    return None


def _folded(part: str) -> str:
    """Fold a name like the least careful file system: ignore case, character forms and invisible characters."""
    seen = "".join(char for char in part if char not in _UNSEEN and char not in _JOINERS)
    return unicodedata.normalize("NFKC", seen).casefold()
