"""Objects that people pickle with their models, as the libraries make them: (name, object).

What an installed release cannot make is passed over; callers assert on counts.
"""

from __future__ import annotations

import importlib
import importlib.util
import unittest
import warnings
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

from tests.support.libraries import library

_Objects = Iterator[tuple[str, Any]]
_FAULTS = (
    TypeError,
    NameError,
    ValueError,
    AttributeError,
    NotImplementedError,
    ImportError,
    RuntimeError,
    unittest.SkipTest,
)


def _made(makers: dict[str, Callable[[], Any]]) -> _Objects:
    for name, make in makers.items():
        with suppress(*_FAULTS):
            yield name, make()


def numpy_objects() -> _Objects:
    np = library("numpy")
    yield from _made(
        {
            "poly1d": lambda: np.poly1d([1, 2]),
            "polynomial": lambda: np.polynomial.Polynomial([1, 2]),
            "chebyshev": lambda: np.polynomial.Chebyshev([1, 2]),
            "hermite": lambda: np.polynomial.Hermite([1, 2]),
            "legendre": lambda: np.polynomial.Legendre([1, 2]),
            "laguerre": lambda: np.polynomial.Laguerre([1, 2]),
            "masked": lambda: np.ma.array([1, 2], mask=[0, 1]),
            "masked constant": lambda: [np.ma.masked],
            "records": lambda: np.rec.array([(1, 2.0)], dtype=[("a", "i4"), ("b", "f8")]),
            "record": lambda: np.rec.array([(1, 2.0)], dtype=[("a", "i4"), ("b", "f8")])[0],
            "structured": lambda: np.zeros(2, dtype=[("a", "i4"), ("b", "f8", (2,))]),
            "matrix": lambda: np.asmatrix([[1.0]]),
            "objects": lambda: np.array(["a", None, 1], dtype=object),
            "texts": lambda: np.array(["a", "bc"]),
            "dates": lambda: np.array(["2026-01-01"], dtype="datetime64[D]"),
            "fortran": lambda: np.asfortranarray(np.ones((3, 2))),
            "types": lambda: [
                np.number, np.integer, np.floating, np.inexact, np.generic, np.signedinteger, np.unsignedinteger,
                np.complexfloating, np.character, np.flexible, np.float64, np.int32, np.bool_, np.ndarray,
                np.object_, np.str_, np.bytes_, np.datetime64, np.timedelta64, np.void, np.float16, np.float32,
                np.int8, np.int16, np.int64, np.uint8, np.uint16, np.uint32, np.uint64, np.complex64,
                np.complex128, np.longdouble, np.clongdouble, np.intc, np.uintc, np.longlong, np.ulonglong, np.dtype,
            ],
            "scalars": lambda: [np.float32(1), np.int8(1), np.bool_(1), np.str_("a"), np.datetime64("2026"), np.complex64(1)],
            "dtypes": lambda: [np.dtype(kind) for kind in ("f2", "f4", "f8", "i1", "i8", "u4", "c8", "c16", "S3", "U4", "O", "M8[ns]")],
            "dtype classes": lambda: [type(np.dtype(kind)) for kind in "?bBhHiIlLqQefdgFDGSUVOMm"],
            "ufuncs": lambda: [getattr(np, name) for name in dir(np) if type(getattr(np, name)) is np.ufunc],
            "functions": lambda: [
                np.mean, np.median, np.max, np.min, np.sum, np.std, np.var, np.prod, np.round, np.clip, np.argmax,
                np.argmin, np.nanmean, np.nanmedian, np.nanmax, np.nanmin, np.nansum, np.nanstd, np.ravel, np.reshape,
                np.squeeze, np.transpose, np.nan_to_num, np.diff, np.cumsum, np.asarray, np.array, np.zeros_like,
                np.ones_like, np.atleast_2d, np.quantile, np.percentile, np.where, np.unique, np.concatenate,
                np.hstack, np.vstack, np.sort, np.argsort, np.real, np.imag, np.angle, np.average,
            ],
            "random state": lambda: np.random.RandomState(0),
            "generator": lambda: np.random.default_rng(0),
            "seeds": lambda: np.random.SeedSequence(1),
        }
    )  # fmt: skip
    for kind in ("MT19937", "PCG64", "PCG64DXSM", "Philox", "SFC64"):
        bits = getattr(np.random, kind)(0)
        yield f"bits {kind}", bits
        yield f"generator {kind}", np.random.Generator(bits)


