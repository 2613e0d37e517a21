from argparse import ArgumentParser
from dataclasses import dataclass, fields
from typing import Annotated

import pytest

from napari_segkit import AugmentConfig, ModelSpec, TileConfig, TrainConfig
from napari_segkit.cli.options import add_options, read_options
from napari_segkit.config import (
    CleanConfig,
    CRFConfig,
    EvaluateConfig,
    MaskConfig,
    MRFConfig,
    ObjectConfig,
    PredictConfig,
    RefineConfig,
    SoftLabelConfig,
    SuperpixelConfig,
)
from napari_segkit.config._schema import Checked, config_fields, from_dict, to_dict, to_python

REFINE = [CRFConfig, MRFConfig, SuperpixelConfig, CleanConfig, RefineConfig]
TRAIN = [AugmentConfig, TileConfig, TrainConfig]
PREDICT = [ObjectConfig, PredictConfig, MaskConfig, SoftLabelConfig, EvaluateConfig]
CONFIGS = [ModelSpec, *PREDICT, *TRAIN, *REFINE]


@pytest.mark.parametrize("cls", CONFIGS)
def test_every_field_is_documented_and_its_default_is_allowed(cls):
    cls()
    for name in config_fields(cls):
        assert f"\n    {name} : " in cls.__doc__, name


@pytest.mark.parametrize("cls", CONFIGS)
def test_limits_are_enforced_where_they_are_declared(cls):
    for name, field in config_fields(cls).items():
        limits = field.limits
        for bound, beyond in (("min", -1), ("max", 1)):
            if bound in limits:
                with pytest.raises(ValueError, match=name):
                    cls(**{name: limits[bound] + beyond})


@pytest.mark.parametrize(
    "config",
    [
        ModelSpec("unet", encoder="resnet34"),
        ModelSpec("fpn", options={"decoder_dropout": 0.1, "decoder_channels": [8, 4], "x": None}),
        TileConfig(128, 32),
        TrainConfig(unlabelled=None, minutes=2.5, tile=TileConfig(overlap=64)),
        TrainConfig(resize=320, steps_per_epoch=None),
        TrainConfig(resize=(320, 480), normalise="dtype"),
        RefineConfig("crf", crf=CRFConfig(iterations=2), clean=(CleanConfig(2, largest=True),)),
    ],
)
def test_dict_and_python_expression_give_the_same_config_back(config):
    assert from_dict(type(config), to_dict(config)) == config
    assert eval(to_python(config)) == config


def test_the_python_expression_names_only_what_was_changed():
    assert to_python(TrainConfig(epochs=3)) == "TrainConfig(epochs=3)"
    assert to_python(TrainConfig()) == "TrainConfig()"


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: TrainConfig(epochs=0), "between 1 and"),
        (lambda: TrainConfig(labels_are="things"), "'classes', 'objects'"),
        (lambda: TrainConfig(unlabelled=1.5), "int or None"),
        (lambda: TrainConfig(augment=1), "must be AugmentConfig"),
        (lambda: TrainConfig(epochs=True), "must be int"),
        (lambda: TrainConfig(epochs=None), "both None, so the training has no end"),
        (lambda: TrainConfig(learning_rate=float("nan")), "between"),
        (lambda: RefineConfig(clean=[CleanConfig()]), "tuple of CleanConfig"),
        (lambda: RefineConfig(clean=(1,)), "tuple of CleanConfig"),
        (lambda: CRFConfig(appearance_sigma=0.0), "between 1e-06 and"),
        (lambda: TrainConfig(resize=(320, 8)), "between 16 and 4096"),
        (lambda: TrainConfig(resize=(320,)), "one int or 2 of them or None"),
        (lambda: TrainConfig(resize=320, voxel_size=1.0), "one or the other"),
        (lambda: ModelSpec(options={"decoder_channels": {3, 4}}), "option decoder_channels is"),
        (lambda: ModelSpec(options=3), "options is 3"),
        (lambda: TileConfig(64, 48), "at most half of it, 32"),
        (lambda: from_dict(TileConfig, {"edge": 3}), "no field edge"),
    ],
)
def test_impossible_values_are_refused_with_a_sentence(make, said):
    with pytest.raises((ValueError, TypeError), match=said):
        make()


@dataclass(frozen=True)
class Example(Checked):
    """The recipe "Add a parameter" of docs/extending.md.

    Parameters
    ----------
    sharpness : float or None
        How sharp it is.
        None: as it is.
    """

    sharpness: Annotated[float | None, {"min": 0.0, "max": 2.0, "step": 0.1}] = None


def test_a_new_parameter_is_checked_and_has_an_option_and_a_place_in_files():
    assert config_fields(Example)["sharpness"].about == "How sharp it is. None: as it is."
    with pytest.raises(ValueError, match="it must be between"):
        Example(3.0)
    parser = ArgumentParser()
    add_options(parser, Example())
    assert "How sharp it is. None: as it is. (at least 0.0" in " ".join(
        parser.format_help().split()
    )
    config = read_options(parser.parse_args(["--sharpness", "1.5"]), Example())
    assert config == Example(1.5) == from_dict(Example, to_dict(config))
    assert to_python(config) == "Example(sharpness=1.5)"


def test_augmentation_is_switched_as_in_earlier_versions():
    assert TrainConfig(augment=True) == from_dict(TrainConfig, {"augment": True}) == TrainConfig()
    off = TrainConfig(augment=False)
    assert off == from_dict(TrainConfig, {"augment": False}) == eval(to_python(off))
    assert off.augment == AugmentConfig(augment=False)
    rotated = TrainConfig(augment=AugmentConfig(rotation=30, blur=1))
    assert from_dict(TrainConfig, to_dict(rotated)) == rotated == eval(to_python(rotated))


def test_configs_are_frozen_and_hashable():
    assert hash(TrainConfig()) == hash(TrainConfig())
    with pytest.raises(AttributeError):
        TrainConfig().epochs = 3
    assert fields(ModelSpec)[0].name == "name"


def test_a_class_is_not_cleaned_up_endlessly():
    assert len(RefineConfig(clean=(CleanConfig(1),) * 10).clean) == 10
    with pytest.raises(ValueError, match="has 11 entries of class 1; give at most 10 of a class"):
        RefineConfig(clean=(CleanConfig(1),) * 11)
