from ._qt.session import session
from .config import ModelSpec, TileConfig, TrainConfig
from .evaluation.report import evaluate
from .models import list_models
from .segmenter import Segmenter

__all__ = [
    "ModelSpec",
    "Segmenter",
    "TileConfig",
    "TrainConfig",
    "evaluate",
    "list_models",
    "session",
]
__version__: str
