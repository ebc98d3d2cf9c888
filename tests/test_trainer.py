"""What a training step changes, and what it must leave alone."""

from types import SimpleNamespace

import keras
import numpy as np
import pytest
import tensorflow as tf

from nets.yolo import YOLOv3
from utils.errors import UserError
from utils.runtime.distribution import Cluster
from utils.training.choices.recipes import Recipe
from utils.training.ema import MovingAverage
from utils.training.freezing import set_backbone_trainable, stage_of
from utils.training.optimizers import Optimizers
from utils.training.step import StepConfig
from utils.training.trainer import Trainer

ONE_DEVICE = Cluster(tf.distribute.get_strategy(), "CPU")


def make_trainer(*, pretrained, kind="adamw", **options):
    keras.utils.set_random_seed(0)
    model = YOLOv3(
        "efficientnet_lite0",
        ["a", "b"],
        input_size=64,
        backbone_weights="imagenet" if pretrained else None,
        backbone_options={"stochastic_depth": 0.0},
    )
    optimizers = Optimizers(kind, rate=1e-3, backbone_rate_factor=0.5, decay=5e-4)
    return Trainer(
        model, optimizers, ONE_DEVICE, StepConfig(4), pretrained=pretrained, recipe=Recipe(),
        **options,
    )  # fmt: skip


def batch():
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (4, 64, 64, 3), np.uint8)
    boxes = np.array([[[8, 8, 40, 40], [30, 20, 60, 62]]] * 4, np.float32)
    class_ids = np.array([[0, 1], [1, -1], [0, -1], [0, 1]], np.int32)
    return [tf.constant(part) for part in (images, boxes, class_ids)]


def values(model):
    return {v.path: np.array(v) for v in model.weights}


def changed(before, after):
    return {path for path in before if not np.array_equal(before[path], after[path])}


def stages(paths):
    return {stage_of(path.split("/")[-2]) for path in paths}


@pytest.mark.slow
def test_frozen_then_unfrozen():
    trainer = make_trainer(pretrained=True)
    backbone, head = trainer.model.backbone, trainer.model.head

    trainer.set_backbone_frozen(True)
    compiled = trainer._step
    trainer.set_backbone_frozen(True)
    assert trainer._step is compiled
    before, head_before = values(backbone), values(head)
    trainer.step(batch(), 1, 1.0)
    assert not changed(before, values(backbone))
    # Every kernel, batch norm and its statistics in the head has moved.
    assert len(changed(head_before, values(head))) == len(head_before)

    trainer.set_backbone_frozen(False)
    trainer.step(batch(), 2, 1.0)
    moved = changed(before, values(backbone))
    assert stages(moved) == {3, 4, 5, 6, 7}
    assert not [path for path in moved if "_bn/" in path]
    depthwise = keras.layers.DepthwiseConv2D
    learning = [
        layer for layer in backbone.layers
        if stage_of(layer.name) >= 3 and not isinstance(layer, depthwise)
    ]  # fmt: skip
    kernels = {v.path for layer in learning for v in layer.weights if "_bn/" not in v.path}
    assert moved == {path for path in kernels if "seed" not in path}


@pytest.mark.slow
def test_a_random_backbone_learns_everywhere_and_the_loss_falls():
    trainer = make_trainer(pretrained=False)
    trainer.set_backbone_frozen(False)
    before = values(trainer.model.backbone)
    losses = [float(trainer.step(batch(), i + 1, 1.0).total) for i in range(12)]
    assert losses[-1] < 0.8 * losses[0]
    after = values(trainer.model.backbone)
    unmoved = {path for path in before if "seed" not in path} - changed(before, after)
    assert not unmoved  # batch-norm statistics included


@pytest.mark.slow
def test_a_step_that_is_not_finite_changes_nothing():
    trainer = make_trainer(pretrained=True)
    trainer.set_backbone_frozen(True)
    kernel = trainer.model.head.get_layer("p5_1_conv").kernel
    good = np.array(kernel)
    kernel.assign(np.where(np.arange(good.size).reshape(good.shape) == 0, np.inf, good))
    before = {name: np.array(v) for name, v in trainer.variables().items()}
    losses = trainer.step(batch(), 1, 1.0)
    assert not np.isfinite([float(x) for x in losses]).any()
    rates = {
        f"optimizer/{i}"
        for i, v in enumerate(trainer.optimizers.variables)
        if "learning_rate" in v.path
    }
    for name, v in trainer.variables().items():
        assert name in rates or np.array_equal(before[name], v, equal_nan=True), name
    kernel.assign(good)
    assert np.isfinite(float(trainer.step(batch(), 1, 1.0).total))
    assert all(np.isfinite(average).all() for average in trainer.average.averages)


