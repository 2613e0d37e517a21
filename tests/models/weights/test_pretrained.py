import hashlib
import os
import pickle
import socket
import subprocess
import sys
from dataclasses import replace
from types import SimpleNamespace
from zipfile import ZIP_DEFLATED, ZipFile

import pytest
import segmentation_models_pytorch as smp
import timm
import torch
import torchvision
from huggingface_hub import constants
from safetensors.torch import save, save_file

from napari_segkit.config import ModelSpec
from napari_segkit.models import MODELS, Inputs, build, encoders, families
from napari_segkit.models.weights.files import HubFile
from napari_segkit.models.weights.pretrained import (
    BACKBONES,
    COCO,
    WeightsError,
    _file,
    available,
    cached,
    initialise,
)

UNET = ModelSpec("unet", encoder="mobilenet_v2", weights="imagenet")
LRASPP = ModelSpec("lraspp", encoder="mobilenet_v3_large", weights="imagenet")
TIMM = ModelSpec("unet", encoder="tu-test_convnext.r160_in1k", weights="imagenet")
FIRST = {"unet": "encoder.features.0.0.weight", "lraspp": "network.backbone.0.0.weight"}


class Code:
    """Creates a folder when unpickled."""

    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return os.mkdir, (str(self.marker),)


def network(spec, channels=3, classes=2):
    return build(spec, Inputs(channels, classes, (1.0, 1.0)))


def trained(spec, channels=3, classes=2):
    made = network(spec, channels, classes)
    initialise(made, spec, Inputs(channels, classes, (1.0, 1.0)))
    return made


def local(name="unet", encoder="mobilenet_v2", *, path):
    return ModelSpec(name, encoder=encoder, weights=str(path))


def torch_bytes(state, path):
    torch.save(state, path)
    return path.read_bytes()


def same(state, other):
    return all(torch.equal(weight, other[name]) for name, weight in state.items())


@pytest.fixture(scope="module")
def mobilenet():
    """What smp publishes for mobilenet_v2: tensors of its encoder."""
    return smp.encoders.get_encoder("mobilenet_v2", weights=None).state_dict()


@pytest.fixture(scope="module")
def mobilenet3():
    """What torchvision publishes: a whole classifier."""
    return torchvision.models.mobilenet_v3_large().state_dict()


