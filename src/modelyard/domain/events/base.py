"""An event: its kind, its fields and the header that all kinds share."""

from __future__ import annotations

from typing import Any, ClassVar, dataclass_transform

from modelyard.domain.names import ModelName

_NEEDED = object()


@dataclass_transform(kw_only_default=True, frozen_default=True, eq_default=False)
class _Fact:
    """Values under the names that a class writes as in a dataclass.

    They are stored here instead of by generated methods, which for all kinds of events together would take a
    twentieth of a server's start.
    """

    _defaults: ClassVar[dict[str, Any]] = {}
    """Every field with its default, in the order they are written."""
    kind: ClassVar[str]
    may_change_rights: ClassVar[bool]

    def __init_subclass__(cls, *, kind: str | None = None, may_change_rights: bool = True) -> None:
        """kind: the word of the kind; None for a base of several kinds.

        may_change_rights: False only if it is certain that no account, token, group or role changes.
        """
        if kind is not None:
            cls.kind = kind
        cls.may_change_rights = may_change_rights
        own = {
            name: cls.__dict__.get(name, _NEEDED)
            for name, kind in cls.__annotations__.items()
            if not kind.startswith("ClassVar")
        }
        cls._defaults = {**cls._defaults, **own}

    def __init__(self, **values: Any) -> None:
        found = {**self._defaults, **values}
        missing = [name for name, value in found.items() if value is _NEEDED]
        if missing or len(found) != len(self._defaults):
            unknown = sorted(set(values) - set(self._defaults))
            raise TypeError(f"{type(self).__name__}: missing {missing}, unknown {unknown}")
        self.__dict__.update(found)

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"an event does not change: {name}")


class Event(_Fact):
    """A change and its object. The transaction that appends the event adds the actor and the time."""

    namespace: str | None = None
    model: str | None = None
    """`namespace/name` as it was then."""
    version: int | None = None

    def data(self) -> dict[str, Any]:
        """Return the fields of the kind itself, as JSON values; fields that are None are omitted."""
        common = Event._defaults
        return {n: v for n, v in self.__dict__.items() if n not in common and v is not None}


def about(model: ModelName, version: int | None = None) -> dict[str, Any]:
    """Return the header of an event of a model, or of one of its versions."""
    named = {"namespace": model.namespace, "model": str(model)}
    return named if version is None else {**named, "version": version}
