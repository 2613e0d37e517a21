from collections.abc import Mapping
from dataclasses import fields, replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from qtpy.QtCore import QPoint, QPointF, Qt
from qtpy.QtGui import QWheelEvent
from qtpy.QtWidgets import QApplication, QWidget

from napari_segkit import config as configs
from napari_segkit._qt.widgets.choice import Choice
from napari_segkit._qt.widgets.fields import Number, OptionalField
from napari_segkit._qt.widgets.forms import Form, tooltips
from napari_segkit._qt.widgets.refine_form import RefineForm
from napari_segkit._qt.widgets.section import Section
from napari_segkit.config import (
    CleanConfig,
    ClusterConfig,
    ModelSpec,
    ObjectConfig,
    RefineConfig,
    TileConfig,
    TrainConfig,
)
from napari_segkit.config._schema import Checked, config_fields

CONFIGS = [c for c in vars(configs).values() if isinstance(c, type) and issubclass(c, Checked)]
ALL = [c for c in CONFIGS if c is not configs.EvaluateConfig]  # docks ask for it in other ways
PLAIN = [c for c in ALL if c not in (CleanConfig, RefineConfig)]
OTHER = TrainConfig(
    epochs=3,
    steps_per_epoch=100_000,
    minutes=0.01,
    batch_size=1024,
    learning_rate=1.2345678901234567e-7,
    unlabelled=None,
    labels_are="objects",
    normalise="training",
    resize=(64, 4096),
    augment=False,
    seed=2**31 - 1,
    tile=TileConfig(tile_size=64, overlap=16),
)


@pytest.fixture
def form(qtbot):
    def make(cls, **options):
        config_form = Form(cls, **options)
        qtbot.addWidget(config_form.native)
        return config_form

    return make


@pytest.fixture
def form_of(form, qtbot):
    """The form of any configuration class."""

    def make(cls):
        if cls is RefineConfig:
            refine_form = RefineForm()
            qtbot.addWidget(refine_form.native)
            return refine_form
        return form(cls, hide={"value"} if cls is CleanConfig else ())

    return make


def values_of(declared):
    """Any value that a parameter accepts."""
    low, high = declared.limits.get("min"), declared.limits.get("max")
    if declared.kind is Mapping:
        value = st.booleans() | st.integers() | st.none() | st.just("relu")
        return st.dictionaries(
            st.sampled_from(["depth", "act"]), value | st.lists(value, min_size=1).map(tuple)
        )
    if declared.single:
        values = st.integers(low, high) | st.tuples(*[st.integers(low, high)] * declared.length)
    elif declared.kind is tuple:
        values = st.lists(valid(declared.items), unique_by=lambda c: c.value, max_size=3).map(tuple)
        return values.map(lambda cs: tuple(c for c in cs if c != CleanConfig(c.value)))
    elif issubclass(declared.kind, Checked):
        values = valid(declared.kind)
    elif declared.choices:
        values = st.sampled_from(declared.choices)
    else:
        values = {
            bool: st.booleans(),
            int: st.integers(low, high),
            float: st.floats(low, high).filter(lambda x: x == 0 or abs(x) > 1e-12),
            str: st.text("abcxyz-_./ 019", max_size=20),
        }[declared.kind]
    return st.none() | values if declared.optional else values


