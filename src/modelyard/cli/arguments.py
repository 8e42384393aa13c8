"""Kinds of arguments that many commands take, with their shell completions.

A completion asks the server. If that fails, the shell proposes nothing, because it cannot show a message.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import islice
from typing import TYPE_CHECKING

import click
from click.shell_completion import CompletionItem

if TYPE_CHECKING:
    from modelyard.sdk.client import Client

    _Text = click.ParamType[str]
else:
    # Older releases of click have no type parameters.
    _Text = click.ParamType

PARAMS = click.option(
    "--param",
    "params",
    multiple=True,
    metavar="K=V",
    help="Value in place of the recipe's param; may be repeated.",
)
MOST_PROPOSED = 50
_PATIENCE_SECONDS = 2.0


class _Named(_Text):
    """Text that the registry can complete."""

    name = "text"

    def __init__(self, find: Callable[[Client, click.Context, str], Iterable[str]]) -> None:
        self._find = find

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Return the completions of the text; none when the server cannot be asked."""
        from modelyard.sdk.client import Client

        server = ctx.params.get("server_url")
        try:
            with Client(server, timeout_seconds=_PATIENCE_SECONDS, patience_seconds=0) as client:
                found = [text for text in self._find(client, ctx, incomplete) if text.startswith(incomplete)]
        except Exception:  # noqa: BLE001 - in the middle of a line there is no place for a message
            return []
        return [CompletionItem(text) for text in found[:MOST_PROPOSED]]


class _Model(_Named):
    """The name of a model, without a version."""

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Raises click.BadParameter for a reference to a version, and names the command to use."""
        model, sign, selector = _split(value)
        if not sign:
            return value
        words = f"{value!r} names a version, but this command takes a model: {model}"
        command = ctx.info_name if ctx is not None else ""
        if command == "rollback" and sign == ":":
            words += f". To go back to that version: modelyard rollback {model} STAGE --to {selector}"
        if command == "push":
            words += ". The next version is numbered automatically"
        self.fail(words, param, ctx)


def _split(value: str) -> tuple[str, str, str]:
    """Return (model, ":" or "@" or "", selector)."""
    for sign in ("@", ":"):
        model, found, selector = value.partition(sign)
        if found:
            return model, found, selector
    return value, "", ""


def _models(client: Client, _: click.Context, incomplete: str) -> Iterable[str]:
    namespace, slash, _rest = incomplete.partition("/")
    if not slash:
        return [f"{found.name}/" for found in client.namespaces.list()]
    return [found.name for found in islice(client.models.search(namespace=namespace), 1000)]


def _references(client: Client, ctx: click.Context, incomplete: str) -> Iterable[str]:
    if incomplete.startswith("run:"):
        return [f"run:{uid}" for uid in _runs(client, ctx, "")]
    model, sign, _selector = _split(incomplete)
    if sign == "@":
        return [f"{model}@{alias}" for alias in client.models.get(model).aliases]
    if sign == ":":
        return [f"{model}:{found.version}" for found in client.versions.list(model, limit=MOST_PROPOSED)]
    return _models(client, ctx, incomplete)


def _stages(client: Client, ctx: click.Context, _: str) -> Iterable[str]:
    given = ctx.params.get("model") or ctx.params.get("ref") or ctx.params.get("name") or ""
    return [stage.name for stage in client.promotions.stages(_split(given)[0]).items] if given else []


def _aliases(client: Client, ctx: click.Context, _: str) -> Iterable[str]:
    given = ctx.params.get("model") or ctx.params.get("ref") or ""
    return [*client.models.get(_split(given)[0]).aliases] if given else []


def _runs(client: Client, _: click.Context, incomplete: str) -> Iterable[str]:
    return [run.id for run in client.runs.list(limit=MOST_PROPOSED)]


def _builds(client: Client, _: click.Context, incomplete: str) -> Iterable[str]:
    return [build.id for build in client.builds.list(limit=MOST_PROPOSED)]


def _deployments(client: Client, _: click.Context, incomplete: str) -> Iterable[str]:
    return [found.name for found in client.deployments.list(limit=MOST_PROPOSED)]


def _deployments_and_models(client: Client, ctx: click.Context, incomplete: str) -> Iterable[str]:
    return [*_deployments(client, ctx, incomplete), *_models(client, ctx, incomplete)]


MODEL = _Model(_models)
DEPLOYMENT = _Named(_deployments)
DEPLOYMENT_OR_MODEL = _Model(_deployments_and_models)
REF = _Named(_references)
STAGE = _Named(_stages)
ALIAS = _Named(_aliases)
RUN = _Named(_runs)
BUILD = _Named(_builds)