def scipy_objects() -> _Objects:
    np, sparse, stats = library("numpy"), library("scipy.sparse"), library("scipy.stats")
    interpolate, spatial = library("scipy.interpolate"), library("scipy.spatial")
    x = np.linspace(0, 1, 12)
    for form in ("csr", "csc", "coo", "lil", "dok", "dia", "bsr"):
        for kind in ("matrix", "array"):
            made = getattr(sparse, f"{form}_{kind}")(np.eye(4))
            yield f"sparse {form}_{kind}", made
    for name in dir(stats):
        distribution = getattr(stats, name)
        if isinstance(distribution, (stats.rv_continuous, stats.rv_discrete)):
            yield f"distribution {name}", distribution
    yield from _made(
        {
            "loguniform": lambda: stats.loguniform(1e-3, 1),
            "randint": lambda: stats.randint(1, 5),
            "norm": lambda: stats.norm(1, scale=2),
            "gamma": lambda: stats.gamma(2.0),
            "multivariate normal": lambda: stats.multivariate_normal([0, 0], np.eye(2)),
            "dirichlet": lambda: stats.dirichlet([1.0, 2.0]),
            "kde": lambda: stats.gaussian_kde(x),
            "histogram": lambda: stats.rv_histogram(np.histogram(x, 4)),
            "discrete": lambda: stats.rv_discrete(values=([1, 2], [0.5, 0.5])),
            "results": lambda: [stats.ttest_ind(x, x + 1), stats.linregress(x, x), stats.pearsonr(x, x), stats.spearmanr(x, x)],
            "ecdf": lambda: stats.ecdf(x),
            "interp1d": lambda: interpolate.interp1d(x, x),
            "interp1d cubic": lambda: interpolate.interp1d(x, x, kind="cubic"),
            "cubic": lambda: interpolate.CubicSpline(x, x),
            "akima": lambda: interpolate.Akima1DInterpolator(x, x),
            "pchip": lambda: interpolate.PchipInterpolator(x, x),
            "hermite": lambda: interpolate.CubicHermiteSpline(x, x, x),
            "ppoly": lambda: interpolate.PPoly(np.ones((2, 1)), [0, 1]),
            "bpoly": lambda: interpolate.BPoly(np.ones((2, 1)), [0, 1]),
            "ndppoly": lambda: interpolate.NdPPoly(np.ones((2, 1)), ([0, 1],)),
            "bspline": lambda: interpolate.make_interp_spline(x, x),
            "ndbspline": lambda: interpolate.NdBSpline((np.arange(8.0),), np.arange(4.0), 3),
            "univariate": lambda: interpolate.UnivariateSpline(x, x),
            "interpolated": lambda: interpolate.InterpolatedUnivariateSpline(x, x),
            "lsq": lambda: interpolate.LSQUnivariateSpline(x, x, [0.5]),
            "rectangle": lambda: interpolate.RectBivariateSpline(x, x, np.outer(x, x)),
            "sphere": lambda: interpolate.RectSphereBivariateSpline(x[1:-1] * 3, x[1:-1] * 6, np.outer(x[1:-1], x[1:-1])),
            "smooth": lambda: interpolate.SmoothBivariateSpline(np.tile(x, 12), np.repeat(x, 12), np.repeat(x, 12)),
            "grid": lambda: interpolate.RegularGridInterpolator((x, x), np.outer(x, x)),
            "nearest": lambda: interpolate.NearestNDInterpolator(np.c_[x, x**2], x),
            "rbf": lambda: interpolate.RBFInterpolator(np.c_[x, x**2], x),
            "rbf old": lambda: interpolate.Rbf(x, x),
            "krogh": lambda: interpolate.KroghInterpolator(x, x),
            "barycentric": lambda: interpolate.BarycentricInterpolator(x, x),
            "linear nd": lambda: interpolate.LinearNDInterpolator(np.random.RandomState(0).rand(9, 2), np.arange(9.0)),
            "aaa": lambda: interpolate.AAA(x, np.exp(x)),
            "ckdtree": lambda: spatial.cKDTree(np.c_[x, x]),
            "kdtree": lambda: spatial.KDTree(np.c_[x, x]),
            "rotation": lambda: library("scipy.spatial.transform").Rotation.from_euler("z", [10, 20]),
            "slerp": lambda: library("scipy.spatial.transform").Slerp(
                [0, 1], library("scipy.spatial.transform").Rotation.from_euler("z", [10, 20])
            ),
            "optimum": lambda: library("scipy.optimize").minimize(np.sum, [1.0], method="Nelder-Mead", options={"maxiter": 3}),
            "bounds": lambda: library("scipy.optimize").Bounds([0], [1]),
            "linear constraint": lambda: library("scipy.optimize").LinearConstraint([[1.0]], 0, 1),
            "lti": lambda: library("scipy.signal").lti([1.0], [1.0, 2.0]),
            "special ufuncs": lambda: [getattr(library("scipy.special"), f) for f in ("expit", "logit", "erf", "gamma", "boxcox", "inv_boxcox", "xlogy")],
        }
    )  # fmt: skip


