"""Names that were reviewed by hand: what the standard library may rebuild, and what runs what it is given."""

from __future__ import annotations

REVIEWED = (
    "builtins bool/th bytearray/tc bytes/tc complex/tc dict/tcf float/t frozenset/tc int/t list/tcf object/tmc range/tc "
    "set/tc slice/tc str/t tuple/tc Ellipsis/h NotImplemented/h",
    "types EllipsisType/t NotImplementedType/t NoneType/t",
    "collections OrderedDict/tmcf defaultdict/tmcf deque/tmcf Counter/tmcf ChainMap",
    "copyreg _reconstructor/c __newobj__/c __newobj_ex__/c",
    "_codecs encode/c",
    "datetime date/tcm datetime/tcm time/tcm timedelta/tcm timezone/tcm",
    "decimal Decimal/tc",
    "fractions Fraction/tc",
    "operator itemgetter/tc add/h sub/h mul/h truediv/h floordiv/h mod/h neg/h abs/h eq/h ne/h lt/h le/h gt/h ge/h",
    "_operator itemgetter/tc add/h sub/h mul/h truediv/h floordiv/h mod/h neg/h abs/h eq/h ne/h lt/h le/h gt/h ge/h",
    "uuid UUID SafeUUID/tc",
    "pathlib Path/tc PosixPath/tc WindowsPath/tc PurePath/tc PurePosixPath/tc PureWindowsPath/tc",
    "pathlib._local Path/tc PosixPath/tc WindowsPath/tc PurePath/tc PurePosixPath/tc PureWindowsPath/tc",
    "argparse Namespace",
    "array array/tc _array_reconstructor/c",
    "random Random/tmcs",
    "re _compile/c",
    "ipaddress IPv4Address/tc IPv6Address/tc IPv4Network/tcm IPv6Network/tcm",
    "math ceil/h cos/h exp/h expm1/h fabs/h floor/h log/h log10/h log1p/h log2/h sin/h sqrt/h tan/h tanh/h",
    "zoneinfo ZoneInfo/t ZoneInfo._unpickle/c",
    # Judged by the arguments, see calls.py.
    "numpy._core _ufunc_reconstruct/c",
    "numpy.core _ufunc_reconstruct/c",
    # TorchScript writes these calls around lists and dictionaries, which they return as they are.
    "torch.jit._pickle build_intlist/c build_tensorlist/c build_doublelist/c build_boollist/c restore_type_tag/c",
    "torch Tensor/t",
    # Functions in C, which pickles reach through the object that holds them.
    "torch._C _VariableFunctionsClass/t " + " ".join(f"_VariableFunctionsClass.{name}/h" for name in
        "relu tanh sigmoid softmax log_softmax exp log sin cos selu celu sqrt abs clamp square".split()),
    "torch.nn.parameter UninitializedParameter/tc UninitializedBuffer/tc",
    "torch.optim.lr_scheduler CyclicLR._triangular_scale_fn/h CyclicLR._triangular2_scale_fn/h CyclicLR._exp_range_scale_fn/h",
    "scipy.interpolate._interpolate interp1d._call_linear/h interp1d._call_linear_np/h interp1d._call_nearest/h "
    "interp1d._call_previousnext/h interp1d._call_spline/h interp1d._call_nan_spline/h",
    "dateutil.relativedelta relativedelta",
    "pytz _p/c _UTC/c",
    # Of releases that no longer install next to the present ones.
    "_loss " + " ".join(
        f"Cy{loss}/tcs __pyx_unpickle_Cy{loss}/cs"
        for loss in (
            "AbsoluteError ExponentialLoss HalfBinomialLoss HalfGammaLoss HalfPoissonLoss HalfSquaredError HuberLoss "
            "HalfMultinomialLoss HalfTweedieLoss HalfTweedieLossIdentity PinballLoss"
        ).split()
    ),
    "joblib.numpy_pickle NumpyArrayWrapper",
    "numpy.core.numeric _frombuffer/c",
    "torch._utils _rebuild_tensor/c",
    "torch.storage _TypedStorage/t _UntypedStorage/t",
)  # fmt: skip

