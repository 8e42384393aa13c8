"""Judge how a pickle uses an allowed global: it makes, calls or holds it, and sets the state of the result.

A library's pickles use each of its names in one way. Any other use of the name may be an attack: a function that
is only held must not be called, a class that is made bare must not run its constructor, and a state must not set
special attributes. Decision record 0018.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from modelyard.domain.formats.opcodes import OPAQUE, Call, Global, Persistent
from modelyard.domain.scanning.globals import Use, canonical, judge_global, use_of
from modelyard.domain.scanning.verdicts import Verdict

Fault = tuple[Verdict, str]

_BARE = frozenset({"NEWOBJ", "INST", "OBJ"})
_RECONSTRUCTOR = Global("copyreg", "_reconstructor")
_NEW_OBJECT = frozenset({Global("copyreg", "__newobj__"), Global("copyreg", "__newobj_ex__")})
_UFUNC = frozenset({Global("numpy._core", "_ufunc_reconstruct"), Global("numpy.core", "_ufunc_reconstruct")})
_CLASS_FIRST = frozenset(
    {
        "_new_Index",
        "_new_DatetimeIndex",
        "_new_PeriodIndex",
        "_reconstruct",
        "_mareconstruct",
        "newObj",
        "_array_reconstructor",
    }
)
"""Rebuilders whose first argument is the class to make."""
_CONSTRUCTORS = frozenset({"__bit_generator_ctor", "__generator_ctor", "__randomstate_ctor"})
_TENSOR_WITH_STATE = Global("torch._tensor", "_rebuild_from_type_v2")
_PARAMETER_WITH_STATE = Global("torch._utils", "_rebuild_parameter_with_state")

GETATTR = Global("builtins", "getattr")
_METHODS = frozenset(
    {("scipy.stats", "_entropy")}
    | {
        ("scipy.interpolate._rbf", f"_h_{kind}")
        for kind in "multiquadric inverse_multiquadric gaussian linear cubic quintic thin_plate".split()
    }
)
"""Bound methods that SciPy's objects hold: the module of the class, and the method."""

_NAMES_OF_TEXT = frozenset({"__doc__", "__name__", "__qualname__", "__module__"})
_TEMPLATE_KEY = "_parse_arg_template"
_TEMPLATE = re.compile(
    r"""
def _parse_args\(self, (?P<shapes>(?:[A-Za-z_]\w*, )*) (?P<given>loc=0, scale=1|loc=0)\):
    return \((?P=shapes)\), (?P<kept>loc, scale|loc, 1)

def _parse_args_rvs\(self, (?P=shapes) (?P=given), size=None\):
    return self\._argcheck_rvs\((?P=shapes) (?P=kept), size=size\)

def _parse_args_stats\(self, (?P=shapes) (?P=given), moments='mv'\):
    return \((?P=shapes)\), (?P=kept), moments
""",
    re.ASCII,
)
"""The text that SciPy's distributions run when they get their state (scipy.stats.rv_generic.__setstate__)."""
_FORMULA_KEYS = frozenset({"restore_design_info", "restore_model_spec"})
"""With it, statsmodels evaluates a formula when it gets its state (ModelData.__setstate__)."""


@dataclass
class States:
    """The dictionaries that must never become the state of an object, each with the reason. They are kept alive, so
    that no `id()` is used again meanwhile."""

    faulty: dict[int, tuple[Any, str]] = field(default_factory=dict)

    def note_items(self, target: dict[Any, Any], items: list[Any]) -> None:
        for key, value in zip(items[::2], items[1::2], strict=False):
            why = _fault_of_item(key, value)
            if why is not None:
                self.faulty.setdefault(id(target), (target, why))

    def fault(self, state: dict[Any, Any]) -> str | None:
        return self.faulty.get(id(state), (None, None))[1]


def _fault_of_item(key: Any, value: Any) -> str | None:
    if isinstance(key, str):
        if key.startswith("__") and key.endswith("__") and key not in _NAMES_OF_TEXT:
            return f"it sets the special attribute {key[:60]}"
        if key == _TEMPLATE_KEY and not (isinstance(value, str) and _TEMPLATE.fullmatch(value)):
            return "it gives a distribution other code than SciPy writes, which runs on loading"
        if key in _FORMULA_KEYS:
            return "it holds a formula, which statsmodels evaluates on loading"
        return None
    if key is None or isinstance(key, bool | int | float | tuple):
        return None
    return "it sets an attribute whose name is not written as text"


