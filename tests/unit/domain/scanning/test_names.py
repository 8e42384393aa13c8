"""An allowed name is allowed for the use that libraries make of it, and for no other."""

from __future__ import annotations

import importlib
import pickle
from typing import Any

import pytest

from modelyard.domain.formats import BytesSource
from modelyard.domain.scanning import FileScan, Verdict, scan
from modelyard.domain.scanning.globals import Use, judge_global, read_table, use_of
from modelyard.domain.scanning.known_names import read_lines
from tests.support.libraries import library
from tests.support.model_objects import scipy_objects


class Ops:
    """Opcodes of a pickle, written by hand."""

    def __init__(self, data: bytes) -> None:
        self.data = data

    def __add__(self, other: Ops) -> Ops:
        return Ops(self.data + other.data)


def named(path: str) -> Ops:
    module, _, name = path.rpartition(".")
    return dotted(module, name)


def dotted(module: str, name: str) -> Ops:
    return value(module) + value(name) + Ops(b"\x93")


def value(plain: Any) -> Ops:
    """A plain value, as pickle writes it."""
    return Ops(pickle.dumps(plain, 2)[2:-1])


def pair(*parts: Ops) -> Ops:
    return Ops(b"(" + b"".join(p.data for p in parts) + b"t")


def called(target: Ops, *arguments: Ops) -> Ops:
    return target + pair(*arguments) + Ops(b"R")


def made(path: str, *arguments: Ops) -> Ops:
    return named(path) + pair(*arguments) + Ops(b"\x81")


def built(target: Ops, state: Ops) -> Ops:
    return target + state + Ops(b"b")


def table(*items: tuple[Ops, Ops]) -> Ops:
    return Ops(b"}(" + b"".join(k.data + v.data for k, v in items) + b"u")


def found(ops: Ops) -> FileScan:
    return scan(BytesSource(b"\x80\x04" + ops.data + b"."))


ESTIMATOR = "sklearn.linear_model._base.LinearRegression"
SCORE = "sklearn.metrics._classification.accuracy_score"
NORM = "scipy.stats._continuous_distns.norm_gen"
EVIL = "\nimport os\ndef _parse_args(self): pass\n_parse_args_stats = _parse_args_rvs = _parse_args\n"
GETATTR = "builtins.getattr"