@pytest.fixture
def marker(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")  # an unsafe machine
    path = tmp_path / "code-was-run"
    yield path
    assert not path.exists()


@pytest.fixture(autouse=True)
def caches(tmp_path, monkeypatch):
    """The libraries' caches, empty."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path


@pytest.fixture
def publish(tmp_path, monkeypatch):
    """Let torchvision's entry stand for a file made here; returns where it will be cached."""

    def publish(entry, content, digest=None):
        digest = digest or hashlib.sha256(content).hexdigest()
        file = tmp_path / "server" / f"weights-{digest[:8]}.pth"
        file.parent.mkdir()
        file.write_bytes(content)
        value = torchvision.models.get_weight(entry).value
        monkeypatch.setattr(value, "url", file.as_uri())
        return tmp_path / "torch" / "hub" / "checkpoints" / file.name

    return publish


@pytest.fixture
def hub(tmp_path):
    """Put a file into the hub's cache as the hub's client does; returns the blob."""

    def hub(repository, revision, content, name="model.safetensors", digest=None):
        folder = tmp_path / "hub" / ("models--" + repository.replace("/", "--"))
        blob = folder / "blobs" / (digest or hashlib.sha256(content).hexdigest())
        link = folder / "snapshots" / revision / name
        for path in (blob, link):
            path.parent.mkdir(parents=True)
        blob.write_bytes(content)
        try:
            link.symlink_to(blob)
        except OSError:
            pytest.skip("no symbolic links on this machine")
        return blob

    return hub


def smp_entry(encoder="mobilenet_v2", weights="imagenet"):
    settings = smp.encoders.encoders[encoder]["pretrained_settings"][weights]
    return settings["repo_id"], settings["revision"]


def test_without_weights_no_library_is_loaded():
    script = (
        "import sys\n"
        "from napari_segkit.config import ModelSpec as S\n"
        "from napari_segkit.models.weights import pretrained as w\n"
        "w.initialise(None, S(encoder='resnet18'), None)\n"
        "assert w.cached(S())\n"
        "assert w.available(S(encoder='resnet18')) == ('imagenet', 'ssl', 'swsl')\n"
        "assert not {'torch', 'timm', 'huggingface_hub', 'torchvision'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_names_of_weights_match_the_libraries():
    for name, entry in smp.encoders.encoders.items():
        if name in encoders.NATIVE:
            spec = ModelSpec("unet", encoder=name)
            assert sorted(available(spec)) == sorted(entry["pretrained_settings"])
    named = [torchvision.models.get_model_weights(name) for name in COCO.values()]
    assert {w.DEFAULT.name for w in named} == {"COCO_WITH_VOC_LABELS_V1", "COCO_V1"}
    for name, encoder in COCO:
        spec = ModelSpec(name, encoder=encoder, weights="coco")
        assert available(spec) == ("imagenet", "coco")
        assert _file(spec).sha256()
    for encoder in BACKBONES:
        name = "segnet" if encoder.startswith("vgg") else "maskrcnn"
        assert _file(ModelSpec(name, encoder=encoder, weights="imagenet")).sha256()
    assert available(ModelSpec("unet3d", encoder="small")) == ()
    assert available(ModelSpec("pixels", encoder="filters")) == ()


@pytest.mark.parametrize("name", [n for n, m in MODELS.items() if m.family is families.torchvision])
def test_every_encoder_of_torchvision_has_weights(name):
    for encoder in MODELS[name].encoders:
        assert "imagenet" in available(ModelSpec(name, encoder=encoder))


@pytest.mark.parametrize("name", ["unet", "fcn", "segnet", "pixels"])
def test_a_method_without_weights_is_offered_none(name, monkeypatch):
    spec = ModelSpec(name, encoder="vgg11_bn" if name == "segnet" else "resnet50")
    assert "imagenet" in available(spec)
    monkeypatch.setitem(MODELS, name, replace(MODELS[name], weights=()))
    assert available(spec) == ()


def test_a_new_method_on_torchvision_needs_no_entry(monkeypatch):
    monkeypatch.setitem(MODELS, "new", replace(MODELS["fcn"], name="new", weights=("imagenet",)))
    assert available(ModelSpec("new", encoder="resnet50")) == ("imagenet",)
    assert cached(ModelSpec("new", encoder="resnet50", weights="imagenet")) is False


def test_timm_offers_only_what_can_be_checked():
    def words(encoder):
        return available(ModelSpec("unet", encoder=encoder))

    assert words("tu-resnet18") == words("tu-resnet18.a1_in1k") == ("imagenet",)
    assert words("tu-gcvit_tiny.in1k") == ("imagenet",)  # an address with a hash
    assert words("tu-vit_huge_patch14_gap_224.in1k_ijepa") == ()  # an address without
    assert words("tu-resnet18.no_such") == words("tu-no_such") == words("tu-hf-hub:a/b") == ()


def test_imagenet_of_torchvision(publish, mobilenet3, tmp_path):
    place = publish(
        "MobileNet_V3_Large_Weights.IMAGENET1K_V1", torch_bytes(mobilenet3, tmp_path / "x")
    )
    assert not cached(LRASPP)
    got = trained(LRASPP).backbone.state_dict()
    assert cached(LRASPP)
    assert place.is_file()
    given = {k.removeprefix("features."): v for k, v in mobilenet3.items() if "features" in k}
    assert same(got, given)


def test_download_with_a_wrong_hash_is_refused_and_not_kept(publish, mobilenet3, tmp_path):
    content = torch_bytes(mobilenet3, tmp_path / "x")
    place = publish("MobileNet_V3_Large_Weights.IMAGENET1K_V1", content, digest="0" * 64)
    with pytest.raises(WeightsError, match="invalid hash value"):
        trained(LRASPP)
    assert list(place.parent.iterdir()) == []


@pytest.mark.parametrize("pack", [pickle.dumps, None])
def test_code_in_torchs_cache_is_not_run(publish, mobilenet3, tmp_path, marker, pack):
    place = publish(
        "MobileNet_V3_Large_Weights.IMAGENET1K_V1", torch_bytes(mobilenet3, tmp_path / "x")
    )
    bad = {"weight": Code(marker)}
    place.parent.mkdir(parents=True)
    place.write_bytes(pack(bad) if pack else torch_bytes(bad, tmp_path / "y"))
    with pytest.raises(WeightsError, match="SHA-256 does not begin with"):
        trained(LRASPP)


@pytest.mark.parametrize("pack", [pickle.dumps, None])
def test_code_with_the_right_hash_is_not_run(publish, tmp_path, marker, pack):
    bad = {"weight": Code(marker)}
    content = pack(bad) if pack else torch_bytes(bad, tmp_path / "y")
    publish("MobileNet_V3_Large_Weights.IMAGENET1K_V1", content)
    with pytest.raises(WeightsError, match="could run code"):
        trained(LRASPP)


def test_out_of_reach_one_sentence_says_which_file_and_where(publish, tmp_path):
    place = publish("MobileNet_V3_Large_Weights.IMAGENET1K_V1", b"")
    (tmp_path / "server" / place.name).unlink()
    with pytest.raises(WeightsError) as error:
        trained(LRASPP)
    for part in (str(place), "weights=None", "give the path"):
        assert part in str(error.value)


def test_offline_one_sentence_says_which_file_of_the_hub_and_where(tmp_path):
    repository, revision = smp_entry()
    with pytest.raises(WeightsError) as error:
        trained(UNET)
    folder = tmp_path / "hub" / "models--smp-hub--mobilenet_v2.imagenet" / "snapshots" / revision
    for part in (str(folder / "model.safetensors"), f"{repository}/resolve/{revision}/"):
        assert part in str(error.value)


@pytest.mark.parametrize("listening", [False, True])
@pytest.mark.parametrize("spec", [LRASPP, UNET])
def test_a_server_that_does_not_answer_is_told_soon(spec, listening, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}/weights-01234567.pth"
        if not listening:
            silent.close()
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr("napari_segkit.models.weights.server.SECONDS", 0.2)
        monkeypatch.setattr(HubFile, "address", address)
        entry = torchvision.models.MobileNet_V3_Large_Weights.IMAGENET1K_V1.value
        monkeypatch.setattr(entry, "url", address)
        with pytest.raises(WeightsError, match=r"no connection to 127\.0\.0\.1\)") as error:
            trained(spec)
    assert error.value.remedies == ("weights=None",)


def test_a_file_put_where_the_sentence_says_is_taken(mobilenet, tmp_path):
    place = tmp_path / "hub" / "models--smp-hub--mobilenet_v2.imagenet/snapshots" / smp_entry()[1]
    place.mkdir(parents=True)
    save_file(mobilenet, place / "model.safetensors")
    assert cached(UNET)
    assert same(trained(UNET).encoder.state_dict(), mobilenet)


@pytest.mark.parametrize("channels", [1, 2, 3, 5])
def test_imagenet_of_smp_for_any_channels(hub, mobilenet, channels):
    hub(*smp_entry(), save(mobilenet))
    first = trained(UNET, channels).encoder.state_dict()["features.0.0.weight"]
    given = mobilenet["features.0.0.weight"]
    if channels == 1:
        assert torch.equal(first, given.sum(1, keepdim=True))
    else:
        cyclic = torch.stack([given[:, n % 3] for n in range(channels)], 1)
        torch.testing.assert_close(first, cyclic * 3 / channels)


def test_a_cached_file_of_the_hub_is_what_its_name_says(hub, mobilenet):
    blob = hub(*smp_entry(), save(mobilenet), digest="0" * 64)
    with pytest.raises(WeightsError, match="damaged or not the original") as error:
        trained(UNET)
    assert str(blob) in str(error.value)


def test_a_cache_without_links_asks_the_hub_for_the_hash(mobilenet, tmp_path, monkeypatch):
    place = tmp_path / "hub" / "models--smp-hub--mobilenet_v2.imagenet/snapshots" / smp_entry()[1]
    place.mkdir(parents=True)
    save_file(mobilenet, place / "model.safetensors")
    asked = []
    monkeypatch.setattr(
        "huggingface_hub.get_hf_file_metadata",
        lambda url: asked.append(url) or SimpleNamespace(etag="0" * 64),
    )
    with pytest.raises(WeightsError, match="damaged or not the original"):
        trained(UNET)
    assert smp_entry()[1] in asked[0]


def test_weights_of_another_network_do_not_pass(hub, mobilenet3):
    hub(*smp_entry(), save(mobilenet3))
    with pytest.raises(WeightsError, match="do not fit unet with the encoder mobilenet_v2"):
        trained(UNET)


@pytest.mark.parametrize("channels", [1, 3])
def test_weights_of_timm(hub, channels):
    given = timm.create_model("test_convnext").state_dict()
    hub("timm/test_convnext.r160_in1k", "main", save(given))
    got = trained(TIMM, channels).encoder.model.state_dict()
    stem = given["stem.0.weight"]
    assert torch.equal(got["stem_0.weight"], stem if channels == 3 else stem.sum(1, keepdim=True))
    name = "blocks.0.mlp.fc1.weight"
    assert torch.equal(got[f"stages_0.{name}"], given[f"stages.0.{name}"])


def test_the_branch_of_the_hub_is_the_commit_it_points_at(hub):
    given = timm.create_model("test_convnext").state_dict()
    blob = hub("timm/test_convnext.r160_in1k", "a" * 40, save(given))
    branch = blob.parent.parent / "refs" / "main"
    branch.parent.mkdir()
    branch.write_text("a" * 40)
    assert cached(TIMM)


def test_a_pickle_of_timm_is_never_read(hub, marker):
    bad = pickle.dumps({"weight": Code(marker)})
    hub("timm/test_convnext.r160_in1k", "main", bad, name="pytorch_model.bin")
    with pytest.raises(WeightsError, match=r"model\.safetensors is not on this computer"):
        trained(TIMM)


def test_a_pickle_named_safetensors_is_never_run(hub, marker):
    hub("timm/test_convnext.r160_in1k", "main", pickle.dumps({"weight": Code(marker)}))
    with pytest.raises(WeightsError, match="could run code"):
        trained(TIMM)


@pytest.mark.parametrize("classes", [21, 3])
def test_coco(publish, tmp_path, classes):
    create = torchvision.models.segmentation.lraspp_mobilenet_v3_large
    given = create(weights=None, weights_backbone=None, num_classes=21).state_dict()
    publish(
        "LRASPP_MobileNet_V3_Large_Weights.COCO_WITH_VOC_LABELS_V1",
        torch_bytes(given | {"aux_classifier.0.weight": torch.ones(3)}, tmp_path / "x"),
    )
    spec = ModelSpec("lraspp", encoder="mobilenet_v3_large", weights="coco")
    got = trained(spec, classes=classes).network.state_dict()
    kept = {k: v for k, v in given.items() if classes == 21 or "_classifier" not in k}
    assert same(kept, got)


def test_imagenet_of_segnet(publish, tmp_path):
    spec = ModelSpec("segnet", encoder="vgg11_bn", weights="imagenet")
    features = {f"features.{k}": v for k, v in network(spec).encoder.features.state_dict().items()}
    old = {k: v for k, v in features.items() if "num_batches" not in k}  # as published
    content = torch_bytes(old | {"classifier.0.weight": torch.ones(2, 2)}, tmp_path / "x")
    publish("VGG11_BN_Weights.IMAGENET1K_V1", content)
    assert same(old, trained(spec).encoder.state_dict())


@pytest.mark.parametrize(
    ("start", "nest"),
    [("", None), ("encoder.", "model"), ("module.encoder.", "state_dict"), ("backbone.", None)],
)
def test_own_file_with_usual_wrappings(mobilenet, tmp_path, start, nest):
    state = {start + k: v for k, v in mobilenet.items()}
    torch.save({nest: state, "epoch": 3} if nest else state, tmp_path / "own.pth")
    assert same(mobilenet, trained(local(path=tmp_path / "own.pth")).encoder.state_dict())


def test_own_file_of_a_whole_network_with_other_classes_and_channels(tmp_path):
    given = network(UNET, channels=4, classes=5).state_dict()
    save_file(given, tmp_path / "own.safetensors")
    got = trained(local(path=tmp_path / "own.safetensors"), channels=1, classes=2).state_dict()
    first = given.pop(FIRST["unet"])
    assert torch.equal(got[FIRST["unet"]], first.sum(1, keepdim=True))
    learned = {k: v for k, v in given.items() if "head" not in k and "num_batches" not in k}
    assert same(learned, got)


def test_own_file_with_names_of_another_library(mobilenet, tmp_path):
    kinds = [(k.rpartition(".")[2], v) for k, v in mobilenet.items()]
    torch.save({f"_blocks.{n}.{kind}": v for n, (kind, v) in enumerate(kinds)}, tmp_path / "o.pt")
    got = trained(local(path=tmp_path / "o.pt")).encoder.state_dict()
    assert same({k: v for k, v in mobilenet.items() if "num_batches" not in k}, got)


def test_own_file_that_fits_half_is_taken_and_less_is_refused(mobilenet, tmp_path):
    learned = {k: v for k, v in mobilenet.items() if "num_batches" not in k}
    path = tmp_path / "part.safetensors"
    half = len(learned) // 2
    save_file(dict(list(learned.items())[:half]), path)
    with pytest.warns(UserWarning, match=f"{half} of the encoder's {len(learned)} tensors"):
        trained(local(path=path))
    save_file(dict(list(learned.items())[: half - 1]), path)
    with pytest.raises(WeightsError, match=f"{half - 1} of the encoder's {len(learned)} tensors"):
        trained(local(path=path))


class Long:
    """A hundred megabytes of zeros when unpickled."""

    def __reduce__(self):
        return bytearray, (10**8,)


def compressed(state, path):
    torch.save(state, path)
    with ZipFile(path) as stored:
        members = {name: stored.read(name) for name in stored.namelist()}
    with ZipFile(path, "w", ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)


def with_bytes(state, path):
    torch.save({"state_dict": state, "extra": Long()}, path)


@pytest.mark.parametrize("write", [compressed, with_bytes])
def test_own_file_that_takes_more_memory_than_its_bytes_is_not_read(
    write, mobilenet, tmp_path, monkeypatch
):
    write({**mobilenet, "more": torch.zeros(10**7)}, tmp_path / "own.pth")
    monkeypatch.setattr("torch.load", None)
    with pytest.raises(WeightsError, match=r"own\.pth .* more memory than the file has bytes"):
        trained(local(path=tmp_path / "own.pth"))


def test_a_tensor_of_one_repeated_number_is_no_weight(mobilenet, tmp_path):
    hollow = {name: torch.zeros(()).expand(w.shape) for name, w in mobilenet.items() if w.ndim}
    torch.save(hollow, tmp_path / "own.pth")
    with pytest.raises(WeightsError, match="no named tensors"):
        trained(local(path=tmp_path / "own.pth"))


@pytest.mark.parametrize("pack", [pickle.dumps, None])
def test_own_file_with_code_is_not_run(tmp_path, marker, pack, mobilenet):
    bad = {"state_dict": mobilenet, "extra": Code(marker)}
    path = tmp_path / "own.pth"
    path.write_bytes(pack(bad) if pack else torch_bytes(bad, path))
    with pytest.raises(WeightsError, match="could run code") as error:
        trained(local(path=path))
    assert str(path) in str(error.value)


@pytest.mark.parametrize(
    "damage", [lambda b: b[:1000], lambda b: b[:-1000], lambda b: b"", lambda b: b"no weights"]
)
@pytest.mark.parametrize("ending", ["safetensors", "pth"])
def test_damaged_own_file(mobilenet, tmp_path, damage, ending):
    path = tmp_path / f"own.{ending}"
    whole = save(mobilenet) if ending == "safetensors" else torch_bytes(mobilenet, path)
    path.write_bytes(damage(whole))
    with pytest.raises(WeightsError, match=path.name):
        trained(local(path=path))


@pytest.mark.parametrize("content", [torch.ones(3), {}, {"epoch": 3}, [1, 2]])
def test_own_file_without_named_tensors(tmp_path, content):
    torch.save(content, tmp_path / "own.pt")
    said = r"contains no named tensors .*, or weights=None to train from random weights\.$"
    with pytest.raises(WeightsError, match=said):
        trained(local(path=tmp_path / "own.pt"))


def test_a_word_that_is_neither_weights_nor_a_file():
    spec = ModelSpec("unet", encoder="mobilenet_v2", weights="coco")
    with pytest.raises(WeightsError, match=r"not a file, and unet with .* offers 'imagenet'"):
        trained(spec)
    assert not cached(spec)
