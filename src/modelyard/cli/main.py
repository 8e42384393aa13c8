"""The command `modelyard` (short: `my`)."""

from __future__ import annotations

import contextlib
import gc
import json
import os
import sys
from collections.abc import Sequence

import click

from modelyard import __version__
from modelyard.cli.base import LazyGroup
from modelyard.cli.encoding import let_every_terminal_show_it, refuse_unreadable
from modelyard.cli.errors import FAILED, INTERRUPTED, OK, USAGE, exit_code
from modelyard.domain.errors import ModelyardError

COMMANDS: dict[str, tuple[str, str]] = {
    "serve": ("modelyard.cli.admin:serve", "Run a registry."),
    "login": ("modelyard.cli.login:login", "Store a token for a server."),
    "logout": ("modelyard.cli.login:logout", "Forget the token of a server."),
    "whoami": ("modelyard.cli.login:whoami", "Show which account you are signed in as."),
    "push": ("modelyard.cli.push:push", "Register a folder or a file as a model's next version."),
    "pull": ("modelyard.cli.pull:pull", "Put a version's files into a folder, every byte verified."),
    "bundle": ("modelyard.cli.bundles:bundle", "Keep a version with its record as one file, and verify it."),
    "run": ("modelyard.cli.run:run", "Run a program and record its training."),
    "runs": ("modelyard.cli.runs:runs", "List and inspect training runs."),
    "sync": ("modelyard.cli.runs:sync", "Send the records of runs that were logged offline."),
    "build": ("modelyard.cli.builds:build", "Train, test and register a folder by its recipe."),
    "builds": ("modelyard.cli.builds:builds", "List, follow, cancel and repeat builds."),
    "schedule": ("modelyard.cli.schedules:schedule", "Start builds at times, or on new data and versions."),
    "reproduce": ("modelyard.cli.builds:reproduce", "Build a version once more, and compare the result."),
    "retrain": ("modelyard.cli.builds:retrain", "Build from a version's record with other params or data."),
    "recipe": ("modelyard.cli.builds:recipe", "Write and check recipes of builds."),
    "pool": ("modelyard.cli.builds:pool", "List the pools in which builds run."),
    "secret": ("modelyard.cli.secrets:secret", "Keep credentials that steps of builds use by name."),
    "ls": ("modelyard.cli.catalog:ls", "List namespaces, models or versions."),
    "search": ("modelyard.cli.catalog:search", "Find models by words, tags, metrics and more."),
    "find": ("modelyard.cli.search:find", "Find anything by name, digest or Git commit."),
    "show": ("modelyard.cli.versions:show", "Show a model or a version."),
    "open": ("modelyard.cli.pages:open_page", "Open the page of a model or a version."),
    "resolve": ("modelyard.cli.versions:resolve", "Print the version that a reference means now."),
    "history": ("modelyard.cli.history:history", "Show the history of a model, an alias or a stage."),
    "alias": ("modelyard.cli.aliases:alias", "Set, remove and list aliases."),
    "promote": ("modelyard.cli.promotion:promote", "Move a version into a stage, if the gate allows it."),
    "deploy": ("modelyard.cli.deployments:deploy", "Have a version serve predictions."),
    "deployment": ("modelyard.cli.deployments:deployment", "Show, scale, stop and release deployments."),
    "monitor": (
        "modelyard.cli.monitoring:monitor",
        "Show what deployments observe, and whether they need retraining.",
    ),
    "rollback": ("modelyard.cli.promotion:rollback", "Go back in a deployment or a stage, in seconds."),
    "demote": ("modelyard.cli.promotion:demote", "Take a version out of a stage."),
    "stages": (
        "modelyard.cli.promotion:stages",
        "Show the versions in the stages of a model, or in one of all models.",
    ),
    "promotions": (
        "modelyard.cli.promotion:promotions",
        "List and show promotions, and those that wait for you.",
    ),
    "approve": ("modelyard.cli.promotion:approve", "Vote for a promotion."),
    "reject": ("modelyard.cli.promotion:reject", "Refuse a promotion for good."),
    "waive": ("modelyard.cli.promotion:waive", "Waive a rule for one promotion."),
    "withdraw": ("modelyard.cli.promotion:withdraw", "Withdraw an open promotion."),
    "policy": ("modelyard.cli.policy:policy", "Write, test and show policies."),
    "check": ("modelyard.cli.checks:check", "Report and list checks of a version."),
    "evaluation": ("modelyard.cli.evaluations:evaluation", "Report and list metrics measured later."),
    "scan": ("modelyard.cli.quarantine:scan", "Show scans, and manage trusted globals."),
    "quarantine": ("modelyard.cli.quarantine:quarantine", "List and release versions that are not served."),
    "signature": ("modelyard.cli.signature:signature", "Show signatures, and check data against them."),
    "convert": ("modelyard.cli.convert:convert", "Convert a version's torch files to safetensors."),
    "bom": ("modelyard.cli.bom:bom", "Print the bill of materials of a version."),
    "image": ("modelyard.cli.images:image", "Make container images of versions."),
    "card": ("modelyard.cli.cards:card", "Write, show and check the cards of versions."),
    "terms": ("modelyard.cli.terms:terms", "Set, read and accept the terms of use of models."),
    "cite": ("modelyard.cli.cards:cite", "Print how to cite a version."),
    "attest": ("modelyard.cli.attestations:attest", "Sign a version's digests with your key."),
    "key": ("modelyard.cli.attestations:key", "Create signing keys."),
    "dataset": ("modelyard.cli.datasets:dataset", "Register datasets by content, and compare them."),
    "compare": ("modelyard.cli.comparison:compare", "Put versions or runs side by side."),
    "best": ("modelyard.cli.comparison:best", "Show the version with the best value of a metric."),
    "lineage": ("modelyard.cli.lineage:lineage", "Show the origins and descendants of a version or dataset."),
    "recall": ("modelyard.cli.lineage:recall", "Recall a version, so that it is no longer used."),
    "deprecate": ("modelyard.cli.promotion:deprecate", "Warn everyone who uses a version."),
    "tag": ("modelyard.cli.tags:tag", "Set, remove and list tags."),
    "edit": ("modelyard.cli.catalog:edit", "Change the description, owners or tags of a model or a version."),
    "rename": ("modelyard.cli.catalog:rename", "Rename a model; its old name keeps working."),
    "archive": ("modelyard.cli.versions:archive", "Archive a model or a version, or restore it."),
    "delete": ("modelyard.cli.versions:delete", "Delete a model or a version."),
    "keep": ("modelyard.cli.versions:keep", "Mark a version that must be kept."),
    "verify": ("modelyard.cli.versions:verify", "Read a version's stored bytes again and check them."),
    "scrub": ("modelyard.cli.retention:scrub", "Read all stored bytes again and check them."),
    "storage": ("modelyard.cli.retention:storage", "Show how many bytes are stored."),
    "retention": ("modelyard.cli.retention:retention", "Archive or delete versions that are no longer kept."),
    "gc": ("modelyard.cli.retention:gc", "Delete unused bytes."),
    "measures": ("modelyard.cli.measures:measures", "Show lead times, promotions and rollbacks by month."),
    "jobs": ("modelyard.cli.jobs:jobs", "List, retry and cancel the background jobs of a server."),
    "comment": ("modelyard.cli.comments:comment", "Discuss models, versions and promotions."),
    "watch": ("modelyard.cli.comments:watch", "Be notified of other people's changes to a model."),
    "star": ("modelyard.cli.stars:star", "Keep models in your own short list."),
    "needs": ("modelyard.cli.comments:needs", "Show what waits for you."),
    "notifications": ("modelyard.cli.comments:notifications", "Show your notifications."),
    "events": ("modelyard.cli.outbox:events", "Print events as they happen."),
    "subscription": ("modelyard.cli.outbox:subscription", "Send events to webhooks, Slack or e-mail."),
    "audit": ("modelyard.cli.audit:audit", "Show, export and verify the event log."),
    "redact": (
        "modelyard.cli.redaction:redact",
        "Remove leaked data: a text from a namespace, or the bytes of a file.",
    ),
    "publisher": ("modelyard.cli.oidc:publisher", "Let CI jobs sign in without a stored secret."),
    "token": ("modelyard.cli.tokens:token", "Create, list and revoke tokens."),
    "user": ("modelyard.cli.accounts:user", "Create, list and edit accounts."),
    "group": ("modelyard.cli.accounts:group", "Create groups and change who is in them."),
    "namespace": ("modelyard.cli.namespaces:namespace", "Create namespaces, and manage access to them."),
    "doctor": ("modelyard.cli.doctor:doctor", "Check the client, the server, or a data folder."),
    "backup": ("modelyard.cli.admin:backup", "Copy a whole registry into a folder."),
    "restore": ("modelyard.cli.admin:restore", "Restore a registry from a backup."),
    "rescue": ("modelyard.cli.admin:rescue", "Create a token for an admin, next to the data."),
    "demo": ("modelyard.cli.demo:demo", "Fill a running registry with small trained models."),
    "completion": ("modelyard.cli.completion:completion", "Print the script that completes commands."),
}


