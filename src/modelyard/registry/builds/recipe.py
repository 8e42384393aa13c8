"""The recipe file: its types, its parsing with line and reason, and the steps that follow from it.

A recipe says only what differs from the usual: an unchanged training script needs two lines, `model` and `train`.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from functools import cached_property
from graphlib import CycleError, TopologicalSorter
from typing import Annotated, Any, Literal

import msgspec

from modelyard.domain.errors import Invalid, InvalidName, InvalidPath, InvalidRecipe
from modelyard.domain.names import ModelName
from modelyard.domain.paths import check_path
from modelyard.domain.sizes import parse_size
from modelyard.domain.texts import nearest
from modelyard.registry.yaml_text import ReadYaml, YamlProblem, convert, read_yaml

STEPS = (
    "provision",
    "source",
    "data",
    "environment",
    "train",
    "test",
    "evaluate",
    "package",
    "push",
    "gate",
)
"""The usual steps, in order."""
MAX_ATTEMPTS = 10
DEFAULT_TIMEOUT = "24h"

_DURATION = r"^[0-9]{1,6}[smhd]$"
_UNIT_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}

Command = Annotated[str, msgspec.Meta(min_length=1, max_length=10_000)]
Path = Annotated[str, msgspec.Meta(min_length=1, max_length=1000)]
Word = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9][a-z0-9._-]{0,79}$")]
Variable = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,79}$")]
Secrets = Annotated[tuple[Variable, ...], msgspec.Meta(max_length=50)]
Duration = Annotated[str, msgspec.Meta(pattern=_DURATION, description="like 30m, 2h, 1d")]
Priority = Literal["low", "normal", "high"]
Reason = Literal["lost", "preempted", "failed", "timed-out"]


class _Entry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    pass


class EnvironmentEntry(_Entry, frozen=True, kw_only=True):
    """What the steps run in. Only one of lock, requirements and project; none of them: the agent's own Python.

    lock: a uv.lock, or a requirements file with hashes. requirements: a file of which a lock is made and kept. project: a
    pyproject.toml, likewise. python: its version, such as "3.11"; it must be installed where the build runs. variables:
    set for every step.
    """

    lock: Path | None = None
    requirements: Path | None = None
    project: Path | None = None
    python: Annotated[str, msgspec.Meta(pattern=r"^3\.[0-9]{1,2}(\.[0-9]{1,2})?$")] | None = None
    variables: Annotated[
        dict[Variable, Annotated[str, msgspec.Meta(max_length=4000)]], msgspec.Meta(max_length=100)
    ] = {}


class DataEntry(_Entry, frozen=True, kw_only=True):
    """Data that the training reads. ref: a dataset, such as `fraud/transactions`, with `@sha256:…` for one content of it; without
    it the newest content when the build starts. path: where the bytes are, for steps that read them from a file; their digest is verified first."""

    ref: Annotated[str, msgspec.Meta(max_length=300)]
    path: Path | None = None


class CommandEntry(_Entry, frozen=True, kw_only=True):
    """A command for the shell. timeout: ends it after this long. secrets: names of build secrets of the namespace, which
    this step alone gets as variables. network: whether this step may reach the network; if omitted, as for the recipe."""

    run: Command
    timeout: Duration | None = None
    secrets: Secrets = ()
    network: bool | None = None


class OwnStep(_Entry, frozen=True, kw_only=True):
    """A step of your own. after: the step that it follows; if omitted, `environment`. secrets, network: as
    for train."""

    name: Word
    run: Command
    after: Word = "environment"
    timeout: Duration | None = None
    secrets: Secrets = ()
    network: bool | None = None


class TestEntry(_Entry, frozen=True, kw_only=True):
    """Tests of the code and the model. report: the JUnit XML file that they write; a run of pytest writes it by itself. check:
    name of the check that the version gets."""

    run: Command
    report: Path | None = None
    check: Word = "tests"
    timeout: Duration | None = None
    secrets: Secrets = ()
    network: bool | None = None


class EvaluateEntry(_Entry, frozen=True, kw_only=True):
    """A measurement on data that the training did not see. report: the JSON file of metrics that it writes, name → number."""

    run: Command
    report: Path = "metrics.json"
    split: Word = "test"
    dataset: Annotated[str, msgspec.Meta(max_length=300)] = ""
    timeout: Duration | None = None
    secrets: Secrets = ()
    network: bool | None = None


class PromoteEntry(_Entry, frozen=True, kw_only=True):
    """The stage to which the new version is proposed. A refused promotion is a successful build."""

    to: Word


class ResourcesEntry(_Entry, frozen=True, kw_only=True):
    """cpu: number of processors. memory: such as `8GB`; a step that uses more is ended. gpu: number of accelerators.
    timeout: of the whole build."""

    cpu: Annotated[float, msgspec.Meta(gt=0, le=4096)] | None = None
    memory: Annotated[str, msgspec.Meta(max_length=40)] | None = None
    gpu: Annotated[int, msgspec.Meta(ge=0, le=1024)] | None = None
    timeout: Duration = DEFAULT_TIMEOUT


class RetryEntry(_Entry, frozen=True, kw_only=True):
    """attempts: in all. on: the ends after which another attempt is made."""

    attempts: Annotated[int, msgspec.Meta(ge=1, le=MAX_ATTEMPTS)] = 1
    on: Annotated[tuple[Reason, ...], msgspec.Meta(max_length=4)] = ("lost", "preempted")


class RecipeFile(_Entry, frozen=True, kw_only=True):
    """A recipe as it is written.

    model: whose next version the build registers. params: put into commands as `{name}`, and recorded. train, test,
    evaluate: commands for the shell. steps: your own, between the usual ones. result: the file or folder that becomes the
    version; if omitted, what `modelyard run` would register. pool: where the build runs. priority: in the queue of the pool; if
    omitted, the pool's; `high` counts only for those who may give it. network: whether steps may
    reach the network and not only this registry; the environment step always reaches the package index.
    """

    version: Literal[1]
    model: Annotated[str, msgspec.Meta(max_length=200)]
    train: Command | CommandEntry
    environment: EnvironmentEntry = EnvironmentEntry()
    data: Annotated[dict[Word, DataEntry], msgspec.Meta(max_length=100)] = {}
    params: Annotated[dict[Variable, bool | int | float | str], msgspec.Meta(max_length=1000)] = {}
    steps: Annotated[list[OwnStep], msgspec.Meta(max_length=50)] = []
    test: Command | TestEntry | None = None
    evaluate: Command | EvaluateEntry | None = None
    result: Path | None = None
    promote: PromoteEntry | None = None
    resources: ResourcesEntry = ResourcesEntry()
    retry: RetryEntry = RetryEntry()
    pool: Word | None = None
    priority: Priority | None = None
    network: bool = False


class Step(msgspec.Struct, frozen=True):
    """A step to carry out. kind: one of STEPS, or `command` for a step of the recipe's own. command: with params put in."""

    name: str
    kind: str
    command: str = ""
    timeout_seconds: int | None = None
    report: str = ""
    secrets: tuple[str, ...] = ()
    network: bool = False


