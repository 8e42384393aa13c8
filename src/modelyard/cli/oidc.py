"""Trusted publishers from the command line."""

from __future__ import annotations

import click

from modelyard.cli.base import LazyGroup, Session, command
from modelyard.cli.output import key_values

_HERE = "modelyard.cli.oidc"


@click.group(
    "publisher",
    cls=LazyGroup,
    lazy={
        "trust": (f"{_HERE}:trust", "Let CI jobs act in a namespace without a stored secret."),
        "ls": (f"{_HERE}:list_publishers", "List the trusted publishers of a namespace."),
        "remove": (f"{_HERE}:remove", "End a trusted publisher and its tokens."),
        "login": (f"{_HERE}:login", "Inside a CI job: sign in as what the job is."),
    },
)
def publisher() -> None:
    """CI jobs that sign in by what they are, and keep no secret."""


@command(
    "trust",
    example="modelyard publisher trust fraud --repository acme/churn --owner-id 4711 --workflow train.yml\n"
    "modelyard publisher trust fraud --kind gitlab --repository acme/churn --owner-id 12 --workflow .gitlab-ci.yml",
)
@click.argument("namespace")
@click.option(
    "--kind",
    type=click.Choice(["github", "gitlab", "other"]),
    default="github",
    show_default=True,
    help="The CI system.",
)
@click.option("--repository", metavar="OWNER/NAME", help="The repository whose jobs are trusted.")
@click.option("--owner-id", help="The number of its owner; a name can change hands, a number cannot.")
@click.option("--workflow", help="The file that defines the job, as train.yml.")
@click.option("--ref", help="Only jobs on this ref; default refs/heads/main, * for any text.")
@click.option("--environment", help="Only jobs in this environment of the CI system.")
@click.option("--issuer", help="Where its tokens come from, when it is not the public service.")
@click.option("--claim", "claims", multiple=True, metavar="NAME=VALUE", help="A further claim that must hold.")
@click.option(
    "--role",
    type=click.Choice(["reader", "contributor", "maintainer"]),
    default="contributor",
    help="What its jobs may do.",
)
@click.option("--model", help="Only this model of the namespace.")
def trust(
    session: Session,
    namespace: str,
    kind: str,
    repository: str | None,
    owner_id: str | None,
    workflow: str | None,
    ref: str | None,
    environment: str | None,
    issuer: str | None,
    claims: tuple[str, ...],
    role: str,
    model: str | None,
) -> None:
    """Let CI jobs act in a namespace without a stored secret."""
    from modelyard.wire.oidc import TrustPublisher

    wanted = TrustPublisher(
        kind=kind,
        issuer=issuer,
        repository=repository,
        owner_id=owner_id,
        workflow=workflow,
        ref=ref,
        environment=environment,
        claims=key_values(claims, "--claim"),
        role=role,
        model=model,
    )
    found = session.client.publishers.trust(namespace, wanted)
    if session.as_json:
        session.out.json(found)
        return
    session.out.pairs(
        [
            ("publisher", found.id),
            ("acts as", found.account),
            ("role", f"{found.role} of {found.namespace}"),
            ("issuer", found.issuer),
            *sorted(found.claims.items()),
        ]
    )
    session.out.note(f"In the job: modelyard publisher login --namespace {namespace} --server URL")


@command("ls", example="modelyard publisher ls fraud")
@click.argument("namespace")
def list_publishers(session: Session, namespace: str) -> None:
    """List the trusted publishers of a namespace."""
    session.out.page(
        session.client.publishers.list(namespace),
        ("id", "kind", "role", "acts as", "claims"),
        lambda p: (p.id, p.kind, p.role, p.account, ", ".join(f"{k}={v}" for k, v in sorted(p.claims.items()))),
        empty="No trusted publishers yet. Make one with: modelyard publisher trust",
    )


@command("remove", example="modelyard publisher remove fraud 3")
@click.argument("namespace")
@click.argument("number", type=int)
def remove(session: Session, namespace: str, number: int) -> None:
    """End a trusted publisher and all its tokens."""
    session.client.publishers.distrust(namespace, number)
    if session.as_json:
        session.out.json({"removed": number})
    else:
        session.out.text(f"Removed publisher {number} of {namespace}")


@command("login", example="modelyard publisher login --namespace fraud --server https://models.example.org")
@click.option("--namespace", required=True, help="The namespace whose trusted publisher describes the job.")
def login(session: Session, namespace: str) -> None:
    """Inside a CI job: sign in as what the job is, for fifteen minutes.

    The token is stored for the commands that follow in the job. GitHub needs `permissions: id-token: write`;
    GitLab an id_token named MODELYARD_ID_TOKEN whose audience is the registry's address.
    """
    from modelyard.sdk import credentials
    from modelyard.sdk.client import Client
    from modelyard.sdk.oidc import ci_id_token

    url, _ = credentials.choose(session.server, "")
    with Client(url, "") as client:
        made = client.publishers.exchange(ci_id_token(client.publishers.audience()), namespace)
        credentials.save(client.url, made.token, made.account, make_default=True)
    if session.as_json:
        session.out.json({"account": made.account, "namespace": made.namespace, "expires_at": made.expires_at})
    else:
        session.out.text(
            f"Signed in as {made.account}, {made.role} of {made.namespace}, until {made.expires_at}"
        )
