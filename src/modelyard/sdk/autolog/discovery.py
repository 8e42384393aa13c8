"""Discovery of autologgers, and turning them on."""

from __future__ import annotations

import importlib
import logging
from collections.abc import Sequence
from functools import cache, partial
from importlib.metadata import EntryPoint, entry_points
from types import ModuleType

from modelyard.domain.errors import Invalid
from modelyard.sdk.autolog.base import Autologger, quietly
from modelyard.sdk.autolog.imports import when_imported
from modelyard.sdk.notice import switch
from modelyard.sdk.savers.base import say_what_lacks
from modelyard.sdk.saying import say_once

GROUP = "modelyard.autologgers"
logger = logging.getLogger("modelyard")

# The same list as in pyproject.toml, for installations without metadata. These names always mean these classes:
# no other package can take them over.
BUILT_IN = {
    "lightgbm": "modelyard.sdk.autolog.lightgbm:LightgbmAutologger",
    "pytorch": "modelyard.sdk.autolog.pytorch:PytorchAutologger",
    "scikit-learn": "modelyard.sdk.autolog.sklearn:SklearnAutologger",
    "scikit-learn-metrics": "modelyard.sdk.autolog.sklearn:SklearnMetricsAutologger",
    "transformers": "modelyard.sdk.autolog.transformers:TransformersAutologger",
    "xgboost": "modelyard.sdk.autolog.xgboost:XgboostAutologger",
}


@cache
def all_autologgers() -> tuple[Autologger, ...]:
    """Return built-in and installed autologgers, by name. They are searched once per process."""
    found: dict[str, Autologger] = {}
    for name, target in BUILT_IN.items():
        module, _, attribute = target.partition(":")
        found[name] = getattr(importlib.import_module(module), attribute)()
    for point in sorted(entry_points(group=GROUP), key=lambda p: (p.name, p.value)):
        if point.name not in BUILT_IN:
            autologger = _build(point)
            if autologger is not None:
                found.setdefault(autologger.name, autologger)
    return tuple(sorted(found.values(), key=lambda a: a.name))


def _build(point: EntryPoint) -> Autologger | None:
    """Return the autologger; None, with a warning, if it does not start, so that the others still work."""
    try:
        autologger = point.load()()
    except Exception as error:  # noqa: BLE001 - a plug-in's module can raise anything
        logger.warning("the autologger %r (%s) does not start: %s", point.name, point.value, error)
        return None
    if not isinstance(autologger, Autologger):
        logger.warning("the autologger %r (%s) lacks parts of the protocol", point.name, point.value)
        return None
    return autologger


def autolog(frameworks: Sequence[str] | None = None, *, enabled: bool = True) -> None:
    """Log the params, metrics, inputs and models of the frameworks that this program uses, from now on.

    This imports no framework; one that is imported later is logged from then on.

    Args:
        frameworks: Names of autologgers, for example `["scikit-learn"]`; None: all.
        enabled: False: stop logging.

    Raises:
        Invalid: There is no autologger with that name.

    Example:
        >>> my.autolog()
        >>> with my.run("first", experiment="fraud/trees"):
        ...     DecisionTreeClassifier(max_depth=6).fit(X, y)
    """
    switch.on = enabled
    if not enabled:
        return
    known = {autologger.name: autologger for autologger in all_autologgers()}
    if frameworks is not None and (unknown := sorted(set(frameworks) - set(known))):
        raise Invalid(
            reason=f"there is no autologger {unknown[0]!r}", fix=f"There are: {', '.join(sorted(known))}"
        )
    for name, autologger in known.items():
        if frameworks is None or name in frameworks:
            when_imported(autologger.module, partial(_install, autologger))


def _install(autologger: Autologger, module: ModuleType) -> None:
    # The warning comes at the framework's import: before hours of training, not after.
    lacking = say_what_lacks(autologger.name)
    if lacking:
        say_once(lacking)
    quietly(f"{autologger.name} (it could not be prepared)", lambda: autologger.install(module))