class Recipe(msgspec.Struct, frozen=True, dict=True):
    """A recipe that is valid in itself. params: with those of the request in place of the file's."""

    text: str
    file: RecipeFile
    model: ModelName
    params: dict[str, Any]

    @cached_property
    def steps(self) -> tuple[Step, ...]:
        """The steps in the order in which they run."""
        return tuple(self._step(name) for name in _order(self.file))

    @property
    def timeout_seconds(self) -> int:
        return _seconds(self.file.resources.timeout)

    @property
    def memory_bytes(self) -> int | None:
        return parse_size(self.file.resources.memory) if self.file.resources.memory else None

    @property
    def secrets(self) -> frozenset[str]:
        """Return the names of all build secrets that its steps use."""
        return frozenset(name for step in self.steps for name in step.secrets)

    @property
    def attempts_left_after(self) -> Mapping[str, int]:
        """Return the number of attempts in all, by the status after which another one is made."""
        return dict.fromkeys(self.file.retry.on, self.file.retry.attempts)

    def _step(self, name: str) -> Step:
        for own in self.file.steps:
            if own.name == name:
                seconds = _seconds_or_none(own.timeout)
                network = self._network(own)
                return Step(
                    name, "command", self._command(own.run), seconds, secrets=own.secrets, network=network
                )
        entry = {"train": self.file.train, "test": self.file.test, "evaluate": self.file.evaluate}.get(name)
        if entry is None:
            return Step(name, name)
        if isinstance(entry, str):
            report = EvaluateEntry(run=entry).report if name == "evaluate" else ""
            return Step(name, name, self._command(entry), None, report, network=self.file.network)
        report = getattr(entry, "report", "") or ""
        seconds = _seconds_or_none(entry.timeout)
        network = self._network(entry)
        return Step(name, name, self._command(entry.run), seconds, report, entry.secrets, network)

    def _network(self, entry: CommandEntry | OwnStep | TestEntry | EvaluateEntry) -> bool:
        return self.file.network if entry.network is None else entry.network

    def _command(self, template: str) -> str:
        return _NAMED.sub(
            lambda match: match[0][1:-1] if match[1] is None else self._quoted(match[1]), template
        )

    def _quoted(self, name: str) -> str:
        value = self.params[name]
        return shlex.quote(str(value).lower() if isinstance(value, bool) else str(value))


_NAMED = re.compile(r"\{\{[^{}]*\}\}|\{([A-Za-z_][A-Za-z0-9_]{0,79})\}")
"""`{depth}` is a param; `{{depth}}` stands for `{depth}` itself."""


def parse_recipe(text: str, *, params: Mapping[str, Any] | None = None, model: str | None = None) -> Recipe:
    """Parse a recipe. params, model: instead of the file's. Raises InvalidRecipe with line and reason."""
    try:
        read = read_yaml(text)
        if not isinstance(read.value, dict):
            raise YamlProblem(1, "a recipe is a mapping that begins with `version: 1`")
        file = convert(read, RecipeFile)
        return _checked(read, text, file, params or {}, model)
    except YamlProblem as problem:
        correction = {"word": problem.word, "write": problem.write} if problem.word else {}
        raise InvalidRecipe(line=problem.line, reason=problem.reason, **correction) from None


