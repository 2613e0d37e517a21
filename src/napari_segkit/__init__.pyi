from ._qt.session.session import session
from .comparison.compare import compare
from .config import (
    AugmentConfig,
    BatchConfig,
    CleanConfig,
    ClusterConfig,
    CRFConfig,
    EvaluateConfig,
    FeatureConfig,
    MeasureConfig,
    ModelSpec,
    MRFConfig,
    ObjectConfig,
    PredictConfig,
    RefineConfig,
    SuperpixelConfig,
    TileConfig,
    TrainConfig,
)
from .cross_validation.results import CrossValidation
from .cross_validation.run import cross_validate, cross_validations
from .evaluation.error_map import error_map
from .evaluation.parameter_search import fit_refinement
from .evaluation.report import evaluate
from .images.drawn_labels import draw_labels
from .images.slice_interpolation import interpolate_slices
from .images.where_next import next_place
from .jobs.batch.predict_files import predict_files
from .mean_model import mean_model
from .measurement.measure import measure
from .merged_model import merge_panoptic
from .models import list_models
from .project.project import Project
from .refinement.pipeline import refine
from .refinement.smooth import smooth
from .refinement.soft_labels import soft_labels
from .refinement.superpixels.generate import superpixels
from .segmenter import Segmenter
from .suggestion.suggest import Suggestion, suggest, suggestions
from .training.augment import augmented_patches
from .training_set import TrainingRow, TrainingSet

__all__ = [
    "AugmentConfig",
    "BatchConfig",
    "CRFConfig",
    "CleanConfig",
    "ClusterConfig",
    "EvaluateConfig",
    "CrossValidation",
    "FeatureConfig",
    "ModelSpec",
    "MRFConfig",
    "MeasureConfig",
    "ObjectConfig",
    "PredictConfig",
    "Project",
    "RefineConfig",
    "Segmenter",
    "Suggestion",
    "SuperpixelConfig",
    "TileConfig",
    "TrainConfig",
    "TrainingRow",
    "TrainingSet",
    "augmented_patches",
    "compare",
    "cross_validate",
    "cross_validations",
    "draw_labels",
    "error_map",
    "evaluate",
    "fit_refinement",
    "interpolate_slices",
    "list_models",
    "mean_model",
    "measure",
    "merge_panoptic",
    "next_place",
    "predict_files",
    "refine",
    "session",
    "smooth",
    "soft_labels",
    "suggest",
    "suggestions",
    "superpixels",
]
__version__: str
