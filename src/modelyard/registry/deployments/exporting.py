"""Deployments as files for clusters: what is wanted now, with the image of the version by digest. Nothing is applied."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import yaml

from modelyard.db.transaction import Transaction
from modelyard.domain.actor import Actor
from modelyard.domain.errors import Conflict
from modelyard.engines import exports, manifests
from modelyard.registry.deployments import moving, queries
from modelyard.registry.deployments.admission import refuse_unless_admitted
from modelyard.registry.deployments.running import find_order
from modelyard.registry.deployments.showing import find_deployment
from modelyard.registry.deployments.targets import Targets
from modelyard.wire.scorer import WantedRevision


class ExportedFile(msgspec.Struct, frozen=True):
    path: str
    text: str


class Export(msgspec.Struct, frozen=True):
    """secret: name of the Secret that the files ask for, with the key `token`. notes: what to do before they are applied."""

    files: Sequence[ExportedFile]
    secret: str
    notes: Sequence[str]


class _Dumper(yaml.SafeDumper):
    """Writes texts of several lines as such."""

    def represent_str(self, data: str) -> yaml.ScalarNode:
        return self.represent_scalar("tag:yaml.org,2002:str", data, style="|" if "\n" in data else None)

    def ignore_aliases(self, data: Any) -> bool:
        return True


_Dumper.add_representer(str, _Dumper.represent_str)


def export_deployment(
    tx: Transaction, actor: Actor, targets: Targets, namespace: str, name: str, form: str
) -> Export:
    """Return a deployment as files. form: one of `exports.FORMS`.

    Raises DeploymentNotFound, Invalid; Conflict if a version has no image; the refusals of admission.
    """
    deployment = find_deployment(tx, actor, namespace, name)
    model = moving.model_of(tx, actor, deployment)
    wanted = find_order(tx, deployment.id, targets.public_url)
    images: dict[int, str] = {}
    for each in wanted.revisions:
        if each.role not in ("serving", "canary"):
            continue
        revision = queries.find_revision(tx, deployment.id, each.number)
        assert revision is not None
        refuse_unless_admitted(tx, model, moving.version_of(tx, model, revision), deployment.stage)
        images[each.number] = require_image(each)
    made = exports.export(form, wanted, images)
    secret = f"{manifests.object_name(wanted.deployment)}-token"
    files = [
        ExportedFile(path, yaml.dump_all(objects, Dumper=_Dumper, sort_keys=False, width=120))
        for path, objects in made.items()
    ]
    return Export(files, secret, _notes(form, secret, str(deployment.model), targets.public_url))


def require_image(revision: WantedRevision) -> str:
    """Return the image of a version. Raises Conflict with the command that makes one."""
    if revision.image is None:
        raise Conflict(
            reason=manifests.no_image(revision.reference), fix=manifests.make_image(revision.reference)
        )
    return revision.image


def _notes(form: str, secret: str, model: str, url: str) -> list[str]:
    namespace, _, name = model.partition("/")
    token = (
        f"modelyard token create {secret} --may model.read --may model.pull "
        f"--namespace {namespace} --model {name}"
    )
    if form == "compose":
        first = f"The token that reads the model comes from a variable: MODELYARD_SCORER_TOKEN_VALUE=$({token})"
    else:
        first = (
            f"The token that reads the model comes from the Secret {secret}: kubectl create secret generic {secret} "
            f"--from-literal=token=$({token})"
        )
    return [first, f"Its pods must reach this registry at {url} (setting public_url)"]
