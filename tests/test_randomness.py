"""Random masks follow seed, step, layer and sample, not the way a batch is divided."""

import numpy as np
import pytest
import tensorflow as tf

from nets.randomness import SampleRandomness, StochasticDepth, sample_randomness


def masks(layer, *, step=1, seed=0, batch=64, first=0, count=64, strength=1.0):
    randomness = SampleRandomness(seed, tf.constant(step, tf.int64), batch, first, strength)
    with sample_randomness(randomness):
        return layer(tf.ones([count, 2, 2, 3]), training=True).numpy()[:, 0, 0, 0]


@pytest.fixture(scope="module")
def layer():
    return StochasticDepth(0.5, noise_shape=(None, 1, 1, 1), name="block")


def test_a_sample_has_its_mask_wherever_it_is_computed(layer):
    whole = masks(layer)
    assert set(whole) == {0.0, 2.0}
    parts = [masks(layer, first=i, count=16) for i in range(0, 64, 16)]
    assert np.array_equal(np.concatenate(parts), whole)
    assert np.array_equal(masks(layer), whole)


def test_masks_differ_by_step_seed_and_layer(layer):
    other = StochasticDepth(0.5, noise_shape=(None, 1, 1, 1), name="another")
    whole = masks(layer)
    for changed in (masks(layer, step=2), masks(layer, seed=1), masks(other)):
        assert 10 < (changed != whole).sum() < 54


def test_strength_scales_the_rate_and_the_mean_stays(layer):
    values = masks(layer, batch=4096, count=4096, strength=0.4)
    assert (values == 0).mean() == pytest.approx(0.2, abs=0.03)
    assert values.mean() == pytest.approx(1, abs=0.04)
    assert set(masks(layer, strength=0.0)) == {1.0}


def test_outside_of_a_run_it_is_keras_dropout(layer):
    picture = tf.ones([8, 2, 2, 3])
    assert np.array_equal(layer(picture, training=False), picture)
    with sample_randomness(SampleRandomness(0, tf.constant(1, tf.int64), 8)):
        assert np.array_equal(layer(picture, training=False), picture)
    drawn = np.asarray(layer(picture, training=True)).reshape(8, -1)
    assert set(drawn.ravel()) <= {0.0, 2.0}
    assert (drawn == drawn[:, :1]).all()  # a whole sample at a time
