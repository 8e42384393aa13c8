"""Which global may stand in a pickle: allowed, unknown, or dangerous, and in words why.

What is allowed rebuilds data; calling it with any arguments reads no file, opens no connection and runs
nothing that the pickle brings. A class of scikit-learn or torch counts by its place, a function by its exact
name. What else the standard library and the large numeric packages offer is dangerous: it is there on every
machine, and much of it runs what it is given. Everything else is unknown.
"""

from __future__ import annotations

import re
import sys
from _compat_pickle import IMPORT_MAPPING, NAME_MAPPING
from functools import lru_cache

from modelyard.domain.scanning.learned_names import LEARNED
from modelyard.domain.scanning.verdicts import Verdict

_IDENTIFIER = re.compile(r"[^\W\d]\w*\Z")
_CLASS = re.compile(r"_{0,2}[A-Z]\w*\Z")

_BUILTINS = (
    "bool bytearray bytes complex dict float frozenset int list object range set slice str tuple "
    "Ellipsis NotImplemented NotImplementedType"
).split()
_STANDARD = {
    "builtins": _BUILTINS,
    "collections": ["OrderedDict", "defaultdict", "deque", "Counter", "ChainMap"],
    "copyreg": ["_reconstructor", "__newobj__", "__newobj_ex__"],
    "_codecs": ["encode"],
    "datetime": ["date", "datetime", "time", "timedelta", "timezone"],
    "decimal": ["Decimal"],
    "fractions": ["Fraction"],
    "functools": ["partial"],
    "operator": ["itemgetter", "add", "sub", "mul", "truediv", "floordiv", "mod", "neg", "abs", "eq", "ne", "lt", "le", "gt", "ge"],
    "uuid": ["UUID", "SafeUUID"],
    "pathlib": ["Path", "PosixPath", "WindowsPath", "PurePath", "PurePosixPath", "PureWindowsPath"],
    "pathlib._local": ["Path", "PosixPath", "WindowsPath", "PurePath", "PurePosixPath", "PureWindowsPath"],
    "argparse": ["Namespace"],
    "types": ["SimpleNamespace"],
    "array": ["array", "_array_reconstructor"],
    "random": ["Random"],
    "re": ["_compile"],
    "ipaddress": ["IPv4Address", "IPv6Address", "IPv4Network", "IPv6Network"],
    "math": ["ceil", "cos", "exp", "expm1", "fabs", "floor", "log", "log10", "log1p", "log2", "sin", "sqrt", "tan", "tanh"],
    "zoneinfo": ["ZoneInfo._unpickle"],
}  # fmt: skip
_STANDARD["_operator"] = _STANDARD["operator"]
_NUMPY_TYPES = (
    "bool bool_ int8 int16 int32 int64 uint8 uint16 uint32 uint64 intc intp uintp longlong ulonglong float16 float32 "
    "float64 longdouble complex64 complex128 clongdouble str_ bytes_ datetime64 timedelta64 object_ void ndarray dtype"
).split()
_NUMPY_FUNCTIONS = (
    "abs absolute add arccos arcsin arctan arctan2 cbrt ceil clip conj cos cosh degrees divide exp exp2 expm1 fabs floor "
    "hypot isfinite isinf isnan log log10 log1p log2 logaddexp maximum max mean median min minimum mod multiply nanmax "
    "nanmean nanmedian nanmin negative power prod radians reciprocal rint round sign sin sinh sqrt square std subtract "
    "sum tan tanh trunc var"
).split()
_TORCH_DTYPES = (
    "float32 float64 float16 bfloat16 float int8 int16 int32 int64 uint8 uint16 uint32 uint64 bool complex64 complex128 "
    "float8_e4m3fn float8_e5m2 float8_e4m3fnuz float8_e5m2fnuz qint8 quint8 qint32 long double half int short"
).split()
_TORCH_STORAGES = (
    "FloatStorage DoubleStorage HalfStorage BFloat16Storage LongStorage IntStorage ShortStorage CharStorage ByteStorage "
    "BoolStorage ComplexFloatStorage ComplexDoubleStorage QInt8Storage QUInt8Storage QInt32Storage"
).split()
_ARRAYS = "ndarray dtype _reconstruct scalar".split()
_NUMERIC = {
    "numpy": [*_NUMPY_TYPES, *_NUMPY_FUNCTIONS],
    "numpy.core.multiarray": _ARRAYS,
    "numpy._core.multiarray": _ARRAYS,
    "numpy.core.numeric": ["_frombuffer"],
    "numpy._core.numeric": ["_frombuffer"],
    "numpy.core._multiarray_umath": ["_reconstruct", "scalar"],
    "numpy._core._multiarray_umath": ["_reconstruct", "scalar"],
    "numpy.ma": ["MaskedArray"],
    "numpy.ma.core": ["MaskedArray", "_mareconstruct"],
    "numpy.random": ["RandomState", "Generator"],
    "numpy.random.mtrand": ["RandomState"],
    "numpy.random._generator": ["Generator"],
    "numpy.random._pickle": ["__randomstate_ctor", "__bit_generator_ctor", "__generator_ctor"],
    "numpy.random._mt19937": ["MT19937"],
    "numpy.random._pcg64": ["PCG64", "PCG64DXSM"],
    "numpy.random._philox": ["Philox"],
    "numpy.random._sfc64": ["SFC64"],
    "numpy.random.bit_generator": ["SeedSequence", "__pyx_unpickle_SeedSequence"],
    "numpy.random._bit_generator": ["SeedSequence", "__pyx_unpickle_SeedSequence"],
    "numpy.matrixlib.defmatrix": ["matrix"],
    "joblib.numpy_pickle": ["NumpyArrayWrapper"],
    "pandas._libs.internals": ["_unpickle_block", "BlockManager"],
    "pandas._libs.arrays": ["__pyx_unpickle_NDArrayBacked"],
    "pandas._libs.tslibs.timestamps": ["_unpickle_timestamp", "Timestamp"],
    "pandas._libs.tslibs.timedeltas": ["_timedelta_unpickle", "Timedelta"],
    "pandas._libs.tslibs.nattype": ["_nat_unpickle"],
    "pandas._libs.missing": ["NAType"],
    "pandas.core.indexes.base": ["_new_Index"],
    "pandas.core.indexes.datetimes": ["_new_DatetimeIndex"],
    "pandas.core.internals.blocks": ["new_block"],
    "pyarrow.lib": ["_restore_array", "type_for_alias", "py_buffer", "chunked_array"],
    "torch": ["device", "Size", "Tensor", "Generator", "relu", "tanh", "sigmoid", *_TORCH_DTYPES, *_TORCH_STORAGES],
    "torch.storage": ["UntypedStorage", "TypedStorage", "_TypedStorage", "_UntypedStorage"],
    "torch.serialization": ["_get_layout"],
    "torch._tensor": ["_rebuild_from_type_v2", "Tensor"],
    "torch._utils": [
        "_rebuild_tensor", "_rebuild_tensor_v2", "_rebuild_tensor_v3", "_rebuild_parameter", "_rebuild_qtensor",
        "_rebuild_parameter_with_state", "_rebuild_sparse_tensor", "_rebuild_sparse_csr_tensor",
        "_rebuild_device_tensor_from_numpy", "_rebuild_device_tensor_from_cpu_tensor", "_rebuild_meta_tensor_no_storage",
        "_rebuild_nested_tensor",
    ],
    "torch.nn.parameter": ["Parameter", "Buffer", "UninitializedParameter"],
    "xgboost.core": ["Booster"],
    "xgboost.sklearn": ["XGBModel", "XGBClassifier", "XGBRegressor", "XGBRanker", "XGBRFClassifier", "XGBRFRegressor"],
    "lightgbm.basic": ["Booster"],
    "lightgbm.sklearn": ["LGBMModel", "LGBMClassifier", "LGBMRegressor", "LGBMRanker"],
}  # fmt: skip
_ALLOWED = frozenset(
    f"{module}.{name}" for table in (_STANDARD, _NUMERIC) for module, names in table.items() for name in names
) | frozenset(LEARNED)

