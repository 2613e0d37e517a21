"""Several methods trained on one training set, one after the other, to compare them."""

from collections.abc import Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import ClassVar

from napari_segkit.config import ModelSpec, TrainConfig
from napari_segkit.models import model_info, resolve
from napari_segkit.segmenter import Segmenter
from napari_segkit.steps import Failure, Finish, Step
from napari_segkit.training.events import TrainStep
from napari_segkit.training_set import TrainingSet

PARTS = 1000  # steps of each training, whatever the number of its own


@dataclass(frozen=True)
class TrainingStep(Step):
    """Progress of one of several trainings."""

    text: str  # such as "U-Net (1 of 3): step 20, loss 0.4123"


@dataclass(frozen=True)
class TrainedStep(TrainingStep):
    """One of several models is trained."""

    name: str
    segmenter: Segmenter

    is_event: ClassVar[bool] = True


def specs_of(methods: Sequence[str], spec: ModelSpec | None = None) -> dict[str, ModelSpec]:
    """The models of some methods by their titles, with the further settings of `spec`."""
    base = ModelSpec() if spec is None else spec
    if not methods:
        raise ValueError("There is no method to train: give one or more, such as 'unet'.")
    return {model_info(m).title: resolve(_spec(m, base)) for m in dict.fromkeys(methods)}


def _spec(method: str, base: ModelSpec) -> ModelSpec:
    """The settings with a method, which gives objects in its own way if it has masks."""
    objects = None if model_info(method).has_masks else base.objects
    return replace(base, name=method, objects=objects)


def trainings(
    specs: Mapping[str, ModelSpec],
    training_set: TrainingSet,
    config: TrainConfig,
    device: str = "auto",
) -> Generator[Step, object, dict[str, Segmenter]]:
    """Train each method on the same images with the same settings; give the models by name.

    One that fails is told, and the others go on; ValueError if none could be trained. `Finish`
    ends the training that runs, with its model, and leaves out those that follow.
    """
    config.require_end()
    trained: dict[str, Segmenter] = {}
    last: Exception | None = None
    total = PARTS * len(specs)
    for number, (name, spec) in enumerate(specs.items()):
        segmenter, done = Segmenter(spec, device=device), PARTS * (number + 1)
        place = f"{name} ({number + 1} of {len(specs)})"
        error, is_finishing = yield from _train(
            segmenter, training_set, config, number, total, place
        )
        if error is None:
            segmenter.ready().network.cpu()  # the next one needs the memory of the device
            trained[name] = segmenter
            yield TrainedStep(done, total, f"{place} is trained", name, segmenter)
        else:
            last = error
            yield Failure(done, total, error, name)
        if is_finishing:
            break
    if not trained:
        raise ValueError(f"None of {', '.join(specs)} could be trained.") from last
    return trained


def _train(
    segmenter: Segmenter,
    training_set: TrainingSet,
    config: TrainConfig,
    number: int,
    total: int,
    place: str,
) -> Generator[Step, object, tuple[Exception | None, bool]]:
    """Train one model; give what made it fail, if anything, and whether the work is to end now."""
    command, is_finishing, part = None, False, 0.0
    try:
        with closing(segmenter.train_epochs(training_set, config=config)) as steps:
            while True:
                step = steps.send(command)
                part = max(part, _part(step, config))
                text = f"{place}: {_text(step)}"
                command = yield TrainingStep(int(PARTS * (number + part)), total, text)
                is_finishing = is_finishing or isinstance(command, Finish)
    except StopIteration:
        return None, is_finishing
    except Exception as error:  # noqa: BLE001  the other trainings do not depend on this one
        return error, is_finishing


def _part(step: Step, config: TrainConfig) -> float:
    """How much of a training is done, from 0 to 1, by its steps or its time."""
    if not isinstance(step, TrainStep):
        return 0.0
    in_steps = step.done / max(step.total, 1)
    in_time = step.seconds / (60 * config.minutes) if config.minutes else 0.0
    return min(1.0, max(in_time, in_steps if config.epochs is not None else 0.0))


def _text(step: Step) -> str:
    if isinstance(step, TrainStep):
        return f"step {step.done}, loss {step.loss:.4f}"
    return f"{step.done} of {step.total}"