SECTIONS: dict[str, tuple[str, ...]] = {
    "Start": ("serve", "login", "logout", "whoami", "doctor", "demo", "completion"),
    "Models and versions": (
        "push", "pull", "bundle", "ls", "search", "find", "show", "open", "resolve", "history", "alias", "tag", "edit", "rename", "archive",
        "delete", "keep", "verify", "convert", "terms",
    ),
    "Training": ("run", "runs", "sync", "dataset", "build", "builds", "schedule", "reproduce", "retrain", "recipe", "pool", "secret"),
    "Compare and trace": ("compare", "best", "evaluation", "lineage", "recall", "deprecate"),
    "Promotion": (
        "promote", "rollback", "demote", "stages", "promotions", "approve", "reject", "waive", "withdraw", "policy",
        "check", "attest", "key",
    ),
    "Serving": ("deploy", "deployment", "monitor"),
    "Contents of a version": ("card", "cite", "signature", "bom", "image", "scan", "quarantine"),
    "Discussion and events": ("comment", "watch", "star", "needs", "notifications", "events", "subscription"),
    "People and rights": ("namespace", "user", "group", "token", "publisher"),
    "Record and operation": ("audit", "redact", "backup", "restore", "rescue", "retention", "scrub", "storage", "gc", "jobs", "measures"),
}  # fmt: skip
"""Heading in the help → the commands below it."""

