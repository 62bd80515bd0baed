"""Types and functions of libraries that a model file may hold without a word in the spec.

skops names what it does not trust by itself. Of that, this is what the estimators of scikit-learn, LightGBM, XGBoost,
CatBoost and our own steps hold, each by its name: a new name in one of these packages is not trusted before somebody
has looked at it. None of them runs code of the file's when it is loaded, or when it is called with what a file holds:
`retrain_features.cached.Cached` is left out, because it calls the function that it names.

skops itself leaves out trees and the like, because it cannot see whether their content would let a process crash. Here
a file is loaded only with the digest of the one that was written, and asked in a process of its own.
"""

_NAMES = {
    "catboost.core": "CatBoost CatBoostClassifier CatBoostRanker CatBoostRegressor",  # bytes, and parameters
    "collections": "OrderedDict",
    "functools": "partial",  # what it calls must be trusted by its own name
    "lightgbm.basic": "Booster",
    "lightgbm.sklearn": "LGBMClassifier LGBMRanker LGBMRegressor",
    "numpy": "clip dtype mean median nan_to_num ravel",
    "retrain_features.categories": "Categories",  # ours: texts
    "retrain_features.characters": "CharacterTfidf",  # ours: numbers and arrays
    "retrain_features.labels": "CodedLabels",  # ours: a classifier, which is looked at as well, and its labels
    "scipy._lib.array_api_compat.numpy._aliases": "asarray",
    "scipy.interpolate._bsplines": "BSpline",
    "scipy.sparse._csr": "csr_array csr_matrix",
    # Of these, and of the mapper of bins below, skops 0.13 trusts none; 0.16 all but the losses of Tweedie.
    "sklearn._loss.link": "HalfLogitLink IdentityLink Interval LogLink LogitLink MultinomialLogit",
    "sklearn._loss.loss": (
        "AbsoluteError ExponentialLoss HalfBinomialLoss HalfGammaLoss HalfMultinomialLoss HalfPoissonLoss "
        "HalfSquaredError HalfTweedieLoss HalfTweedieLossIdentity HuberLoss PinballLoss"
    ),
    "sklearn.calibration": "_CalibratedClassifier _SigmoidCalibration _TemperatureScaling",
    "sklearn.cluster._bisect_k_means": "_BisectingTree",
    "sklearn.cluster._kmeans": "_kmeans_single_elkan _kmeans_single_lloyd",
    "sklearn.compose._column_transformer": "make_column_selector",
    "sklearn.ensemble._hist_gradient_boosting.binning": "_BinMapper",
    "sklearn.ensemble._hist_gradient_boosting.predictor": "TreePredictor",
    "sklearn.feature_selection._mutual_info": "mutual_info_classif mutual_info_regression",
    "sklearn.feature_selection._univariate_selection": "chi2 f_classif f_regression r_regression",
    "sklearn.gaussian_process._gpc": "_BinaryGaussianProcessClassifierLaplace",
    "sklearn.gaussian_process.kernels": (
        "CompoundKernel ConstantKernel DotProduct Exponentiation ExpSineSquared Matern PairwiseKernel Product RBF "
        "RationalQuadratic Sum WhiteKernel"
    ),
    "sklearn.impute._iterative": "IterativeImputer _ImputerTriplet",
    "sklearn.metrics._classification": (
        "accuracy_score balanced_accuracy_score brier_score_loss d2_brier_score d2_log_loss_score f1_score "
        "jaccard_score log_loss matthews_corrcoef precision_score recall_score"
    ),
    "sklearn.metrics._dist_metrics": (
        "BrayCurtisDistance64 CanberraDistance64 ChebyshevDistance64 EuclideanDistance64 HammingDistance64 "
        "MahalanobisDistance64 ManhattanDistance64 MinkowskiDistance64 SEuclideanDistance64"
    ),
    "sklearn.metrics._ranking": "average_precision_score roc_auc_score top_k_accuracy_score",
    "sklearn.metrics._regression": (
        "d2_absolute_error_score explained_variance_score max_error mean_absolute_error "
        "mean_absolute_percentage_error mean_gamma_deviance mean_poisson_deviance mean_squared_error "
        "mean_squared_log_error median_absolute_error r2_score root_mean_squared_error root_mean_squared_log_error"
    ),
    "sklearn.metrics._scorer": "_CurveScorer _PassthroughScorer _Scorer",
    "sklearn.model_selection._search_successive_halving": "HalvingGridSearchCV HalvingRandomSearchCV",
    "sklearn.model_selection._split": (
        "GroupKFold KFold PredefinedSplit RepeatedKFold RepeatedStratifiedKFold ShuffleSplit StratifiedGroupKFold "
        "StratifiedKFold StratifiedShuffleSplit TimeSeriesSplit"
    ),
    "sklearn.multiclass": "_ConstantPredictor",
    "sklearn.neighbors._ball_tree": "BallTree",
    "sklearn.neighbors._kd_tree": "KDTree",
    "sklearn.neural_network._stochastic_optimizers": "AdamOptimizer SGDOptimizer",
    "sklearn.tree._tree": "Tree",
    "sklearn.utils._bunch": "Bunch",
    "sklearn.utils._metadata_requests": "MetadataRequest MethodMetadataRequest",
    "sklearn.utils.validation": "check_array",
    "xgboost.callback": "EarlyStopping",
    "xgboost.core": "Booster",
    "xgboost.sklearn": "XGBClassifier XGBRanker XGBRegressor XGBRFClassifier XGBRFRegressor",
}

KNOWN = tuple(f"{module}.{name}" for module, names in _NAMES.items() for name in names.split())
"""Their full names."""
