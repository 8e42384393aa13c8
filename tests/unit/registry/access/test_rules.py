"""Every verb × every role × every visibility, as a table."""

from __future__ import annotations

import pytest

from modelyard.domain.actor import (
    ANONYMOUS,
    IDENTITY_PERMISSIONS,
    NEEDED_ROLE,
    SHARED_PERMISSIONS,
    Actor,
    Permission,
    Role,
    Scope,
    Visibility,
)
from modelyard.domain.errors import (
    Denied,
    FullSignInNeeded,
    ModelNotFound,
    ModelyardError,
    TokenScopeTooNarrow,
    Unauthenticated,
)
from modelyard.registry.access.rules import SERVER, Place, check, may

SEE, READ, CONTRIBUTE, MAINTAIN, OWN, ADMIN = "urcmoa", "rcmoa", "cmoa", "moa", "oa", "a"
SIGNED_IN = "-urcmoa"

# Who may in a full sign-in, by a letter: auditor (u), reader, contributor, maintainer, owner, admin.
TABLE = {
    Permission.MODEL_READ: SEE,
    Permission.MODEL_PULL: READ,
    Permission.NAMESPACE_READ: SEE,
    Permission.MODEL_CREATE: CONTRIBUTE,
    Permission.MODEL_EDIT: CONTRIBUTE,
    Permission.VERSION_REGISTER: CONTRIBUTE,
    Permission.VERSION_EDIT: CONTRIBUTE,
    Permission.ALIAS_MOVE: CONTRIBUTE,
    Permission.CHECK_REPORT: CONTRIBUTE,
    Permission.EVALUATION_REPORT: CONTRIBUTE,
    Permission.VERSION_ATTEST: CONTRIBUTE,
    Permission.BUILD_START: CONTRIBUTE,
    Permission.BUILD_REPORT: CONTRIBUTE,
    Permission.BUILD_SECRETS: MAINTAIN,
    Permission.BUILD_PRIORITIZE: MAINTAIN,
    Permission.SCHEDULE_EDIT: MAINTAIN,
    Permission.DEPLOYMENT_WRITE: MAINTAIN,
    Permission.DEPLOYMENT_PREDICT: READ,
    Permission.DEPLOYMENT_OBSERVE: CONTRIBUTE,
    Permission.RUN_LOG: CONTRIBUTE,
    Permission.RUN_DELETE: MAINTAIN,
    Permission.PROMOTION_PROPOSE: CONTRIBUTE,
    Permission.PROMOTION_PROMOTE: MAINTAIN,
    Permission.PROMOTION_VOTE: MAINTAIN,
    Permission.PROMOTION_ROLLBACK: MAINTAIN,
    Permission.PROMOTION_DEMOTE: MAINTAIN,
    Permission.PROMOTION_WAIVE: OWN,
    Permission.POLICY_EDIT: MAINTAIN,
    Permission.VERSION_DEPRECATE: MAINTAIN,
    Permission.VERSION_KEEP: MAINTAIN,
    Permission.QUARANTINE_RELEASE: MAINTAIN,
    Permission.SCAN_TRUST: MAINTAIN,
    Permission.VERSION_RECALL: MAINTAIN,
    Permission.DATASET_PUSH: CONTRIBUTE,
    Permission.VERSION_ARCHIVE: MAINTAIN,
    Permission.MODEL_ARCHIVE: MAINTAIN,
    Permission.MODEL_RENAME: MAINTAIN,
    Permission.COMMENT_WRITE: READ,
    Permission.COMMENT_MODERATE: MAINTAIN,
    Permission.SUBSCRIPTIONS_MANAGE: MAINTAIN,
    Permission.NAMESPACE_EDIT: MAINTAIN,
    Permission.SCAN_LOOSEN: OWN,
    Permission.VERSION_DELETE: OWN,
    Permission.MODEL_DELETE: OWN,
    Permission.MODEL_SHARE: OWN,
    Permission.CONTENT_REDACT: OWN,
    Permission.NAMESPACE_DELETE: OWN,
    Permission.MEMBERS_MANAGE: OWN,
    Permission.NAMESPACE_CREATE: ADMIN,
    Permission.ACTORS_MANAGE: ADMIN,
    Permission.SERVER_OPERATE: ADMIN,
    Permission.LOG_READ: SEE,
    Permission.ACCOUNT_MANAGE: SIGNED_IN,
}
READS = {Permission.MODEL_READ, Permission.MODEL_PULL, Permission.NAMESPACE_READ}
LETTER = {
    Role.NONE: "-",
    Role.AUDITOR: "u",
    Role.READER: "r",
    Role.CONTRIBUTOR: "c",
    Role.MAINTAINER: "m",
    Role.OWNER: "o",
    Role.ADMIN: "a",
}


def test_the_table_names_every_permission() -> None:
    assert set(TABLE) == set(Permission) == set(NEEDED_ROLE)