def pandas_objects() -> _Objects:
    pd, np = library("pandas"), library("numpy")
    days = pd.date_range("2026-01-01", periods=3)
    columns: dict[str, Any] = {
        "ints": [1, 2, 3], "floats": [1.0, 2, np.nan], "texts": ["a", "b", None], "bools": [True, False, True],
        "days": days, "zoned": days.tz_localize("UTC"), "berlin": days.tz_localize("Europe/Berlin"),
        "deltas": days - days[0], "periods": days.to_period("M"),
        "categories": pd.Categorical(["a", "b", "a"]), "ordered": pd.Categorical([1, 2, 1], ordered=True),
        "intervals": pd.interval_range(0, 3), "sparse": pd.arrays.SparseArray([0, 0, 1]),
        "objects": pd.Series([1, "a", None], dtype=object),
    }  # fmt: skip
    for dtype in "Int8 Int16 Int32 Int64 UInt8 UInt16 UInt32 UInt64 Float32 Float64".split():
        columns[dtype] = pd.array([1, 2, None], dtype=dtype)
    columns["boolean"] = pd.array([True, None, False], dtype="boolean")
    columns["string"] = pd.array(["a", None, "b"], dtype="string")
    with suppress(*_FAULTS):
        columns["arrow"] = pd.array([1, 2, None], dtype="int64[pyarrow]")
        columns["arrow text"] = pd.array(["a", "b", None], dtype="string[pyarrow]")
    for name, values in columns.items():
        series = pd.Series(values, name=name)
        yield f"series {name}", series
        yield f"index {name}", pd.Index(series.dropna().drop_duplicates())
        yield f"dtype {name}", series.dtype
    yield "frame", pd.DataFrame(columns)
    yield from _made(
        {
            "empty": pd.DataFrame,
            "multiindex": lambda: pd.MultiIndex.from_product([[1, 2], ["a", "b"]], names=["x", "y"]),
            "multi frame": lambda: pd.DataFrame(np.ones((4, 1)), pd.MultiIndex.from_product([[1, 2], ["a", "b"]])),
            "range": lambda: pd.RangeIndex(5),
            "scalars": lambda: [
                pd.Timestamp("2026-01-01"), pd.Timestamp("2026-01-01", tz="UTC"), pd.Timedelta("1D"), pd.NaT, pd.NA,
                pd.Period("2026-01"), pd.Interval(0, 1),
            ],
            "offsets": lambda: [
                getattr(pd.offsets, name)() for name in pd.offsets.__all__
                if name not in ("FY5253", "FY5253Quarter", "DateOffset", "BaseOffset", "Tick", "WeekOfMonth", "LastWeekOfMonth")
            ],
            "offset": lambda: pd.DateOffset(months=2),
        }
    )  # fmt: skip


