"""The OpenAPI document is valid, complete, and what the server does: asked with many generated requests."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, seed, settings
from openapi_spec_validator import OpenAPIV31SpecValidator
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from modelyard.api.openapi import build_openapi
from modelyard.api.tables import TABLES
from modelyard.db.engine import Database
from modelyard.db.schema import ensure_schema
from tests.support.door import Alone, Door, open_door
from tests.support.registry import Registry

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
EXAMPLES = 4


@pytest.fixture(scope="module")
def own_door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    """A registry for this module alone, since generated requests may do anything to it."""
    db = Database(f"sqlite:///{tmp_path_factory.mktemp('openapi') / 'modelyard.db'}")
    ensure_schema(db)
    with open_door(Registry(db), allowed_hosts="127.0.0.1,testserver") as door:
        door.register("some/model", aliases=["champion"])
        # A stream of events would otherwise go on for minutes.
        door.services.stopping.set()
        yield door
    db.close()


@pytest.fixture(scope="module")
def api(own_door: Door) -> Any:
    app = own_door.client.app
    assert isinstance(app, Alone)
    return schemathesis.openapi.from_asgi("/api/v1/openapi.json", app)


def test_the_document_is_valid_and_complete(own_door: Door) -> None:
    document = own_door.get("openapi.json", token=None).json()
    assert [error.message for error in OpenAPIV31SpecValidator(document).iter_errors()] == []
    listed = {(method, path) for path, at in document["paths"].items() for method in at}
    routes = {
        (spec.method.lower(), path) for table in TABLES for spec in table.specs for path in [_plain(spec.path)]
    }
    assert listed == routes
    operations = [at[method]["operationId"] for at in document["paths"].values() for method in at]
    assert len(operations) == len(set(operations))
    assert all(at[method]["summary"].endswith(".") for at in document["paths"].values() for method in at)
    assert build_openapi(TABLES, "0.test") == document


def test_an_operation_is_tagged_with_the_name_of_its_file(own_door: Door) -> None:
    document = own_door.get("openapi.json", token=None).json()
    tags = {at[method]["operationId"]: at[method]["tags"] for at in document["paths"].values() for method in at}
    files = {
        spec.handler.__name__: spec.handler.__module__.rpartition(".")[2]
        for table in TABLES
        for spec in table.specs
    }
    assert tags == {name: [file] for name, file in files.items()}


def _plain(path: str) -> str:
    import re

    return re.sub(r"{(\w+):\w+}", r"{\1}", path)


def test_generated_requests_are_answered_as_documented(api: Any, own_door: Door) -> None:
    """Of every operation the same few requests in every run, most of them nonsense."""
    headers = {"authorization": f"Bearer {own_door.token}"}
    wrong: list[str] = []
    asked = 0
    for found in api.get_all_operations():
        operation = found.ok()

        @seed(20260303)
        @settings(max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck))
        @given(case=operation.as_strategy())
        def ask(case: Any) -> None:
            nonlocal asked
            asked += 1
            case.call_and_validate(checks=CHECKS, headers=headers)

        try:
            ask()
        except (FailureGroup, ExceptionGroup, AssertionError) as error:
            wrong.append(
                f"{operation.label}: {error!r} {[str(e)[:600] for e in getattr(error, 'exceptions', [error])]}"
            )
    assert not wrong, "\n\n".join(wrong)
    assert asked > 100