def _checked(
    read: ReadYaml, text: str, file: RecipeFile, params: Mapping[str, Any], model: str | None
) -> Recipe:
    try:
        name = ModelName.parse(model or file.model)
    except InvalidName as exc:
        raise YamlProblem(read.line_of(("model",)), f"model: {exc.message}") from None
    for each in sorted(set(params) - set(file.params)):
        known = ", ".join(sorted(file.params)) or "none"
        reason = f"it has no param {each[:80]!r}{nearest(each, file.params)} (it has: {known})"
        raise YamlProblem(read.line_of(("params",)), reason)
    _check_environment(read, file.environment)
    if file.resources.memory is not None:
        try:
            parse_size(file.resources.memory)
        except Invalid as exc:
            raise YamlProblem(read.line_of(("resources", "memory")), f"memory: {exc.message}") from None
    _check_paths(read, file)
    _check_own_steps(read, file)
    recipe = Recipe(text, file, name, {**file.params, **params})
    for path, command in _commands(file):
        for found in _NAMED.finditer(command):
            if found[1] is not None and found[1] not in recipe.params:
                near = nearest(found[1], recipe.params)
                reason = (
                    f"{{{found[1]}}} names no param{near}. Write {{{{{found[1]}}}}} for the braces themselves"
                )
                raise YamlProblem(read.line_of(path), reason)
    return recipe


def _check_environment(read: ReadYaml, entry: EnvironmentEntry) -> None:
    named = [word for word in ("lock", "requirements", "project") if getattr(entry, word) is not None]
    if len(named) > 1:
        line = read.line_of(("environment", named[1]))
        raise YamlProblem(line, f"environment: {' and '.join(named)} are both given; keep one of them")


def _check_paths(read: ReadYaml, file: RecipeFile) -> None:
    places: list[tuple[tuple[str | int, ...], str | None]] = [(("result",), file.result)]
    places += [
        (("environment", word), getattr(file.environment, word)) for word in ("lock", "requirements", "project")
    ]
    for step, entry in (("test", file.test), ("evaluate", file.evaluate)):
        if entry is not None and not isinstance(entry, str):
            places.append(((step, "report"), entry.report))
    for place, path in places:
        if path is None:
            continue
        try:
            check_path(path.removesuffix("/"))
        except InvalidPath as exc:
            raise YamlProblem(read.line_of(place), f"{place[-1]}: {exc.message}") from None


def _check_own_steps(read: ReadYaml, file: RecipeFile) -> None:
    own = [step.name for step in file.steps]
    for index, step in enumerate(file.steps):
        line = read.line_of(("steps", index, "name"))
        if step.name in STEPS:
            raise YamlProblem(line, f"{step.name!r} is one of the usual steps; choose another name")
        if own.index(step.name) != index:
            raise YamlProblem(line, f"the step {step.name!r} appears twice")
        known = [*STEPS, *own]
        if step.after not in known:
            line = read.line_of(("steps", index, "after"))
            raise YamlProblem(line, f"there is no step {step.after!r}{nearest(step.after, known)}")
    try:
        _order(file)
    except CycleError as exc:
        circle = " → ".join(exc.args[1])
        raise YamlProblem(read.line_of(("steps",)), f"the steps wait for one another: {circle}") from None


def _order(file: RecipeFile) -> Sequence[str]:
    """Return the names of the steps in order: own ones directly after the step that they follow."""
    used = [name for name in STEPS if _is_used(file, name)]
    sorter: TopologicalSorter[str] = TopologicalSorter({step.name: {step.after} for step in file.steps})
    followers: dict[str, list[str]] = {}
    own = {step.name: step for step in file.steps}
    for name in sorter.static_order():
        if name in own:
            after = own[name].after
            # A usual step that this recipe does not have lends its place.
            while after in STEPS and after not in used:
                after = STEPS[STEPS.index(after) - 1]
            followers.setdefault(after, []).append(name)

    def walk(name: str) -> list[str]:
        return [name, *(each for follower in followers.get(name, ()) for each in walk(follower))]

    return [each for name in used for each in walk(name)]


def _is_used(file: RecipeFile, name: str) -> bool:
    optional = {"data": file.data, "test": file.test, "evaluate": file.evaluate, "gate": file.promote}
    return name not in optional or bool(optional[name])


def _commands(file: RecipeFile) -> list[tuple[tuple[str | int, ...], str]]:
    found: list[tuple[tuple[str | int, ...], str]] = []
    for name in ("train", "test", "evaluate"):
        entry = getattr(file, name)
        if entry is not None:
            found.append(((name,), entry) if isinstance(entry, str) else ((name, "run"), entry.run))
    return found + [(("steps", index, "run"), step.run) for index, step in enumerate(file.steps)]


def _seconds(text: str) -> int:
    return int(text[:-1]) * _UNIT_SECONDS[text[-1]]


def _seconds_or_none(text: str | None) -> int | None:
    return None if text is None else _seconds(text)
