"""Changed model files: none is believed as it is, and one with a right checksum does no harm.

The checksum is made right again in half of them, as an attacker or a faulty tool could. Such a file
is refused in a sentence, or it predicts finite values, or refuses to in a sentence.
"""

import hashlib
import json
import random
import re
import struct
import warnings
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from time import perf_counter

import numpy as np
import pytest
import torch
from safetensors.torch import load, save
from skimage.data import coins
from skimage.measure import label

from napari_segkit import ModelSpec, Segmenter, TileConfig, TrainConfig, merge_panoptic

IMAGE = coins()[20:84, 20:84]
CONFIG = TrainConfig(
    epochs=1,
    steps_per_epoch=1,
    batch_size=2,
    tile=TileConfig(64, 32),
    unlabelled=None,
    validation=None,
)
SPECS = {
    "pixels": ModelSpec("pixels"),
    "segresnet": ModelSpec("segresnet", dims="2D"),
    "unet": ModelSpec("unet", encoder="mobilenet_v2"),
    "solo": ModelSpec("solo", encoder="mobilenet_v3_large"),
    "maskrcnn": ModelSpec("maskrcnn", encoder="mobilenet_v3_large"),
}
FREQUENT = ("merged", "pixels", "segresnet")  # the others take longer
MORE_MEGABYTES, MORE_SECONDS = 300, 5  # than the file as it was


def trained(spec):
    objects = spec.name in ("solo", "maskrcnn") or spec.objects is not None
    labels = label(IMAGE > 110) if objects else IMAGE > 110
    config = replace(CONFIG, labels_are="objects" if objects else "classes")
    return Segmenter(spec, device="cpu").fit(IMAGE, labels.astype(np.int32), config)


def write_sound_files(folder, names=tuple(SPECS)):
    """Train a tiny model of each kind; their files by name."""
    for name in names:
        trained(SPECS[name]).save(folder / f"{name}.segkit")
    things = trained(ModelSpec("pixels", objects="components"))
    semantic = Segmenter.load(folder / "pixels.segkit", device="cpu")
    merge_panoptic(semantic, things, stuff=["class 1"]).save(folder / "merged.segkit")
    return {path.stem: path.read_bytes() for path in sorted(folder.glob("*.segkit"))}


def parts(data):
    """Header text and tensors of a file."""
    size = 8 + int.from_bytes(data[:8], "little")
    return json.loads(data[8:size])["__metadata__"], load(data)


def seal(data):
    """The file with the checksum that its contents have, if it has a place for one."""
    size = 8 + int.from_bytes(data[:8], "little")
    found = re.search(rb'"sha256":"(.{64})"', data[:size])
    if not found:
        return data
    start, end = found.span(1)
    digest = hashlib.sha256(data[:start] + b"0" * 64 + data[end:]).hexdigest()
    return data[:start] + digest.encode() + data[end:]


# values that a field does not have, or should not
VALUES = [
    *(None, True, False, 0, 1, -1, 2, 3, 1.5, 1e-30, 1e30, 1e308, 10**30, 2**31, 64, 8192),
    *(float("nan"), float("inf"), float("-inf"), "", "x", "YX", "class 1", "\x1b[31mred\x07"),
    *("<b>bold</b>", "a" * 5000, "\ud800", "../../x", "tu-nonsense", "resnet18", "unet", "pixels"),
    *([], {}, [1], [1, 2], [64, 64], [1.0, 1.0, 1.0], ["a"], {"a": 1}, [[]] * 1000, [None]),
]


def paths(value, path=()):
    """Paths of all values inside a JSON value."""
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, inner in items:
        yield (*path, key)
        if isinstance(inner, dict | list):
            yield from paths(inner, (*path, key))


def at(value, path):
    for key in path:
        value = value[key]
    return value


