"""Set, read and accept terms of use; refuse bytes to accounts that did not accept them."""

from __future__ import annotations

from collections.abc import Sequence

from modelyard.db.transaction import Transaction
from modelyard.domain import events
from modelyard.domain.actor import Actor, Permission
from modelyard.domain.digest import Digest
from modelyard.domain.errors import Conflict, Invalid, TermsNotAccepted
from modelyard.domain.names import ModelName
from modelyard.registry.access import rules as access
from modelyard.registry.catalog import rules as catalog_rules
from modelyard.registry.catalog import usecases as catalog
from modelyard.registry.catalog.nouns import Model
from modelyard.registry.terms import queries
from modelyard.registry.terms.nouns import Acceptance, Terms

MAX_TERMS_LENGTH = 100_000


def set_terms(tx: Transaction, actor: Actor, name: ModelName, text: str) -> Terms:
    """Set the terms of use of a model; an empty text removes them. Another text asks everybody again.

    Raises ModelNotFound, ModelArchived, InvalidFact, Denied.
    """
    model = catalog.find_open_model(tx, actor, name, Permission.MODEL_SHARE)
    checked = catalog_rules.check_text(text.strip(), "the terms of use", MAX_TERMS_LENGTH)
    digest = str(Digest.of(checked.encode())) if checked else None
    if digest != model.terms_digest:
        queries.set_terms(tx, actor, model.id, digest, checked)
        tx.append(
            events.TermsChanged(**events.about(model.name), digest=digest, before=model.terms_digest),
            actor,
            model.id,
        )
    return show_terms(tx, actor, model.name)


def show_terms(tx: Transaction, actor: Actor, name: ModelName) -> Terms:
    """Return the terms of use. Raises ModelNotFound."""
    return queries.find_terms(tx, actor, catalog.find_model(tx, actor, name))


def accept_terms(tx: Transaction, actor: Actor, name: ModelName, digest: str) -> Terms:
    """Accept the present terms for the account, once. digest: of the text that was read.

    Raises ModelNotFound, Unauthenticated, Denied; Invalid if there are no terms; Conflict if they changed since.
    """
    model = catalog.find_model(tx, actor, name, Permission.MODEL_PULL)
    access.refuse_strangers(actor)
    if model.terms_digest is None:
        raise Invalid(
            reason=f"{model.name} has no terms of use", fix=f"Pull it with: modelyard pull {model.name}"
        )
    if digest != model.terms_digest:
        raise Conflict(
            reason=f"{digest[:80]!r} is not the digest of the present terms of use of {model.name}",
            fix=f"Read the present ones with: modelyard terms show {model.name}",
        )
    if queries.find_accepted_at(tx, actor, model.id, digest) is None:
        queries.insert_acceptance(tx, actor, model.id, digest)
        tx.append(events.TermsAccepted(**events.about(model.name), digest=digest), actor, model.id)
    return queries.find_terms(tx, actor, model)


def list_acceptances(
    tx: Transaction, actor: Actor, name: ModelName, before: int | None, limit: int
) -> Sequence[Acceptance]:
    """List who accepted which terms, newest first. Raises ModelNotFound, Denied."""
    model = catalog.find_model(tx, actor, name, Permission.LOG_READ)
    return queries.list_acceptances(tx, model.id, before, limit)


def refuse_unaccepted(tx: Transaction, actor: Actor, model: Model) -> None:
    """Raise TermsNotAccepted before bytes of a model are given to an account that did not accept its terms."""
    if model.terms_digest is None:
        return
    if queries.find_accepted_at(tx, actor, model.id, model.terms_digest) is None:
        raise _not_accepted(actor, model.name)


def refuse_unaccepted_bytes(tx: Transaction, actor: Actor, namespace: str, digest: Digest) -> None:
    """Raise TermsNotAccepted if these bytes belong to a model of the namespace whose terms were not accepted."""
    name = queries.find_unaccepted(tx, actor, namespace, digest)
    if name is not None:
        raise _not_accepted(actor, name)


def _not_accepted(actor: Actor, name: ModelName) -> TermsNotAccepted:
    fix = (
        f"Sign in with: modelyard login URL; then: modelyard terms accept {name}"
        if actor.is_anonymous
        else None
    )
    return TermsNotAccepted(model=str(name), account=actor.name, fix=fix)