NOT_ALLOWED: dict[str, Ops] = {
    "the function of a module's import": named("sklearn.gaussian_process.kernels.abstractmethod"),
    "signature": called(named("functools.partial"), named("sklearn.gaussian_process.kernels.signature")),
    "annotations of a function": built(named(SCORE), pair(value(None), value({"__annotations__": {"X": "1"}}))),
    "annotations of a function's result": built(
        called(named("torch.jit._pickle.restore_type_tag"), named(SCORE), value("")), value({"__annotations__": {}})
    ),
    "clone": called(named("sklearn.base.clone"), value(1)),
    "a special attribute of an estimator": built(made(ESTIMATOR), table((value("__sklearn_clone__"), named(SCORE)))),
    "a special attribute of a namespace": built(
        made("argparse.Namespace"), table((value("__array_function__"), named(SCORE)))
    ),
    "a special attribute behind a hundred others": built(
        made(ESTIMATOR), table(*((value(f"a{n}"), value(n)) for n in range(300)), (value("__class__"), named(ESTIMATOR)))
    ),
    "a special attribute by a made key": built(
        made(ESTIMATOR), table((called(named("builtins.bytes"), value([95])), value(1)))
    ),
    "a special attribute in a dictionary read from the memo": Ops(b"}q\x050")
    + built(made(ESTIMATOR), Ops(b"h\x05") + value("__class__") + value(1) + Ops(b"s")),
    "slots": built(made(ESTIMATOR), pair(value(None), value({"__class__": 1}))),
    "slots of an estimator": built(made(ESTIMATOR), pair(value(None), value({"x": 1}))),
    "state that is an ordered dictionary": built(made(ESTIMATOR), called(named("collections.OrderedDict"))),
    "slots that are an ordered dictionary": built(
        made("scipy.interpolate._interpolate.interp1d"),
        pair(value(None), called(named("collections.OrderedDict"), value([["__class__", 1]]))),
    ),
    "a doubled state with a special attribute": built(made(ESTIMATOR), table((value("__class__"), value(1))) + Ops(b"20")),
    "vectorize called": called(named("numpy.vectorize"), named(SCORE)),
    "getattr doubled and called once": pair(
        named(GETATTR) + Ops(b"2") + pair(made(NORM), value("_entropy")) + Ops(b"R")
    ),
    "state of a set": pair(made(ESTIMATOR), built(Ops(b"\x8f"), value({"a": 1}))),
    "state of a class": built(named(ESTIMATOR), value({"predict": 1})),
    "a held function called": called(named(SCORE), value([1]), value([1])),
    "a ufunc called": called(named("numpy.log"), value(1.0)),
    "a held function made": made(SCORE),
    "a constructor": called(named("torch.nn.modules.linear.Linear"), value(3), value(3)),
    "a constructor through INST": Ops(b"(") + value(1) + Ops(f"i{ESTIMATOR.rpartition('.')[0]}\nLinearRegression\n".encode()),
    "what it made called": called(made(ESTIMATOR)),
    "a function as the class": called(named("sklearn.neighbors._kd_tree.newObj"), named(SCORE)),
    "a made object as the class": called(named("sklearn.neighbors._kd_tree.newObj"), made(ESTIMATOR)),
    "a function through _reconstructor": called(
        named("copyreg._reconstructor"), named(SCORE), named("builtins.object"), value(None)
    ),
    "another base through _reconstructor": called(
        named("copyreg._reconstructor"), named(ESTIMATOR), named(SCORE), value(None)
    ),
    "a function through __newobj__": called(named("copyreg.__newobj__"), named(SCORE)),
    "a tensor rebuilt by another function": called(
        named("torch._tensor._rebuild_from_type_v2"), named(SCORE), named("torch.Tensor"), pair(), value({})
    ),
    "a tensor with a special attribute": called(
        named("torch._tensor._rebuild_from_type_v2"),
        named("torch._utils._rebuild_tensor_v2"), named("torch.Tensor"), pair(), table((value("__torch_function__"), value(1))),
    ),
    "a parameter with a special attribute": called(
        named("torch._utils._rebuild_parameter_with_state"),
        value(1), value(True), called(named("collections.OrderedDict")), table((value("__class__"), value(1))),
    ),
    "a generator by another constructor": called(
        named("numpy.random._pickle.__generator_ctor"), value("MT19937"), named(SCORE)
    ),
    "a ufunc of another module": called(named("numpy.core._ufunc_reconstruct"), value("os"), value("system")),
    "a ufunc by a made name": called(named("numpy._core._ufunc_reconstruct"), value("numpy"), called(named("builtins.bytes"))),
    "a distribution with code of its own": built(made(NORM), value({"_parse_arg_template": EVIL})),
    "a distribution with a made code": built(
        made(NORM), table((value("_parse_arg_template"), called(named("builtins.bytes"))))
    ),
    "a distribution whose code is replaced": built(
        made(NORM), table(*((value(f"a{n}"), value(n)) for n in range(200)), (value("_parse_arg_template"), value(EVIL)))
    ),
    "a distribution with an old state": built(made(NORM), value([{}, 1])),
    "a formula": built(made("statsmodels.base.data.ModelData"), value({"restore_design_info": True, "formula": "1"})),
    "a formula of a newer release": built(
        made("statsmodels.base.data.ModelData"), value({"restore_model_spec": True, "formula": "1"})
    ),
    "getattr held": value([]) + named(GETATTR) + Ops(b"a"),
    "getattr held twice": called(named(GETATTR) + Ops(b"q\x07"), made(NORM), value("_entropy")) + Ops(b"h\x07\x86"),
    "getattr doubled": named(GETATTR) + Ops(b"2\x86"),
    "getattr of a method": called(named(GETATTR), made("pandas.DataFrame"), value("eval")),
    "getattr of a class": called(named(GETATTR), named("pandas.DataFrame"), value("eval")),
    "getattr, then called": called(called(named(GETATTR), made(NORM), value("_entropy"))),
    "getattr, then changed": built(called(named(GETATTR), made(NORM), value("_entropy")), value({})),
    "a factory that is a function": called(named("collections.defaultdict"), named(SCORE)),
    "a factory that was made": called(named("collections.defaultdict"), made(ESTIMATOR)),
    "an estimator filled": made(ESTIMATOR) + Ops(b"(") + value("a") + value(1) + Ops(b"u"),
    "an estimator appended to": made(ESTIMATOR) + Ops(b"(") + value("a") + Ops(b"e"),
    "an estimator added to": made(ESTIMATOR) + Ops(b"(") + value("a") + Ops(b"\x90"),
    "keywords of a class made bare": named("torch.nn.modules.linear.Linear") + pair() + value({"a": 1}) + Ops(b"\x92"),
    "a joined name": dotted("sklearn", "linear_model._base.LinearRegression"),
    "partial": called(named("functools.partial"), named("numpy.log")),
    "a bag of attributes": made("types.SimpleNamespace"),
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(NOT_ALLOWED))
def test_another_use_of_an_allowed_name_is_not_allowed(name: str) -> None:
    scanned = found(NOT_ALLOWED[name])
    assert scanned.verdict in (Verdict.UNKNOWN, Verdict.DANGEROUS)
    # A gate counts the unknown names, so none may be without one.
    assert all(finding.name for finding in scanned.findings if finding.verdict is Verdict.UNKNOWN)