def change_header(header, draw):
    """Change one to three values of a header, somewhere."""
    for _ in range(draw.choice((1, 1, 1, 2, 3))):
        every = list(paths(header))
        first = draw.choice(sorted({path[0] for path in every}))  # each field as often
        path = draw.choice([path for path in every if path[0] == first])
        holder, key = at(header, path[:-1]), path[-1]
        match draw.randrange(7):
            case 0:
                del holder[key]
            case 1 if isinstance(holder, dict):
                holder[f"{key}_"] = holder.pop(key)
            case 2 if isinstance(holder[key], int | float) and holder[key] is not None:
                holder[key] = holder[key] * draw.choice((-1, 1e-9, 1e9, 2, 0, 1000))
            case 3 if isinstance(holder, list):
                holder.extend(holder[:] * draw.choice((1, 5, 1000)))
            case 4:
                holder[key] = deepcopy(at(header, draw.choice(every)))
            case _:
                holder[key] = deepcopy(draw.choice(VALUES))
    return json.dumps(header)


def change_text(text, draw):
    """Damage the text of a header."""
    place = draw.randrange(len(text))
    match draw.randrange(7):
        case 0:
            return text[:place]
        case 1:
            return text[:place] + text[draw.randrange(len(text)) :]
        case 2:
            return text[:-1] + ', "channels": 7}'
        case 3:
            return re.sub(r"\d+", "9" * draw.choice((5, 20, 5000)), text, count=1)
        case 4:
            return text[:-1] + ', "a": ' + "[" * 5000 + "]" * 5000 + "}"
        case 5:
            return text.replace("1.0", draw.choice(("NaN", "1e999", "-Infinity", "0x1")), 1)
        case _:
            noise = "".join(chr(draw.randrange(1, 256)) for _ in range(20))
            return text[:place] + noise + text[place:]


def other_values(tensor, draw):
    """A tensor of the same shape with values that no training gives, or reordered."""
    filled = draw.choice((float("nan"), float("inf"), 3e38, -1.0, 0.0, 1e-38, 1e10))
    return draw.choice(
        (
            torch.full_like(tensor.float(), filled),
            tensor.float() * draw.choice((-1, 1e20, 1e5)),
            tensor.flatten().flip(0).reshape(tensor.shape),
        )
    ).to(tensor.dtype)


def unbacked_channels(tensors, header, name, draw):
    """Many channels, and a tensor with that length, but without or with few values."""
    header["channels"] = draw.choice((10**6, 10**9, 30_000))
    many = header["channels"] > 30_000
    tensors[name] = torch.zeros(0, header["channels"]) if many else torch.zeros(30_000)


def change_tensors(tensors, header, draw):
    """Change one tensor, or exchange two."""
    name, other = (draw.choice(sorted(tensors)) for _ in range(2))
    old = tensors[name]
    match draw.randrange(9):
        case 0:
            tensors[name], tensors[other] = tensors[other], old
        case 1:
            tensors[f"{name}_"] = tensors.pop(name)
        case 2:
            tensors["more"] = old.clone()
        case 3:
            tensors[name] = old.to(draw.choice((torch.float16, torch.int64, torch.bool)))
        case 4:
            tensors[name] = old.reshape(-1)
        case 5:
            unbacked_channels(tensors, header, name, draw)
        case _:
            tensors[name] = other_values(old, draw)
    tensors.update({key: value.clone().contiguous() for key, value in tensors.items()})


def change_bytes(data, draw):
    """Flip bits, cut, or copy a part of the file over another."""
    size = 8 + int.from_bytes(data[:8], "little")
    place = draw.randrange(size if draw.random() < 0.5 else len(data))
    length = draw.choice((1, 4, 100, 1000))
    match draw.randrange(6):
        case 0 | 1:
            flipped = bytes([data[place] ^ (1 << draw.randrange(8))])
            return data[:place] + flipped + data[place + 1 :]
        case 2:
            return data[:place]
        case 3:
            source = draw.randrange(len(data))
            return data[:place] + data[source : source + length] + data[place + length :]
        case 4:
            return data[:place] + draw.randbytes(length) + data[place + length :]
        case _:
            return struct.pack("<Q", draw.choice((0, 2, size, 2**40, 2**64 - 1))) + data[8:]


