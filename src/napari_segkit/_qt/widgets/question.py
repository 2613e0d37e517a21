"""Questions and proposals inside a dock, which do not block."""

from collections.abc import Callable, Mapping
from functools import partial

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QBoxLayout, QFrame, QLabel, QPushButton, QVBoxLayout, QWidget

NO_TIPS: Mapping[str, str] = {}


class Answers(QWidget):
    """A button for each answer; hidden while there are none."""

    def __init__(self, direction: QBoxLayout.Direction = QBoxLayout.Direction.TopToBottom) -> None:
        super().__init__()
        self._answers: dict[str, Callable[[], object]] = {}
        self._buttons = QBoxLayout(direction, self)
        self._buttons.setContentsMargins(0, 0, 0, 0)
        self.hide()

    @property
    def offered(self) -> list[str]:
        return list(self._answers)

    def offer(
        self, answers: Mapping[str, Callable[[], object]], *, tips: Mapping[str, str] = NO_TIPS
    ) -> None:
        """Show a button for each label, which calls its function; `tips` are their tooltips."""
        self._answers = dict(answers)
        while self._buttons.count():
            self._buttons.takeAt(0).widget().deleteLater()
        for label in answers:
            button = QPushButton(label, toolTip=tips.get(label, ""))
            button.clicked.connect(self._on_clicked)
            self._buttons.addWidget(button)
        self.setVisible(bool(answers))

    def answer(self, label: str) -> None:
        """Answer as the button with this label does."""
        self._answers[label]()

    def _on_clicked(self) -> None:
        self.answer(self.sender().text())


class Question(QFrame):
    """A question with a button for each answer; hidden until asked."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._text = QLabel(wordWrap=True, textFormat=Qt.TextFormat.PlainText)
        self._answers = Answers(QBoxLayout.Direction.LeftToRight)
        self.answer = self._answers.answer
        column = QVBoxLayout(self)
        column.addWidget(self._text)
        column.addWidget(self._answers)
        self.setFrameShape(QFrame.Shape.StyledPanel)
        self.hide()

    @property
    def text(self) -> str:
        return self._text.text()

    def ask(self, text: str, answers: Mapping[str, Callable[[], object]]) -> None:
        """Show a question; `answers` maps button labels to what they do."""
        self._text.setText(text)
        self._answers.offer({label: partial(self._do, act) for label, act in answers.items()})
        self.show()

    def close_question(self) -> None:
        """Hide the question without an answer."""
        self.hide()
        self._answers.offer({})

    def _do(self, action: Callable[[], object]) -> None:
        self.close_question()
        action()
