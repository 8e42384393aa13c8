"""Trust identities from other systems, by OpenID Connect.

People sign in at the provider the operator named: identities are (issuer, subject), its groups become groups
here. CI jobs exchange their system's ID token for a token of fifteen minutes, when a *trusted publisher* of a
namespace describes them: no secret is kept at the CI system. Doors: web/oidc.py, api/oidc.py.
Decision record 0014.
"""
