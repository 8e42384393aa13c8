"""Builds: training that the registry starts from a recipe, and follows step by step."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from modelyard.domain.errors import Invalid, InvalidRecipe
from modelyard.domain.texts import readable
from modelyard.sdk.capture import git_facts
from modelyard.sdk.http import at, query_text
from modelyard.sdk.log_lines import LogLine, lines_of
from modelyard.sdk.paging import Items
from modelyard.sdk.progress import Progress
from modelyard.sdk.session import Feature
from modelyard.sdk.source_bundle import make_bundle, send_bundle
from modelyard.sdk.streams import follow_stream
from modelyard.wire import builds as wire

RECIPE = "modelyard.yaml"
OPEN_STATES = ("queued", "starting", "running", "cancelling")
_WAIT_SECONDS = 25
_ENDED_STEPS = ("ok", "failed", "skipped", "reused")


@dataclass(frozen=True, slots=True)
class BuildNews:
    """Something that happened in a build. step: whose state changed, or whose text it is; None: only the build changed."""

    build: wire.BuildDetails
    step: wire.BuildStep | None = None
    text: str = ""


class Builds(Feature):
    """`client.builds`: training from a recipe, in steps."""

    # --- recipes ---------------------------------------------------------------------------------

    def check(self, recipe: str) -> wire.RecipeCheck:
        """Check the text of a recipe.

        Args:
            recipe: The text of `modelyard.yaml`.

        Returns:
            The steps of its build, or its problems with their lines.

        Raises:
            ServerUnreachable: The server does not answer.

        Example:
            >>> client.builds.check(Path("modelyard.yaml").read_text()).problems
            []
        """
        return self._post(at("recipes", "check"), wire.RecipeCheck, wire.CheckRecipe(recipe=recipe))

    def pools(self) -> list[wire.Pool]:
        """Return the pools: where builds run, and how many at once.

        Returns:
            The pools.

        Raises:
            NotSignedIn: There is no token.

        Example:
            >>> [pool.name for pool in client.builds.pools()]
            ['local']
        """
        return self._get(at("pools"), wire.PoolPage).items

    # --- secrets ---------------------------------------------------------------------------------

    def secrets(self, namespace: str) -> list[wire.BuildSecret]:
        """Return the secrets that builds of a namespace can use, without their values.

        Args:
            namespace: The namespace.

        Returns:
            Their names, and who set them when.

        Raises:
            NamespaceNotFound: There is no such namespace, or you may not see it.
            Denied: You may not start builds in it.

        Example:
            >>> [secret.name for secret in client.builds.secrets("fraud")]
            ['HF_TOKEN']
        """
        return self._get(at("namespaces", namespace, "secrets"), wire.BuildSecretList).items

    def set_secret(self, namespace: str, name: str, value: str) -> wire.BuildSecret:
        """Set a secret of a namespace's builds, or replace its value. No one can read it back.

        Args:
            namespace: The namespace.
            name: The variable in which a step gets it.
            value: 8 to 32768 characters.

        Returns:
            The secret, without its value.

        Raises:
            Denied: You are not a maintainer of the namespace.
            Invalid: The name or the value cannot be used.

        Example:
            >>> client.builds.set_secret("fraud", "HF_TOKEN", value).name
            'HF_TOKEN'
        """
        body = wire.SetBuildSecret(value=value)
        return self._put(at("namespaces", namespace, "secrets", name), wire.BuildSecret, body)

    def remove_secret(self, namespace: str, name: str) -> None:
        """Remove a secret. Builds that name it are refused from then on.

        Args:
            namespace: The namespace.
            name: Its name.

        Raises:
            BuildSecretNotFound: There is no such secret.
            Denied: You are not a maintainer of the namespace.

        Example:
            >>> client.builds.remove_secret("fraud", "HF_TOKEN")
        """
        self._call("DELETE", at("namespaces", namespace, "secrets", name))

    # --- builds ----------------------------------------------------------------------------------

    def submit(
        self,
        folder: str | Path = ".",
        *,
        recipe: str | None = None,
        model: str | None = None,
        params: Mapping[str, Any] | None = None,
        pool: str | None = None,
        priority: str | None = None,
        progress: Progress | None = None,
    ) -> wire.Build:
        """Build a folder: send its source as it is on disk, and have the server carry out its recipe.

        The source is every file that git tracks or would track, with its changes; outside a git repository every
        file but caches and environments. `.modelyardignore` leaves out more.

        Args:
            folder: The folder of the source.
            recipe: Text of the recipe; None: the file `modelyard.yaml` of the folder.
            model: The model whose next version it makes; None: the recipe's.
            params: Values in place of the recipe's params, by name.
            pool: Where it runs; None: the recipe's pool, otherwise the server's first.
            priority: `low`, `normal` or `high`, in the queue of the pool; None: the recipe's, otherwise the pool's.
            progress: Receives the bytes of the source that are sent; None: no progress is reported.

        Returns:
            The build, queued.

        Raises:
            InvalidRecipe: The recipe is not valid; the error has the line and the reason.
            SecretFiles: Files of the source hold credentials; the error lists them.
            Invalid: There is no recipe, or the source is too large.
            Denied: Your role does not allow builds, or not the priority `high`.

        Example:
            >>> client.builds.submit("fraud", params={"depth": 4}).status
            'queued'
        """
        text, bundle, source = send_folder(self, folder, recipe, progress)
        wanted = wire.SubmitBuild(
            recipe=text,
            bundle=bundle,
            model=model,
            params=dict(params or {}),
            pool=pool,
            priority=priority,
            source=source,
        )
        return self._post(at("builds"), wire.Build, wanted)

    def list(
        self,
        *,
        namespace: str | None = None,
        model: str | None = None,
        status: str | None = None,
        limit: int | None = None,
    ) -> Items[wire.Build]:
        """List builds, newest first.

        Args:
            namespace: Only builds of models in this namespace; None: of all.
            model: Only builds of this model; None: of all.
            status: `queued`, `starting`, `running`, `cancelling`, `succeeded`, `failed`, `cancelled`, `timed-out` or
                `lost`; None: all.
            limit: Return at most this many; None: all.

        Returns:
            One build at a time.

        Raises:
            ModelNotFound: There is no such model, or you may not see it.

        Example:
            >>> [build.status for build in client.builds.list(model="fraud/scorer", limit=2)]
            ['succeeded', 'failed']
        """
        query = wire.BuildQuery(namespace=namespace, model=model, status=status)
        return self._items(at("builds"), query, wire.BuildPage, limit)

    def get(self, build: str, *, wait_seconds: int = 0, seen: int | None = None) -> wire.BuildDetails:
        """Return a build with its steps and attempts.

        Args:
            build: Its id, or the beginning of its id.
            wait_seconds: Answer when the build changes, or after this many seconds; at most 30.
            seen: Wait for a change after this `revision`; None: any change from now on counts.

        Returns:
            The build.

        Raises:
            BuildNotFound: There is no such build, or you may not see it.

        Example:
            >>> [step.state for step in client.builds.get("1f0a9c3e7d52").steps]
            ['ok', 'ok', 'reused', 'running', 'waiting', 'waiting']
        """
        query = wire.ShowBuildQuery(wait=wait_seconds, seen=seen)
        return self._get(at("builds", build), wire.BuildDetails, query)

    def log(self, build: str, step: str | None = None) -> Iterator[str]:
        """Return the log of a build, as far as it has arrived.

        Args:
            build: Its id, or the beginning of its id.
            step: Only this step; None: all steps.

        Returns:
            The text, piece by piece.

        Raises:
            BuildNotFound: There is no such build, or you may not see it.

        Example:
            >>> print("".join(client.builds.log("1f0a9c3e7d52", "train")))
        """
        position = 0
        while (part := self._log_part(build, step, position)).text:
            yield part.text
            position = part.position

    def log_lines(self, build: str, step: str | None = None, *, follow: bool = False) -> Iterator[LogLine]:
        """Return the lines of a log with their numbers and times.

        Args:
            build: Its id, or the beginning of its id.
            step: Only this step; None: all steps.
            follow: Go on until the build ends; otherwise as far as the log has arrived.

        Returns:
            One line at a time.

        Raises:
            BuildNotFound: There is no such build, or you may not see it.
            ServerUnreachable: The server could not be reached for longer than the client's patience.

        Example:
            >>> for line in client.builds.log_lines("1f0a9c3e7d52", "train"):
            ...     print(line.at, line.text)
        """
        news = self._log_news(build, step) if follow else self._log_parts(build, step)
        return lines_of(text for each in news for text in each.texts)

    def _log_parts(self, build: str, step: str | None) -> Iterator[wire.BuildLogPart]:
        position = 0
        while (part := self._log_part(build, step, position, times=True)).texts:
            yield part
            position = part.position

    def _log_part(
        self, build: str, step: str | None, position: int, *, times: bool = False
    ) -> wire.BuildLogPart:
        query = wire.ReadBuildLogQuery(step=step, position=position, times=times)
        return self._get(at("builds", build, "log"), wire.BuildLogPart, query)

    def follow_log(self, build: str, step: str | None = None) -> Iterator[str]:
        """Follow the log of a build to its end, across restarts of the server.

        Args:
            build: Its id, or the beginning of its id.
            step: Only this step; None: all steps.

        Returns:
            The text as it arrives, piece by piece.

        Raises:
            BuildNotFound: There is no such build, or you may not see it.
            ServerUnreachable: The server could not be reached for longer than the client's patience.

        Example:
            >>> for text in client.builds.follow_log("1f0a9c3e7d52", "train"):
            ...     print(text, end="")
        """
        return (text.text for news in self._log_news(build, step) for text in news.texts)

    def _log_news(self, build: str, step: str | None) -> Iterator[wire.BuildLogNews]:
        target = at("builds", build, "log", "stream") + query_text(wire.BuildStepQuery(step=step))
        for data in follow_stream(self._transport, target):
            news = msgspec.json.decode(data, type=wire.BuildLogNews)
            yield news
            if news.ended:
                return

    def search_log(self, build: str, words: str, step: str | None = None) -> wire.BuildLogSearch:
        """Search the log of a build's newest attempt, whatever the case of letters.

        Args:
            build: Its id, or the beginning of its id.
            words: What a line has in it, at most 200 characters.
            step: Only this step; None: all steps.

        Returns:
            The lines with their numbers, at most 200, and whether these are all.

        Raises:
            BuildNotFound: There is no such build, or you may not see it.
            Invalid: The words are missing or too long.

        Example:
            >>> [found.line for found in client.builds.search_log("1f0a9c3e7d52", "warning").items]
            [120, 348]
        """
        query = wire.BuildLogSearchQuery(step=step, words=words)
        return self._get(at("builds", build, "log", "search"), wire.BuildLogSearch, query)

    def follow(self, build: str) -> Iterator[BuildNews]:
        """Follow a build to its end: every change of a step, and the text of its log, in order.

        Args:
            build: Its id, or the beginning of its id.

        Returns:
            One piece of news at a time; the last one has the build as it ended.

        Raises:
            BuildNotFound: There is no such build, or you may not see it.

        Example:
            >>> for news in client.builds.follow("1f0a9c3e7d52"):
            ...     print(news.text, end="")
        """
        states: dict[str, str] = {}
        positions: dict[str, int] = {}
        attempt = 0
        seen: int | None = None
        details = self.get(build)
        while True:
            if details.attempt != attempt:
                attempt, states, positions = details.attempt, {}, {}
            for step in details.steps:
                if states.get(step.name, "waiting") == "waiting" and step.state != "waiting":
                    states[step.name] = "running"
                    if step.state != "skipped":
                        yield BuildNews(details, _running(step))
                yield from self._new_text(details, step, positions)
                if step.state in _ENDED_STEPS and states.get(step.name) != step.state:
                    states[step.name] = step.state
                    yield BuildNews(details, step)
            yield BuildNews(details)
            if details.status not in OPEN_STATES:
                return
            seen = details.revision
            details = self.get(build, wait_seconds=_WAIT_SECONDS, seen=seen)

    def _new_text(
        self, details: wire.BuildDetails, step: wire.BuildStep, positions: dict[str, int]
    ) -> Iterator[BuildNews]:
        while positions.get(step.name, 0) < step.log_bytes:
            part = self._log_part(details.id, step.name, positions.get(step.name, 0))
            if part.position <= positions.get(step.name, 0):
                return
            positions[step.name] = part.position
            if part.text:
                yield BuildNews(details, step, part.text)

    def cancel(self, build: str) -> wire.Build:
        """Cancel a build. One that runs is `cancelling` until its steps are gone.

        Args:
            build: Its id, or the beginning of its id.

        Returns:
            The build as it is now.

        Raises:
            BuildNotFound: There is no such build, or you may not see it.
            BuildOver: It has ended.
            Denied: Your role does not allow this.

        Example:
            >>> client.builds.cancel("1f0a9c3e7d52").status
            'cancelling'
        """
        return self._post(at("builds", build, "cancel"), wire.Build)

    def rerun(self, build: str) -> wire.Build:
        """Start a new build of the same recipe, source and params.

        Args:
            build: Id of the build to repeat, or the beginning of its id.

        Returns:
            The new build, queued.

        Raises:
            BuildNotFound: There is no such build, or you may not see it.
            Denied: Your role does not allow builds.

        Example:
            >>> client.builds.rerun("1f0a9c3e7d52").status
            'queued'
        """
        return self._post(at("builds", build, "rerun"), wire.Build)

    def reproduce(self, ref: str, *, tolerance: float | None = None) -> wire.Reproduction:
        """Build a version once more from its record, and compare the result with it. Nothing is registered.

        The same source, lock, data, params and variables are used. The verdict becomes the check `reproduced` of the
        version; follow the build to wait for it.

        Args:
            ref: A version: `namespace/name` with `:12`, `@alias` or `@sha256:…`; with none of these, the newest
                ready version.
            tolerance: Largest relative difference of two values of a metric that are equal; None: 0.000001.

        Returns:
            The build, queued; without a build, the verdict is `impossible`, with what is missing.

        Raises:
            VersionNotFound: There is no such version, or you may not see it.
            Denied: Your role does not allow builds.

        Example:
            >>> client.builds.reproduce("fraud/scorer:12").build.status
            'queued'
        """
        wanted = wire.ReproduceVersion(tolerance=tolerance)
        return self._post(self._version(ref, "reproduce"), wire.Reproduction, wanted)

    def follow_reproduction(self, reproduction: wire.Reproduction) -> wire.BuildDetails | None:
        """Wait for the verdict about a version: for the end of its build, and of a second one if the first differs.

        Args:
            reproduction: The answer of `reproduce`.

        Returns:
            The last build as it ended, with its verdict and its findings; None: it was impossible to start one.

        Raises:
            BuildNotFound: There is no such build, or you may not see it.

        Example:
            >>> client.builds.follow_reproduction(client.builds.reproduce("fraud/scorer:12")).verdict
            'identical'
        """
        following = None if reproduction.build is None else reproduction.build.id
        ended: wire.BuildDetails | None = None
        while following is not None:
            for news in self.follow(following):
                ended = news.build
            following = ended.findings.second if ended is not None and ended.findings is not None else None
        return ended

    def retrain(
        self,
        ref: str,
        *,
        params: Mapping[str, Any] | None = None,
        data: Mapping[str, str] | None = None,
        warm: bool = False,
    ) -> wire.Build:
        """Build from the record of a version with other params or data. The new version names this one as its parent.

        Args:
            ref: A version: `namespace/name` with `:12`, `@alias` or `@sha256:…`; with none of these, the newest
                ready version.
            params: Values in place of the recorded params, by name.
            data: Datasets in place of the recorded ones, by their names in the recipe, for example
                `{"transactions": "fraud/transactions"}`; without a digest the newest content.
            warm: Give the files of the version to the training, in the folder that MODELYARD_PARENT names.

        Returns:
            The build, queued.

        Raises:
            Invalid: The record is incomplete, or the recipe has no data of that name.
            InvalidRecipe: The recipe has no param of that name.
            DatasetNotFound: There is no such dataset, or no such content of it.
            Denied: Your role does not allow builds.

        Example:
            >>> client.builds.retrain("fraud/scorer:12", params={"depth": 8}).parent
            'fraud/scorer:12'
        """
        wanted = wire.RetrainVersion(params=dict(params or {}), data=dict(data or {}), warm=warm)
        return self._post(self._version(ref, "retrain"), wire.Build, wanted)

    def example(self) -> str:
        """Return a commented recipe to begin with.

        Returns:
            Its text.

        Raises:
            ServerUnreachable: The server does not answer.

        Example:
            >>> Path("modelyard.yaml").write_text(client.builds.example())
        """
        return self._transport.send("GET", at("recipes", "example")).data.decode()


def send_folder(
    builds: Builds, folder: str | Path, recipe: str | None, progress: Progress | None
) -> tuple[str, str, dict[str, Any]]:
    """Check the recipe of a folder and send its source. Return the recipe, the digest of the source and its code fact.

    recipe: instead of the folder's. Raises InvalidRecipe, SecretFiles, Invalid.
    """
    top = Path(folder)
    text = read_recipe(top) if recipe is None else recipe
    # A wrong recipe is refused before the source is sent.
    for problem in builds.check(text).problems:
        raise InvalidRecipe(line=problem.line, reason=problem.reason, fix=problem.fix or None)
    with tempfile.TemporaryDirectory(prefix="modelyard-source-") as place:
        bundle = make_bundle(top, Path(place) / "source.tar")
        send_bundle(builds._session, bundle, progress)
    source = git_facts(top.resolve())
    source.pop("top", None)
    return text, bundle.digest, readable(source)


def _running(step: wire.BuildStep) -> wire.BuildStep:
    """Return a step as it was when it began."""
    return wire.BuildStep(name=step.name, state="running", started_at=step.started_at)


def read_recipe(folder: Path) -> str:
    """Return the text of a folder's recipe. Raises Invalid if there is none."""
    path = folder / RECIPE
    try:
        return path.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        raise Invalid(
            reason=f"there is no recipe {path}",
            fix="Write one with: modelyard recipe init",
        ) from None
    except UnicodeDecodeError:
        raise Invalid(reason=f"{path} is not UTF-8", fix="Save it as UTF-8") from None
