"""Offer to go on with a training that was interrupted."""

from collections.abc import Callable

from napari_segkit._qt.session.session import Session
from napari_segkit._qt.session.spare_models import KEEP_DAYS
from napari_segkit._qt.widgets.question import Question


class TrainingOffer(Question):
    """Asks what to do with a training that was interrupted; hidden while there is none."""

    def __init__(self, session: Session, resume: Callable[[], object]) -> None:
        super().__init__()
        self._session, self._resume = session, resume
        session.interrupted.changed.connect(self._update)
        session.busy_changed.connect(self._update)
        session.interrupted.search()
        self._update()

    def _update(self) -> None:
        session = self._session
        if session.interrupted.found is None or session.task is not None:
            self.close_question()
            return
        self.ask(
            f"A training was interrupted: {session.interrupted.found.description}. It goes on with "
            f"the same image and labels. Such states are removed after {KEEP_DAYS} days.",
            {
                "Resume": self._resume,
                "Discard": session.interrupted.discard,
                "Later": session.interrupted.later,
            },
        )
