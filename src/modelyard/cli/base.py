"""Shared by all commands: lazy loading, the options --json and --server, help with an example and exit codes."""

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
    """The first argument of a command: its output, and the client when it needs one."""

    def __init__(self, as_json: bool, server: str | None) -> None:
        self.out = Output(as_json, self._hint_when_empty)
        self.server = server

    def _hint_when_empty(self) -> str:
        """Return a hint that no one is signed in, where that may be why a list is empty."""
        client = self.__dict__.get("client")
        if client is None or client.transport.has_token:
            return ""
        return f"You are not signed in, so only public models are shown. Sign in with: modelyard login {client.url}"

    @property
    def as_json(self) -> bool:
        return self.out.as_json

    def answered(self, value: object) -> bool:
        """Print the value as JSON if asked for, and return whether that was so; if not, the command shows it itself."""
        if self.as_json:
            self.out.json(value)
        return self.as_json

    def say(self, value: object, words: str) -> None:
        """Print a result: as JSON if asked for, otherwise in words."""
        if not self.answered(value):
            self.out.text(words)

    def link(self, address: str) -> None:
        """Print the address of a page where somebody can click on it: on a terminal, not in a log."""
        if sys.stderr.isatty() and not self.as_json:
            self.out.note(f"Open in a browser: {address}")

    @cached_property
    def client(self) -> Client:
        from modelyard.sdk.client import Client

        return Client(self.server)

    @cached_property
    def progress(self) -> Progress:
        from modelyard.cli.progress import progress_for

        return progress_for(self.as_json)


SHORT = {
    "--alias": "-a",
    "--json": "-j",
    "--limit": "-l",
    "--metric": "-m",
    "--namespace": "-n",
    "--quiet": "-q",
    "--reason": "-r",
    "--stage": "-s",
    "--tag": "-t",
    "--yes": "-y",
}
"""The short form of frequent options: the same letter means the same everywhere."""


class Command(click.Command):
    """A command whose help ends with an example and the exit codes."""

    example = ""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Example"):
            for line in self.example.splitlines():
                formatter.write_text(line)
        with formatter.section("Exit codes"):
            formatter.write_text(", ".join(f"{code} {meaning}" for code, meaning in EXIT_CODES.items()))


class Group(click.Group):
    """A group that lists its commands in the order in which they were made, and proposes the nearest name."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*self.commands]

    def lines(self) -> dict[str, str]:
        """List each command with the first sentence of its help."""
        return {name: found.get_short_help_str(200) for name, found in self.commands.items()}

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([*self.lines().items()])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            from difflib import get_close_matches

            words = error.format_message()
            near = get_close_matches(args[0], self.list_commands(ctx), 1)
            # Newer releases of click propose a name themselves when they know all names.
            if near and "Did you mean" not in words:
                raise click.UsageError(f"{words} Did you mean {near[0]!r}?", ctx) from None
            raise


class LazyGroup(Group):
    """A group that imports a command's module when the command is used.

    lazy: name → (module:attribute, one line of help). sections: heading → names, in the order of the help.
    habits: a word from another program → the command to use here.
    """

    def __init__(
        self,
        *args: Any,
        lazy: dict[str, tuple[str, str]],
        sections: dict[str, tuple[str, ...]],
        habits: dict[str, str],
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.lazy = lazy
        self.sections = sections
        self.habits = habits

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for heading, names in self.sections.items():
            with formatter.section(heading):
                formatter.write_dl([(name, self.lazy[name][1]) for name in names])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] in self.habits and args[0] not in self.lazy:
            raise click.UsageError(f"There is no command {args[0]!r}. Use instead: {self.habits[args[0]]}", ctx)
        return super().resolve_command(ctx, args)

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*self.lazy]

    def lines(self) -> dict[str, str]:
        return {name: words for name, (_, words) in self.lazy.items()}

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.lazy:
            return None
        module, _, attribute = self.lazy[cmd_name][0].partition(":")
        found: click.Command = getattr(importlib.import_module(module), attribute)
        return found


def command_group(name: str) -> Callable[[Callable[..., Any]], Group]:
    return click.group(name, cls=Group)


def command(
    name: str, *, example: str, server: bool = True, group: Group | None = None
) -> Callable[[Callable[..., Any]], Command]:
    """A command from a function whose first argument is a Session.

    example: lines of a shell. server False: the command asks no server, so it has no --server. group: the group of
    the command; None for a command of the whole program.
    """

    def wrap(function: Callable[..., Any]) -> Command:
        @functools.wraps(function)
        def run(as_json: bool = False, server_url: str | None = None, **arguments: Any) -> Any:
            return function(Session(as_json, server_url), **arguments)

        made = click.command(name, cls=Command)(run)
        if server:
            words = "Address of the server. Default: MODELYARD_URL, then the server of the last sign-in."
            made.params.append(click.Option(["--server", "server_url"], metavar="URL", help=words))
        made.params.append(click.Option(["--json", "as_json"], is_flag=True, help="Print JSON."))
        made.example = example
        _add_short_forms(made)
        if group is not None:
            group.add_command(made)
        return made

    return wrap


def _add_short_forms(made: click.Command) -> None:
    taken = {text for param in made.params for text in param.opts}
    for param in made.params:
        short = next((SHORT[text] for text in param.opts if text in SHORT), None)
        if isinstance(param, click.Option) and short is not None and short not in taken:
            param.opts.insert(0, short)


def asks(session: Session, yes: bool) -> bool:
    """Whether to ask before a change that can be undone: only on a terminal, and without --yes."""
    return not (yes or session.as_json) and sys.stdin.isatty() and sys.stdout.isatty()


def confirm(session: Session, question: str, yes: bool) -> None:
    """Ask before a change that cannot be undone; without a terminal --yes is needed. Raises click.Abort, UsageError."""
    if yes:
        return
    if session.as_json or not sys.stdin.isatty():
        raise click.UsageError(f"{question} Confirm with --yes.")
    click.confirm(question, abort=True, err=True)