def boosters() -> _Objects:
    x, y = _rows()
    xgboost, lightgbm = library("xgboost"), library("lightgbm")
    for name in ("XGBClassifier", "XGBRegressor", "XGBRFClassifier", "XGBRFRegressor"):
        model = getattr(xgboost, name)(n_estimators=2, max_depth=2, n_jobs=1).fit(x, y)
        yield name, model
        yield f"booster of {name}", model.get_booster()
    yield "XGBRanker", xgboost.XGBRanker(n_estimators=2, n_jobs=1).fit(x, y, group=[len(x)])
    for name in ("LGBMClassifier", "LGBMRegressor"):
        model = getattr(lightgbm, name)(n_estimators=2, verbose=-1, n_jobs=1).fit(x, y)
        yield name, model
        yield f"booster of {name}", model.booster_
    yield "LGBMRanker", lightgbm.LGBMRanker(n_estimators=2, verbose=-1, n_jobs=1).fit(x, y, group=[len(x)])


def _rows() -> tuple[Any, Any]:
    return library("sklearn.datasets").make_classification(60, 5, random_state=0)


def torch_modules() -> _Objects:
    """Every module class of torch.nn that can be made from a few numbers."""
    torch = library("torch")
    given: tuple[tuple[Any, ...], ...] = ((), (4,), (4, 4), (4, 4, 2), (2, 4), (1, 2, 3), ([4],), (2, 4, 4, 4))
    for cls in sorted(
        own_classes("torch.nn.modules", torch.nn.Module), key=lambda c: f"{c.__module__}.{c.__name__}"
    ):
        for arguments in given:
            try:
                yield f"{cls.__module__}.{cls.__name__}", cls(*arguments)
                break
            except Exception:  # noqa: BLE001 - a constructor that wants other arguments
                continue


def torch_objects() -> _Objects:
    torch = library("torch")
    net = torch.nn.Sequential(
        torch.nn.Linear(4, 4), torch.nn.ReLU(), torch.nn.BatchNorm1d(4), torch.nn.Linear(4, 2)
    )
    layer = torch.nn.TransformerEncoderLayer(8, 2, 16, activation=torch.nn.functional.gelu)
    yield "net", net
    yield "state", net.state_dict()
    yield "transformer", torch.nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
    yield (
        "functions",
        [
            getattr(torch.nn.functional, name)
            for name in (
                "relu relu6 leaky_relu elu selu celu silu mish gelu softplus softsign tanh sigmoid hardtanh hardswish "
                "hardsigmoid logsigmoid softmax log_softmax cross_entropy mse_loss l1_loss binary_cross_entropy nll_loss"
            ).split()
        ],
    )
    yield "torch functions", [torch.relu, torch.tanh, torch.sigmoid, torch.softmax, torch.exp, torch.sin]
    kinds = (
        "float64 float32 float16 bfloat16 int8 int16 int32 int64 uint8 bool complex64 complex128 uint16 uint32 uint64 "
        "float8_e4m3fn float8_e5m2"
    ).split()
    for kind in kinds:
        yield f"tensor {kind}", torch.zeros(3, dtype=getattr(torch, kind))
    yield "dtypes", [value for value in vars(torch).values() if isinstance(value, torch.dtype)]
    named = torch.ones(2)
    named.note = "mine"
    yield from _made(
        {
            "parameter": lambda: torch.nn.Parameter(torch.ones(2)),
            "buffer": lambda: torch.nn.Buffer(torch.ones(2)),
            "with attributes": lambda: named,
            "sparse": lambda: torch.eye(3).to_sparse(),
            "sparse rows": lambda: torch.eye(3).to_sparse_csr(),
            "quantised": lambda: torch.quantize_per_tensor(torch.ones(3), 0.1, 0, torch.qint8),
            "quantised by channel": lambda: torch.quantize_per_channel(
                torch.ones(2, 2), torch.ones(2), torch.zeros(2), 0, torch.qint8
            ),
            "device": lambda: [torch.device("cpu"), torch.Size([1, 2]), torch.strided],
            "meta": lambda: torch.empty(3, device="meta"),
            "storage": lambda: torch.ones(3).untyped_storage(),
            "typed storage": lambda: torch.ones(3).storage(),
            "generator": torch.Generator,
            "args": lambda: {"args": library("argparse").Namespace(lr=0.1), "epoch": 1},
        }
    )
    loss = net(torch.ones(3, 4)).sum()
    loss.backward()
    for name in sorted(dir(torch.optim)):
        cls = getattr(torch.optim, name)
        if (
            isinstance(cls, type)
            and issubclass(cls, torch.optim.Optimizer)
            and cls is not torch.optim.Optimizer
        ):
            with suppress(*_FAULTS):
                optimizer = cls(net.parameters(), lr=0.1)
                if name != "LBFGS":
                    optimizer.step()
                yield f"optimizer {name}", optimizer
                yield f"state of {name}", optimizer.state_dict()
    scheduled = torch.optim.SGD(net.parameters(), lr=0.1)
    schedulers: dict[str, Callable[[], Any]] = {
        name: lambda name=name, given=given: getattr(torch.optim.lr_scheduler, name)(scheduled, *given)
        for name, given in {
            "StepLR": (2,), "MultiStepLR": ([2],), "ConstantLR": (), "LinearLR": (), "ExponentialLR": (0.9,),
            "PolynomialLR": (), "CosineAnnealingLR": (5,), "CosineAnnealingWarmRestarts": (5,),
            "ReduceLROnPlateau": (), "CyclicLR": (0.1, 0.2), "OneCycleLR": (0.1, 5),
        }.items()
    }  # fmt: skip
    yield from _made(schedulers)
    yield (
        "two in a row",
        torch.optim.lr_scheduler.SequentialLR(
            scheduled,
            [torch.optim.lr_scheduler.ConstantLR(scheduled), torch.optim.lr_scheduler.LinearLR(scheduled)],
            [2],
        ),
    )
    yield "averaged", torch.optim.swa_utils.AveragedModel(net)