@pytest.mark.parametrize("visibility", Visibility)
@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("permission", Permission)
def test_verb_by_role_by_visibility(permission: Permission, role: Role, visibility: Visibility) -> None:
    actor = Actor(1, "ada", is_admin=role is Role.ADMIN, is_full_sign_in=True)
    place = Place("fraud", "scorer", Role.NONE if role is Role.ADMIN else role, visibility)
    # Signed in, one may also comment on what is shared with everybody.
    shared = READS | SHARED_PERMISSIONS
    open_to_all = permission in shared and visibility is not Visibility.PRIVATE
    assert may(actor, permission, place) is (LETTER[role] in TABLE[permission] or open_to_all)


@pytest.mark.parametrize("visibility", Visibility)
@pytest.mark.parametrize("permission", Permission)
def test_nobody_in_particular_reads_only_what_is_public(permission: Permission, visibility: Visibility) -> None:
    place = Place("fraud", "scorer", Role.NONE, visibility)
    assert may(ANONYMOUS, permission, place) is (permission in READS and visibility is Visibility.PUBLIC)


def refusal(actor: Actor, permission: Permission, place: Place) -> type[ModelyardError] | None:
    try:
        check(actor, permission, place, lambda: ModelNotFound(model="fraud/scorer"))
    except ModelyardError as error:
        return type(error)
    return None


ADA = Actor(1, "ada")
PRIVATE = Place("fraud", "scorer", Role.NONE, Visibility.PRIVATE)
READER = Place("fraud", "scorer", Role.READER, Visibility.PRIVATE)


def test_what_may_not_be_read_is_not_there() -> None:
    assert refusal(ADA, Permission.MODEL_READ, PRIVATE) is ModelNotFound
    assert refusal(ADA, Permission.MODEL_DELETE, PRIVATE) is ModelNotFound


def test_what_may_be_read_but_not_changed_is_denied() -> None:
    assert refusal(ADA, Permission.MODEL_DELETE, READER) is Denied
    assert refusal(ADA, Permission.MODEL_READ, READER) is None


def test_whoever_is_not_signed_in_is_asked_to_sign_in() -> None:
    assert refusal(ANONYMOUS, Permission.MODEL_READ, PRIVATE) is Unauthenticated
    public = Place("fraud", "scorer", Role.NONE, Visibility.PUBLIC)
    assert refusal(ANONYMOUS, Permission.MODEL_EDIT, public) is Unauthenticated


@pytest.mark.parametrize(
    ("scope", "allowed"),
    [
        (Scope(), True),
        (Scope(frozenset({Permission.MODEL_READ})), False),
        (Scope(frozenset({Permission.MODEL_EDIT, Permission.MODEL_READ})), True),
        (Scope(namespace="fraud"), True),
        (Scope(namespace="other"), False),
        (Scope(namespace="fraud", model="scorer"), True),
        (Scope(namespace="fraud", model="other"), False),
    ],
)
def test_a_token_narrows_the_rights_of_its_owner(scope: Scope, allowed: bool) -> None:
    actor = Actor(1, "ada", scope=scope)
    place = Place("fraud", "scorer", Role.OWNER, Visibility.PRIVATE)
    assert may(actor, Permission.MODEL_EDIT, place) is allowed


def test_a_narrow_token_is_told_so_when_its_owner_may() -> None:
    actor = Actor(1, "ada", is_admin=True, scope=Scope(frozenset({Permission.MODEL_READ})))
    assert refusal(actor, Permission.MODEL_EDIT, READER) is TokenScopeTooNarrow


def test_a_scope_never_widens() -> None:
    actor = Actor(1, "ada", scope=Scope(frozenset({Permission.MODEL_DELETE})))
    assert not may(actor, Permission.MODEL_DELETE, READER)


@pytest.mark.parametrize("permission", sorted(IDENTITY_PERMISSIONS))
@pytest.mark.parametrize(
    "scope",
    [Scope(), Scope(IDENTITY_PERMISSIONS), Scope(namespace="fraud"), Scope(namespace="fraud", model="scorer")],
)
def test_identity_is_out_of_reach_of_every_token_but_one_of_a_full_sign_in(
    permission: Permission, scope: Scope
) -> None:
    actor = Actor(1, "ada", is_admin=True, token_id=7, scope=scope)
    assert refusal(actor, permission, SERVER) is FullSignInNeeded
    assert may(Actor(1, "ada", is_admin=True, is_full_sign_in=True), permission, SERVER)


def test_an_auditor_of_the_server_sees_all_and_changes_nothing() -> None:
    actor = Actor(1, "ada", is_auditor=True)
    allowed = {permission for permission in Permission if may(actor, permission, PRIVATE)}
    assert allowed == {Permission.MODEL_READ, Permission.NAMESPACE_READ, Permission.LOG_READ}
    assert may(actor, Permission.LOG_READ, SERVER)
    assert not may(actor, Permission.SERVER_OPERATE, SERVER)