# Classes of these places are allowed by the shape of their name, as far as no part of the place is excluded.
_CLASS_PLACES = (
    "sklearn.", "torch.nn.modules.", "torch.optim.", "pandas.core.", "pandas._libs.", "pandas.arrays.",
    "scipy.sparse.", "scipy.interpolate.", "scipy.spatial.transform.",
)  # fmt: skip
_FUNCTION_PLACES = {
    "sklearn.metrics._classification", "sklearn.metrics._regression", "sklearn.metrics._ranking",
    "sklearn.feature_selection._univariate_selection", "sklearn.feature_selection._mutual_info",
    "sklearn.metrics.pairwise", "sklearn.gaussian_process.kernels", "torch.nn.functional",
}  # fmt: skip
_EXCLUDED_PARTS = frozenset(
    "externals datasets tests testing _testing conftest computation _test_common estimator_checks plotting "
    "_plotting _array_api _joblib parallel _mocking discovery _show_versions callback _repr_html expr pytables".split()
)
_EXCLUDED_NAMES = frozenset({"Parallel", "Memory", "HDFStore", "ExcelFile", "ExcelWriter"})
_CYTHON = "__pyx_unpickle_"

# Roots of packages that are on most machines where models are loaded: of these, a function that is not
# allowed counts as dangerous; of others it is unknown.
_COMMON = frozenset(
    "numpy scipy pandas torch joblib sklearn xgboost lightgbm tensorflow keras torchvision".split()
)
_RUNNERS = frozenset(
    (
        "pip setuptools pkg_resources distutils _distutils_hack wheel IPython ipykernel nbconvert nbclient cloudpickle dill "
        "numexpr sympy yaml ruamel jsonpickle shlex pexpect ptyprocess paramiko fabric invoke sh plumbum docker requests "
        "httpx aiohttp urllib3 psutil py pytest _pytest nose jinja2 mako execnet ray dask distributed pyspark fsspec s3fs "
        "boto3 cffi numba llvmlite torch_extensions gevent twisted celery rpyc pyro4 Pyro5 win32com win32api comtypes "
        "nltk torchserve"
    ).split()
)
_STDLIB = frozenset(sys.stdlib_module_names) | {
    "__builtin__",
    "commands",
    "nt",
    "posix",
    "exceptions",
    "popen2",
}