def transformers_objects() -> _Objects:
    transformers, torch = library("transformers"), library("torch")
    yield from _made(
        {
            "arguments": lambda: transformers.TrainingArguments("out", use_cpu=True, report_to=[]),
            "batch": lambda: transformers.BatchEncoding({"input_ids": [[1, 2]]}),
            "output": lambda: transformers.modeling_outputs.BaseModelOutput(last_hidden_state=torch.ones(1)),
            "config": lambda: transformers.BertConfig(hidden_size=8),
            "generation": lambda: transformers.GenerationConfig(max_length=3),
        }
    )
    for name, config in {
        "Bert": transformers.BertConfig(
            vocab_size=20, hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8
        ),
        "GPT2": transformers.GPT2Config(vocab_size=20, n_embd=8, n_layer=1, n_head=2),
    }.items():
        with suppress(*_FAULTS):
            yield name, getattr(transformers, f"{name}Model")(config)


def standard_objects() -> _Objects:
    import array
    import collections
    import datetime
    import decimal
    import fractions
    import ipaddress
    import operator
    import pathlib
    import random
    import re
    import uuid
    import zoneinfo

    yield "standard", [
        collections.OrderedDict(a=1), collections.deque([1], 3), collections.Counter("ab"),
        collections.defaultdict(list, a=[1]), collections.ChainMap({"a": 1}), {1, 2}, frozenset({1}), bytearray(b"a"),
        complex(1, 2), range(3), slice(1, 2), Ellipsis, NotImplemented, object(), int, float, str, bool, list, dict,
        datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC), datetime.date(2026, 1, 1),
        datetime.time(1), datetime.timedelta(1), decimal.Decimal("1.5"), fractions.Fraction(1, 2),
        ipaddress.ip_address("::1"), ipaddress.ip_network("10.0.0.0/8"), operator.itemgetter(1), operator.add,
        pathlib.PurePosixPath("a/b"), pathlib.Path("a"), random.Random(1), re.compile("a+"), uuid.UUID(int=3),
        uuid.SafeUUID.unknown, array.array("d", [1.0]), zoneinfo.ZoneInfo("Europe/Berlin"), b"bytes", "text" * 100,
    ]  # fmt: skip


def further_libraries() -> _Objects:
    """CatBoost, statsmodels, imbalanced-learn and category_encoders, where they are installed."""
    x, y = _rows()
    if importlib.util.find_spec("catboost"):
        catboost = importlib.import_module("catboost")
        settings = {"iterations": 2, "verbose": False, "allow_writing_files": False}
        for name in ("CatBoostClassifier", "CatBoostRegressor", "CatBoost"):
            given = {"params": settings} if name == "CatBoost" else settings
            yield name, getattr(catboost, name)(**given).fit(x, y)
    if importlib.util.find_spec("statsmodels"):
        yield from _statsmodels(x, y)
    if importlib.util.find_spec("imblearn"):
        yield from _imbalanced(x, y)
    if importlib.util.find_spec("category_encoders"):
        encoders, pd = importlib.import_module("category_encoders"), library("pandas")
        frame = pd.DataFrame({"a": ["x", "y", "z"] * 20, "b": x[:, 0]})
        for name in encoders.__all__:
            with suppress(*_FAULTS):
                yield name, getattr(encoders, name)(cols=["a"]).fit(frame, y)


