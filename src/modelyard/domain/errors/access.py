"""Errors for callers who are not signed in or lack a permission."""

from __future__ import annotations

from modelyard.domain.errors.base import Kind, ModelyardError


class Unauthenticated(ModelyardError):
    code, kind = "unauthenticated", Kind.UNAUTHENTICATED
    text, advice = "this needs a signed-in user", "Sign in with: modelyard login"


class TokenInvalid(Unauthenticated):
    code = "token_invalid"
    text, advice = "this server does not know the token", "Sign in again with: modelyard login"


class TokenExpired(Unauthenticated):
    code = "token_expired"
    text, advice = "the token expired at {expired_at}", "Make a new one with: modelyard token create"


class SignInFailed(Unauthenticated):
    code = "sign_in_failed"
    text = "the name, password or link is wrong, or the link was already used"
    advice = "Try again, or ask an admin for a new sign-in link: modelyard user link NAME"


class EmailNotAccepted(Unauthenticated):
    code = "email_not_accepted"
    text = "the sign-in provider vouches for {email}, and only verified addresses at {domains} may sign in here"
    advice = "Sign in with such an address, or ask the operator to add the domain to oidc_email_domains"


class NotSignedIn(Unauthenticated):
    code = "not_signed_in"
    text = "no token for {url} is stored on this machine"
    advice = "Sign in with: modelyard login {url}"


class Denied(ModelyardError):
    code, kind = "denied", Kind.DENIED
    text = "{actor} may not {permission} on {where}"
    advice = "Ask {who} for the role {role}"


class PoolRefused(Denied):
    code = "pool_refused"
    text = "{actor} may not start builds in the pool {pool}: {why}"
    advice = "Ask an admin to build it, or the operator to change {setting}"


class TermsNotAccepted(Denied):
    code = "terms_not_accepted"
    text = "{model} has terms of use that {account} has not accepted"
    advice = "Read and accept them with: modelyard terms accept {model}"


class SecondPersonNeeded(Denied):
    code = "second_person_needed"
    text = "{actor} pushed {reference}, so another person has to {verb}"
    advice = "Ask {who}"


class TokenScopeTooNarrow(Denied):
    code = "token_scope_too_narrow"
    text = "this token may not {permission} on {where}, though its owner may"
    advice = "Use a token whose scope includes it: modelyard token create"


class FullSignInNeeded(Denied):
    code = "full_sign_in_needed"
    text = "{actor} may not {permission} with this token: that needs a full sign-in"
    advice = (
        "Sign in with your password (modelyard login URL --user NAME), or give modelyard login a sign-in link"
    )


class IdTokenRefused(Unauthenticated):
    code = "id_token_refused"
    text = "the identity token is refused: {reason}"
    advice = "List the rules of the trusted publishers with: modelyard publisher ls NAMESPACE"
