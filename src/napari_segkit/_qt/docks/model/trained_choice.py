"""Choice among the models that were trained since the window was opened."""

from qtpy.compat import isalive

from napari_segkit._qt.session.session import Session
from napari_segkit._qt.widgets.choice import Choice

TIP = (
    "<p>The last models that were trained since this window was opened, with their figures on "
    "what was held out. Choosing one takes it back; Undo undoes that.</p>"
)
LETTERS = 10


class TrainedChoice(Choice[int | None]):
    """Combo box of the session's `models`, by number; empty if it uses another model."""

    def __init__(self, session: Session) -> None:
        self._session = session
        super().__init__(letters=LETTERS, tooltip=TIP)
        self.native.setPlaceholderText("—")
        self.changed.connect(self._on_changed)

    @property
    def has_others(self) -> bool:
        """Whether there is a model to take back."""
        models, current = self._session.models, self._session.segmenter.trained
        return len(models.all) > (models.number_of(current) is not None)

    def offered(self) -> list[tuple[str, int | None]]:
        names = [self._session.model_name(x.model.identity) for x in self._session.models.all]
        each = zip(self._session.models.all, names, strict=True)
        return [(x.describe(name), number) for number, (x, name) in enumerate(each)]

    def show_current(self) -> None:
        """List the models anew, and select the one that is used."""
        if not isalive(self.native):
            return
        with self.changed.blocked():
            self.reset_choices()
            number = self._session.models.number_of(self._session.segmenter.trained)
            self.native.setCurrentIndex(-1 if number is None else number)

    def _on_changed(self, number: int | None) -> None:
        if number is not None:
            self._session.take_back(self._session.models.all[number].model)