UNKNOWN_STANDARD = (
    "functools partial partialmethod lru_cache",
    "types SimpleNamespace MethodType MappingProxyType GenericAlias UnionType",
    "typing Any Union Optional List Dict Tuple Set FrozenSet Callable Sequence Mapping Iterable Literal TypeVar Generic",
    "collections UserDict UserList UserString namedtuple abc.Mapping abc.Sequence abc.Iterable",
    "collections.abc Mapping Sequence Iterable Iterator Callable Hashable Sized MutableMapping MutableSequence Set",
    "numbers Number Complex Real Rational Integral",
    "enum Enum IntEnum Flag IntFlag",
    "abc ABC ABCMeta",
    "itertools count cycle repeat chain product islice",
    "logging Logger getLogger",
    "string Template Formatter",
    "statistics NormalDist",
    "dataclasses Field",
    "inspect Parameter Signature _ParameterKind",
)

OLD_STANDARD_MODULES = frozenset({"__builtin__", "commands", "nt", "posix", "exceptions", "popen2"})

# Roots of packages that are on most machines where models are loaded.
COMMON = frozenset(
    "numpy scipy pandas torch joblib sklearn xgboost lightgbm catboost tensorflow keras torchvision transformers "
    "statsmodels imblearn".split()
)

# Packages that run, read, send or delete what they are given. Those of our own client are among them: they are
# certainly installed where a model is loaded.
RUNNERS = frozenset(
    (
        "modelyard click urllib3 tqdm platformdirs msgspec typer rich colorama shellingham certifi idna charset_normalizer "
        "pip setuptools pkg_resources distutils _distutils_hack wheel virtualenv poetry hatch hatchling uv "
        "IPython ipykernel ipywidgets jupyter jupyter_client jupyter_core nbconvert nbclient nbformat notebook papermill "
        "cloudpickle dill jsonpickle yaml ruamel shelve klepto hickle pickle5 srsly "
        "numexpr sympy asteval simpleeval RestrictedPython mako jinja2 chevron patsy "
        "hydra omegaconf fire gin absl invoke fabric sh plumbum delegator pexpect ptyprocess paramiko sshtunnel "
        "git gitdb dulwich docker kubernetes mlflow bentoml wandb clearml comet_ml neptune dvc kedro prefect dagster luigi "
        "airflow metaflow zenml snakemake celery rq dramatiq huey apscheduler procrastinate "
        "requests httpx aiohttp urllib pycurl websocket websockets tornado twisted gevent eventlet flask django fastapi uvicorn "
        "gunicorn werkzeug starlette waitress gradio streamlit panel psutil py pytest _pytest nose hypothesis execnet xdist "
        "ray dask distributed pyspark mpi4py rpyc pyro4 Pyro4 Pyro5 zmq fsspec s3fs gcsfs boto3 botocore cffi numba llvmlite "
        "pythran Cython pyximport cppyy torch_extensions torchserve ts triton win32com win32api comtypes ctypes pycparser "
        "lxml sqlalchemy alembic peewee duckdb psycopg psycopg2 openpyxl xlrd tables h5py zarr black yapf isort pylint mypy "
        "huggingface_hub datasets cog filelock watchdog sultan sarge commandlib envoy decorator wrapt blinker apply_defaults"
    ).split()
)  # fmt: skip
RUNNER_MODULES = (
    "joblib.memory.", "joblib.parallel.", "joblib.externals.", "joblib.executor.", "joblib.pool.", "joblib._parallel_backends.",
    "joblib.func_inspect.", "joblib.compressor.", "joblib._store_backends.", "joblib.hashing.", "joblib.testing.", "joblib.disk.",
    "numpy.f2py.", "numpy.distutils.", "numpy.testing.", "numpy.ctypeslib.", "numpy.lib.npyio.", "numpy.lib._npyio_impl.",
    "numpy.lib._datasource.", "numpy.lib.utils.", "numpy.compat.", "numpy.core.memmap.", "numpy._core.memmap.",
    "scipy.io.", "scipy.datasets.", "scipy.weave.", "scipy._lib._testutils.",
    "pandas.io.", "pandas.core.computation.", "pandas.compat.", "pandas.plotting.", "pandas.util.",
    "torch.hub.", "torch.package.", "torch.utils._", "torch.utils.cpp_extension.", "torch.utils.bundled_inputs.", "torch.utils.model_zoo.",
    "torch.utils.collect_env.", "torch.utils.benchmark.", "torch.utils.checkpoint.", "torch.utils.data.datapipes.", "torch.utils.data._utils.",
    "torch.distributed.", "torch.multiprocessing.", "torch._inductor.",
    "torch._dynamo.", "torch.fx.", "torch.jit.", "torch.onnx.", "torch.testing.", "torch.backends.", "torch._ops.",
    "torch.library.", "torch.compiler.", "torch._export.", "torch.export.", "torch._classes.", "torch.classes.",
    "sklearn.externals.", "sklearn.datasets.", "sklearn.utils._testing.", "sklearn.utils.parallel.", "sklearn.utils.fixes.",
    "tensorflow.", "keras.", "transformers.pipelines.", "transformers.utils.", "transformers.dynamic_module_utils.",
    "transformers.commands.", "transformers.cli.", "nltk.",
)  # fmt: skip
HARMLESS_MODULES = ("nltk.stem.", "nltk.tokenize.", "nltk.probability.", "nltk.lm.")
"""Parts of those above whose names are only unknown."""

