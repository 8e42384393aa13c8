"""Every class of the error tree is built, printed, sent, mapped and rebuilt."""

from __future__ import annotations

import msgspec
import pytest

from modelyard.domain.errors import Kind, ModelyardError, all_errors
from modelyard.doors.errors import STATUS, problem, status_of
from modelyard.wire.base import encode

ALL = sorted(all_errors().items())


def build(cls: type[ModelyardError]) -> ModelyardError:
    return cls(**{name: f"<{name}>" for name in cls.field_names()})


@pytest.mark.parametrize(("code", "cls"), ALL)
def test_every_error_says_what_is_so_and_what_to_do(code: str, cls: type[ModelyardError]) -> None:
    error = build(cls)
    assert error.message
    assert error.fix
    assert "{" not in str(error)
    assert cls.kind in Kind


@pytest.mark.parametrize(("code", "cls"), ALL)
def test_every_error_crosses_the_wire(code: str, cls: type[ModelyardError]) -> None:
    error = build(cls)
    sent = msgspec.json.decode(encode(problem(error, "r-1")))
    assert sent["code"] == code
    assert sent["status"] == status_of(error)
    again = all_errors()[sent["code"]].rebuild(sent["detail"], sent["fix"], sent["fields"])
    assert type(again) is cls
    assert str(again) == str(error) or cls.kind is Kind.INTERNAL
    assert again.fields.keys() >= error.fields.keys()


def test_codes_are_unique_and_every_kind_has_one_status() -> None:
    classes = [ModelyardError]
    for cls in classes:
        classes.extend(cls.__subclasses__())
    codes = [cls.code for cls in classes[1:]]
    assert len(codes) == len(set(codes))
    assert set(STATUS) == set(Kind)


def test_a_refusal_is_never_a_server_fault() -> None:
    for kind in Kind:
        expected = kind in (Kind.BUSY, Kind.UNAVAILABLE, Kind.INTERNAL)
        assert (STATUS[kind] >= 500) is expected


def test_every_class_is_found_where_all_are_imported_from() -> None:
    """The package is split by area; no one who imports an error has to know how."""
    from modelyard.domain import errors

    for cls in all_errors().values():
        assert getattr(errors, cls.__name__) is cls
        assert cls.__name__ in (errors.__doc__ or "")
