"""Text in and out: characters that a terminal cannot show are replaced, arguments that are not UTF-8 refused."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from io import TextIOWrapper

from modelyard.domain.errors import Invalid
from modelyard.domain.texts import readable


def let_every_terminal_show_it() -> None:
    """Replace characters that the encoding of standard output or error lacks, so that they fail no command."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def refuse_unreadable(arguments: Sequence[str]) -> None:
    """Refuse arguments whose bytes are not text. Raises Invalid.

    Arguments after `--` belong to the program that `modelyard run` starts, and are not checked.
    """
    own = [*arguments]
    if "--" in own:
        own = own[: own.index("--")]
    for position, text in enumerate(own, 1):
        try:
            text.encode()
        except UnicodeEncodeError:
            raise Invalid(
                reason=f"argument {position} ({readable(text)}) is not text in the encoding of this system "
                f"({sys.getfilesystemencoding()})",
                fix="Write it in UTF-8, in a UTF-8 locale (LC_ALL=C.UTF-8); rename a file with such a name",
            ) from None