def test_the_same_opcodes_in_their_own_use_are_allowed() -> None:
    """So that the test above cannot pass because everything is refused."""
    own = {
        "estimator": built(made(ESTIMATOR), value({"fit_intercept": True})),
        "score": table((value("score"), named(SCORE))),
        "namespace": built(made("argparse.Namespace"), value({"lr": 0.1})),
        "tree": called(named("sklearn.neighbors._kd_tree.newObj"), named("sklearn.neighbors._kd_tree.KDTree")),
        "old object": called(
            named("copyreg._reconstructor"), named(ESTIMATOR), named("builtins.object"), value(None)
        ),
        "ufunc": called(named("numpy.core._ufunc_reconstruct"), value("numpy"), value("log")),
        "method": called(named(GETATTR), made(NORM), value("_entropy")),
        "factory": called(named("collections.defaultdict"), named("builtins.list")),
        "module": built(made("torch.nn.modules.linear.Linear"), value({"training": True})),
    }
    verdicts = {name: found(ops).verdict for name, ops in own.items()}
    assert verdicts == dict.fromkeys(own, Verdict.ALLOWLISTED)


def test_a_gadget_of_allowed_names_alone_is_refused() -> None:
    """A signature whose annotations are evaluated, reached through clone of an object with a hook of its own."""
    function = called(
        named("sklearn.gaussian_process.kernels.abstractmethod"),
        named("sklearn.metrics.pairwise._return_float_dtype"),
    )
    changed = built(function, pair(value(None), value({"__annotations__": {"X": "1 + 1"}})))
    signature = named("sklearn.gaussian_process.kernels.signature")
    bound = built(
        called(named("functools.partial"), signature),
        pair(signature, pair(changed), value({"eval_str": True}), value({})),
    )
    bag = built(made("types.SimpleNamespace"), table((value("__sklearn_clone__"), bound)))
    assert found(called(named("sklearn.gaussian_process.kernels.clone"), bag)).verdict is Verdict.DANGEROUS


@pytest.mark.parametrize(
    "path",
    [
        "sklearn.utils._available_if.MethodType", "pandas.core.frame.StringIO", "torch.nn.functional.torch",
        "torch.nn.modules.activation.F", "torch.nn.functional.boolean_dispatch", "sklearn.metrics.pairwise.partial",
        "sklearn.gaussian_process.kernels.signature", "sklearn.gaussian_process.kernels.clone", "sklearn.base.clone",
        "pandas.core.frame.DataFrame.eval", "sklearn.utils.Bunch.__init__", "sklearn.linear_model._base.BaseEstimator",
        "scipy.stats._distn_infrastructure.vectorize", "torch.nn.modules.module.Module.__getattr__",
        "sklearn.ensemble._forest.issparse", "numpy.memmap", "numpy.load", "torch.load",
    ],
)  # fmt: skip
def test_what_a_module_imports_or_reaches_is_not_allowed(path: str) -> None:
    assert found(named(path)).verdict in (Verdict.UNKNOWN, Verdict.DANGEROUS)


