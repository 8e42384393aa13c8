"""`my.run`, `my.log_metric` and others: the current run, and one function for each call to it."""

from __future__ import annotations

import atexit
import functools
import inspect
import os
import signal
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from contextvars import ContextVar
from pathlib import Path
from typing import Any, TypeVar

from modelyard.domain.names import ModelName
from modelyard.domain.texts import readable
from modelyard.sdk import forks, present
from modelyard.sdk.binding import bind
from modelyard.sdk.runs.handle import Run
from modelyard.sdk.saying import say_once
from modelyard.sdk.session import Session

F = TypeVar("F", bound=Callable[..., Any])
_CAPTURE_SECONDS = 30.0
WRAPPED = "MODELYARD_RUN_WRAPPED"
"""Set by `modelyard run` for its program."""

# --- the current run -------------------------------------------------------------------------------------

_present: ContextVar[tuple[Run, ...]] = ContextVar("modelyard_runs", default=())
_open: list[Run] = []
"""All runs of this process that have not ended, in order: threads that the user starts have no context."""
_lock = threading.RLock()


def active_run() -> Run | None:
    """Return the innermost active run.

    Never raises.

    Returns:
        The run; None outside any run.

    Example:
        >>> my.active_run().name
        'first'
    """
    for run in reversed(_present.get()):
        if run.is_active:
            return run
    with _lock:
        return _open[-1] if _open else None


present.find_with(active_run)


def current_run() -> Run:
    """Return the innermost active run; start one if there is none.

    In a process that `modelyard run` started, or another process of a run, it is that run.
    """
    found = active_run()
    if found is not None:
        return found
    with _lock:
        found = active_run()
        return _begin_unasked() if found is None else found


def _begin_unasked() -> Run:
    run = _begin(asked=False)
    if run.begins:
        if not run.experiment:
            say_once(
                "No run was open, so one was begun in the experiment `default` of your own namespace. To name both: "
                "with my.run('first', experiment='namespace/experiment'):"
            )
        _capture_later(run)
    elif os.environ.pop("MODELYARD_RUN_CAPTURE", None):
        # Started by `modelyard run`, perhaps from another Python, so this process reports its environment once.
        _capture_environment_later(run)
    return run


def _begin(
    name: str = "",
    *,
    experiment: str = "",
    uid: str | None = None,
    offline: bool | None = None,
    asked: bool = True,
    client: Session | None = None,
) -> Run:
    """Begin a run, which is the current one of the whole process unless it becomes that of a context.

    asked False: the program logged outside any run. A process that belongs to a run then joins it. The first run that
    a program under `modelyard run` asks for is that run too, and later ones are nested in it.
    """
    given = os.environ.get("MODELYARD_RUN")
    parent = active_run()
    is_first = os.environ.pop(WRAPPED, None) is not None
    joins = uid is None and parent is None and bool(given) and (is_first or not asked)
    parent_id = parent.id if parent is not None else None
    if joins:
        uid = given
    elif parent_id is None and given != uid:
        parent_id = given
    experiment = experiment or (parent.experiment if parent else os.environ.get("MODELYARD_EXPERIMENT", ""))
    if experiment:
        ModelName.parse(experiment, "default" if "/" not in experiment else None)
    run = Run(
        name=name or _script_name(),
        experiment=experiment,
        uid=uid,
        parent=parent_id,
        offline=offline,
        begins=not joins,
        client=client,
        on_end=_forget,
    )
    with _lock:
        _open.append(run)
    _watch_process()
    _watch_child_of_pool()
    return run


def _script_name() -> str:
    program = getattr(sys.modules.get("__main__"), "__file__", None)
    return str(readable(Path(program).stem)) if program else ""


def _forget(run: Run) -> None:
    with _lock, suppress(ValueError):
        _open.remove(run)


