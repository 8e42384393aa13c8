"""The public functions of the SDK explain themselves: help() and an editor's tooltip are enough."""

from __future__ import annotations

import ast
import doctest
import inspect
from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Any

import pytest

import modelyard as my
from modelyard.domain.errors import all_errors
from modelyard.sdk.runs.block import RunBlock

Function = Callable[..., Any]
ERRORS = {error.__name__ for error in all_errors().values()} | {"OSError"}


def features() -> dict[str, type]:
    """Name → class of each feature of a client."""
    client = my.Client("http://127.0.0.1:1", "token")
    names = [name for name, value in vars(my.Client).items() if isinstance(value, cached_property)]
    return {name: type(getattr(client, name)) for name in names}


FEATURES = features()


def methods(owner: type) -> Iterator[tuple[str, Function]]:
    for name, value in inspect.getmembers(owner, inspect.isfunction):
        if not name.startswith("_") and value.__module__.startswith("modelyard.sdk"):
            yield f"{owner.__name__}.{name}", value


def surface() -> dict[str, Function]:
    """All that `import modelyard as my` exports, and all that the features of a client offer."""
    found: dict[str, Function] = {"Client.__init__": my.Client.__init__}
    for name in my.__all__:
        value = getattr(my, name)
        if inspect.isfunction(value):
            found[f"my.{name}"] = value
        elif inspect.isclass(value):
            found.update(methods(value))
    for feature in FEATURES.values():
        found.update(methods(feature))
    found.update(methods(RunBlock))
    return found


SURFACE = surface()


def sections(function: Function) -> dict[str, list[str]]:
    """The lines below `Args:`, `Returns:`, `Raises:` and `Example:`, and under "" what stands before them."""
    parts: dict[str, list[str]] = {"": []}
    name = ""
    for line in (inspect.getdoc(function) or "").splitlines():
        if line in ("Args:", "Returns:", "Raises:", "Example:"):
            name = line.removesuffix(":")
            assert name not in parts, f"{name} stands twice"
            parts[name] = []
        elif line.strip():
            parts[name].append(line)
    return parts


def entries(lines: list[str]) -> dict[str, str]:
    """`name: text`, one entry at four spaces, whose text may go on below."""
    found: dict[str, str] = {}
    for line in lines:
        if line.startswith("        "):
            name = next(reversed(found))
            found[name] += " " + line.strip()
        else:
            name, colon, text = line.strip().partition(": ")
            assert colon, line
            found[name] = text
    return found


def parameters(function: Function) -> list[str]:
    names = list(inspect.signature(function).parameters)
    is_method = names[:1] in (["self"], ["session"])
    return names[1:] if is_method else names


def test_the_surface_is_the_whole_client() -> None:
    assert len(SURFACE) > 200
    assert {
        "my.push",
        "Client.push",
        "Client.whoami",
        "Run.log_metric",
        "Versions.get",
        "RunBlock.start",
    } <= set(SURFACE)


@pytest.mark.parametrize("name", sorted(SURFACE))
def test_a_public_function_explains_itself(name: str) -> None:
    function = SURFACE[name]
    parts = sections(function)
    words = " ".join(parts[""])
    assert parts[""], "there is no docstring"
    assert parts[""][0].endswith("."), "the first line is a sentence"
    explained = entries(parts.get("Args", []))
    assert list(explained) == parameters(function), "Args names each parameter, in order"
    assert all(text.endswith(".") for text in explained.values())
    returns = inspect.signature(function).return_annotation
    assert ("Returns" in parts) == (returns not in ("None", None)), "Returns says what comes back"
    raised = entries(parts.get("Raises", []))
    assert bool(raised) != ("Never raises" in words), (
        "Raises names the errors, or the text says that there are none"
    )
    assert set(raised) <= ERRORS, "the errors exist"
    assert "Example" in parts


def names_of(chain: ast.expr) -> list[str]:
    """`client.models.get` as a list; empty for what does not begin with a name."""
    names: list[str] = []
    while isinstance(chain, ast.Attribute):
        names.insert(0, chain.attr)
        chain = chain.value
    return [chain.id, *names] if isinstance(chain, ast.Name) else []


@pytest.mark.parametrize("name", sorted(SURFACE))
def test_an_example_calls_what_exists(name: str) -> None:
    """Each example is Python, calls the function it belongs to, and names only features and arguments that are there."""
    examples = doctest.DocTestParser().get_examples(inspect.getdoc(SURFACE[name]) or "")
    assert examples
    own = name.partition(".")[2]
    called: list[str] = []
    for call in (node for example in examples for node in ast.walk(ast.parse(example.source))):
        if not isinstance(call, ast.Call):
            continue
        chain = names_of(call.func)
        called += chain[-1:] if chain else [call.func.attr] if isinstance(call.func, ast.Attribute) else []
        if len(chain) < 2 or chain[0] not in ("my", "client", "run"):
            continue
        target: Any = {"my": my, "client": my.Client, "run": my.Run}[chain[0]]
        for part in chain[1:]:
            target = FEATURES[part] if part in FEATURES and target is my.Client else getattr(target, part)
        signature = inspect.signature(target)
        is_method = chain[0] != "my"
        given = {word.arg: None for word in call.keywords if word.arg is not None}
        signature.bind(*[None] * (len(call.args) + is_method), **given)
    if own != "__init__":
        assert own in called, f"the example does not call {own}"
