"""Datasets on the client: describing data, and reading datasets of the registry.

`describe` reads data and needs the packages of modelyard[data]; the rest needs none of them.
"""

from modelyard.sdk.datasets.describing import Described, Query, describe

__all__ = ["Described", "Query", "describe"]