class RunBlock:
    """What `my.run(…)` returns: a context manager, a decorator, or a run begun by `start`."""

    def __init__(self, name: str, options: Mapping[str, Any], told: Mapping[str, Any]) -> None:
        self._name, self._options, self._told = name, options, told
        self._runs: list[tuple[Run, Any]] = []

    def start(self) -> Run:
        """Start the run now. It is the current run of the process until it ends.

        Returns:
            The run; the caller ends it.

        Raises:
            InvalidName: The name of the experiment is not valid.

        Example:
            >>> run = my.run("first").start()
            >>> run.end()
        """
        run = _begin(self._name, **self._options)
        capture = self._told["capture"]
        if self._options.get("uid"):
            run._add(("resumed",))
        run.set_tags(self._told["tags"])
        run.log_params(self._told["params"])
        if capture:
            _capture_later(run)
        if self._told["register"]:
            from modelyard.sdk.runs import offline
            from modelyard.sdk.runs.registration import prepare

            prepare(run, self._told["register"], offline.keep)
        return run

    def __enter__(self) -> Run:
        run = self.start()
        self._runs.append((run, _present.set((*_present.get(), run))))
        return run

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        run, token = self._runs.pop()
        try:
            run.__exit__(kind, error, trace)
        finally:
            _present.reset(token)

    def __call__(self, function: F) -> F:
        """Make each call of the function a new run, named after the function unless a name was given."""

        def block() -> RunBlock:
            return RunBlock(self._name or function.__name__, self._options, self._told)

        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def awaited(*args: Any, **kwargs: Any) -> Any:
                with block():
                    return await function(*args, **kwargs)

            return awaited  # type: ignore[return-value]

        @functools.wraps(function)
        def called(*args: Any, **kwargs: Any) -> Any:
            with block():
                return function(*args, **kwargs)

        return called  # type: ignore[return-value]


def experiment_of(model: str | None) -> str:
    """Return the experiment of a run that makes a version: MODELYARD_EXPERIMENT, or one with the model's name."""
    return os.environ.get("MODELYARD_EXPERIMENT") or (model if model is not None and "/" in model else "")


def run(
    name: str = "",
    *,
    experiment: str = "",
    id: str | None = None,
    tags: Mapping[str, Any] | None = None,
    params: Mapping[str, Any] | None = None,
    offline: bool | None = None,
    capture: bool = True,
    register: str | None = None,
    client: Session | None = None,
) -> RunBlock:
    """Create a run, to use as a context manager, as a decorator, or with `start`.

    A run inside another one is nested in it.

    Args:
        name: Name of the run; empty: the name of the program.
        experiment: `namespace/name`, or a name in your default namespace; empty: MODELYARD_EXPERIMENT, otherwise
            the experiment with the name of the model in `register`, otherwise `default`.
        id: Id of an ended run to continue; None: a new run.
        tags: Tags of the run.
        params: Parameters of the training.
        offline: True: send nothing; `modelyard sync` does it later. None: the value of MODELYARD_OFFLINE.
        capture: False: do not record facts about the code and the environment.
        register: A model (`namespace/name`). When the run finishes, the model that `my.autolog` saw fitted
            last becomes its next version.
        client: The client to send with; None: a client from the environment.

    Returns:
        The block: use it with `with`, as a decorator, or call its `start`.

    Raises:
        InvalidName: The name of the experiment is not valid; raised when the run begins.

    Example:
        >>> with my.run("first", experiment="fraud/trees") as run:
        ...     run.log_param("depth", 6)
        ...     run.log_metric("loss", 0.3)
    """
    options = {
        "experiment": experiment or experiment_of(register),
        "uid": id,
        "offline": offline,
        "client": client,
    }
    told = {"tags": tags or {}, "params": params or {}, "capture": capture, "register": register}
    return RunBlock(name, options, told)


