"""The command `modelyard` (short: `my`)."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Sequence

import click

from modelyard import __version__
from modelyard.cli.base import LazyGroup
from modelyard.cli.errors import FAILED, INTERRUPTED, OK, USAGE, exit_code
from modelyard.domain.errors import ModelyardError

COMMANDS: dict[str, tuple[str, str]] = {
    "serve": ("modelyard.cli.admin:serve", "Run a registry."),
    "login": ("modelyard.cli.login:login", "Store a token for a server."),
    "logout": ("modelyard.cli.login:logout", "Forget the token of a server."),
    "whoami": ("modelyard.cli.login:whoami", "Show which account the token stands for."),
    "push": ("modelyard.cli.push:push", "Register a folder or a file as a model's next version."),
    "pull": ("modelyard.cli.pull:pull", "Put a version's files into a folder, every byte verified."),
    "run": ("modelyard.cli.run:run", "Run a program and note what it trains."),
    "runs": ("modelyard.cli.runs:runs", "See what trainings said of themselves."),
    "sync": ("modelyard.cli.runs:sync", "Send what runs said while the server was out of reach."),
    "ls": ("modelyard.cli.catalog:ls", "List namespaces, models or versions."),
    "search": ("modelyard.cli.catalog:search", "Find models by words, tags, metrics and more."),
    "show": ("modelyard.cli.versions:show", "Show a model or a version."),
    "resolve": ("modelyard.cli.versions:resolve", "Say which version a reference means now."),
    "history": ("modelyard.cli.history:history", "Show what happened to a model or an alias."),
    "alias": ("modelyard.cli.aliases:alias", "Set, remove and list aliases."),
    "promote": ("modelyard.cli.promotion:promote", "Move a version into a stage, if its gate lets it in."),
    "rollback": ("modelyard.cli.promotion:rollback", "Go back to the version before, in seconds."),
    "demote": ("modelyard.cli.promotion:demote", "Take a version out of a stage."),
    "stages": ("modelyard.cli.promotion:stages", "Show who stands in the stages of a model."),
    "promotions": ("modelyard.cli.promotion:promotions", "List and show promotions, and what waits for you."),
    "approve": ("modelyard.cli.promotion:approve", "Vote for a promotion."),
    "reject": ("modelyard.cli.promotion:reject", "Refuse a promotion for good."),
    "waive": ("modelyard.cli.promotion:waive", "Set a rule aside for one promotion."),
    "withdraw": ("modelyard.cli.promotion:withdraw", "Take an open promotion back."),
    "policy": ("modelyard.cli.policy:policy", "Write, test and show policies."),
    "check": ("modelyard.cli.checks:check", "Report and list checks of a version."),
    "evaluation": ("modelyard.cli.evaluations:evaluation", "Report and list metrics measured later."),
    "scan": ("modelyard.cli.quarantine:scan", "Show scans, and decide what is trusted."),
    "quarantine": ("modelyard.cli.quarantine:quarantine", "List and release versions that are not served."),
    "signature": ("modelyard.cli.signature:signature", "Show signatures, and check data against them."),
    "convert": ("modelyard.cli.convert:convert", "Convert a version's torch files to safetensors."),
    "bom": ("modelyard.cli.bom:bom", "Print the bill of materials of a version."),
    "card": ("modelyard.cli.cards:card", "Write, show and check the cards of versions."),
    "attest": ("modelyard.cli.attestations:attest", "Sign a version's digests with your key."),
    "key": ("modelyard.cli.attestations:key", "Create signing keys."),
    "dataset": ("modelyard.cli.datasets:dataset", "Know datasets by their content, and compare them."),
    "compare": ("modelyard.cli.comparison:compare", "Put versions or runs side by side."),
    "best": ("modelyard.cli.comparison:best", "Say which version has the best value of a metric."),
    "lineage": ("modelyard.cli.lineage:lineage", "Show what came from what, up or down to any depth."),
    "recall": ("modelyard.cli.lineage:recall", "Say that a version is not to be used."),
    "deprecate": ("modelyard.cli.promotion:deprecate", "Warn everyone who uses a version."),
    "tag": ("modelyard.cli.tags:tag", "Set, remove and list tags."),
    "edit": ("modelyard.cli.catalog:edit", "Change what is written about a model or a version."),
    "rename": ("modelyard.cli.catalog:rename", "Rename a model; its old name goes on working."),
    "archive": ("modelyard.cli.versions:archive", "Retire a model or a version, or bring it back."),
    "delete": ("modelyard.cli.versions:delete", "Delete a model or a version."),
    "verify": ("modelyard.cli.versions:verify", "Let the server read a version's bytes again."),
    "scrub": ("modelyard.cli.retention:scrub", "Let the server read all stored bytes again."),
    "gc": ("modelyard.cli.retention:gc", "Delete the bytes that nothing needs."),
    "jobs": ("modelyard.cli.jobs:jobs", "See and steer the background jobs of a server."),
    "comment": ("modelyard.cli.comments:comment", "Talk about models, versions and promotions."),
    "watch": ("modelyard.cli.comments:watch", "Be notified of what others do to a model."),
    "notifications": ("modelyard.cli.comments:notifications", "Show what one is notified of."),
    "events": ("modelyard.cli.outbox:events", "Print events as they happen."),
    "subscription": ("modelyard.cli.outbox:subscription", "Tell webhooks, Slack or e-mail of events."),
    "audit": ("modelyard.cli.audit:audit", "Show, export and verify the event log."),
    "redact": (
        "modelyard.cli.redaction:redact",
        "Take out what leaked: a text of a namespace, or the bytes of a file.",
    ),
    "publisher": ("modelyard.cli.oidc:publisher", "Let CI jobs sign in without a stored secret."),
    "token": ("modelyard.cli.tokens:token", "Create, list and revoke tokens."),
    "user": ("modelyard.cli.accounts:user", "Create, list and edit accounts."),
    "group": ("modelyard.cli.accounts:group", "Create groups and change who is in them."),
    "namespace": ("modelyard.cli.namespaces:namespace", "Create namespaces and decide who may use them."),
    "doctor": ("modelyard.cli.doctor:doctor", "Check the client, the server, or a data folder."),
    "backup": ("modelyard.cli.admin:backup", "Copy a whole registry into a folder."),
    "restore": ("modelyard.cli.admin:restore", "Make a registry from a backup."),
    "rescue": ("modelyard.cli.admin:rescue", "Make a token for an admin where the data is."),
    "demo": ("modelyard.cli.demo:demo", "Fill a running registry with small trained models."),
    "completion": ("modelyard.cli.completion:completion", "Print the script that completes commands."),
}


@click.group(
    "modelyard", cls=LazyGroup, lazy=COMMANDS, context_settings={"help_option_names": ["-h", "--help"]}
)
@click.version_option(__version__, prog_name="modelyard")
def cli() -> None:
    """A self-hosted registry of machine-learning models.

    A reference names a version: namespace/name with :12, @alias, @sha256:… or nothing for the newest.
    """


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command and leave with its exit code."""
    given = sys.argv[1:] if arguments is None else [*arguments]
    code = run(given)
    with contextlib.suppress(BrokenPipeError):
        sys.stdout.flush()
    sys.exit(code)


