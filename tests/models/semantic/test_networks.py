"""Networks compared with their papers and libraries."""

import gc
import inspect

import numpy as np
import pytest
import segmentation_models_pytorch as smp
import torch
from monai.networks.nets.dynunet import DynUNet
from monai.networks.nets.mednext import MedNeXt, create_mednext
from monai.networks.nets.segresnet_ds import SegResNetDS
from torch import nn

import napari_segkit.models as models
from napari_segkit import ModelSpec, Segmenter, TrainConfig
from napari_segkit.models import (
    Inputs,
    build,
    choose_ndim,
    encoders,
    model_info,
    resolve,
    stride,
)
from napari_segkit.models.memory_estimate import estimate_memory
from napari_segkit.models.meta_device import meta_device
from napari_segkit.models.presets import PRESETS, preset, volume_preset
from napari_segkit.models.semantic.monai import topology

FLAT = Inputs(2, 3, (1.0, 1.0))
ISOTROPIC, COARSE = (1.0, 1.0, 1.0), (7.5, 0.5, 0.5)


def on_meta(spec, inputs=FLAT):
    with meta_device():
        return build(spec, inputs)


def test_encoders_are_those_of_smp():
    import segmentation_models_pytorch as smp

    assert set(encoders.NATIVE) == set(smp.encoders.encoders)
    assert len(encoders.NATIVE) == len(set(encoders.NATIVE))


def test_encoders_of_timm_are_timms():
    import timm

    known = set(timm.list_models())
    assert {name.removeprefix("tu-") for name in encoders.TIMM + encoders.VITS} <= known
    assert len(encoders.TIMM) >= 40


def test_segnet_has_the_published_layers():
    """Badrinarayanan et al. 2017: 13 convolutions each way, 512 ... 64 and back, 29.5 million."""
    network = on_meta(ModelSpec("segnet", encoder="vgg16_bn"), Inputs(3, 11, (1.0, 1.0)))
    down = [m.out_channels for m in network.encoder.modules() if isinstance(m, nn.Conv2d)]
    up = [m.out_channels for m in network.decoder.modules() if isinstance(m, nn.Conv2d)]
    assert down == [64, 64, 128, 128, *[256] * 3, *[512] * 6]
    assert up == [*[512] * 5, 256, 256, 256, 128, 128, 64, 64, 11]
    assert sum(p.numel() for p in network.parameters()) == pytest.approx(29.45e6, rel=0.002)


def test_segnet_puts_each_maximum_back_where_it_was():
    network = build(ModelSpec("segnet", encoder="vgg11_bn"), Inputs(1, 2, (1.0, 1.0))).eval()
    images = torch.rand(1, 1, 32, 32)
    with torch.no_grad():
        first = network.encoder.features[:3](images)
        _, ((indices, shape), *_) = network.encoder(images)
        pooled, expected = nn.functional.max_pool2d(first, 2, return_indices=True)
        back = network.unpool(pooled, indices, output_size=shape)
    assert torch.equal(indices, expected)
    kept = back != 0
    assert torch.equal(back[kept], first[kept])
    assert kept.sum() <= pooled.numel()


@pytest.mark.parametrize(
    ("spacing", "kernels", "strides"),
    [
        (ISOTROPIC, [(3, 3, 3)] * 4, [(1, 1, 1), (2, 2, 2), (2, 2, 2), (2, 2, 2)]),
        (COARSE, [(1, 3, 3)] * 3 + [(3, 3, 3)], [(1, 1, 1), (1, 2, 2), (1, 2, 2), (1, 2, 2)]),
        ((3.0, 1.0, 1.0), [(1, 3, 3)] + [(3, 3, 3)] * 3,
         [(1, 1, 1), (1, 2, 2), (2, 2, 2), (2, 2, 2)]),
        ((1.0, 1.0), [(3, 3)] * 4, [(1, 1), (2, 2), (2, 2), (2, 2)]),
    ],
)  # fmt: skip
def test_coarse_axes_are_pooled_later_as_in_nnunet(spacing, kernels, strides):
    found = topology(spacing, 3)
    assert list(found.kernels) == kernels
    assert list(found.strides) == strides