def fault_of_call(opcode: str, target: Global, arguments: Any, states: States) -> Fault | None:
    """Return the fault of a call of an allowed global by this opcode; None if it is allowed."""
    target = _canonical(target)
    use = use_of(target.module, target.name)
    if use is None:
        return None
    is_bare = opcode == "NEWOBJ" or (opcode in _BARE and not arguments)
    if not (Use.CALLED in use or (is_bare and Use.MADE in use)):
        if Use.TYPE in use:
            return Verdict.UNKNOWN, f"it calls {target.path}, whose constructor libraries leave alone"
        return Verdict.DANGEROUS, f"it calls {target.path}, which models only hold"
    if Use.TYPE in use:
        return _fault_of_default_factory(target, arguments)
    if not isinstance(arguments, tuple):
        return Verdict.DANGEROUS, f"it calls {target.path} with arguments that cannot be followed"
    return _fault_of_rebuilder(target, arguments, states)


def _fault_of_default_factory(target: Global, arguments: Any) -> Fault | None:
    if target != Global("collections", "defaultdict") or arguments == ():
        return None
    factory = arguments[0] if isinstance(arguments, tuple) else arguments
    if factory is None or _is_class(factory):
        return None
    return Verdict.UNKNOWN, "a defaultdict whose factory is not a known class"


def _fault_of_rebuilder(target: Global, arguments: tuple[Any, ...], states: States) -> Fault | None:
    if target == _RECONSTRUCTOR:
        if len(arguments) != 3 or not _is_made(arguments[0]) or not _is_plain_base(arguments[1]):
            return Verdict.DANGEROUS, "it makes an object of something other than a class that is made this way"
        return None
    if target in _NEW_OBJECT:
        if not arguments or not _is_made(arguments[0]):
            return Verdict.DANGEROUS, "it makes an object of something other than a class that is made this way"
        return None
    if target in _UFUNC:
        return _fault_of_ufunc(arguments)
    if target == _TENSOR_WITH_STATE:
        return _fault_of_typed_tensor(arguments, states)
    if target == _PARAMETER_WITH_STATE and len(arguments) == 4:
        return _fault_of_extra_state(arguments[3], states)
    if target.name in _CONSTRUCTORS:
        allowed = all(isinstance(a, str) or _is_of_numpy_random(a) for a in arguments)
        return None if allowed else (Verdict.DANGEROUS, f"it gives {target.path} something to call")
    if target.name in _CLASS_FIRST and not (arguments and _is_class(arguments[0])):
        return Verdict.DANGEROUS, f"it gives {target.path} something other than a known class"
    if any(isinstance(a, Global) and not _is_class(a) for a in arguments) and target.root != "torch":
        return Verdict.DANGEROUS, f"it gives a function to {target.path}"
    return None


def _fault_of_ufunc(arguments: tuple[Any, ...]) -> Fault | None:
    """Judge a call that imports the module and reads the attribute in its arguments."""
    if len(arguments) != 2 or not all(isinstance(a, str) for a in arguments):
        return Verdict.DANGEROUS, "it names a global by what cannot be followed"
    verdict, why = judge_global(*arguments)
    return None if verdict is Verdict.ALLOWLISTED else (verdict, f"{'.'.join(arguments)[:200]}: {why}")


def _fault_of_typed_tensor(arguments: tuple[Any, ...], states: States) -> Fault | None:
    """Judge a call that calls its first argument with the third one."""
    if len(arguments) != 4 or not isinstance(arguments[0], Global) or not _is_class(arguments[1]):
        return Verdict.DANGEROUS, "it rebuilds a tensor by what cannot be followed"
    inner = arguments[0]
    if inner.module != "torch._utils" or use_of(inner.module, inner.name) is None:
        return Verdict.DANGEROUS, f"it rebuilds a tensor by {inner.path}"
    return _fault_of_extra_state(arguments[3], states)


def _fault_of_extra_state(state: Any, states: States) -> Fault | None:
    parts = state if isinstance(state, tuple) and len(state) == 2 else (state,)
    for part in parts:
        if part is not None and not isinstance(part, dict):
            return Verdict.DANGEROUS, "it gives a tensor a state that cannot be followed"
        why = states.fault(part) if part else None
        if why is not None:
            return Verdict.DANGEROUS, why
    return None