def _statsmodels(x: Any, y: Any) -> _Objects:
    sm = importlib.import_module("statsmodels.api")
    x = sm.add_constant(x)
    positive = abs(x[:, 1]) + 1
    makers: dict[str, Callable[[], Any]] = {
        "OLS": lambda: sm.OLS(positive, x).fit(),
        "WLS": lambda: sm.WLS(positive, x).fit(),
        "GLS": lambda: sm.GLS(positive, x).fit(),
        "RLM": lambda: sm.RLM(positive, x).fit(),
        "QuantReg": lambda: sm.QuantReg(positive, x).fit(),
        "Logit": lambda: sm.Logit(y, x[:, :3]).fit(disp=0),
        "Probit": lambda: sm.Probit(y, x[:, :3]).fit(disp=0),
        "Poisson": lambda: sm.Poisson(y, x[:, :3]).fit(disp=0),
        "MNLogit": lambda: sm.MNLogit(y, x[:, :2]).fit(disp=0),
        "ARIMA": lambda: sm.tsa.ARIMA(positive, order=(1, 0, 0)).fit(),
        "AutoReg": lambda: importlib.import_module("statsmodels.tsa.ar_model").AutoReg(positive, 1).fit(),
        "VAR": lambda: sm.tsa.VAR(x[:, 1:3]).fit(1),
        "Holt": lambda: (
            importlib.import_module("statsmodels.tsa.holtwinters").ExponentialSmoothing(positive).fit()
        ),
        "PCA": lambda: importlib.import_module("statsmodels.multivariate.pca").PCA(x[:, 1:]),
    }
    families = ("Gaussian", "Binomial", "Poisson", "Gamma", "InverseGaussian", "NegativeBinomial", "Tweedie")
    for family in families:
        target = y if family == "Binomial" else positive
        makers[f"GLM {family}"] = lambda target=target, family=family: sm.GLM(
            target, x[:, :2], family=getattr(sm.families, family)()
        ).fit()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, fitted in _made(makers):
            yield name, fitted
            yield f"model of {name}", getattr(fitted, "model", fitted)


def _imbalanced(x: Any, y: Any) -> _Objects:
    for place in ("over_sampling", "under_sampling", "combine", "ensemble"):
        module = importlib.import_module(f"imblearn.{place}")
        for name in module.__all__:
            with suppress(*_FAULTS):
                estimator = getattr(module, name)()
                if place == "ensemble":
                    yield name, estimator.set_params(n_estimators=2).fit(x, y)
                else:
                    estimator.fit_resample(x, y)
                    yield name, estimator
    pipeline = importlib.import_module("imblearn.pipeline")
    sampler = importlib.import_module("imblearn.over_sampling").RandomOverSampler()
    yield (
        "pipeline",
        pipeline.make_pipeline(sampler, library("sklearn.linear_model").LogisticRegression()).fit(x, y),
    )


def own_classes(package: str, base: type) -> list[type]:
    """The loaded subclasses of `base`, itself too, that a module of the package defines."""
    found, waiting = set(), [base]
    while waiting:
        cls = waiting.pop()
        if cls not in found:
            found.add(cls)
            waiting.extend(cls.__subclasses__())
    return [c for c in found if f"{c.__module__}.".startswith(f"{package}.") and "<" not in c.__qualname__]


def every_object() -> _Objects:
    """Those of all the libraries that are installed here, but for scikit-learn's estimators."""
    sources = (
        standard_objects, numpy_objects, scipy_objects, pandas_objects, boosters, torch_objects, torch_modules,
        transformers_objects, further_libraries,
    )  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for source in sources:
            try:
                for name, made in source():
                    yield f"{source.__name__}: {name}", made
            except BaseException as error:
                if type(error).__name__ != "Skipped":
                    raise
