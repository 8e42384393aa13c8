"""Build secrets from the command line."""

from __future__ import annotations

import sys

import click

from modelyard.cli.base import Session, command, command_group


@command_group("secret")
def secret() -> None:
    """Keep credentials that steps of builds use by name."""


@command(
    "set",
    group=secret,
    example="modelyard secret set fraud HF_TOKEN\nmodelyard secret set fraud HF_TOKEN < token.txt",
)
@click.argument("namespace")
@click.argument("name")
def set_secret(session: Session, namespace: str, name: str) -> None:
    """Set a secret of a namespace's builds, or replace its value.

    The value is asked for, or read from the standard input without its last line break; it never stands on the command
    line. No one can read it back. A step of a recipe gets it as a variable when it names it: `secrets: [HF_TOKEN]`. Everyone
    who may start builds in the namespace can therefore use it.
    """
    if sys.stdin.isatty():
        value = click.prompt(f"Value of {name}", hide_input=True, err=True)
    else:
        value = sys.stdin.read().removesuffix("\n").removesuffix("\r")
    made = session.client.builds.set_secret(namespace, name, value)
    session.say(made, f"Set {name} for builds of {namespace}")


@command("ls", group=secret, example="modelyard secret ls fraud")
@click.argument("namespace")
def list_secrets(session: Session, namespace: str) -> None:
    """List the names of a namespace's build secrets."""
    session.out.page(
        session.client.builds.secrets(namespace),
        ("name", "set by", "at"),
        lambda each: (each.name, each.set_by, each.set_at),
        empty=f"No build secrets yet. Set one with: modelyard secret set {namespace} NAME",
    )


@command("rm", group=secret, example="modelyard secret rm fraud HF_TOKEN")
@click.argument("namespace")
@click.argument("name")
def remove_secret(session: Session, namespace: str, name: str) -> None:
    """Remove a secret; builds that name it are refused from then on."""
    session.client.builds.remove_secret(namespace, name)
    session.say({"removed": name}, f"Removed {name} from the build secrets of {namespace}")
