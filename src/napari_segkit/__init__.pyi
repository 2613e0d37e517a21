from ._qt.session import session
from .config import FeatureConfig, ModelSpec, TileConfig, TrainConfig
from .evaluation.report import evaluate
from .models import list_models
from .segmenter import Segmenter

__all__ = [
    "FeatureConfig",
    "ModelSpec",
    "Segmenter",
    "TileConfig",
    "TrainConfig",
    "evaluate",
    "list_models",
    "session",
]
__version__: str