@st.composite
def valid(draw, cls):
    values = {name: draw(values_of(declared)) for name, declared in config_fields(cls).items()}
    if cls is TileConfig and None not in (values["tile_size"], values["overlap"]):
        values["overlap"] = min(values["overlap"], values["tile_size"] // 2)
    if cls is ObjectConfig and values["max_size"] is not None:
        values["min_size"] = min(values["min_size"], values["max_size"])
    if cls is TrainConfig and values["resize"] is not None:
        values["voxel_size"] = None
    if cls is TrainConfig and (values["resize"] or values["voxel_size"]) is not None:
        values["three_axes"] = False
    if cls is TrainConfig and values["epochs"] is None:
        values["minutes"] = values["minutes"] or 1.0
    if cls is ClusterConfig and not (values["scheduler"] or "").strip():
        values["scheduler"] = None
    return cls(**values)


@pytest.mark.parametrize("cls", ALL)
@settings(
    max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_any_values_set_are_the_values_read(form_of, cls, data):
    config_form = form_of(cls)
    assert config_form.value == cls()
    for config in data.draw(st.lists(valid(cls), min_size=5, max_size=5)):
        config_form.value = config
        assert config_form.value == config


@pytest.mark.parametrize("learning_rate", [1e-7, 0.1 + 0.2, 1.2345678901234567e-7])
def test_a_small_number_is_not_rounded(form, learning_rate):
    config_form = form(TrainConfig, collapsed=("learning_rate", "tile"))
    config_form.value = replace(OTHER, learning_rate=learning_rate)
    assert config_form.learning_rate.value == config_form.asdict()["learning_rate"] == learning_rate
    assert config_form.value == replace(OTHER, learning_rate=learning_rate)


def numbers(form):
    for name, declared in config_fields(type(form.value)).items():
        field = form[name]
        if isinstance(field, Form):
            yield from numbers(field)
        elif declared.limits and declared.kind is not tuple:
            yield getattr(field, "inner", field), declared


@pytest.mark.parametrize("cls", PLAIN)
def test_limits_and_steps_are_those_declared(form, cls):
    for field, declared in numbers(form(cls)):
        assert isinstance(field, Number)
        assert type(field.value) is declared.kind
        assert field.range == (declared.limits["min"], declared.limits["max"])
        assert field.step == declared.limits.get("step", 1)


@pytest.mark.parametrize("cls", ALL)
def test_tooltips_come_from_the_docstring(form_of, cls):
    tips = tooltips(cls)
    assert set(tips) == {f.name for f in fields(cls)}
    config_form = form_of(cls)
    assert all(len(field.tooltip) > 20 for field in config_form)
    for field in config_form:
        if not isinstance(field, Form) and not hasattr(field, "wide"):
            assert config_form.row_label(field.name).toolTip() == tips[field.name]


def without_tooltip(widget):
    """Widgets that a person can change, with no tooltip of their own nor of what they are in."""
    while widget is not None and not widget.toolTip():
        widget = widget.parentWidget()
    return widget is None


@pytest.mark.parametrize("cls", ALL)
def test_no_widget_is_left_without_tooltip(form_of, cls):
    config_form = form_of(cls)
    for field in config_form:
        getattr(field, "build", bool)()
    changeable = config_form.native.findChildren(QWidget)
    changeable = [w for w in changeable if w.focusPolicy() != Qt.FocusPolicy.NoFocus]
    assert changeable
    assert not [w for w in changeable if without_tooltip(w)]


@pytest.mark.parametrize("cls", PLAIN)
def test_choices_are_those_declared(form, cls):
    config_form = form(cls)
    for name, declared in config_fields(cls).items():
        if declared.choices:
            none = (None,) if declared.optional else ()
            assert config_form[name].choices == (*none, *declared.choices)


@pytest.mark.parametrize(
    ("value", "shown"), [(1e-3, "0.001"), (3e-4, "0.0003"), (1e-7, "1e-07"), (1.0, "1.0")]
)
def test_a_learning_rate_is_shown_with_all_its_digits(form, value, shown):
    config_form = form(TrainConfig)
    config_form.value = TrainConfig(learning_rate=value)
    assert config_form.learning_rate.native.text() == shown


def type_in(field, text):
    field.native.selectAll()
    field.native.lineEdit().insert(text)


@pytest.mark.parametrize("text", ["2e-4", "0.0002", "0,0002"])
def test_a_typed_number_is_used_before_enter_is_pressed(form, text):
    config_form = form(TrainConfig)
    type_in(config_form.learning_rate, text)
    assert config_form.value.learning_rate == 2e-4


def test_changed_is_sent_once_a_number_is_complete(form, qtbot):
    config_form = form(TrainConfig)
    changes = []
    config_form.batch_size.changed.connect(changes.append)
    type_in(config_form.batch_size, "7")
    assert changes == []
    qtbot.keyClick(config_form.batch_size.native, Qt.Key.Key_Return)
    assert changes == [7]
    assert type(changes[0]) is int


@pytest.mark.parametrize(
    ("name", "text"), [("learning_rate", "17"), ("learning_rate", "-"), ("batch_size", "2.5")]
)
def test_a_number_that_does_not_fit_is_rejected(form, name, text):
    config_form = form(TrainConfig)
    type_in(config_form[name], text)
    assert config_form.value == TrainConfig()


def test_steps_have_no_rounding_errors(form):
    config_form = form(TrainConfig)
    field = config_form.learning_rate
    field.native.stepBy(1)
    assert field.value == 0.0011
    field.native.stepBy(-2)
    assert field.value == 0.0009
    config_form.seed.value = 2**31 - 3
    config_form.seed.native.stepBy(1)
    assert config_form.seed.value == 2**31 - 2


@pytest.mark.parametrize("name", ["epochs", "learning_rate", "normalise"])
def test_the_wheel_scrolls_past_a_field_that_was_not_clicked(form, name):
    config_form = form(TrainConfig)
    wheel = QWheelEvent(
        QPointF(5, 5), QPointF(5, 5), QPoint(0, -120), QPoint(0, -120), Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.NoModifier, Qt.ScrollPhase.NoScrollPhase, False,
    )  # fmt: skip
    QApplication.sendEvent(config_form[name].native, wheel)
    assert not wheel.isAccepted()
    assert config_form.value == TrainConfig()


def test_an_optional_number_starts_at_a_usable_value(form):
    config_form = form(TileConfig)
    for name in ("tile_size", "overlap"):
        field = config_form[name]
        assert isinstance(field, OptionalField)
        assert field.inner.native.isHidden()
        field.switch.value = True
        assert not field.inner.native.isHidden()
    config = config_form.value
    assert config.tile_size >= 2 * config.overlap > 0


def test_an_optional_number_sends_one_change_each(form):
    field = form(TileConfig).tile_size
    changes = []
    field.changed.connect(changes.append)
    for value in (64, 128, None):
        field.value = value
    assert changes == [64, 128, None]


def test_inconsistent_values_raise_when_read(form):
    config_form = form(TileConfig)
    assert config_form.problem is None
    config_form.tile_size.value = 64
    config_form.overlap.value = 64
    with pytest.raises(ValueError, match="at most half"):
        config_form.value  # noqa: B018
    assert "at most half" in config_form.problem


def test_hidden_fields_keep_what_was_set(form):
    config_form = form(TrainConfig, hide=("seed", "tile.batch_size", "unlabelled"))
    with pytest.raises(AttributeError):
        config_form["seed"]
    config = replace(OTHER, tile=TileConfig(batch_size=7))
    config_form.value = config
    config_form.epochs.value = 9
    assert config_form.value == replace(config, epochs=9)


def test_changed_is_sent_once_for_a_form_set_and_once_for_a_field(form):
    config_form = form(TrainConfig)
    changes = []
    config_form.changed.connect(lambda: changes.append(config_form.value))
    config_form.value = OTHER
    assert changes == [OTHER]
    config_form.tile.batch_size.value = 5
    assert changes[1:] == [replace(OTHER, tile=replace(OTHER.tile, batch_size=5))]


def test_a_field_can_have_a_custom_widget(form):
    box = Choice([("U-Net", "unet"), ("Link", "linknet"), ("PAN", "pan")])
    config_form = form(ModelSpec, widgets={"name": box})
    assert config_form["name"] is box
    config_form.value = ModelSpec("linknet", encoder="resnet34")
    assert config_form.value == ModelSpec("linknet", encoder="resnet34")
    box.native.setCurrentText("PAN")
    assert config_form.value.name == "pan"


def test_unused_fields_are_disabled_with_the_reason(form):
    config_form = form(TrainConfig)
    tip = config_form.epochs.tooltip
    config_form.grey_out(["epochs"], "It has none.")
    assert not config_form.epochs.enabled
    assert config_form.epochs.tooltip == "It has none."
    assert config_form.seed.enabled
    config_form.grey_out([], "")
    assert config_form.epochs.enabled
    assert config_form.epochs.tooltip == tip


def test_sections_open_on_a_click(form, qtbot):
    config_form = form(TrainConfig, collapsed=("seed",))
    config_form.native.show()
    section = next(s for s in config_form.native.findChildren(Section) if s.title == "More")
    assert not config_form.seed.visible
    qtbot.mouseClick(section.toggleButton(), Qt.MouseButton.LeftButton)
    assert config_form.seed.visible
    qtbot.mouseClick(section.toggleButton(), Qt.MouseButton.LeftButton)
    assert not config_form.seed.visible


def test_a_section_grows_with_its_content(form, qtbot):
    config_form = form(TrainConfig)
    config_form.native.show()
    section = config_form.sections["tile"]
    qtbot.mouseClick(section.toggleButton(), Qt.MouseButton.LeftButton)
    config_form.tile.value = TileConfig(tile_size=64, overlap=16)
    QApplication.processEvents()
    assert section.content().height() >= section.content().sizeHint().height()


def test_a_custom_widget_keeps_its_tooltip(form):
    custom = Number(int)
    custom.tooltip = "How long."
    config_form = form(TrainConfig, widgets={"epochs": custom})
    config_form.grey_out(["epochs"], "It has none.")
    config_form.grey_out([], "")
    assert custom.tooltip == "How long."


def test_a_form_can_be_printed(form):
    assert "batch_size" in repr(form(TileConfig))
