"""Options are made from the configuration, and read back into it."""

from argparse import ArgumentParser
from pathlib import Path

import pytest

from napari_segkit.cli import train
from napari_segkit.cli.options import add_options, read_options
from napari_segkit.config import (
    AugmentConfig,
    CRFConfig,
    FeatureConfig,
    ModelSpec,
    MRFConfig,
    ObjectConfig,
    PredictConfig,
    TileConfig,
    TrainConfig,
)
from napari_segkit.config._schema import config_fields

CONFIGS = [
    ModelSpec(),
    TrainConfig(),
    TileConfig(),
    AugmentConfig(),
    ObjectConfig(),
    PredictConfig(),
]


def read(config, *arguments, **options):
    parser = ArgumentParser()
    add_options(parser, config, **options)
    return read_options(parser.parse_args(arguments), config)


@pytest.mark.parametrize("config", [*CONFIGS, TrainConfig(seed=3)])
def test_no_option_changes_nothing(config):
    assert read(config) == config


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--unlabelled", "none"], TrainConfig(unlabelled=None)),
        (["--unlabelled", "255"], TrainConfig(unlabelled=255)),
        (["--minutes", "1.5"], TrainConfig(minutes=1.5)),
        (["--no-augment"], TrainConfig(augment=False)),
        (["--augment"], TrainConfig()),
        (
            ["--rotation", "180", "--no-vertical-flip"],
            TrainConfig(augment=AugmentConfig(rotation=180.0, vertical_flip=False)),
        ),
        (["--labels-are", "objects"], TrainConfig(labels_are="objects")),
        (["--overlap", "32"], TrainConfig(tile=TileConfig(overlap=32))),
        (["--batch-size", "8"], TrainConfig(batch_size=8)),
        (["--resize", "320"], TrainConfig(resize=320)),
        (["--resize", "320,480"], TrainConfig(resize=(320, 480))),
        (["--steps-per-epoch", "none"], TrainConfig(steps_per_epoch=None)),
    ],
)
def test_every_type_is_read(arguments, expected):
    assert read(TrainConfig(), *arguments) == expected


@pytest.mark.parametrize("objects", ["boundary", "none"])
def test_a_choice_or_none(objects):
    expected = None if objects == "none" else objects
    assert read(ModelSpec(), "--objects", objects).objects == expected
    with pytest.raises(SystemExit):
        read(ModelSpec(), "--objects", "rims")


def test_objects_are_chosen_by_options():
    asked = ["--score", "0.2", "--no-border", "--link", "none", "--max-size", "90"]
    assert read(ObjectConfig(), *asked) == ObjectConfig(0.2, max_size=90, border=False, link=None)


def test_an_option_can_have_another_name():
    names = {"name": "model"}
    assert read(ModelSpec(), "--model", "fpn", names=names) == ModelSpec("fpn")


def test_options_of_a_builder_are_given_one_by_one():
    texts = ("decoder_channels=64,32", "a=scse", "b=none", "c=0.5")
    given = [word for text in texts for word in ("--option", text)]
    spec = ModelSpec("unet", options={"a": "before", "d": True})
    options = {"decoder_channels": (64, 32), "a": "scse", "b": None, "c": 0.5, "d": True}
    assert read(spec, *given, names={"options": "option"}) == ModelSpec("unet", options=options)
    with pytest.raises(SystemExit):
        read(spec, "--option", "depth", names={"options": "option"})


def test_a_prefix_separates_options_of_two_configurations():
    parser = ArgumentParser()
    add_options(parser, MRFConfig(), prefix="mrf_", suppress=True)
    add_options(parser, CRFConfig(), prefix="crf_", suppress=True)
    args = parser.parse_args(["--mrf-iterations", "7", "--no-mrf-diagonals"])
    assert read_options(args, MRFConfig(2.5), prefix="mrf_") == MRFConfig(2.5, 7, diagonals=False)
    assert read_options(args, CRFConfig(), prefix="crf_") == CRFConfig()


def test_some_fields_only():
    config = TrainConfig(unlabelled=None)
    assert read(config, "--unlabelled", "0", only=("unlabelled",)) == TrainConfig()
    with pytest.raises(SystemExit):
        read(config, "--epochs", "3", only=("unlabelled",))


@pytest.mark.parametrize("cls", [ModelSpec, TrainConfig, TileConfig, ObjectConfig, PredictConfig])
def test_every_field_has_an_option_with_its_help(cls):
    parser = ArgumentParser()
    add_options(parser, cls())
    offered = {a.dest: a.help for a in parser._actions}
    augment = set(config_fields(AugmentConfig))
    nested = {TrainConfig: {"tile_size", "overlap"} | augment, ModelSpec: {"window", "stride"}}
    for name in nested.get(cls, set()) | set(config_fields(cls)) - {"tile", "features"}:
        assert len(offered[name]) > 10


def test_limits_are_those_of_the_configuration():
    with pytest.raises(ValueError, match=r"^--epochs is 0"):
        read(TrainConfig(), "--epochs", "0")
    with pytest.raises(ValueError, match=r"^--rotation is 999\.0"):
        read(TrainConfig(), "--rotation", "999")


def test_the_table_of_the_docs_has_every_parameter_of_a_training():
    text = (Path(__file__).parents[2] / "docs/models.md").read_text(encoding="utf-8")
    rows = text.partition("| `TrainConfig` |")[2].partition("\n\n")[0].splitlines()[2:]
    shown = {row.split("|")[1].strip(" `"): row.split("|")[2].strip(" `") for row in rows}
    assert list(shown) == list(config_fields(TrainConfig))
    for name, default in shown.items():
        if name not in ("augment", "tile"):
            assert default == repr(getattr(TrainConfig(), name)).replace("'", '"')


def test_every_parameter_of_a_training_is_an_option_in_a_group():
    parser = ArgumentParser()
    train.add_arguments(parser)
    offered = {action.dest for action in parser._actions}
    for cls in (ModelSpec, FeatureConfig, TrainConfig, AugmentConfig):
        assert set(config_fields(cls)) - {"tile", "features"} <= offered