def _capture_later(run: Run) -> None:
    """Capture facts in the background: git and the package list take a while, and only the run's end waits for them."""
    from modelyard.sdk import capture, sources
    from modelyard.sdk.runs import notebook

    place = capture.place_of_program()
    sources.watch()

    def work() -> None:
        with forks.importing:
            run.add_facts(capture.capture_at(place))
        source = place.source
        if source is not None and place.program is not None:
            run.keep_source(source, place.program.name)

    _in_background(run, work)
    run.before_end(lambda: notebook.keep_cells(run))
    run.keep_code_with(lambda: capture.keep_sources(run, place, sources.read_so_far()))


def _capture_environment_later(run: Run) -> None:
    from modelyard.sdk.environment import environment_facts, image_facts, image_recipe

    def work() -> None:
        with forks.importing:
            own = environment_facts()
            run.add_facts({"environment": own, "image": image_facts() or image_recipe(own)})

    _in_background(run, work)


def _in_background(run: Run, work: Callable[[], None]) -> None:
    def guarded() -> None:
        try:
            work()
        except Exception as error:  # noqa: BLE001 - what cannot be found out is named, and the training goes on
            run.note(f"The code and the environment could not be captured: {error}")

    thread = threading.Thread(target=guarded, name="modelyard-capture", daemon=True)
    thread.start()
    run.before_end(lambda: thread.join(_CAPTURE_SECONDS))


# --- the end of the process ------------------------------------------------------------------------------

_watching = False
_failure: list[BaseException] = []


def _watch_process() -> None:
    """End the open runs when the process ends, however it ends."""
    global _watching
    if _watching:
        return
    _watching = True
    atexit.register(_end_all)
    before = sys.excepthook

    def noted(kind: type[BaseException], error: BaseException, trace: Any) -> None:
        _failure.append(error)
        before(kind, error, trace)

    sys.excepthook = noted
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=_after_fork)
    with suppress(ValueError, OSError):
        # The handler is set only in the main thread of a program that does not handle the signal itself.
        if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
            signal.signal(signal.SIGTERM, _terminated)


def _watch_child_of_pool() -> None:
    """Register with multiprocessing, whose children end without calling atexit functions."""
    module = sys.modules.get("multiprocessing.util")
    process = sys.modules.get("multiprocessing.process")
    if module is not None and process is not None and process.parent_process() is not None:
        module.Finalize(None, _end_all, exitpriority=100)


def _terminated(number: int, _frame: object) -> None:
    for run in _all_open():
        run.end("killed", exit_code=128 + number, wait_seconds=3)
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)


def _all_open() -> Sequence[Run]:
    with _lock:
        return list(reversed(_open))


def _end_all() -> None:
    for run in _all_open():
        if _failure:
            run.fail(_failure[-1])
        else:
            run.end()


def _after_fork() -> None:
    """Let the child of a fork, which has none of our threads, join the run as a new writer when it first logs."""
    global _lock
    # Another thread may have held the lock at the moment of the fork.
    _lock = threading.RLock()
    open_before = list(_open)
    _open.clear()
    _present.set(())
    if open_before:
        os.environ["MODELYARD_RUN"] = open_before[-1].id
    for run in open_before:
        run.join_after_fork(_joined)


def _joined(run: Run) -> None:
    with _lock:
        _open.append(run)
    _watch_child_of_pool()


# --- one line each ---------------------------------------------------------------------------------------


log_metric = bind(Run.log_metric, current_run, __name__)
log_metrics = bind(Run.log_metrics, current_run, __name__)
log_param = bind(Run.log_param, current_run, __name__)
log_params = bind(Run.log_params, current_run, __name__)
set_tag = bind(Run.set_tag, current_run, __name__)
log_artifact = bind(Run.log_artifact, current_run, __name__)
log_figure = bind(Run.log_figure, current_run, __name__)
log_image = bind(Run.log_image, current_run, __name__)
log_table = bind(Run.log_table, current_run, __name__)
log_text = bind(Run.log_text, current_run, __name__)
log_input = bind(Run.log_input, current_run, __name__)