RUNNER_PARTS = frozenset(
    "externals tests testing _testing conftest f2py distutils setup _distutils expr pytables io hub dynamo _dynamo "
    "_inductor plotting callback subprocess cpp_extension".split()
)
RUNNER_WORDS = frozenset(
    "load loads loader read reads reader open opens exec execute eval evaluate run runs runner runstring call caller calls "
    "apply map system popen spawn fork import imports compile compiles write writes writer save saves dump dumps download "
    "fetch fetchers genfromtxt loadtxt fromfile tofile fromregex memmap memory openmemmap vectorize frompyfunc fromfunction "
    "piecewise parallel delayed script trace query pipe getattr setattr attrgetter methodcaller path file files pickle "
    "unpickle deserialize subprocess shell command process thread hdfstore excelfile excelwriter signature "
    "dispatch wraps decorate inspect source module hook lazy register".split()
)

# Where names stood in earlier releases, and where the same ones stand now. Judged by today's place.
RENAMED_MODULES = {
    **{f"scipy.sparse.{form}": f"scipy.sparse._{form}" for form in "csr csc coo lil dok dia bsr".split()},
    "scipy.interpolate.interpolate": "scipy.interpolate._interpolate",
    "scipy.interpolate.fitpack2": "scipy.interpolate._fitpack2",
    "scipy.interpolate.polyint": "scipy.interpolate._polyint",
    "scipy.interpolate.rbf": "scipy.interpolate._rbf",
    "scipy.spatial.ckdtree": "scipy.spatial._ckdtree",
    "scipy.spatial.kdtree": "scipy.spatial._kdtree",
    "scipy.spatial.transform.rotation": "scipy.spatial.transform._rotation",
    "scipy.stats.kde": "scipy.stats._kde",
    "scipy.stats.distributions": "scipy.stats._continuous_distns",
    "scipy.optimize.optimize": "scipy.optimize._optimize",
    "sklearn.neighbors._dist_metrics": "sklearn.metrics._dist_metrics",
    "sklearn.neighbors.dist_metrics": "sklearn.metrics._dist_metrics",
    "sklearn.neighbors.kd_tree": "sklearn.neighbors._kd_tree",
    "sklearn.neighbors.ball_tree": "sklearn.neighbors._ball_tree",
    "sklearn.neighbors.classification": "sklearn.neighbors._classification",
    "sklearn.neighbors.regression": "sklearn.neighbors._regression",
    "sklearn.neighbors.unsupervised": "sklearn.neighbors._unsupervised",
    "sklearn.tree.tree": "sklearn.tree._classes",
    "sklearn.ensemble.forest": "sklearn.ensemble._forest",
    "sklearn.ensemble.gradient_boosting": "sklearn.ensemble._gb",
    "sklearn.ensemble.bagging": "sklearn.ensemble._bagging",
    "sklearn.ensemble.weight_boosting": "sklearn.ensemble._weight_boosting",
    "sklearn.ensemble.voting": "sklearn.ensemble._voting",
    "sklearn.ensemble.iforest": "sklearn.ensemble._iforest",
    "sklearn.linear_model.base": "sklearn.linear_model._base",
    "sklearn.linear_model.logistic": "sklearn.linear_model._logistic",
    "sklearn.linear_model.ridge": "sklearn.linear_model._ridge",
    "sklearn.linear_model.coordinate_descent": "sklearn.linear_model._coordinate_descent",
    "sklearn.linear_model.stochastic_gradient": "sklearn.linear_model._stochastic_gradient",
    "sklearn.svm.classes": "sklearn.svm._classes",
    "sklearn.preprocessing.data": "sklearn.preprocessing._data",
    "sklearn.preprocessing.label": "sklearn.preprocessing._label",
    "sklearn.preprocessing.imputation": "sklearn.impute._base",
    "sklearn.decomposition.pca": "sklearn.decomposition._pca",
    "sklearn.decomposition.truncated_svd": "sklearn.decomposition._truncated_svd",
    "sklearn.decomposition.nmf": "sklearn.decomposition._nmf",
    "sklearn.cluster.k_means_": "sklearn.cluster._kmeans",
    "sklearn.cluster.dbscan_": "sklearn.cluster._dbscan",
    "sklearn.compose.column_transformer": "sklearn.compose._column_transformer",
    "sklearn.feature_extraction.dict_vectorizer": "sklearn.feature_extraction._dict_vectorizer",
    "sklearn.feature_selection.univariate_selection": "sklearn.feature_selection._univariate_selection",
    "sklearn.gaussian_process.gpr": "sklearn.gaussian_process._gpr",
    "sklearn.gaussian_process.gpc": "sklearn.gaussian_process._gpc",
    "sklearn.mixture.gaussian_mixture": "sklearn.mixture._gaussian_mixture",
    "sklearn.neural_network.multilayer_perceptron": "sklearn.neural_network._multilayer_perceptron",
    "sklearn.metrics.classification": "sklearn.metrics._classification",
    "sklearn.metrics.regression": "sklearn.metrics._regression",
    "sklearn.metrics.ranking": "sklearn.metrics._ranking",
    "sklearn.metrics.scorer": "sklearn.metrics._scorer",
    **{
        f"numpy.core.{place}": f"numpy._core.{place}"
        for place in "multiarray _multiarray_umath numeric _internal records".split()
    },
    **{
        f"numpy._core.{place}": f"numpy.core.{place}"
        for place in "multiarray _multiarray_umath numeric".split()
    },
    "numpy.lib.polynomial": "numpy",
    "numpy.random._bit_generator": "numpy.random.bit_generator",
    "pandas.core.indexes.numeric": "pandas.core.indexes.base",
    "pandas.indexes.base": "pandas.core.indexes.base",
    "pandas._libs.tslib": "pandas._libs.tslibs.timestamps",
}
"""A name counts only where today's place lists the very same one."""