@pytest.mark.parametrize(
    "path",
    [
        "modelyard.sdk.runs.command.run_command", "click.edit", "click.launch", "urllib3.PoolManager", "tqdm.tqdm",
        "platformdirs.user_data_dir", "msgspec.json.decode", "hydra.utils.instantiate", "fire.Fire",
        "joblib.memory.Memory", "joblib.parallel.Parallel", "git.cmd.Git", "mlflow.projects.backend.local._run_entry_point",
        "sh.Command", "plumbum.local", "pip._internal.main", "invoke.run", "omegaconf.OmegaConf", "wandb.init",
        "numpy.f2py.compile", "pandas.io.pickle.read_pickle", "torch.utils.cpp_extension.load", "types.FunctionType",
        "types.CodeType", "dataclasses.make_dataclass", "typing.get_type_hints", "nltk.data.load", "nltk.internals.java",
    ],
)  # fmt: skip
def test_a_runner_is_dangerous(path: str) -> None:
    """So that no maintainer can trust it by name."""
    module, _, name = path.rpartition(".")
    assert judge_global(module, name)[0] is Verdict.DANGEROUS


@pytest.mark.parametrize(
    "path",
    [
        "typing.Any", "types.MappingProxyType", "types.SimpleNamespace", "functools.partial", "types.MethodType",
        "nltk.stem.porter.PorterStemmer", "my_corp.utils.Helper", "sklearn.future_module.NewEstimator",
        "torch.nn.modules.future.NewLayer", "scipy.sparse._new.new_array", "logging.getLogger", "numbers.Integral",
    ],
)  # fmt: skip
def test_what_is_merely_unknown_is_not_dangerous(path: str) -> None:
    module, _, name = path.rpartition(".")
    assert judge_global(module, name)[0] is Verdict.UNKNOWN


@pytest.mark.parametrize(
    "path",
    [
        "scipy.sparse.csr.csr_matrix", "sklearn.neighbors._dist_metrics.newObj", "numpy.core._ufunc_reconstruct",
        "numpy.core.multiarray._reconstruct", "sklearn.neighbors._ball_tree.newObj", "numpy.number", "numpy.poly1d",
        "sklearn.ensemble.forest.RandomForestClassifier", "torch.jit._pickle.restore_type_tag",
        "torch.jit._pickle.build_intlist", "sklearn.compose._column_transformer.make_column_selector",
    ],
)  # fmt: skip
def test_names_of_models_are_allowed(path: str) -> None:
    module, _, name = path.rpartition(".")
    assert judge_global(module, name)[0] is Verdict.ALLOWLISTED


def test_what_is_listed_is_at_home_where_it_is_listed() -> None:
    """No import of another module, no module, nothing that is called and belongs elsewhere."""
    from tools.learn_names import is_at_home

    library("sklearn"), library("scipy"), library("pandas"), library("torch")
    table_of_names = read_table(read_lines("learned"))
    wrong, checked = [], 0
    for module, name in table_of_names:
        try:
            value: Any = importlib.import_module(module)
            for part in name.split("."):
                value = getattr(value, part)
        except (ImportError, AttributeError):
            # Of another release, or of a library that is not installed here.
            continue
        checked += 1
        # In an earlier release it was at home here, and has its present place in the same package.
        home = getattr(value, "__module__", None) or ""
        same_package = home.partition(".")[0] == module.partition(".")[0] and isinstance(value, type)
        moved = (home, name) in table_of_names or (same_package and value.__name__ == name)
        if not is_at_home(value, module, name) and not moved:
            wrong.append(f"{module}.{name}")
    assert wrong == []
    assert checked > 1000


def test_the_list_is_sorted_and_says_its_releases() -> None:
    modules = [line.split()[0] for line in read_lines("learned")]
    assert modules == sorted(modules)
    packages = {line.split()[0] for line in read_lines("learned_from")}
    assert {"numpy", "scikit-learn", "scipy", "pandas", "torch", "xgboost", "lightgbm"} <= packages
    # Few functions are called; most of what is listed is a class or is only held.
    assert (
        sum(Use.CALLED in use and Use.TYPE not in use for use in read_table(read_lines("learned")).values())
        < 120
    )


def test_every_distribution_of_scipy_keeps_its_code() -> None:
    """The text that a distribution runs on loading is exactly the one that SciPy writes."""
    count = 0
    for name, distribution in scipy_objects():
        if name.startswith("distribution"):
            count += 1
            assert scan(BytesSource(pickle.dumps(distribution))).verdict is Verdict.ALLOWLISTED, name
    assert count > 100
    assert use_of(*NORM.rsplit(".", 1)) is not None
