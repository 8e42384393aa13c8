"""Addresses of pages in the browser."""

from __future__ import annotations

from typing import TYPE_CHECKING

from modelyard.domain.names import ModelName

if TYPE_CHECKING:
    from modelyard.sdk.client import Client


def page_of(client: Client, ref: str) -> str:
    """Return the address of the page of a model or a version.

    Args:
        client: The client of the server.
        ref: A model such as `fraud/scorer`, or a version such as `fraud/scorer:3` or `fraud/scorer@production`.

    Returns:
        The address.

    Raises:
        ModelNotFound: There is no such model, or you may not see it.
        VersionNotFound: There is no such version, or you may not see it.

    Example:
        >>> page_of(client, "fraud/scorer@production")
        'http://127.0.0.1:8470/models/fraud/scorer/versions/3'
    """
    parsed = client.ref(ref)
    if parsed.selector is None:
        # Asked for, so that a wrong name is noticed here and not in the browser.
        return f"{client.url}/models/{client.models.get(str(parsed.model)).name}"
    found = client.resolve(ref)
    return version_page(client.url, found.model, found.version)


def version_page(url: str, model: str | ModelName, version: int) -> str:
    """Return the address of a version's page."""
    return f"{url}/models/{model}/versions/{version}"


def promotion_page(url: str, promotion: int) -> str:
    """Return the address of a promotion's page."""
    return f"{url}/promotions/{promotion}"


def deployment_page(url: str, name: str) -> str:
    """Return the address of the page of a deployment.

    Args:
        url: Address of the server.
        name: `namespace/name` of the deployment.

    Returns:
        The address.

    Example:
        >>> deployment_page("http://127.0.0.1:8470", "fraud/scorer")
        'http://127.0.0.1:8470/deployments/fraud/scorer'
    """
    return f"{url}/deployments/{name}"