@lru_cache(8192)
def judge_global(module: str, name: str) -> tuple[Verdict, str]:
    """Old names are read as the unpickler of Python 3 reads them."""
    mapped = _mapped(module, name)
    path = f"{mapped[0]}.{mapped[1]}"
    if path in _ALLOWED:
        return Verdict.ALLOWLISTED, ""
    if not _is_name(mapped[0]) or not _is_name(mapped[1]):
        return Verdict.DANGEROUS, "a global whose name is none"
    return _judge(*mapped)


def _mapped(module: str, name: str) -> tuple[str, str]:
    if (module, name) in NAME_MAPPING:
        return NAME_MAPPING[module, name]
    return IMPORT_MAPPING.get(module, module), name


def _is_name(dotted: str) -> bool:
    return len(dotted) <= 500 and all(_IDENTIFIER.match(part) for part in dotted.split("."))


def _judge(module: str, name: str) -> tuple[Verdict, str]:
    parts = module.split(".")
    root = parts[0]
    if root in _STDLIB:
        return Verdict.DANGEROUS, "of the standard library, and not among what rebuilds plain data"
    if root in _RUNNERS:
        return Verdict.DANGEROUS, f"the package {root} can run what it is given"
    attributes = name.split(".")
    if any(part in _STDLIB or part.startswith("__") for part in attributes[:-1]) or attributes[-1] in _STDLIB:
        return Verdict.DANGEROUS, "it reaches a module of the standard library through another"
    if attributes[-1].startswith("__") and not name.startswith(_CYTHON):
        return Verdict.DANGEROUS, "a special attribute"
    if _is_allowed_class(module, parts, name):
        return Verdict.ALLOWLISTED, ""
    if root in _COMMON:
        if len(attributes) > 1:
            return Verdict.DANGEROUS, f"it reaches through {module}"
        if not _CLASS.match(name):
            return Verdict.DANGEROUS, f"a function of {root} that is not among what rebuilds data"
    return Verdict.UNKNOWN, "nobody here knows it"


def _is_allowed_class(module: str, parts: list[str], name: str) -> bool:
    if _EXCLUDED_PARTS.intersection(parts) or name in _EXCLUDED_NAMES:
        return False
    if name.startswith(_CYTHON) and parts[0] in ("sklearn", "numpy", "scipy", "pandas"):
        return True
    if module in _FUNCTION_PLACES and _IDENTIFIER.match(name) and len(name) > 2:
        return True
    return (module == "pandas" or f"{module}.".startswith(_CLASS_PLACES)) and _CLASS.match(name) is not None
