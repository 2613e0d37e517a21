"""Question inside a dock, which does not block."""

from collections.abc import Callable

from qtpy.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget


class Question(QFrame):
    """A question with a button for each answer; hidden until asked."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._answers: dict[str, Callable[[], object]] = {}
        self._text = QLabel(wordWrap=True)
        self._buttons = QHBoxLayout()
        column = QVBoxLayout(self)
        column.addWidget(self._text)
        column.addLayout(self._buttons)
        self.setFrameShape(QFrame.Shape.StyledPanel)
        self.hide()

    @property
    def text(self) -> str:
        return self._text.text()

    def ask(self, text: str, answers: dict[str, Callable[[], object]]) -> None:
        """Show a question; `answers` maps button labels to what they do."""
        self.close_question()
        self._text.setText(text)
        self._answers = dict(answers)
        for label in answers:
            button = QPushButton(label)
            button.clicked.connect(self._on_clicked)
            self._buttons.addWidget(button)
        self.show()

    def answer(self, label: str) -> None:
        """Answer as the button with this label does."""
        action = self._answers[label]
        self.close_question()
        action()

    def close_question(self) -> None:
        """Hide the question without an answer."""
        self._answers = {}
        self.hide()
        while self._buttons.count():
            self._buttons.takeAt(0).widget().deleteLater()

    def _on_clicked(self) -> None:
        self.answer(self.sender().text())
