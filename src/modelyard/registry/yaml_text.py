"""Read the YAML of policies, recipes and front matter: a value, and the line of each of its parts.

Plain scalars are read as in YAML 1.2 (`no` and `2026-03-03` are text). Anchors, aliases, tags and repeated keys are
refused, so a file means what its reader sees, and cannot grow while it is read.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from typing import Any, TypeVar, cast

import msgspec
import yaml
from msgspec import inspect

from modelyard.domain.texts import nearest

MAX_BYTES = 64 * 1024
MAX_DEPTH = 12
MAX_NODES = 5000

_INT = re.compile(r"[-+]?[0-9]{1,15}\Z")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]{1,3})?\Z")
_WORDS: dict[str, Any] = {"": None, "~": None, "null": None, "true": True, "false": False}

Path = tuple[str | int, ...]
T = TypeVar("T")


class YamlProblem(Exception):
    """A text that is not what it should be, with the line at fault, from 1.

    word, write: for editors, the word at fault on that line and the one to write instead; "": not known.
    """

    def __init__(self, line: int, reason: str, word: str = "", write: str = "") -> None:
        super().__init__(f"line {line}: {reason}")
        self.line, self.reason = line, reason
        self.word, self.write = word, write


class ReadYaml:
    """A value, and the positions of its parts."""

    def __init__(self, value: Any, lines: dict[Path, int]) -> None:
        self.value = value
        self._lines = lines

    def line_of(self, path: Path) -> int:
        """Return the line, from 1, of the part or of the nearest part that contains it."""
        while path not in self._lines and path:
            path = path[:-1]
        return self._lines.get(path, 1)


def read_yaml(text: str) -> ReadYaml:
    """Read YAML. Raises YamlProblem."""
    if len(text.encode("utf-8", "replace")) > MAX_BYTES:
        raise YamlProblem(line=1, reason=f"it is larger than {MAX_BYTES} bytes")
    loader = _CheckedLoader(text)
    try:
        node = loader.get_single_node()
    except yaml.MarkedYAMLError as exc:
        line = exc.problem_mark.line + 1 if exc.problem_mark else 1
        raise YamlProblem(line=line, reason=f"it is not YAML: {exc.problem or exc}") from None
    except yaml.YAMLError as exc:
        raise YamlProblem(line=1, reason=f"it is not YAML: {exc}") from None
    except RecursionError:
        raise YamlProblem(line=1, reason="it is nested too deeply") from None
    finally:
        loader.dispose()
    lines: dict[Path, int] = {}
    return ReadYaml(None if node is None else _value(node, (), lines), lines)


class _CheckedLoader(yaml.SafeLoader):
    """Composes nodes; refuses constructs that make a file mean more than it shows."""

    def __init__(self, text: str) -> None:
        try:
            super().__init__(text)
        except yaml.YAMLError as exc:
            raise YamlProblem(line=1, reason=f"it is not YAML: {exc}") from None
        self._depth = self._count = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        event: Any = cast(Any, self).peek_event()
        line = event.start_mark.line + 1
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise YamlProblem(line=line, reason="anchors and aliases (& and *) are not allowed")
        if getattr(event, "tag", None):
            raise YamlProblem(line=line, reason="tags (!) are not allowed")
        self._count += 1
        self._depth += 1
        if self._depth > MAX_DEPTH or self._count > MAX_NODES:
            raise YamlProblem(line=line, reason="it is too large or nested too deeply")
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node


def _value(node: yaml.Node, path: Path, lines: dict[Path, int]) -> Any:
    lines.setdefault(path, node.start_mark.line + 1)
    if isinstance(node, yaml.MappingNode):
        found: dict[str, Any] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode):
                raise YamlProblem(line=line, reason="a key is not text")
            key = key_node.value
            if key in found:
                raise YamlProblem(line=line, reason=f"the key {key!r} appears twice")
            lines[(*path, key)] = line
            found[key] = _value(value_node, (*path, key), lines)
        return found
    if isinstance(node, yaml.SequenceNode):
        return [_value(item, (*path, index), lines) for index, item in enumerate(node.value)]
    assert isinstance(node, yaml.ScalarNode)
    return _scalar(node)


def _scalar(node: yaml.ScalarNode) -> Any:
    text: str = node.value
    if node.style is not None:
        return text
    if text.lower() in _WORDS and text in (text.lower(), text.capitalize(), text.upper()):
        return _WORDS[text.lower()]
    if _INT.match(text):
        return int(text)
    if _FLOAT.match(text):
        return float(text)
    return text


# --- typed values ------------------------------------------------------------------------------------

_UNKNOWN_FIELD = re.compile(r"Object contains unknown field `(?P<field>.*)`")
_EXPECTED = re.compile(r"Expected `(?P<wanted>[^`]+)`, got `(?P<got>[^`]+)`")
_TYPES = {
    "array": "a list",
    "bool": "true or false",
    "float": "a number",
    "int": "a whole number",
    "null": "nothing",
    "object": "a mapping",
    "str": "text",
}


def convert(read: ReadYaml, target: type[T]) -> T:
    """Return the value as a type of msgspec. Raises YamlProblem with the line, and with the nearest field for an unknown one."""
    try:
        return msgspec.convert(read.value, target)
    except msgspec.ValidationError as exc:
        raise _located(read, target, str(exc)) from None


def _located(read: ReadYaml, target: type[Any], message: str) -> YamlProblem:
    reason, at, place = message.rpartition(" - at `$")
    if not at:
        reason, place = message, ""
    path = _path_of(place.removesuffix("`"))
    unknown = _UNKNOWN_FIELD.match(reason)
    if unknown is None:
        return YamlProblem(read.line_of(path), _plain_words(reason, path))
    field = unknown["field"]
    known = sorted(set(_fields_at(inspect.type_info(target), path)))
    near = difflib.get_close_matches(field, known, 1, 0.6)
    path = (*path, field)
    reason = _plain_words(f"{field!r} is not a field here{nearest(field, known)}", path)
    return YamlProblem(read.line_of(path), reason, *((field, near[0]) if near else ()))


def _path_of(text: str) -> Path:
    parts: list[str | int] = []
    for name, index in re.findall(r"\.([^.\[\]]+)|\[(\d+|\.\.\.)\]", text):
        if name:
            parts.append(name)
        elif index.isdigit():
            parts.append(int(index))
    return tuple(parts)


def _fields_at(info: inspect.Type, path: Path) -> Iterator[str]:
    """The names of the fields that are valid at a place."""
    if isinstance(info, inspect.Metadata):
        yield from _fields_at(info.type, path)
    elif isinstance(info, inspect.UnionType):
        for each in info.types:
            yield from _fields_at(each, path)
    elif isinstance(info, inspect.StructType):
        if not path:
            yield from (field.encode_name for field in info.fields)
        for field in info.fields:
            if path and field.encode_name == path[0]:
                yield from _fields_at(field.type, path[1:])
    elif isinstance(info, inspect.ListType) and path:
        yield from _fields_at(info.item_type, path[1:])
    elif isinstance(info, inspect.DictType) and path:
        yield from _fields_at(info.value_type, path[1:])


def _plain_words(reason: str, path: Path) -> str:
    reason = reason.replace("Object missing required field", "this field is missing:")
    expected = _EXPECTED.fullmatch(reason)
    if expected is not None:
        wanted = " or ".join(
            _TYPES.get(word, word) for word in expected["wanted"].split(" | ") if word != "null"
        )
        reason = f"this is {_TYPES.get(expected['got'], expected['got'])}, and {wanted} is needed"
    where = ".".join(str(p) for p in path if not isinstance(p, int))
    return f"{where}: {reason}" if where else reason