def mutant(data, draw):
    """A changed file, with the checksum of the file as it was."""
    kind = draw.choice(("header", "header", "header", "text", "tensors", "tensors", "bytes"))
    if kind == "bytes":
        return change_bytes(data, draw)
    metadata, tensors = parts(data)
    header = json.loads(metadata["segkit"])
    if kind == "tensors":
        change_tensors(tensors, header, draw)
        metadata["segkit"] = json.dumps(header)
    else:
        change = change_header if kind == "header" else change_text
        metadata["segkit"] = change(header if kind == "header" else metadata["segkit"], draw)
    return save(tensors, metadata)


def mutants(files, count, seed):
    """Names, contents and whether the checksum is right, of files that are not the sound ones."""
    draw = random.Random(seed)
    while count:
        small = [name for name in FREQUENT if name in files]
        name = draw.choice(sorted(files) if draw.random() < 0.1 else small)
        data = mutant(files[name], draw)
        is_sealed = draw.random() < 0.6
        data = seal(data) if is_sealed else data
        if parts_differ(data, files[name]):
            count -= 1
            yield name, data, is_sealed


def parts_differ(data, sound):
    """Whether a file is another one, also apart from the order of its metadata."""
    try:
        (found, tensors), (metadata, expected) = parts(data), parts(sound)
        same = found | {"sha256": ""} == metadata | {"sha256": ""}
        return not same or not all(
            name in expected and t.numpy().tobytes() == expected[name].numpy().tobytes()
            for name, t in tensors.items()
        )
    except Exception:  # noqa: BLE001 (it is damaged)
        return True


def require_sentence(error):
    text = str(error)
    assert text.isprintable(), text
    assert text.endswith("."), text
    assert 20 < len(text) < 2000, text


def outcome(path):
    """What a user sees: "refused", "refused at predict" or "predicts"."""
    found = "refused"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            segmenter = Segmenter.load(path, device="cpu")
            found = "refused at predict"
            labels, maps = segmenter.predict(IMAGE), segmenter.predict_proba(IMAGE)
    except (ValueError, FloatingPointError, MemoryError) as error:
        require_sentence(error)
        return found
    assert all(c.name.isprintable() for c in segmenter.classes)
    assert labels.shape == IMAGE.shape
    assert np.isfinite(maps).all()
    return "predicts"


def peak_megabytes(*, reset=False):
    """Largest memory of this process, since the last reset."""
    if reset:
        Path("/proc/self/clear_refs").write_text("5")
    status = Path("/proc/self/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+)", status)[1]) / 1024


def measured(path, data):
    """Outcome, seconds and megabytes of a file."""
    path.write_bytes(data)
    before, start = peak_megabytes(reset=True), perf_counter()
    found = outcome(path)
    return found, perf_counter() - start, peak_megabytes() - before


@pytest.mark.parametrize(
    ("count", "names"),
    [(40, ["pixels"]), pytest.param(600, list(SPECS), marks=pytest.mark.slow)],
    ids=["few", "many"],
)
def test_changed_files_are_not_believed(count, names, tmp_path):
    files = write_sound_files(tmp_path, names)
    path = tmp_path / "changed.segkit"
    for _ in range(2):  # the first time, libraries are loaded
        sound = {name: measured(path, data) for name, data in files.items()}
    assert {found for found, _, _ in sound.values()} == {"predicts"}
    for name, data, is_sealed in mutants(files, count, seed=count):
        found, seconds, megabytes = measured(path, data)
        assert is_sealed or found == "refused"
        assert seconds < sound[name][1] + MORE_SECONDS
        assert megabytes < sound[name][2] + MORE_MEGABYTES