@pytest.mark.parametrize("name", ["unet3d", "segresnet", "mednext"])
@pytest.mark.parametrize("spacing", [ISOTROPIC, COARSE, (0.3, 0.1, 0.1), (1.0, 1.0)])
def test_a_tile_of_one_stride_along_a_thin_axis_is_enough(name, spacing):
    spec = resolve(ModelSpec(name))
    steps = stride(spec, spacing)
    size = [steps[0], *(2 * s for s in steps[1:])] if len(spacing) == 3 else [2 * s for s in steps]
    network = build(spec, Inputs(1, 2, spacing)).train()
    assert network(torch.rand(2, 1, *size)).shape == (2, 2, *size)


@pytest.mark.parametrize(
    ("name", "encoder"),
    [("linknet", "mit_b0"), ("deeplabv3", "vgg11"), ("dpt", "resnet18"), ("pan", "densenet121")],
)
def test_an_incompatible_encoder_is_refused(name, encoder):
    with pytest.raises(ValueError, match=rf"{name} has no encoder '{encoder}'; choose one of"):
        Segmenter(ModelSpec(name, encoder=encoder))


def test_other_models_of_timm_are_checked_before_training():
    image, labels = np.random.default_rng(0).random((64, 64)), np.ones((64, 64), int)
    labels[:32] = 2
    segmenter = Segmenter(ModelSpec("fpn", encoder="tu-swin_tiny_patch4_window7_224"))
    with pytest.raises(ValueError, match=r"fpn is incompatible with the encoder 'tu-swin.*choose"):
        next(segmenter.train_epochs(image, labels))
    with pytest.raises(ValueError, match="tu-no_such_thing"):
        on_meta(ModelSpec("unet", encoder="tu-no_such_thing"))


@pytest.mark.parametrize("encoder", ["mit_b0", "resnet18", "tu-convnext_atto", "timm-skresnet18"])
@pytest.mark.parametrize("channels", [1, 5])
def test_any_number_of_channels(encoder, channels):
    network = on_meta(ModelSpec("fpn", encoder=encoder), Inputs(channels, 4, (1.0, 1.0)))
    with meta_device():
        assert network.train()(torch.rand(2, channels, 64, 96)).shape == (2, 4, 64, 96)


@pytest.mark.parametrize(
    ("spec", "axes", "ndim"),
    [
        (ModelSpec("unet3d"), "ZYX", 3),
        (ModelSpec("unet3d"), "CYX", 2),
        (ModelSpec("unet3d", dims="2D"), "ZYX", 2),
        (ModelSpec("pixels"), "TZYX", 2),
        (ModelSpec("pixels", dims="3D"), "ZYXC", 3),
        (ModelSpec("unet"), "ZYX", 2),
    ],
)
def test_dimensions_follow_the_method_the_axes_and_the_spec(spec, axes, ndim):
    assert choose_ndim(spec, axes) == ndim


def test_a_plane_image_is_refused_by_a_3d_model():
    with pytest.raises(ValueError, match="axes YX has no Z: name the axes, or choose dims='2D'"):
        choose_ndim(ModelSpec("segresnet", dims="3D"), "YX")
    with pytest.raises(ValueError, match="unet works in 2D only"):
        Segmenter(ModelSpec("unet", dims="3D"))
    volume = np.random.default_rng(0).random((16, 16, 16))
    config = TrainConfig(epochs=1, steps_per_epoch=1, batch_size=2, unlabelled=None)
    segmenter = Segmenter(ModelSpec("unet3d")).fit(volume, (volume > 0.5).astype(int), config)
    with pytest.raises(ValueError, match=r"image has no Z .*trained on volumes"):
        segmenter.predict(volume[0])


def test_memory_is_estimated_in_proportion_to_the_batch():
    spec = resolve(ModelSpec("unet"))
    one, four = (estimate_memory(spec, FLAT, (256, 256), n) for n in (1, 4))
    network = build(spec, FLAT)
    assert one.parameters == sum(p.numel() for p in network.parameters())
    fixed = 16 * one.parameters
    assert (four.training_memory - fixed) == pytest.approx(
        4 * (one.training_memory - fixed), rel=0.01
    )
    assert one.prediction_memory < one.training_memory


