"""All settings as frozen dataclasses; forms, command-line options and file headers use them.

Annotations in this package stay real objects (no ``from __future__ import annotations``), because
the limits inside ``Annotated`` are read at run time.
"""

from .augment import AugmentConfig
from .batch import BatchConfig
from .cluster import ClusterConfig
from .evaluate import Connectivity, EvaluateConfig, MetricsKind
from .folds import FoldConfig
from .masks import MaskConfig
from .measure import MeasureBy, MeasureConfig
from .model import Dims, FeatureConfig, ModelSpec, ObjectsBy
from .objects import ObjectConfig
from .predict import PredictConfig
from .refinement import (
    CleanConfig,
    CRFConfig,
    MRFConfig,
    RefineConfig,
    Smoother,
    SoftLabelConfig,
    SuperpixelConfig,
    SuperpixelMethod,
    Units,
)
from .tiles import TileConfig
from .training import LabelsAre, Normalise, TrainConfig

__all__ = [
    "AugmentConfig",
    "BatchConfig",
    "CRFConfig",
    "CleanConfig",
    "ClusterConfig",
    "Dims",
    "Connectivity",
    "EvaluateConfig",
    "FeatureConfig",
    "FoldConfig",
    "LabelsAre",
    "MRFConfig",
    "MaskConfig",
    "MeasureBy",
    "MeasureConfig",
    "MetricsKind",
    "ModelSpec",
    "Normalise",
    "ObjectConfig",
    "ObjectsBy",
    "PredictConfig",
    "RefineConfig",
    "Smoother",
    "SoftLabelConfig",
    "SuperpixelConfig",
    "SuperpixelMethod",
    "TileConfig",
    "TrainConfig",
    "Units",
]