HABITS: dict[str, str] = {
    "add": "modelyard push FOLDER MODEL",
    "artifacts": "modelyard runs show RUN, and modelyard runs pull RUN FOLDER",
    "auth": "modelyard login URL",
    "cache": "modelyard doctor",
    "clone": "modelyard pull MODEL",
    "create": "modelyard push FOLDER MODEL, or modelyard namespace create NAME",
    "describe": "modelyard show MODEL:VERSION",
    "diff": "modelyard compare MODEL:1 MODEL:2",
    "download": "modelyard pull MODEL:VERSION",
    "experiments": "modelyard runs experiments",
    "get": "modelyard pull MODEL:VERSION, or modelyard show MODEL:VERSION",
    "info": "modelyard show MODEL:VERSION",
    "init": "modelyard serve for a registry of your own, or modelyard login URL",
    "launch": "modelyard run -- PROGRAM",
    "list": "modelyard ls",
    "log": "modelyard history MODEL, modelyard runs log RUN, or modelyard audit log",
    "logs": "modelyard runs log RUN",
    "metrics": "modelyard best MODEL --metric NAME, or modelyard runs series RUN NAME",
    "models": "modelyard ls NAMESPACE, or modelyard search WORD",
    "move": "modelyard rename MODEL NAME",
    "mv": "modelyard rename MODEL NAME",
    "register": "modelyard push FOLDER MODEL",
    "release": "modelyard promote MODEL:VERSION STAGE, modelyard deployment release NAME, or modelyard quarantine release MODEL:VERSION",
    "remove": "modelyard delete MODEL:VERSION",
    "repo": "modelyard namespace",
    "revert": "modelyard rollback DEPLOYMENT, or modelyard rollback MODEL STAGE",
    "rm": "modelyard delete MODEL:VERSION",
    "scale": "modelyard deployment scale NAME REPLICAS",
    "server": "modelyard serve",
    "start": "modelyard serve, or modelyard run -- PROGRAM",
    "status": "modelyard stages MODEL, modelyard show MODEL:VERSION, or modelyard doctor",
    "train": "modelyard run -- PROGRAM",
    "transition": "modelyard promote MODEL:VERSION STAGE",
    "ui": "modelyard serve",
    "undo": "modelyard rollback DEPLOYMENT, or modelyard rollback MODEL STAGE",
    "update": "modelyard edit MODEL",
    "upload": "modelyard push FOLDER MODEL",
    "versions": "modelyard ls MODEL",
}
"""Word from MLflow, W&B, the Hub or git → the command to use here."""


