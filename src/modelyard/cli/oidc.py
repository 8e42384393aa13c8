"""Trusted publishers from the command line."""

from __future__ import annotations

from typing import Any

import click

from modelyard.cli.base import Session, command, command_group
from modelyard.cli.output import key_values


@command_group("publisher")
def publisher() -> None:
    """Let CI jobs sign in without a stored secret."""


@command(
    "trust",
    group=publisher,
    example="modelyard publisher trust fraud --repository acme/churn --owner-id 4711 --workflow train.yml\n"
    "modelyard publisher trust fraud --kind gitlab --repository acme/churn --owner-id 12 --workflow .gitlab-ci.yml",
)
@click.argument("namespace")
@click.option(
    "--kind",
    type=click.Choice(["github", "gitlab", "other"]),
    default="github",
    show_default=True,
    help="CI system.",
)
@click.option("--repository", metavar="OWNER/NAME", help="Repository whose jobs are trusted.")
@click.option("--owner-id", help="Numeric id of its owner; a name can change hands, an id cannot.")
@click.option("--workflow", help="File that defines the job, for example train.yml.")
@click.option("--ref", help="Only jobs on this ref; * stands for any text. Default: refs/heads/main.")
@click.option("--environment", help="Only jobs in this environment of the CI system.")
@click.option("--issuer", help="Issuer of its tokens. Default: the public service.")
@click.option(
    "--claim",
    "claims",
    multiple=True,
    metavar="NAME=VALUE",
    help="Additional claim that must match; may be repeated.",
)
@click.option(
    "--role",
    type=click.Choice(["reader", "contributor", "maintainer"]),
    default="contributor",
    help="Role of its jobs.",
)
@click.option("--model", help="Only this model of the namespace.")
def trust(session: Session, namespace: str, claims: tuple[str, ...], **described: Any) -> None:
    """Let CI jobs act in a namespace without a stored secret."""
    from modelyard.wire.oidc import TrustPublisher

    wanted = TrustPublisher(claims=key_values(claims, "--claim"), **described)
    trusted = session.client.publishers.trust(namespace, wanted)
    if session.answered(trusted):
        return
    session.out.pairs(
        [
            ("publisher", trusted.id),
            ("acts as", trusted.account),
            ("role", f"{trusted.role} of {trusted.namespace}"),
            ("issuer", trusted.issuer),
            *sorted(trusted.claims.items()),
        ]
    )
    session.out.note(f"In the job: modelyard publisher login --namespace {namespace} --server URL")


@command("ls", group=publisher, example="modelyard publisher ls fraud")
@click.argument("namespace")
def list_publishers(session: Session, namespace: str) -> None:
    """List the trusted publishers of a namespace."""
    session.out.page(
        session.client.publishers.list(namespace),
        ("id", "kind", "role", "acts as", "claims"),
        lambda p: (p.id, p.kind, p.role, p.account, ", ".join(f"{k}={v}" for k, v in sorted(p.claims.items()))),
        empty="No trusted publishers yet. Add one with: modelyard publisher trust",
    )


@command("remove", group=publisher, example="modelyard publisher remove fraud 3")
@click.argument("namespace")
@click.argument("number", type=int)
def remove(session: Session, namespace: str, number: int) -> None:
    """Remove a trusted publisher and revoke all its tokens."""
    session.client.publishers.distrust(namespace, number)
    session.say({"removed": number}, f"Removed publisher {number} of {namespace}")


@command(
    "login",
    group=publisher,
    example="modelyard publisher login --namespace fraud --server https://models.example.org",
)
@click.option("--namespace", required=True, help="Namespace whose trusted publisher describes the job.")
def login(session: Session, namespace: str) -> None:
    """Sign in from inside a CI job, for fifteen minutes.

    The token is stored for later commands in the job. GitHub needs `permissions: id-token: write`; GitLab needs
    an id_token named MODELYARD_ID_TOKEN whose audience is the registry's address.
    """
    from modelyard.sdk import credentials
    from modelyard.sdk.client import Client
    from modelyard.sdk.oidc import ci_id_token

    url, _ = credentials.choose(session.server, "")
    with Client(url, "") as client:
        made = client.publishers.exchange(ci_id_token(client.publishers.audience()), namespace)
        credentials.save(client.url, made.token, made.account, make_default=True)
    session.say(
        {"account": made.account, "namespace": made.namespace, "expires_at": made.expires_at},
        f"Signed in as {made.account}, {made.role} of {made.namespace}, until {made.expires_at}",
    )
