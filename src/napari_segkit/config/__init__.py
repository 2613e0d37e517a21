"""Every parameter, once, as frozen dataclasses: forms, options and files are made from these.

Annotations in this package stay real objects (no ``from __future__ import annotations``), because
the limits inside ``Annotated`` are read at run time.
"""

from .model import Dims, FeatureConfig, ModelSpec, ObjectsBy
from .objects import ObjectConfig
from .refinement import (
    CleanConfig,
    CRFConfig,
    MRFConfig,
    RefineConfig,
    Smoother,
    SuperpixelConfig,
    SuperpixelMethod,
    Units,
)
from .tiles import TileConfig
from .training import LabelsAre, Normalise, TrainConfig

__all__ = [
    "CRFConfig",
    "CleanConfig",
    "Dims",
    "FeatureConfig",
    "LabelsAre",
    "MRFConfig",
    "ModelSpec",
    "Normalise",
    "ObjectConfig",
    "ObjectsBy",
    "RefineConfig",
    "Smoother",
    "SuperpixelConfig",
    "SuperpixelMethod",
    "TileConfig",
    "TrainConfig",
    "Units",
]