@click.group(
    "modelyard",
    cls=LazyGroup,
    lazy=COMMANDS,
    sections=SECTIONS,
    habits=HABITS,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(__version__, prog_name="modelyard")
def cli() -> None:
    """A self-hosted registry of machine-learning models.

    A reference names a version: namespace/name with :12, @alias, @sha256:… or nothing for the newest.
    """


_OBJECTS_BETWEEN_COLLECTIONS = 20_000


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command and leave with its exit code."""
    given = sys.argv[1:] if arguments is None else [*arguments]
    if given[:1] != ["serve"]:
        # Imports make many objects and no garbage: looking for it often takes a tenth of a short command's time.
        gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS)
    let_every_terminal_show_it()
    code = run(given)
    with contextlib.suppress(BrokenPipeError):
        sys.stdout.flush()
    # At the end Python would search all objects for garbage once more.
    gc.freeze()
    sys.exit(code)


def run(arguments: Sequence[str]) -> int:
    """Run a command and return its exit code. Every error is printed here, and only here."""
    as_json = "--json" in arguments
    try:
        refuse_unreadable(arguments)
        result = cli.main(args=[*arguments], prog_name="modelyard", standalone_mode=False)
    except ModelyardError as error:
        _tell(error, as_json)
        return exit_code(error)
    except click.ClickException as error:
        if as_json:
            print(json.dumps({"code": "usage", "kind": "invalid", "detail": error.format_message(), "fix": ""}))
        error.show(sys.stderr)
        return USAGE
    except (KeyboardInterrupt, click.Abort) as error:
        is_signal = isinstance(error, KeyboardInterrupt) or isinstance(error.__cause__, KeyboardInterrupt)
        click.echo(f"\n{_words_for_stop(arguments, is_signal)}", err=True)
        return INTERRUPTED
    except BrokenPipeError:
        # The reader of the output has closed it. Without this, Python would complain once more at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OK
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        click.echo(f"modelyard: {place}{error.strerror or error}", err=True)
        return FAILED
    return result if isinstance(result, int) else OK


_RESUMED = frozenset({"push", "pull", "sync", "backup", "restore"})
"""Commands that continue where they stopped when they are run again."""


def _words_for_stop(arguments: Sequence[str], is_signal: bool) -> str:
    """Describe the state after a signal, or the answer to a question, ended a command."""
    if not is_signal:
        return "Stopped at the question; nothing was changed."
    if arguments and arguments[0] in _RESUMED:
        return "Interrupted. Run the same command again to continue where it stopped."
    return "Stopped." if arguments and arguments[0] == "serve" else "Interrupted."


def _tell(error: ModelyardError, as_json: bool) -> None:
    if as_json:
        from modelyard.sdk.errors import problem_of

        click.echo(json.dumps(problem_of(error)))
    from modelyard.cli.output import clean

    click.echo(f"modelyard: {clean(error.message)}", err=True)
    if error.fix:
        click.echo(f"  {clean(error.fix)}", err=True)
