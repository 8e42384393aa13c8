"""What all commands share: lazy loading, the options --json and --server, help with example and exit codes."""

from __future__ import annotations

import functools
import importlib
import sys
from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, Any

import click

from modelyard.cli.errors import EXIT_CODES
from modelyard.cli.output import Output

if TYPE_CHECKING:
    from modelyard.sdk.client import Client
    from modelyard.sdk.progress import Progress


class Session:
    """What a command is given first: its output, and the client when it needs one."""

    def __init__(self, as_json: bool, server: str | None) -> None:
        self.out = Output(as_json)
        self.server = server

    @property
    def as_json(self) -> bool:
        return self.out.as_json

    @cached_property
    def client(self) -> Client:
        from modelyard.sdk.client import Client

        return Client(self.server)

    @cached_property
    def progress(self) -> Progress:
        from modelyard.cli.progress import progress_for

        return progress_for(self.as_json)


class Command(click.Command):
    """A command whose help ends with an example and the exit codes."""

    example = ""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Example"):
            for line in self.example.splitlines():
                formatter.write_text(line)
        with formatter.section("Exit codes"):
            formatter.write_text(", ".join(f"{code} {meaning}" for code, meaning in EXIT_CODES.items()))


class LazyGroup(click.Group):
    """A group that imports a command's module when the command is used.

    lazy: name → (module:attribute, one line of help).
    """

    def __init__(self, *args: Any, lazy: dict[str, tuple[str, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.lazy = lazy

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*self.lazy]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.lazy:
            return None
        module, _, attribute = self.lazy[cmd_name][0].partition(":")
        found: click.Command = getattr(importlib.import_module(module), attribute)
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        rows = [(name, words) for name, (_, words) in self.lazy.items()]
        with formatter.section("Commands"):
            formatter.write_dl(rows)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            from difflib import get_close_matches

            near = get_close_matches(args[0], self.lazy, 1)
            if near:
                words = f"{error.format_message()} Did you mean {near[0]!r}?"
                raise click.UsageError(words, ctx) from None
            raise


def command(name: str, *, example: str, server: bool = True) -> Callable[[Callable[..., Any]], Command]:
    """A command from a function whose first argument is a Session.

    example: lines of a shell. server False: the command asks no server, so it has no --server.
    """

    def wrap(function: Callable[..., Any]) -> Command:
        @functools.wraps(function)
        def run(as_json: bool = False, server_url: str | None = None, **arguments: Any) -> Any:
            return function(Session(as_json, server_url), **arguments)

        made = click.command(name, cls=Command)(run)
        if server:
            words = "Address of the server, else MODELYARD_URL."
            made.params.append(click.Option(["--server", "server_url"], metavar="URL", help=words))
        made.params.append(click.Option(["--json", "as_json"], is_flag=True, help="Print JSON."))
        made.example = example
        return made

    return wrap


def confirm(session: Session, question: str, yes: bool) -> None:
    """Ask before what cannot be undone; without a terminal --yes is needed. Raises click.Abort, UsageError."""
    if yes:
        return
    if session.as_json or not sys.stdin.isatty():
        raise click.UsageError(f"{question} Say so with --yes.")
    click.confirm(question, abort=True, err=True)


def say(session: Session, value: object, words: str) -> None:
    """Print a result: as JSON where it was asked for, else in words."""
    session.out.json(value) if session.as_json else session.out.text(words)