def test_weight_decay_shrinks_kernels_only():
    optimizers = Optimizers("sgd", rate=0.1, backbone_rate_factor=1.0, decay=0.5)
    model = make_trainer(pretrained=False).model
    optimizers.build(model)
    optimizers.set_rate_factor(1.0)
    before = values(model.head)
    optimizers.apply(model, [tf.zeros_like(v.value) for v in model.trainable_variables])
    after = values(model.head)
    for path, value in before.items():
        if path.endswith("/kernel"):
            assert np.allclose(after[path], value * (1 - 0.1 * 0.5), atol=1e-7), path
        else:
            assert np.array_equal(after[path], value), path


def test_adamw_is_the_papers():
    """Loshchilov & Hutter, 2019, algorithm 2, in NumPy."""
    rate, decay, gradients = 0.1, 0.5, np.random.default_rng(0).normal(size=(20, 3))
    head = keras.layers.Dense(3, use_bias=False, kernel_initializer="ones")
    head.build((None, 1))
    model = SimpleNamespace(
        head=head,
        backbone=SimpleNamespace(trainable_variables=[]),
        trainable_variables=head.trainable_variables,
    )
    optimizers = Optimizers("adamw", rate=rate, backbone_rate_factor=1.0, decay=decay)
    optimizers.build(model)
    optimizers.set_rate_factor(1.0)

    @tf.function
    def apply(gradient):
        with tf.name_scope("step"):
            optimizers.apply(model, [gradient])

    weight, mean, square = np.ones(3), np.zeros(3), np.zeros(3)
    for number, gradient in enumerate(gradients, start=1):
        apply(tf.constant(gradient[None], tf.float32))
        mean = 0.9 * mean + 0.1 * gradient
        square = 0.999 * square + 0.001 * gradient**2
        corrected = mean / (1 - 0.9**number), square / (1 - 0.999**number)
        weight = weight * (1 - rate * decay)
        weight = weight - rate * corrected[0] / (np.sqrt(corrected[1]) + 1e-7)
        assert np.allclose(head.kernel[0], weight, rtol=1e-3, atol=1e-4), number


def test_adamw_computes_its_powers_once_for_all_variables():
    trainer = make_trainer(pretrained=True)
    trainer.set_backbone_frozen(False)
    model, optimizers = trainer.model, trainer.optimizers
    gradients = [tf.TensorSpec(v.shape) for v in model.trainable_variables]

    @tf.function(autograph=False)
    def apply(*gradients):
        with tf.name_scope("step"):
            optimizers.apply(model, gradients)

    nodes = [n.type for n in apply.get_concrete_function(*gradients).graph.get_operations()]
    assert nodes.count("ResourceApplyAdam") == len(gradients)
    assert nodes.count("Pow") == 2 * len(optimizers.parts)


@pytest.mark.slow
def test_accumulation_gives_the_same_step_until_one_photo_at_a_time():
    whole, parts = (make_trainer(pretrained=True, kind="sgd") for _ in range(2))
    for trainer in (whole, parts):
        for layer in trainer.model.head.layers:  # live norms see each part by itself
            if isinstance(layer, keras.layers.BatchNormalization):
                layer.trainable = False
        trainer.set_backbone_frozen(True)
    assert parts.accumulate_more() == 2
    for number in (1, 2):
        expected = [float(x) for x in whole.step(batch(), number, 1.0)]
        assert [float(x) for x in parts.step(batch(), number, 1.0)] == pytest.approx(expected)
    for a, b in zip(whole.model.head.weights, parts.model.head.weights, strict=True):
        assert np.allclose(a, b, atol=1e-6), a.path
    assert parts.accumulate_more() == 4
    with pytest.raises(UserError, match="out of memory"):
        parts.accumulate_more()


