"""No proof of who asks, or not the right."""

from __future__ import annotations

from modelyard.domain.errors.base import Kind, ModelyardError


class Unauthenticated(ModelyardError):
    code, kind = "unauthenticated", Kind.UNAUTHENTICATED
    text, advice = "this needs a signed-in user", "Sign in with: modelyard login"


class TokenInvalid(Unauthenticated):
    code = "token_invalid"
    text, advice = "the token is not known here", "Sign in again with: modelyard login"


class TokenExpired(Unauthenticated):
    code = "token_expired"
    text, advice = "the token expired at {expired_at}", "Make a new one with: modelyard token create"


class SignInFailed(Unauthenticated):
    code = "sign_in_failed"
    text = "name, password or link is wrong or used up"
    advice = "Try again, or ask an admin for a new sign-in link: modelyard user link NAME"


class NotSignedIn(Unauthenticated):
    code = "not_signed_in"
    text = "no token for {url} is stored here"
    advice = "Sign in with: modelyard login {url}"


class Denied(ModelyardError):
    code, kind = "denied", Kind.DENIED
    text = "{actor} may not {permission} on {where}"
    advice = "Ask {who} for the role {role}"


class SecondPersonNeeded(Denied):
    code = "second_person_needed"
    text = "{actor} pushed {reference}, so that another person has to {verb}"
    advice = "Ask {who}"


class TokenScopeTooNarrow(Denied):
    code = "token_scope_too_narrow"
    text = "this token may not {permission} on {where}, though its owner may"
    advice = "Use a token whose scope includes it: modelyard token create"


class FullSignInNeeded(Denied):
    code = "full_sign_in_needed"
    text = "{actor} may not {permission} with this token: it takes a full sign-in"
    advice = (
        "Sign in with your password (modelyard login URL --user NAME), or give modelyard login a sign-in link"
    )


class IdTokenRefused(Unauthenticated):
    code = "id_token_refused"
    text = "the identity token is refused: {reason}"
    advice = "The rules of trusted publishers are listed by: modelyard publisher ls NAMESPACE"
