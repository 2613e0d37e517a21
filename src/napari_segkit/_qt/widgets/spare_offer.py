"""Offer of a model that an earlier window has left unsaved."""

from napari_segkit._qt.session.session import Session
from napari_segkit._qt.session.spare_models import KEEP_DAYS

from .question import Question


class SpareOffer(Question):
    """Asks what to do with the model that the session has found; hidden while there is none."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        session.spare.changed.connect(self._update)
        session.busy_changed.connect(self._update)
        session.spare.search()
        self._update()

    def _update(self) -> None:
        session = self._session
        if session.spare.found is None or session.task is not None:
            self.close_question()
            return
        self.ask(
            f"An unsaved model of {session.spare.found.description} was kept. Such copies are "
            f"removed after {KEEP_DAYS} days.",
            {
                "Load": session.load_spare,
                "Discard": session.spare.discard,
                "Later": session.spare.later,
            },
        )