def test_moving_average_follows_its_rule_and_is_applied_only_inside():
    variable = keras.Variable(np.array([1.0, 2.0], np.float32), name="v")
    average = MovingAverage([variable])
    expected = np.array([1.0, 2.0])
    for step, value in enumerate(([3.0, 0.0], [5.0, 1.0], [-1.0, 7.0]), start=1):
        variable.assign(np.array(value, np.float32))
        average.update(tf.constant(step, tf.int64), tf.constant(False))
        decay = (1 + step) / (10 + step)
        expected = decay * expected + (1 - decay) * np.array(value)
    assert average.averages[0].numpy() == pytest.approx(expected, rel=1e-5)
    with average.applied():
        assert np.array(variable) == pytest.approx(expected, rel=1e-5)
    assert np.array(variable).tolist() == [-1.0, 7.0]
    with pytest.raises(RuntimeError), average.applied():
        raise RuntimeError
    assert np.array(variable).tolist() == [-1.0, 7.0]


@pytest.mark.slow
def test_a_uniform_average_resumes_from_its_variables():
    whole, resumed = (make_trainer(pretrained=True) for _ in range(2))
    for trainer in (whole, resumed):
        trainer.set_backbone_frozen(True)
    for number, uniform in ((1, False), (2, True), (3, True)):
        whole.step(batch(), number, 1.0, uniform_average=uniform)
    assert float(whole.average.span) == pytest.approx(11 / 9 + 2)
    for name, variable in resumed.variables().items():
        variable.assign(whole.variables()[name])
    for trainer in (whole, resumed):
        trainer.step(batch(), 4, 1.0, uniform_average=True)
    assert float(resumed.average.span) == pytest.approx(11 / 9 + 3)
    for a, b in zip(whole.average.averages, resumed.average.averages, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


def test_steps_of_a_uniform_average_have_equal_weight():
    variable = keras.Variable(np.zeros(1, np.float32), name="v")
    average = MovingAverage([variable], longest=9)
    values = np.random.default_rng(0).normal(size=60)
    for step, value in enumerate(values, start=1):
        variable.assign(np.float32([value]))
        average.update(tf.constant(step, tf.int64), tf.constant(step > 20))
        if step == 20:  # spans (10 + 20) / 9 steps by now
            early = float(average.averages[0][0])
        if step == 24:
            expected = (30 / 9 * early + values[20:24].sum()) / (30 / 9 + 4)
            assert float(average.averages[0][0]) == pytest.approx(expected, rel=1e-5)
    assert float(average.span) == 9  # and no further
    kept = float(average.averages[0][0])
    variable.assign(np.float32([kept + 9]))
    average.update(tf.constant(61, tf.int64), tf.constant(True))
    assert float(average.averages[0][0]) == pytest.approx(kept + 1, rel=1e-5)


def test_an_average_of_one_step_follows_the_variables():
    variable = keras.Variable(np.zeros(1, np.float32), name="v")
    average = MovingAverage([variable], longest=1)
    for step in range(1, 30):
        variable.assign(np.float32([step]))
        average.update(tf.constant(step, tf.int64), tf.constant(step > 20))
        assert float(average.averages[0][0]) == step


def test_frozen_stages_are_counted_from_the_input():
    model = make_trainer(pretrained=False).model
    for count, expected in ((0, set(range(8))), (1, {2, 3, 4, 5, 6, 7}), (7, set())):
        set_backbone_trainable(model.backbone, frozen_stages=count, freeze_batch_norms=False)
        got = {
            stage_of(layer.name)
            for layer in model.backbone.layers
            if layer.weights and layer.trainable and layer.trainable_weights
        }
        assert got == expected
    set_backbone_trainable(model.backbone, frozen_stages=0, freeze_batch_norms=True)
    assert not [v for v in model.backbone.trainable_variables if "_bn/" in v.path]


def test_depthwise_kernels_are_frozen_and_others_learn():
    backbone = make_trainer(pretrained=True).model.backbone
    set_backbone_trainable(
        backbone, frozen_stages=2, freeze_batch_norms=True, freeze_depthwise=True
    )
    learning = [layer for layer in backbone.layers if layer.trainable_weights]
    assert {stage_of(layer.name) for layer in learning} == {3, 4, 5, 6, 7}
    assert {type(layer) for layer in learning} == {keras.layers.Conv2D}