def fault_of_state(made: Any, state: Any, states: States) -> Fault | None:
    """Return the fault of a BUILD, which gives `state` to `made`; None if it is allowed."""
    if isinstance(made, Global):
        return Verdict.DANGEROUS, "it changes a class, a function or a module"
    made_of = class_of(made)
    if made_of is None:
        return Verdict.DANGEROUS, "it changes an object that it did not make from a class"
    use = use_of(made_of.module, made_of.name)
    if use is None:
        # It is not allowed, which was noted when the pickle named it.
        return None
    if type(state) is dict:
        if Use.TYPE not in use and Use.STATED not in use:
            return Verdict.DANGEROUS, f"it changes what {made_of.path} gave"
        why = states.fault(state)
        return None if why is None else (Verdict.DANGEROUS, why)
    if Use.STATED not in use:
        return Verdict.DANGEROUS, f"it gives {made_of.path} a state of a form that it does not have"
    for part in state if isinstance(state, tuple) else (state,):
        why = states.fault(part) if isinstance(part, dict) else _fault_of_mapping(part)
        if why is not None:
            return Verdict.DANGEROUS, why
    return None


def _fault_of_mapping(part: Any) -> str | None:
    """Return the fault of a mapping that is not a plain dictionary, which could hide the names that it sets."""
    made_of = class_of(part)
    use = use_of(made_of.module, made_of.name) if made_of is not None else None
    return "it gives a state whose names cannot be followed" if use is not None and Use.FILLED in use else None


def fault_of_items(target: Call) -> Fault | None:
    """Return the fault of adding elements to an object that the pickle made; None if it is allowed."""
    made_of = class_of(target)
    if made_of is None:
        return Verdict.DANGEROUS, "it fills an object that it did not make from a class"
    use = use_of(made_of.module, made_of.name)
    if use is None or Use.FILLED in use:
        return None
    return Verdict.UNKNOWN, f"it fills a {made_of.path}, which libraries do not"


def class_of(made: Any) -> Global | None:
    """Return the class of an object that a call returned, or the function that returned it."""
    if not isinstance(made, Call) or not isinstance(made.target, Global):
        return None
    target: Any = _canonical(made.target)
    if target == _RECONSTRUCTOR or target in _NEW_OBJECT:
        target = made.arguments[0] if isinstance(made.arguments, tuple) and made.arguments else None
    return _canonical(target) if isinstance(target, Global) else None


def _canonical(found: Global) -> Global:
    return Global(*canonical(found.module, found.name))


def is_getattr(found: Global) -> bool:
    return _canonical(found) == GETATTR


def attribute_of(arguments: Any) -> Any:
    """Return the result of a getattr: a listed function of a class, or OPAQUE for a listed method; otherwise None."""
    if not isinstance(arguments, tuple) or len(arguments) != 2 or not isinstance(arguments[1], str):
        return None
    owner, name = arguments
    if isinstance(owner, Global):
        found = Global(_canonical(owner).module, f"{_canonical(owner).name}.{name}")
        return found if use_of(found.module, found.name) is not None else None
    made_of = class_of(owner)
    if made_of is None or use_of(made_of.module, made_of.name) is None:
        return None
    return (
        OPAQUE
        if any(made_of.module.startswith(place) and name == method for place, method in _METHODS)
        else None
    )


def class_of_persistent(persistent: Persistent) -> Global | None:
    """Return the class in a persistent id of an old torch file: ("module", class, file, source), or the last three.

    The global of the class was judged when the pickle named it. None: the id is of another kind.
    """
    parts = persistent.identity if isinstance(persistent.identity, tuple) else ()
    if parts[:1] == ("module",):
        parts = parts[1:]
    is_class = len(parts) == 3 and all(
        isinstance(part, str | type(None)) or part is OPAQUE for part in parts[1:]
    )
    return parts[0] if is_class and isinstance(parts[0], Global) else None


def _is_class(value: Any) -> bool:
    use = use_of(value.module, value.name) if isinstance(value, Global) else None
    # A name that is not allowed has been noted already.
    return isinstance(value, Global) and (use is None or Use.TYPE in use)


def _is_made(value: Any) -> bool:
    use = use_of(value.module, value.name) if isinstance(value, Global) else None
    return isinstance(value, Global) and (use is None or Use.MADE in use or (Use.TYPE | Use.CALLED) in use)


def _is_plain_base(value: Any) -> bool:
    return isinstance(value, Global) and _canonical(value).module == "builtins" and _is_class(value)


def _is_of_numpy_random(value: Any) -> bool:
    """Return whether it is a class or rebuilder of numpy.random, or a result of one."""
    value = class_of(value) or value
    return (
        isinstance(value, Global)
        and value.module.startswith("numpy.random.")
        and use_of(value.module, value.name) is not None
    )
