from ._qt.session import session
from .config import FeatureConfig, ModelSpec, ObjectConfig, TileConfig, TrainConfig
from .evaluation.report import evaluate
from .models import list_models
from .panoptic import merge_panoptic
from .segmenter import Segmenter

__all__ = [
    "FeatureConfig",
    "ModelSpec",
    "ObjectConfig",
    "Segmenter",
    "TileConfig",
    "TrainConfig",
    "evaluate",
    "list_models",
    "merge_panoptic",
    "session",
]
__version__: str