def test_estimating_memory_leaves_no_tensors():
    spec = resolve(ModelSpec("unet"))
    estimate_memory(spec, FLAT, (64, 64), 2)
    gc.collect()
    gc.freeze()  # what is there before is not searched, which takes long
    estimate_memory(spec, FLAT, (64, 96), 2)
    gc.collect()
    left = [o for o in gc.get_objects() if issubclass(type(o), torch.Tensor)]
    gc.unfreeze()
    assert not left


def test_estimated_activations_are_those_of_backpropagation():
    spec = resolve(ModelSpec("unet3d"))
    inputs = Inputs(1, 2, ISOTROPIC)
    network, kept = build(spec, inputs).train(), {}

    def keep(tensor):
        if not isinstance(tensor, nn.Parameter):
            kept[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        output = network(torch.rand(2, 1, 16, 16, 16))
    real = sum(t.untyped_storage().nbytes() for t in kept.values())
    said = estimate_memory(spec, inputs, (16, 16, 16), 2)
    assert said.training_memory - 16 * said.parameters == pytest.approx(
        real + 2 * output.numel() * 4, rel=0.1
    )


def test_presets_can_be_built():
    for chosen in (*PRESETS.values(), volume_preset("cuda"), volume_preset("cpu", 1)):
        spec = resolve(chosen.spec)
        ndim = models.choose_ndim(spec, "ZYX")
        with meta_device():
            build(spec, Inputs(1, 2, (1.0,) * ndim))
    with pytest.raises(ValueError, match="There is no preset 'magic'; choose one of"):
        preset("magic")


def parameters_of(builder):
    return set(inspect.signature(builder).parameters)


def test_options_are_parameters_of_the_builders():
    own = {"self", "encoder_name", "encoder_weights", "in_channels", "classes", "kwargs"}
    unused = {"activation", "aux_params"}
    for name, architecture in smp.MODEL_ARCHITECTURES_MAPPING.items():
        offered = parameters_of(architecture.__init__) - own - unused
        assert set(model_info(name).options) == offered, name
    for name, builders in {
        "unet3d": [DynUNet],
        "segresnet": [SegResNetDS],
        "mednext": [MedNeXt, create_mednext],
    }.items():
        assert all(set(model_info(name).options) <= parameters_of(b) for b in builders)


@pytest.mark.parametrize(
    ("name", "options", "tensor", "shape"),
    [
        ("unet", {"decoder_channels": [40, 32, 24, 16, 8]}, "segmentation_head.0.weight", 8),
        ("fpn", {"decoder_pyramid_channels": 48}, "decoder.p5.weight", 512),
        ("deeplabv3plus", {"decoder_channels": 32}, "decoder.aspp.0.project.0.weight", 160),
        ("unet3d", {"filters": (8, 16, 24)}, "input_block.conv1.conv.weight", 2),
        ("segresnet", {"init_filters": 4}, "encoder.conv_init.weight", 2),
    ],
)  # fmt: skip
def test_options_change_the_network(name, options, tensor, shape):
    info = model_info(name)
    spec = resolve(ModelSpec(name, options=options))
    assert spec == resolve(ModelSpec(name, options=dict(options)))
    inputs = Inputs(2, 3, (1.0,) * info.dims[0])
    assert on_meta(spec, inputs).state_dict()[tensor].shape[1] == shape


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        (ModelSpec("unet", options={"dropout": 0.2}), "no option dropout: its options are enc"),
        (ModelSpec("segnet", options={"depth": 3}), "segnet has no option depth: it has none"),
        (ModelSpec("unet", options={"decoder_channels": (8, 8)}), r"with decoder_channels=8,8 \("),
        (ModelSpec("pspnet", options={"encoder_depth": 4}), "encoder_depth=4 .*output has the"),
    ],
)  # fmt: skip
def test_options_that_do_not_fit_are_refused_before_training(spec, said):
    image = np.random.default_rng(0).random((64, 64))
    with pytest.raises(ValueError, match=said):
        next(Segmenter(spec).train_epochs(image, np.eye(64, dtype=int) + 1))