def run(arguments: Sequence[str]) -> int:
    """The exit code. Every error is told here, and only here."""
    as_json = "--json" in arguments
    try:
        result = cli.main(args=[*arguments], prog_name="modelyard", standalone_mode=False)
    except ModelyardError as error:
        _tell(error, as_json)
        return exit_code(error)
    except click.ClickException as error:
        if as_json:
            print(json.dumps({"code": "usage", "kind": "invalid", "detail": error.format_message(), "fix": ""}))
        error.show(sys.stderr)
        return USAGE
    except (KeyboardInterrupt, click.Abort):
        click.echo("\nInterrupted; the same command goes on where it stopped.", err=True)
        return INTERRUPTED
    except BrokenPipeError:
        # The person who read the output has seen enough. Python would complain once more at its exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OK
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        click.echo(f"modelyard: {place}{error.strerror or error}", err=True)
        return FAILED
    return result if isinstance(result, int) else OK


def _tell(error: ModelyardError, as_json: bool) -> None:
    if as_json:
        from modelyard.sdk.errors import problem_of

        click.echo(json.dumps(problem_of(error)))
    from modelyard.cli.output import clean

    click.echo(f"modelyard: {clean(error.message)}", err=True)
    if error.fix:
        click.echo(f"  {clean(error.fix)}", err=True)
