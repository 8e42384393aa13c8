"""Exact names in the pickles of fitted estimators and checkpoints. Written by tools/learn_names.py."""

LEARNED_FROM: dict[str, tuple[str, ...]] = {
    "catboost": ("1.2.10",),
    "category_encoders": ("2.11.2",),
    "imbalanced-learn": ("0.14.2",),
    "joblib": ("1.6.0",),
    "lightgbm": (
        "4.5.0",
        "4.7.0",
    ),
    "numpy": (
        "1.26.4",
        "2.4.6",
    ),
    "pandas": (
        "2.2.3",
        "3.1.1",
    ),
    "scikit-learn": (
        "1.5.2",
        "1.9.1",
    ),
    "scipy": (
        "1.13.1",
        "1.17.1",
    ),
    "statsmodels": ("0.15.0",),
    "torch": ("2.13.0",),
    "transformers": ("5.24.0",),
    "xgboost": ("3.2.0",),
}

# A module and its names, each with the letters of its uses (globals.py) behind a slash.
LEARNED = """\
accelerate.state PartialState
accelerate.utils.dataclasses DistributedType/tc
catboost.core CatBoost CatBoostClassifier CatBoostRegressor
category_encoders.backward_difference BackwardDifferenceEncoder
category_encoders.base_contrast_encoder BaseContrastEncoder
category_encoders.basen BaseNEncoder
category_encoders.binary BinaryEncoder
category_encoders.cat_boost CatBoostEncoder
category_encoders.count CountEncoder
category_encoders.count_target CountTargetEncoder
category_encoders.glmm GLMMEncoder
category_encoders.gray GrayEncoder
category_encoders.hashing HashingEncoder
category_encoders.helmert HelmertEncoder
category_encoders.james_stein JamesSteinEncoder
category_encoders.leave_one_out LeaveOneOutEncoder
category_encoders.m_estimate MEstimateEncoder
category_encoders.multi_hot MultiHotEncoder
category_encoders.one_hot OneHotEncoder
category_encoders.ordinal OrdinalEncoder
category_encoders.polynomial PolynomialEncoder
category_encoders.quantile_encoder QuantileEncoder SummaryEncoder
category_encoders.rankhot RankHotEncoder
category_encoders.sum_coding SumEncoder
category_encoders.target_encoder TargetEncoder
category_encoders.utils BaseEncoder
category_encoders.woe WOEEncoder
imblearn.base BaseSampler FunctionSampler
imblearn.combine._smote_enn SMOTEENN
imblearn.combine._smote_tomek SMOTETomek
imblearn.ensemble._bagging BalancedBaggingClassifier
imblearn.ensemble._easy_ensemble EasyEnsembleClassifier
imblearn.ensemble._forest BalancedRandomForestClassifier
imblearn.ensemble._weight_boosting RUSBoostClassifier
imblearn.metrics.pairwise ValueDifferenceMetric
imblearn.over_sampling._adasyn ADASYN
imblearn.over_sampling._random_over_sampler RandomOverSampler
imblearn.over_sampling._smote.base BaseSMOTE SMOTE SMOTEN SMOTENC
imblearn.over_sampling._smote.cluster KMeansSMOTE
imblearn.over_sampling._smote.filter BorderlineSMOTE SVMSMOTE
imblearn.over_sampling.base BaseOverSampler
imblearn.pipeline Pipeline
imblearn.under_sampling._prototype_generation._cluster_centroids ClusterCentroids
imblearn.under_sampling._prototype_selection._condensed_nearest_neighbour CondensedNearestNeighbour
imblearn.under_sampling._prototype_selection._edited_nearest_neighbours AllKNN EditedNearestNeighbours
imblearn.under_sampling._prototype_selection._edited_nearest_neighbours RepeatedEditedNearestNeighbours
imblearn.under_sampling._prototype_selection._instance_hardness_threshold InstanceHardnessThreshold
imblearn.under_sampling._prototype_selection._nearmiss NearMiss
imblearn.under_sampling._prototype_selection._neighbourhood_cleaning_rule NeighbourhoodCleaningRule
imblearn.under_sampling._prototype_selection._one_sided_selection OneSidedSelection
imblearn.under_sampling._prototype_selection._random_under_sampler RandomUnderSampler
imblearn.under_sampling._prototype_selection._tomek_links TomekLinks
imblearn.under_sampling.base BaseCleaningSampler BaseUnderSampler
lightgbm.basic Booster
lightgbm.sklearn LGBMClassifier LGBMRanker LGBMRegressor
numpy absolute/h add/h angle/h arccos/h arccosh/h arcsin/h arcsinh/h arctan/h arctan2/h arctanh/h argmax/h
numpy argmin/h argsort/h array/h asarray/h atleast_2d/h average/h bitwise_and/h bitwise_count/h bitwise_or/h
numpy bitwise_xor/h bool/t bool_/t bytes_/t cbrt/h ceil/h character/t clip/h clongdouble/t complex128/t
numpy complex64/t complexfloating/t concatenate/h conjugate/h copysign/h cos/h cosh/h cumsum/h datetime64/t
numpy deg2rad/h degrees/h diff/h divide/h divmod/h dtype/tcs equal/h exp/h exp2/h expm1/h fabs/h flexible/t
numpy float16/t float32/t float64/t float_power/h floating/t floor/h floor_divide/h fmax/h fmin/h fmod/h
numpy frexp/h gcd/h generic/t greater/h greater_equal/h heaviside/h hstack/h hypot/h imag/h inexact/t int16/t
numpy int32/t int64/t int8/t integer/t invert/h isfinite/h isinf/h isnan/h isnat/h lcm/h ldexp/h left_shift/h
numpy less/h less_equal/h log/h log10/h log1p/h log2/h logaddexp/h logaddexp2/h logical_and/h logical_not/h
numpy logical_or/h logical_xor/h longdouble/t longlong/t matmul/h matrix/t matvec/h max/h maximum/h mean/h
numpy median/h min/h minimum/h modf/h multiply/h nan_to_num/h nanmax/h nanmean/h nanmedian/h nanmin/h
numpy nanstd/h nansum/h ndarray/t negative/h nextafter/h not_equal/h number/t object_/t ones_like/h
numpy percentile/h poly1d positive/h power/h prod/h quantile/h rad2deg/h radians/h ravel/h real/h recarray/t
numpy reciprocal/h record/t remainder/h reshape/h right_shift/h rint/h round/h sign/h signbit/h
numpy signedinteger/t sin/h sinh/h sort/h spacing/h sqrt/h square/h squeeze/h std/h str_/t subtract/h sum/h
numpy tan/h tanh/h timedelta64/t transpose/h trunc/h uint16/t uint32/t uint64/t uint8/t ulonglong/t unique/h
numpy unsignedinteger/t var/h vecdot/h vecmat/h vectorize void/t vstack/h where/h zeros_like/h
numpy._core.multiarray _reconstruct/cs scalar/c
numpy._core.numeric _frombuffer/c
numpy.core._multiarray_umath absolute/h add/h arccos/h arccosh/h arcsin/h arcsinh/h arctan/h arctan2/h
numpy.core._multiarray_umath arctanh/h bitwise_and/h bitwise_or/h bitwise_xor/h cbrt/h ceil/h conjugate/h
numpy.core._multiarray_umath copysign/h cos/h cosh/h deg2rad/h degrees/h divide/h divmod/h equal/h exp/h
numpy.core._multiarray_umath exp2/h expm1/h fabs/h float_power/h floor/h floor_divide/h fmax/h fmin/h fmod/h
numpy.core._multiarray_umath frexp/h gcd/h greater/h greater_equal/h heaviside/h hypot/h invert/h isfinite/h
numpy.core._multiarray_umath isinf/h isnan/h isnat/h lcm/h ldexp/h left_shift/h less/h less_equal/h log/h
numpy.core._multiarray_umath log10/h log1p/h log2/h logaddexp/h logaddexp2/h logical_and/h logical_not/h
numpy.core._multiarray_umath logical_or/h logical_xor/h matmul/h maximum/h minimum/h modf/h multiply/h
numpy.core._multiarray_umath negative/h nextafter/h not_equal/h positive/h power/h rad2deg/h radians/h
numpy.core._multiarray_umath reciprocal/h remainder/h right_shift/h rint/h sign/h signbit/h sin/h sinh/h
numpy.core._multiarray_umath spacing/h sqrt/h square/h subtract/h tan/h tanh/h trunc/h
numpy.core.multiarray _reconstruct/cs scalar/c
numpy.dtypes BoolDType/t BytesDType/t CLongDoubleDType/t Complex128DType/t Complex64DType/t DateTime64DType/t
numpy.dtypes Float16DType/t Float32DType/t Float64DType/t Int16DType/t Int32DType/t Int64DType/t Int8DType/t
numpy.dtypes LongDoubleDType/t LongLongDType/t ObjectDType/t StrDType/t TimeDelta64DType/t UInt16DType/t
numpy.dtypes UInt32DType/t UInt64DType/t UInt8DType/t ULongLongDType/t VoidDType/t
numpy.ma MaskedArray/t
numpy.ma.core MaskedArray/t MaskedConstant/tc _mareconstruct/cs
numpy.polynomial.chebyshev Chebyshev
numpy.polynomial.hermite Hermite
numpy.polynomial.laguerre Laguerre
numpy.polynomial.legendre Legendre
numpy.polynomial.polynomial Polynomial
numpy.random._mt19937 MT19937/t
numpy.random._pcg64 PCG64/t PCG64DXSM/t
numpy.random._philox Philox/t
numpy.random._pickle __bit_generator_ctor/cs __generator_ctor/cs __randomstate_ctor/cs
numpy.random._sfc64 SFC64/t
numpy.random.bit_generator SeedSequence/t __pyx_unpickle_SeedSequence/cs
numpy.rec recarray/t
pandas ArrowDtype BooleanDtype Categorical/t CategoricalDtype CategoricalIndex/t DataFrame DateOffset/tc
pandas DatetimeIndex/t DatetimeTZDtype Float32Dtype Float64Dtype Index/t Int16Dtype Int32Dtype Int64Dtype
pandas Int8Dtype Interval/tc IntervalDtype IntervalIndex/t MultiIndex/t NA/h Period/tc PeriodDtype/tc
pandas PeriodIndex/t RangeIndex/t Series SparseDtype StringDtype/tc TimedeltaIndex/t UInt16Dtype UInt32Dtype
pandas UInt64Dtype UInt8Dtype
pandas._libs.arrays __pyx_unpickle_NDArrayBacked/cs
pandas._libs.internals _unpickle_block/c
pandas._libs.interval Interval/tc __pyx_unpickle_IntervalMixin/cs
pandas._libs.missing NA/h
pandas._libs.sparse IntIndex/tc
pandas._libs.tslibs.nattype __nat_unpickle/c _nat_unpickle/c
pandas._libs.tslibs.offsets BHalfYearBegin/tc BHalfYearEnd/tc BQuarterBegin/tc BQuarterEnd/tc BYearBegin/tc
pandas._libs.tslibs.offsets BYearEnd/tc BusinessDay/tc BusinessHour/tc BusinessMonthBegin/tc
pandas._libs.tslibs.offsets BusinessMonthEnd/tc CustomBusinessDay/tc CustomBusinessHour/tc
pandas._libs.tslibs.offsets CustomBusinessMonthBegin/tc CustomBusinessMonthEnd/tc DateOffset Day/tc Easter/tc
pandas._libs.tslibs.offsets HalfYearBegin/tc HalfYearEnd/tc Hour/tc Micro/tc Milli/tc Minute/tc MonthBegin/tc
pandas._libs.tslibs.offsets MonthEnd/tc Nano/tc QuarterBegin/tc QuarterEnd/tc Second/tc SemiMonthBegin/tc
pandas._libs.tslibs.offsets SemiMonthEnd/tc Week/tc YearBegin/tc YearEnd/tc
pandas._libs.tslibs.period Period/tc
pandas._libs.tslibs.timedeltas _timedelta_unpickle/c
pandas._libs.tslibs.timestamps _unpickle_timestamp/c
pandas.arrays ArrowExtensionArray ArrowStringArray BooleanArray DatetimeArray/t FloatingArray IntegerArray
pandas.arrays IntervalArray/t PeriodArray/t SparseArray TimedeltaArray/t
pandas.core.arrays.boolean BooleanArray BooleanDtype
pandas.core.arrays.categorical Categorical/t
pandas.core.arrays.datetimes DatetimeArray/t
pandas.core.arrays.floating Float32Dtype Float64Dtype FloatingArray
pandas.core.arrays.integer Int16Dtype Int32Dtype Int64Dtype Int8Dtype IntegerArray UInt16Dtype UInt32Dtype
pandas.core.arrays.integer UInt64Dtype UInt8Dtype
pandas.core.arrays.interval IntervalArray/t
pandas.core.arrays.period PeriodArray/t
pandas.core.arrays.sparse.array SparseArray
pandas.core.arrays.string_ StringArray/t StringDtype
pandas.core.arrays.timedeltas TimedeltaArray/t
pandas.core.dtypes.dtypes CategoricalDtype DatetimeTZDtype IntervalDtype PeriodDtype/tc SparseDtype
pandas.core.frame DataFrame
pandas.core.indexes.base Index/t _new_Index/c
pandas.core.indexes.category CategoricalIndex/t
pandas.core.indexes.datetimes DatetimeIndex/t _new_DatetimeIndex/c
pandas.core.indexes.interval IntervalIndex/t _new_IntervalIndex/c
pandas.core.indexes.multi MultiIndex/t
pandas.core.indexes.period PeriodIndex/t
pandas.core.indexes.range RangeIndex/t
pandas.core.indexes.timedeltas TimedeltaIndex/t _new_TimedeltaIndex/c
pandas.core.internals.managers BlockManager/tc SingleBlockManager/tms
pandas.core.series Series
pyarrow.lib _restore_array/c py_buffer/c type_for_alias/c
scipy._lib.array_api_compat.numpy._aliases asarray/h
scipy.interpolate._bary_rational AAA
scipy.interpolate._bsplines BSpline
scipy.interpolate._cubic Akima1DInterpolator/tms CubicHermiteSpline/tms CubicSpline/tms PchipInterpolator/tms
scipy.interpolate._fitpack2 InterpolatedUnivariateSpline LSQUnivariateSpline RectBivariateSpline
scipy.interpolate._fitpack2 RectSphereBivariateSpline SmoothBivariateSpline
scipy.interpolate._interpnd LinearNDInterpolator
scipy.interpolate._interpolate BPoly/tms NdPPoly PPoly/tms interp1d/tms
scipy.interpolate._ndbspline NdBSpline
scipy.interpolate._ndgriddata NearestNDInterpolator
scipy.interpolate._polyint BarycentricInterpolator/tms KroghInterpolator/tms
scipy.interpolate._rbf Rbf
scipy.interpolate._rbfinterp RBFInterpolator/tms
scipy.interpolate._rgi RegularGridInterpolator
scipy.interpolate.interpnd LinearNDInterpolator
scipy.optimize._constraints Bounds LinearConstraint
scipy.optimize._lbfgsb_py LbfgsInvHessProduct
scipy.optimize._optimize OptimizeResult/tmf
scipy.signal._ltisys TransferFunctionContinuous
scipy.sparse._bsr bsr_array bsr_matrix
scipy.sparse._coo coo_array coo_matrix
scipy.sparse._csc csc_array csc_matrix
scipy.sparse._csr csr_array csr_matrix
scipy.sparse._dia dia_array dia_matrix
scipy.sparse._dok dok_array dok_matrix
scipy.sparse._lil lil_array lil_matrix
scipy.spatial._ckdtree cKDTree/tms
scipy.spatial._kdtree KDTree/tms
scipy.spatial._qhull Delaunay
scipy.spatial.transform._rotation Rotation/tms Slerp
scipy.special._special_ufuncs erf/h expit/h gamma/h logit/h xlogy/h
scipy.special._ufuncs boxcox/h erf/h expit/h gamma/h inv_boxcox/h logit/h xlogy/h
scipy.stats._continuous_distns alpha_gen anglit_gen arcsine_gen argus_gen beta_gen betaprime_gen bradford_gen
scipy.stats._continuous_distns burr12_gen burr_gen cauchy_gen chi2_gen chi_gen cosine_gen crystalball_gen
scipy.stats._continuous_distns dgamma_gen dpareto_lognorm_gen dweibull_gen erlang_gen expon_gen exponnorm_gen
scipy.stats._continuous_distns exponpow_gen exponweib_gen f_gen fatiguelife_gen fisk_gen foldcauchy_gen
scipy.stats._continuous_distns foldnorm_gen gamma_gen gausshyper_gen genexpon_gen genextreme_gen gengamma_gen
scipy.stats._continuous_distns genhalflogistic_gen genhyperbolic_gen geninvgauss_gen genlogistic_gen
scipy.stats._continuous_distns gennorm_gen genpareto_gen gibrat_gen gompertz_gen gumbel_l_gen gumbel_r_gen
scipy.stats._continuous_distns halfcauchy_gen halfgennorm_gen halflogistic_gen halfnorm_gen hypsecant_gen
scipy.stats._continuous_distns invgamma_gen invgauss_gen invweibull_gen irwinhall_gen jf_skew_t_gen
scipy.stats._continuous_distns johnsonsb_gen johnsonsu_gen kappa3_gen kappa4_gen ksone_gen kstwo_gen
scipy.stats._continuous_distns kstwobign_gen landau_gen laplace_asymmetric_gen laplace_gen levy_gen
scipy.stats._continuous_distns levy_l_gen loggamma_gen logistic_gen loglaplace_gen lognorm_gen lomax_gen
scipy.stats._continuous_distns maxwell_gen mielke_gen moyal_gen nakagami_gen ncf_gen nct_gen ncx2_gen
scipy.stats._continuous_distns norm_gen norminvgauss_gen pareto_gen pearson3_gen powerlaw_gen
scipy.stats._continuous_distns powerlognorm_gen powernorm_gen rayleigh_gen rdist_gen recipinvgauss_gen
scipy.stats._continuous_distns reciprocal_gen rel_breitwigner_gen rice_gen rv_histogram semicircular_gen
scipy.stats._continuous_distns skewcauchy_gen skewnorm_gen studentized_range_gen t_gen trapezoid_gen
scipy.stats._continuous_distns triang_gen truncexpon_gen truncnorm_gen truncpareto_gen truncweibull_min_gen
scipy.stats._continuous_distns tukeylambda_gen uniform_gen vonmises_gen wald_gen weibull_max_gen
scipy.stats._continuous_distns weibull_min_gen wrapcauchy_gen
scipy.stats._covariance CovViaPSD
scipy.stats._discrete_distns bernoulli_gen betabinom_gen betanbinom_gen binom_gen boltzmann_gen dlaplace_gen
scipy.stats._discrete_distns geom_gen hypergeom_gen logser_gen nbinom_gen nchypergeom_fisher_gen
scipy.stats._discrete_distns nchypergeom_wallenius_gen nhypergeom_gen planck_gen poisson_binom_gen
scipy.stats._discrete_distns poisson_gen randint_gen skellam_gen yulesimon_gen zipf_gen zipfian_gen
scipy.stats._distn_infrastructure rv_continuous_frozen rv_discrete_frozen rv_sample
scipy.stats._kde gaussian_kde
scipy.stats._levy_stable levy_stable_gen
scipy.stats._multivariate _PSD dirichlet_frozen dirichlet_gen multivariate_normal_frozen
scipy.stats._multivariate multivariate_normal_gen
scipy.stats._stats_mstats_common LinregressResult/tc
scipy.stats._stats_py PearsonRResult/tc PearsonRResultBase/t SignificanceResult/tc TtestResult/tc
scipy.stats._stats_py TtestResultBase/t
scipy.stats._survival ECDFResult EmpiricalDistributionFunction
sklearn._loss._loss CyAbsoluteError/tc CyExponentialLoss/tc CyHalfBinomialLoss/tc CyHalfGammaLoss/tc
sklearn._loss._loss CyHalfMultinomialLoss/tc CyHalfPoissonLoss/tc CyHalfSquaredError/tc CyHalfTweedieLoss/tc
sklearn._loss._loss CyHalfTweedieLossIdentity/tc CyHuberLoss/tc CyLossFunction/tc CyPinballLoss/tc
sklearn._loss.link BaseLink HalfLogitLink IdentityLink Interval LogLink LogitLink MultinomialLogit
sklearn._loss.loss AbsoluteError ArrayAPILossMixin BaseLoss ExponentialLoss HalfBinomialLoss
sklearn._loss.loss HalfBinomialLossArrayAPI HalfGammaLoss HalfMultinomialLoss HalfMultinomialLossArrayAPI
sklearn._loss.loss HalfPoissonLoss HalfPoissonLossArrayAPI HalfSquaredError HalfTweedieLoss
sklearn._loss.loss HalfTweedieLossIdentity HuberLoss PinballLoss
sklearn.base BaseEstimator
sklearn.calibration CalibratedClassifierCV _CalibratedClassifier _SigmoidCalibration _TemperatureScaling
sklearn.cluster._affinity_propagation AffinityPropagation
sklearn.cluster._agglomerative AgglomerativeClustering FeatureAgglomeration
sklearn.cluster._bicluster BaseSpectral SpectralBiclustering SpectralCoclustering
sklearn.cluster._birch Birch _CFNode _CFSubcluster
sklearn.cluster._bisect_k_means BisectingKMeans _BisectingTree
sklearn.cluster._dbscan DBSCAN
sklearn.cluster._hdbscan.hdbscan HDBSCAN
sklearn.cluster._kmeans KMeans MiniBatchKMeans _BaseKMeans _kmeans_single_lloyd/h
sklearn.cluster._mean_shift MeanShift
sklearn.cluster._optics OPTICS
sklearn.cluster._spectral SpectralClustering
sklearn.compose._column_transformer ColumnTransformer make_column_selector
sklearn.compose._target TransformedTargetRegressor
sklearn.covariance._elliptic_envelope EllipticEnvelope
sklearn.covariance._empirical_covariance EmpiricalCovariance
sklearn.covariance._graph_lasso BaseGraphicalLasso GraphicalLasso GraphicalLassoCV
sklearn.covariance._robust_covariance MinCovDet
sklearn.covariance._shrunk_covariance LedoitWolf OAS ShrunkCovariance
sklearn.cross_decomposition._pls CCA PLSCanonical PLSRegression PLSSVD _PLS
sklearn.decomposition._base _BasePCA
sklearn.decomposition._dict_learning DictionaryLearning MiniBatchDictionaryLearning SparseCoder
sklearn.decomposition._factor_analysis FactorAnalysis
sklearn.decomposition._fastica FastICA
sklearn.decomposition._incremental_pca IncrementalPCA
sklearn.decomposition._kernel_pca KernelPCA
sklearn.decomposition._lda LatentDirichletAllocation
sklearn.decomposition._nmf MiniBatchNMF NMF _BaseNMF
sklearn.decomposition._pca PCA
sklearn.decomposition._sparse_pca MiniBatchSparsePCA SparsePCA _BaseSparsePCA
sklearn.decomposition._truncated_svd TruncatedSVD
sklearn.discriminant_analysis LinearDiscriminantAnalysis QuadraticDiscriminantAnalysis
sklearn.dummy DummyClassifier DummyRegressor
sklearn.ensemble._bagging BaggingClassifier BaggingRegressor BaseBagging
sklearn.ensemble._base BaseEnsemble _BaseHeterogeneousEnsemble
sklearn.ensemble._forest BaseForest ExtraTreesClassifier ExtraTreesRegressor ForestClassifier ForestRegressor
sklearn.ensemble._forest RandomForestClassifier RandomForestRegressor RandomTreesEmbedding
sklearn.ensemble._gb BaseGradientBoosting GradientBoostingClassifier GradientBoostingRegressor
sklearn.ensemble._hist_gradient_boosting.binning _BinMapper
sklearn.ensemble._hist_gradient_boosting.gradient_boosting BaseHistGradientBoosting
sklearn.ensemble._hist_gradient_boosting.gradient_boosting HistGradientBoostingClassifier
sklearn.ensemble._hist_gradient_boosting.gradient_boosting HistGradientBoostingRegressor
sklearn.ensemble._hist_gradient_boosting.predictor TreePredictor
sklearn.ensemble._iforest IsolationForest
sklearn.ensemble._stacking StackingClassifier StackingRegressor _BaseStacking
sklearn.ensemble._voting VotingClassifier VotingRegressor _BaseVoting
sklearn.ensemble._weight_boosting AdaBoostClassifier AdaBoostRegressor BaseWeightBoosting
sklearn.feature_extraction._dict_vectorizer DictVectorizer
sklearn.feature_extraction._hash FeatureHasher
sklearn.feature_extraction.image PatchExtractor
sklearn.feature_extraction.text CountVectorizer HashingVectorizer TfidfTransformer TfidfVectorizer
sklearn.feature_selection._from_model SelectFromModel
sklearn.feature_selection._mutual_info mutual_info_classif/h mutual_info_regression/h
sklearn.feature_selection._rfe RFE RFECV
sklearn.feature_selection._sequential SequentialFeatureSelector
sklearn.feature_selection._univariate_selection GenericUnivariateSelect SelectFdr SelectFpr SelectFwe
sklearn.feature_selection._univariate_selection SelectKBest SelectPercentile _BaseFilter chi2/h f_classif/h
sklearn.feature_selection._univariate_selection f_regression/h r_regression/h
sklearn.feature_selection._variance_threshold VarianceThreshold
sklearn.frozen._frozen FrozenEstimator
sklearn.gaussian_process._gpc GaussianProcessClassifier _BinaryGaussianProcessClassifierLaplace
sklearn.gaussian_process._gpr GaussianProcessRegressor
sklearn.gaussian_process.kernels CompoundKernel ConstantKernel DotProduct ExpSineSquared Exponentiation
sklearn.gaussian_process.kernels Kernel KernelOperator Matern PairwiseKernel Product RBF RationalQuadratic
sklearn.gaussian_process.kernels Sum WhiteKernel
sklearn.impute._base MissingIndicator SimpleImputer _BaseImputer
sklearn.impute._knn KNNImputer
sklearn.isotonic IsotonicRegression
sklearn.kernel_approximation AdditiveChi2Sampler Nystroem PolynomialCountSketch RBFSampler SkewedChi2Sampler
sklearn.kernel_ridge KernelRidge
sklearn.linear_model._base LinearModel LinearRegression MultiOutputLinearModel
sklearn.linear_model._bayes ARDRegression BayesianRidge
sklearn.linear_model._coordinate_descent ElasticNet ElasticNetCV Lasso LassoCV LinearModelCV
sklearn.linear_model._coordinate_descent MultiTaskElasticNet MultiTaskElasticNetCV MultiTaskLasso
sklearn.linear_model._coordinate_descent MultiTaskLassoCV
sklearn.linear_model._glm.glm GammaRegressor PoissonRegressor TweedieRegressor _GeneralizedLinearRegressor
sklearn.linear_model._huber HuberRegressor
sklearn.linear_model._least_angle Lars LarsCV LassoLars LassoLarsCV LassoLarsIC
sklearn.linear_model._logistic LogisticRegression LogisticRegressionCV
sklearn.linear_model._omp OrthogonalMatchingPursuit OrthogonalMatchingPursuitCV
sklearn.linear_model._passive_aggressive PassiveAggressiveClassifier PassiveAggressiveRegressor
sklearn.linear_model._perceptron Perceptron
sklearn.linear_model._quantile QuantileRegressor
sklearn.linear_model._ransac RANSACRegressor
sklearn.linear_model._ridge Ridge RidgeCV RidgeClassifier RidgeClassifierCV _BaseRidge _BaseRidgeCV
sklearn.linear_model._ridge _IdentityClassifier _IdentityRegressor _RidgeGCV
sklearn.linear_model._sgd_fast Classification/tc EpsilonInsensitive/tc Hinge/tc Huber/tc Log/tc
sklearn.linear_model._sgd_fast LossFunction/tc ModifiedHuber/tc Regression/tc SquaredEpsilonInsensitive/tc
sklearn.linear_model._sgd_fast SquaredHinge/tc SquaredLoss/tc
sklearn.linear_model._stochastic_gradient BaseSGD BaseSGDClassifier BaseSGDRegressor SGDClassifier
sklearn.linear_model._stochastic_gradient SGDOneClassSVM SGDRegressor
sklearn.linear_model._theil_sen TheilSenRegressor
sklearn.manifold._classical_mds ClassicalMDS
sklearn.manifold._isomap Isomap
sklearn.manifold._locally_linear LocallyLinearEmbedding
sklearn.manifold._mds MDS
sklearn.manifold._spectral_embedding SpectralEmbedding
sklearn.manifold._t_sne TSNE
sklearn.metrics._classification accuracy_score/h balanced_accuracy_score/h brier_score_loss/h
sklearn.metrics._classification cohen_kappa_score/h d2_brier_score/h d2_log_loss_score/h f1_score/h
sklearn.metrics._classification fbeta_score/h hamming_loss/h hinge_loss/h jaccard_score/h log_loss/h
sklearn.metrics._classification precision_score/h recall_score/h zero_one_loss/h
sklearn.metrics._dist_metrics BrayCurtisDistance32/t BrayCurtisDistance64/t CanberraDistance32/t
sklearn.metrics._dist_metrics CanberraDistance64/t ChebyshevDistance32/t ChebyshevDistance64/t
sklearn.metrics._dist_metrics DiceDistance32/t DiceDistance64/t DistanceMetric/t DistanceMetric32/t
sklearn.metrics._dist_metrics DistanceMetric64/t EuclideanDistance32/t EuclideanDistance64/t
sklearn.metrics._dist_metrics HammingDistance32/t HammingDistance64/t HaversineDistance32/t
sklearn.metrics._dist_metrics HaversineDistance64/t JaccardDistance32/t JaccardDistance64/t
sklearn.metrics._dist_metrics KulsinskiDistance32/t KulsinskiDistance64/t MahalanobisDistance32/t
sklearn.metrics._dist_metrics MahalanobisDistance64/t ManhattanDistance32/t ManhattanDistance64/t
sklearn.metrics._dist_metrics MatchingDistance32/t MatchingDistance64/t MinkowskiDistance32/t
sklearn.metrics._dist_metrics MinkowskiDistance64/t PyFuncDistance32/t PyFuncDistance64/t
sklearn.metrics._dist_metrics RogersTanimotoDistance32/t RogersTanimotoDistance64/t RussellRaoDistance32/t
sklearn.metrics._dist_metrics RussellRaoDistance64/t SEuclideanDistance32/t SEuclideanDistance64/t
sklearn.metrics._dist_metrics SokalMichenerDistance32/t SokalMichenerDistance64/t SokalSneathDistance32/t
sklearn.metrics._dist_metrics SokalSneathDistance64/t newObj/cs
sklearn.metrics._ranking average_precision_score/h coverage_error/h dcg_score/h
sklearn.metrics._ranking label_ranking_average_precision_score/h label_ranking_loss/h ndcg_score/h
sklearn.metrics._ranking roc_auc_score/h top_k_accuracy_score/h
sklearn.metrics._regression d2_absolute_error_score/h d2_pinball_score/h d2_tweedie_score/h
sklearn.metrics._regression explained_variance_score/h max_error/h mean_absolute_error/h
sklearn.metrics._regression mean_absolute_percentage_error/h mean_pinball_loss/h mean_squared_error/h
sklearn.metrics._regression mean_squared_log_error/h median_absolute_error/h r2_score/h
sklearn.metrics._regression root_mean_squared_error/h root_mean_squared_log_error/h
sklearn.metrics._scorer _CurveScorer _PassthroughScorer _Scorer
sklearn.metrics.cluster._bicluster consensus_score/h
sklearn.metrics.cluster._supervised adjusted_mutual_info_score/h adjusted_rand_score/h completeness_score/h
sklearn.metrics.cluster._supervised fowlkes_mallows_score/h homogeneity_score/h mutual_info_score/h
sklearn.metrics.cluster._supervised normalized_mutual_info_score/h rand_score/h v_measure_score/h
sklearn.metrics.cluster._unsupervised calinski_harabasz_score/h davies_bouldin_score/h silhouette_score/h
sklearn.metrics.pairwise _euclidean_distances/h additive_chi2_kernel/h chi2_kernel/h cosine_distances/h
sklearn.metrics.pairwise euclidean_distances/h haversine_distances/h laplacian_kernel/h linear_kernel/h
sklearn.metrics.pairwise manhattan_distances/h nan_euclidean_distances/h paired_cosine_distances/h
sklearn.metrics.pairwise paired_distances/h paired_euclidean_distances/h paired_manhattan_distances/h
sklearn.metrics.pairwise pairwise_distances/h polynomial_kernel/h rbf_kernel/h sigmoid_kernel/h
sklearn.mixture._base BaseMixture
sklearn.mixture._bayesian_mixture BayesianGaussianMixture
sklearn.mixture._gaussian_mixture GaussianMixture
sklearn.model_selection._classification_threshold BaseThresholdClassifier FixedThresholdClassifier
sklearn.model_selection._classification_threshold TunedThresholdClassifierCV _CurveScorer
sklearn.model_selection._search BaseSearchCV GridSearchCV RandomizedSearchCV
sklearn.model_selection._search_successive_halving BaseSuccessiveHalving HalvingGridSearchCV
sklearn.model_selection._search_successive_halving HalvingRandomSearchCV
sklearn.model_selection._split BaseCrossValidator GroupKFold KFold LeaveOneGroupOut LeaveOneOut
sklearn.model_selection._split LeavePGroupsOut LeavePOut PredefinedSplit RepeatedKFold ShuffleSplit
sklearn.model_selection._split StratifiedGroupKFold StratifiedKFold TimeSeriesSplit _BaseKFold
sklearn.model_selection._split _CVIterableWrapper
sklearn.multiclass OneVsOneClassifier OneVsRestClassifier OutputCodeClassifier _ConstantPredictor
sklearn.multioutput ClassifierChain MultiOutputClassifier MultiOutputRegressor RegressorChain _BaseChain
sklearn.multioutput _MultiOutputEstimator
sklearn.naive_bayes BernoulliNB CategoricalNB ComplementNB GaussianNB MultinomialNB _BaseDiscreteNB _BaseNB
sklearn.neighbors._ball_tree BallTree/t newObj/cs
sklearn.neighbors._base NeighborsBase
sklearn.neighbors._classification KNeighborsClassifier RadiusNeighborsClassifier
sklearn.neighbors._graph KNeighborsTransformer RadiusNeighborsTransformer
sklearn.neighbors._kd_tree KDTree/t newObj/cs
sklearn.neighbors._kde KernelDensity
sklearn.neighbors._lof LocalOutlierFactor
sklearn.neighbors._nca NeighborhoodComponentsAnalysis
sklearn.neighbors._nearest_centroid NearestCentroid
sklearn.neighbors._regression KNeighborsRegressor RadiusNeighborsRegressor
sklearn.neighbors._unsupervised NearestNeighbors
sklearn.neural_network._multilayer_perceptron BaseMultilayerPerceptron MLPClassifier MLPRegressor
sklearn.neural_network._rbm BernoulliRBM
sklearn.neural_network._stochastic_optimizers AdamOptimizer
sklearn.pipeline FeatureUnion Pipeline
sklearn.preprocessing._data Binarizer KernelCenterer MaxAbsScaler MinMaxScaler Normalizer PowerTransformer
sklearn.preprocessing._data QuantileTransformer RobustScaler StandardScaler
sklearn.preprocessing._discretization KBinsDiscretizer
sklearn.preprocessing._encoders OneHotEncoder OrdinalEncoder _BaseEncoder
sklearn.preprocessing._function_transformer FunctionTransformer
sklearn.preprocessing._label LabelBinarizer LabelEncoder MultiLabelBinarizer
sklearn.preprocessing._polynomial PolynomialFeatures SplineTransformer
sklearn.preprocessing._target_encoder TargetEncoder
sklearn.random_projection BaseRandomProjection GaussianRandomProjection SparseRandomProjection
sklearn.semi_supervised._label_propagation BaseLabelPropagation LabelPropagation LabelSpreading
sklearn.semi_supervised._self_training SelfTrainingClassifier
sklearn.svm._base BaseLibSVM BaseSVC
sklearn.svm._classes LinearSVC LinearSVR NuSVC NuSVR OneClassSVM SVC SVR
sklearn.tree._classes BaseDecisionTree DecisionTreeClassifier DecisionTreeRegressor ExtraTreeClassifier
sklearn.tree._classes ExtraTreeRegressor
sklearn.tree._tree Tree/tc
sklearn.utils._bunch Bunch/tmf
sklearn.utils._metadata_requests MetadataRequest MethodMetadataRequest
sklearn.utils.metaestimators _BaseComposition
statsmodels.base.data ModelData
statsmodels.base.model GenericLikelihoodModel GenericLikelihoodModelResults LikelihoodModel
statsmodels.base.model LikelihoodModelResults Model Results
statsmodels.discrete.conditional_models ConditionalLogit ConditionalMNLogit ConditionalPoisson
statsmodels.discrete.conditional_models ConditionalResults _ConditionalModel
statsmodels.discrete.count_model GenericZeroInflated L1ZeroInflatedGeneralizedPoissonResults
statsmodels.discrete.count_model L1ZeroInflatedNegativeBinomialResults L1ZeroInflatedPoissonResults
statsmodels.discrete.count_model ZeroInflatedGeneralizedPoisson ZeroInflatedGeneralizedPoissonResults
statsmodels.discrete.count_model ZeroInflatedNegativeBinomialP ZeroInflatedNegativeBinomialResults
statsmodels.discrete.count_model ZeroInflatedPoisson ZeroInflatedPoissonResults ZeroInflatedResults
statsmodels.discrete.discrete_model BinaryModel BinaryResults BinaryResultsWrapper CountModel CountResults
statsmodels.discrete.discrete_model DiscreteModel DiscreteResults GeneralizedPoisson
statsmodels.discrete.discrete_model GeneralizedPoissonResults L1BinaryResults L1CountResults
statsmodels.discrete.discrete_model L1GeneralizedPoissonResults L1MultinomialResults
statsmodels.discrete.discrete_model L1NegativeBinomialResults L1PoissonResults Logit LogitResults MNLogit
statsmodels.discrete.discrete_model MultinomialModel MultinomialResults MultinomialResultsWrapper
statsmodels.discrete.discrete_model NegativeBinomial NegativeBinomialP NegativeBinomialPResults
statsmodels.discrete.discrete_model NegativeBinomialResults OrderedResults Poisson PoissonResults
statsmodels.discrete.discrete_model PoissonResultsWrapper Probit ProbitResults
statsmodels.discrete.truncated_model HurdleCountModel HurdleCountResults L1HurdleCountResults
statsmodels.discrete.truncated_model L1TruncatedLFGenericResults TruncatedLFGeneralizedPoisson
statsmodels.discrete.truncated_model TruncatedLFGeneric TruncatedLFGenericResults
statsmodels.discrete.truncated_model TruncatedLFNegativeBinomialP TruncatedLFPoisson
statsmodels.discrete.truncated_model TruncatedLFPoissonResults TruncatedNegativeBinomialResults _RCensored
statsmodels.discrete.truncated_model _RCensoredGeneralizedPoisson _RCensoredGeneric
statsmodels.discrete.truncated_model _RCensoredNegativeBinomialP _RCensoredPoisson
statsmodels.distributions.discrete DiscretizedModel
statsmodels.duration.hazard_regression PHReg PHRegResults
statsmodels.emplike.originregress OriginResults
statsmodels.gam.generalized_additive_model GLMGam GLMGamResults LogitGam
statsmodels.genmod.bayes_mixed_glm BinomialBayesMixedGLM PoissonBayesMixedGLM _BayesMixedGLM
statsmodels.genmod.families.family Binomial Gamma Gaussian InverseGaussian NegativeBinomial Poisson Tweedie
statsmodels.genmod.families.links Identity InversePower InverseSquared Log Logit
statsmodels.genmod.families.varfuncs Binomial NegativeBinomial Power VarianceFunction
statsmodels.genmod.generalized_estimating_equations GEE GEEResults NominalGEE NominalGEEResults OrdinalGEE
statsmodels.genmod.generalized_estimating_equations OrdinalGEEResults
statsmodels.genmod.generalized_linear_model GLM GLMResults GLMResultsWrapper
statsmodels.genmod.qif QIF QIFResults
statsmodels.imputation.bayes_mi MIResults
statsmodels.imputation.mice MICEResults
statsmodels.multivariate.cancorr CanCorr
statsmodels.multivariate.factor Factor
statsmodels.multivariate.manova MANOVA
statsmodels.multivariate.multivariate_ols MultivariateLS MultivariateLSResults _MultivariateOLS
statsmodels.multivariate.multivariate_ols _MultivariateOLSResults
statsmodels.multivariate.pca PCA
statsmodels.regression.linear_model GLS GLSAR OLS OLSResults RegressionModel RegressionResults
statsmodels.regression.linear_model RegressionResultsWrapper WLS
statsmodels.regression.mixed_linear_model MixedLM MixedLMResults
statsmodels.regression.quantile_regression QuantReg QuantRegResults
statsmodels.regression.recursive_ls RecursiveLS RecursiveLSResults
statsmodels.robust.norms HuberT
statsmodels.robust.resistant_linear_model RLMDetS RLMDetSMM
statsmodels.robust.robust_linear_model RLM RLMResults RLMResultsWrapper
statsmodels.tools.tools Bunch/tmsf
statsmodels.tsa.ar_model AutoReg AutoRegResults AutoRegResultsWrapper
statsmodels.tsa.ardl.model ARDL ARDLResults UECM UECMResults
statsmodels.tsa.arima.model ARIMA ARIMAResults ARIMAResultsWrapper
statsmodels.tsa.arima.params SARIMAXParams
statsmodels.tsa.arima.specification SARIMAXSpecification
statsmodels.tsa.base.tsa_model TimeSeriesModel TimeSeriesModelResults
statsmodels.tsa.deterministic DeterministicProcess TimeTrend
statsmodels.tsa.exponential_smoothing.base StateSpaceMLEModel StateSpaceMLEResults
statsmodels.tsa.exponential_smoothing.ets ETSModel ETSResults
statsmodels.tsa.holtwinters.model ExponentialSmoothing Holt SimpleExpSmoothing
statsmodels.tsa.holtwinters.results HoltWintersResults HoltWintersResultsWrapper
statsmodels.tsa.regime_switching.markov_autoregression MarkovAutoregression MarkovAutoregressionResults
statsmodels.tsa.regime_switching.markov_regression MarkovRegression MarkovRegressionResults
statsmodels.tsa.regime_switching.markov_switching MarkovSwitching MarkovSwitchingResults
statsmodels.tsa.statespace._initialization cInitialization/t dInitialization/tc sInitialization/t
statsmodels.tsa.statespace._initialization zInitialization/tc
statsmodels.tsa.statespace._kalman_filter cKalmanFilter/t dKalmanFilter/tc sKalmanFilter/t zKalmanFilter/tc
statsmodels.tsa.statespace._kalman_smoother cKalmanSmoother/t dKalmanSmoother/tc sKalmanSmoother/t
statsmodels.tsa.statespace._kalman_smoother zKalmanSmoother/t
statsmodels.tsa.statespace._quarterly_ar1 QuarterlyAR1
statsmodels.tsa.statespace._representation cStatespace/t dStatespace/tc sStatespace/t zStatespace/tc
statsmodels.tsa.statespace._simulation_smoother cSimulationSmoother/t dSimulationSmoother/t
statsmodels.tsa.statespace._simulation_smoother sSimulationSmoother/t zSimulationSmoother/t
statsmodels.tsa.statespace.dynamic_factor DynamicFactor DynamicFactorResults
statsmodels.tsa.statespace.dynamic_factor_mq DynamicFactorMQ DynamicFactorMQResults
statsmodels.tsa.statespace.exponential_smoothing ExponentialSmoothing ExponentialSmoothingResults
statsmodels.tsa.statespace.initialization Initialization
statsmodels.tsa.statespace.kalman_smoother SmootherResults
statsmodels.tsa.statespace.mlemodel MLEModel MLEResults
statsmodels.tsa.statespace.sarimax SARIMAX SARIMAXResults
statsmodels.tsa.statespace.simulation_smoother SimulationSmoothResults/t SimulationSmoother
statsmodels.tsa.statespace.structural UnobservedComponents UnobservedComponentsResults
statsmodels.tsa.statespace.varmax VARMAX VARMAXResults
statsmodels.tsa.vector_ar.svar_model SVAR
statsmodels.tsa.vector_ar.var_model VAR VARResults VARResultsWrapper
statsmodels.tsa.vector_ar.vecm VECM
torch BFloat16Storage/t BoolStorage/t ByteStorage/t CharStorage/t ComplexDoubleStorage/t
torch ComplexFloatStorage/t DoubleStorage/t FloatStorage/t HalfStorage/t IntStorage/t LongStorage/t
torch QInt8Storage/t ShortStorage/t Size/tc bfloat16/h bits16/h bits1x8/h bits2x4/h bits4x2/h bits8/h bool/h
torch complex128/h complex32/h complex64/h device/tc float16/h float32/h float4_e2m1fn_x2/h float64/h
torch float8_e4m3fn/h float8_e4m3fnuz/h float8_e5m2/h float8_e5m2fnuz/h float8_e8m0fnu/h int1/h int16/h
torch int2/h int3/h int32/h int4/h int5/h int6/h int64/h int7/h int8/h per_channel_affine/h
torch per_tensor_affine/h qint32/h qint8/h quint2x4/h quint4x2/h quint8/h uint1/h uint16/h uint2/h uint3/h
torch uint32/h uint4/h uint5/h uint6/h uint64/h uint7/h uint8/h
torch._C Generator/tcs _VariableFunctionsClass/t
torch._C._nn gelu/h log_sigmoid/h softplus/h
torch._tensor _rebuild_from_type_v2/c
torch._utils _rebuild_meta_tensor_no_storage/c _rebuild_parameter/c _rebuild_qtensor/c
torch._utils _rebuild_sparse_tensor/c _rebuild_tensor_v2/c _rebuild_tensor_v3/c
torch.nn.functional binary_cross_entropy/h celu/h cross_entropy/h elu/h hardsigmoid/h hardswish/h hardtanh/h
torch.nn.functional l1_loss/h leaky_relu/h log_softmax/h mish/h mse_loss/h nll_loss/h relu/h relu6/h selu/h
torch.nn.functional sigmoid/h silu/h softmax/h softsign/h tanh/h
torch.nn.modules.activation CELU ELU GELU GLU Hardshrink Hardsigmoid Hardswish Hardtanh LeakyReLU LogSigmoid
torch.nn.modules.activation LogSoftmax Mish MultiheadAttention PReLU RReLU ReLU ReLU6 SELU SiLU Sigmoid
torch.nn.modules.activation Softmax Softmax2d Softmin Softplus Softshrink Softsign Tanh Tanhshrink Threshold
torch.nn.modules.adaptive AdaptiveLogSoftmaxWithLoss
torch.nn.modules.batchnorm BatchNorm1d BatchNorm2d BatchNorm3d LazyBatchNorm1d LazyBatchNorm2d
torch.nn.modules.batchnorm LazyBatchNorm3d SyncBatchNorm _BatchNorm _LazyNormBase _NormBase
torch.nn.modules.channelshuffle ChannelShuffle
torch.nn.modules.container Container ModuleDict ModuleList ParameterDict ParameterList Sequential
torch.nn.modules.conv Conv1d Conv2d Conv3d ConvTranspose1d ConvTranspose2d ConvTranspose3d LazyConv1d
torch.nn.modules.conv LazyConv2d LazyConv3d LazyConvTranspose1d LazyConvTranspose2d LazyConvTranspose3d
torch.nn.modules.conv _ConvNd _ConvTransposeMixin _ConvTransposeNd
torch.nn.modules.distance CosineSimilarity PairwiseDistance
torch.nn.modules.dropout AlphaDropout Dropout Dropout1d Dropout2d Dropout3d FeatureAlphaDropout _DropoutNd
torch.nn.modules.flatten Flatten Unflatten
torch.nn.modules.fold Fold Unfold
torch.nn.modules.instancenorm InstanceNorm1d InstanceNorm2d InstanceNorm3d LazyInstanceNorm1d
torch.nn.modules.instancenorm LazyInstanceNorm2d LazyInstanceNorm3d _InstanceNorm
torch.nn.modules.linear Bilinear Identity LazyLinear Linear NonDynamicallyQuantizableLinear
torch.nn.modules.loss BCELoss BCEWithLogitsLoss CTCLoss CosineEmbeddingLoss CrossEntropyLoss GaussianNLLLoss
torch.nn.modules.loss HingeEmbeddingLoss HuberLoss KLDivLoss L1Loss LinearCrossEntropyLoss MSELoss
torch.nn.modules.loss MarginRankingLoss MultiLabelMarginLoss MultiLabelSoftMarginLoss MultiMarginLoss NLLLoss
torch.nn.modules.loss NLLLoss2d PoissonNLLLoss SmoothL1Loss SoftMarginLoss TripletMarginLoss
torch.nn.modules.loss TripletMarginWithDistanceLoss _Loss _WeightedLoss
torch.nn.modules.module Module _WrappedHook
torch.nn.modules.normalization CrossMapLRN2d GroupNorm LayerNorm LocalResponseNorm RMSNorm
torch.nn.modules.padding CircularPad1d CircularPad2d CircularPad3d ConstantPad1d ConstantPad2d ConstantPad3d
torch.nn.modules.padding ReflectionPad1d ReflectionPad2d ReflectionPad3d ReplicationPad1d ReplicationPad2d
torch.nn.modules.padding ReplicationPad3d ZeroPad1d ZeroPad2d ZeroPad3d _CircularPadNd _ConstantPadNd
torch.nn.modules.padding _ReflectionPadNd _ReplicationPadNd
torch.nn.modules.pixelshuffle PixelShuffle PixelUnshuffle
torch.nn.modules.pooling AdaptiveAvgPool1d AdaptiveAvgPool2d AdaptiveAvgPool3d AdaptiveMaxPool1d
torch.nn.modules.pooling AdaptiveMaxPool2d AdaptiveMaxPool3d AvgPool1d AvgPool2d AvgPool3d
torch.nn.modules.pooling FractionalMaxPool2d FractionalMaxPool3d LPPool1d LPPool2d LPPool3d MaxPool1d
torch.nn.modules.pooling MaxPool2d MaxPool3d MaxUnpool1d MaxUnpool2d MaxUnpool3d _AdaptiveAvgPoolNd
torch.nn.modules.pooling _AdaptiveMaxPoolNd _AvgPoolNd _LPPoolNd _MaxPoolNd _MaxUnpoolNd
torch.nn.modules.rnn GRU GRUCell LSTM LSTMCell RNN RNNBase RNNCell RNNCellBase
torch.nn.modules.sparse Embedding EmbeddingBag
torch.nn.modules.transformer Transformer TransformerDecoder TransformerDecoderLayer TransformerEncoder
torch.nn.modules.transformer TransformerEncoderLayer
torch.nn.modules.upsampling Upsample UpsamplingBilinear2d UpsamplingNearest2d
torch.nn.utils.parametrizations _Orthogonal _SpectralNorm _WeightNorm
torch.nn.utils.parametrize ParametrizationList
torch.optim Adafactor Muon
torch.optim.adadelta Adadelta
torch.optim.adagrad Adagrad
torch.optim.adam Adam
torch.optim.adamax Adamax
torch.optim.adamw AdamW
torch.optim.asgd ASGD
torch.optim.lbfgs LBFGS
torch.optim.lr_scheduler ChainedScheduler ConstantLR CosineAnnealingLR CosineAnnealingWarmRestarts CyclicLR
torch.optim.lr_scheduler ExponentialLR LRScheduler LambdaLR LinearLR MultiStepLR MultiplicativeLR OneCycleLR
torch.optim.lr_scheduler PolynomialLR ReduceLROnPlateau SequentialLR StepLR _LRScheduler
torch.optim.nadam NAdam
torch.optim.optimizer Optimizer
torch.optim.radam RAdam
torch.optim.rmsprop RMSprop
torch.optim.rprop Rprop
torch.optim.sgd SGD
torch.optim.sparse_adam SparseAdam
torch.optim.swa_utils AveragedModel SWALR
torch.serialization _get_layout/c
torch.storage UntypedStorage/t
torch.utils.hooks RemovableHandle/tms
transformers.activations GELUActivation NewGELUActivation
transformers.generation.configuration_utils GenerationConfig
transformers.modeling_outputs BaseModelOutput/tcf
transformers.models.bert.configuration_bert BertConfig
transformers.models.bert.modeling_bert BertAttention BertEmbeddings BertEncoder BertIntermediate BertLayer
transformers.models.bert.modeling_bert BertModel BertOutput BertPooler BertSelfAttention BertSelfOutput
transformers.models.gpt2.configuration_gpt2 GPT2Config
transformers.models.gpt2.modeling_gpt2 GPT2Attention GPT2Block GPT2MLP GPT2Model
transformers.pytorch_utils Conv1D
transformers.tokenization_utils_base BatchEncoding
transformers.trainer_pt_utils AcceleratorConfig
transformers.trainer_utils HubStrategy/tc IntervalStrategy/tc SaveStrategy/tc SchedulerType/tc
transformers.training_args OptimizerNames/tc TrainingArguments
xgboost.core Booster
xgboost.sklearn XGBClassifier XGBRFClassifier XGBRFRegressor XGBRanker XGBRegressor
""".splitlines()
