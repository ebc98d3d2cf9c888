"""Re-estimated batch-norm statistics are those of the batches, and nothing else changes."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from nets.yolo import YOLOv3
from utils.runtime.distribution import Cluster
from utils.training import trainer as module
from utils.training.batch_norm import batch_statistics, is_statistic
from utils.training.choices.recipes import Recipe
from utils.training.freezing import set_backbone_trainable
from utils.training.optimizers import Optimizers
from utils.training.step import StepConfig
from utils.training.trainer import Trainer

ONE_DEVICE = Cluster(tf.distribute.get_strategy(), "CPU")


def make_model(**options):
    keras.utils.set_random_seed(0)
    return YOLOv3("efficientnet_lite0", ["a", "b"], input_size=64, **options)


def make_trainer(model):
    optimizers = Optimizers("adamw", rate=1e-3, backbone_rate_factor=0.5, decay=5e-4)
    return Trainer(
        model, optimizers, ONE_DEVICE, StepConfig(4), pretrained=True, recipe=Recipe()
    )  # fmt: skip


def make_batches(count):
    rng = np.random.default_rng(1)
    for i in range(count):
        images = rng.integers(0, 256 - 60 * i, (4, 64, 64, 3), np.uint8)  # each darker
        yield [tf.constant(images), tf.zeros([4, 1, 4]), tf.fill([4, 1], -1)]


def statistics_of(model):
    return [v for v in model.non_trainable_variables if is_statistic(v)]


def reestimate(model, batches):
    variables = statistics_of(model)
    found = batch_statistics(model, variables, ONE_DEVICE, batches)
    for variable, value in zip(variables, found, strict=True):
        variable.assign(value)
    return found


@pytest.mark.slow
def test_with_the_statistics_of_a_batch_prediction_is_what_training_sees():
    model = make_model(backbone_options={"stochastic_depth": 0.0})
    set_backbone_trainable(model.backbone, frozen_stages=0, freeze_batch_norms=False)
    (batch,) = make_batches(1)
    images = tf.cast(batch[0], tf.float32)
    seen = model.raw(images, training=True)
    reestimate(model, [batch])
    for mine, theirs in zip(model.raw(images), seen, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-3, atol=1e-4)


@pytest.mark.slow
def test_they_are_the_mean_over_batches_and_blocks_are_not_dropped():
    model = make_model(backbone_options={"stochastic_depth": 0.9})
    set_backbone_trainable(model.backbone, frozen_stages=0, freeze_batch_norms=False)
    both = list(make_batches(2))
    apart = [reestimate(model, [batch]) for batch in both]
    for first, second in zip(apart[0], reestimate(model, both[:1]), strict=True):
        np.testing.assert_array_equal(first, second)
    together = reestimate(model, both)
    assert any(not np.allclose(a, b) for a, b in zip(*apart, strict=True))
    for a, b, mean in zip(*apart, together, strict=True):
        np.testing.assert_allclose(mean, (a + b) / 2, rtol=1e-6)


@pytest.mark.slow
def test_frozen_norms_keep_theirs_and_momentum_comes_back():
    model = make_model()
    set_backbone_trainable(model.backbone, frozen_stages=2, freeze_batch_norms=True)
    norms = [x for x in model._flatten_layers() if isinstance(x, keras.layers.BatchNormalization)]
    momentum = [norm.momentum for norm in norms]
    before = {v.path: v.numpy() for v in statistics_of(model)}
    reestimate(model, make_batches(2))
    after = {v.path: v.numpy() for v in statistics_of(model)}
    moved = {path for path in before if not np.array_equal(before[path], after[path])}
    assert moved == {v.path for v in statistics_of(model.head)}
    assert [norm.momentum for norm in norms] == momentum


@pytest.mark.slow
def test_the_average_gets_them_and_the_network_in_training_keeps_its_own():
    model = make_model(backbone_weights="imagenet")
    trainer = make_trainer(model)
    trainer.set_backbone_frozen(True)
    batches = list(make_batches(2))
    for number in (1, 2):
        trainer.step(batches[0], number, 1.0)
    own = [v.numpy() for v in model.weights]
    averages = [v.numpy() for v in trainer.average.averages]
    trainer.update_bn(batches)
    for before, after in zip(own, model.weights, strict=True):
        np.testing.assert_array_equal(before, after.numpy())
    weights = len(averages) - len(trainer.statistics)
    after = [v.numpy() for v in trainer.average.averages]
    for one, other in zip(averages[:weights], after[:weights], strict=True):
        np.testing.assert_array_equal(one, other)
    with trainer.average.applied():
        expected = batch_statistics(model, trainer.statistics, ONE_DEVICE, batches)
    for value, variable in zip(expected, after[weights:], strict=True):
        np.testing.assert_array_equal(np.float32(value), variable)
    assert any(
        not np.array_equal(one, other)
        for one, other in zip(averages[weights:], after[weights:], strict=True)
    )


def test_values_that_are_not_finite_change_nothing(monkeypatch):
    model = make_model()
    trainer = make_trainer(model)
    before = [v.numpy() for v in trainer.average.averages]
    broken = [np.full(v.shape, np.nan) for v in trainer.statistics]
    monkeypatch.setattr(module, "batch_statistics", lambda *_: broken)
    assert not trainer.update_bn([])

    def no_memory(*_):
        raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor")

    monkeypatch.setattr(module, "batch_statistics", no_memory)
    assert not trainer.update_bn([])
    for one, other in zip(before, trainer.average.averages, strict=True):
        np.testing.assert_array_equal(one, other.numpy())
