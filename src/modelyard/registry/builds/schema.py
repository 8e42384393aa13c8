"""The JSON schema of the recipe file, and a commented example, both made for `modelyard.yaml`."""

from __future__ import annotations

from functools import cache
from typing import Any

import msgspec

from modelyard.registry.builds.recipe import RecipeFile

SCHEMA_ID = "urn:modelyard:recipe:1"


@cache
def recipe_schema() -> dict[str, Any]:
    """Return a JSON Schema 2020-12. With it an editor completes and checks a recipe during typing."""
    (reference,), components = msgspec.json.schema_components([RecipeFile], ref_template="#/$defs/{name}")
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": SCHEMA_ID,
        "title": "Modelyard recipe",
        **reference,
        "$defs": components,
    }


EXAMPLE = """\
# Recipe of a model. Check it with:
#   modelyard recipe check
# Build with it:
#   modelyard build
version: 1

# The model whose next version the build registers.
model: fraud/scorer

# What the steps run in: a uv.lock, or a requirements file with hashes. Without it, the agent's own Python.
# environment: {lock: uv.lock, python: "3.11"}

# Datasets that the training reads; without a digest the newest content when the build starts.
# data:
#   transactions: {ref: fraud/transactions}

# Put into commands as {name}, and recorded. `modelyard build --param depth=8` replaces one.
params: {depth: 6}

train: python train.py --depth {depth}

# test: pytest tests
# evaluate: {run: python evaluate.py, report: metrics.json, split: test}

# The file or folder that becomes the version. Without it, what the training wrote.
# result: model/

# The stage to which the new version is proposed. A refused promotion is a successful build.
# promote: {to: staging}

# Steps reach this registry alone, where isolation works. One that downloads something asks for the network:
# steps: [{name: fetch, run: python fetch.py, network: true}]

# resources: {cpu: 2, memory: 8GB, timeout: 2h}
# retry: {attempts: 2, on: [lost]}
"""


def example_recipe() -> str:
    """Return an example recipe: what is usual, and the rest commented out."""
    return EXAMPLE
