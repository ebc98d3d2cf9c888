"""Weights files: what fits is loaded whole, what does not is refused and changes nothing."""

import importlib
import zipfile

import h5py
import keras
import numpy as np
import pytest

from nets.backbones import (
    BACKBONES,
    WeightsError,
    WeightsUnavailable,
    build_backbone,
    build_classifier,
    official,
)
from nets.backbones.weights import load_weights
from tests.keras_reference import CONSTRUCTORS, reference

LITE0 = official.BUNDLED["efficientnet_lite0"]


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Files in Keras' published format, and the references that they were written from."""
    folder, found = tmp_path_factory.mktemp("weights"), {}
    for name in ("efficientnet_b0", "mobilenet_v3_small"):
        for top in (True, False):
            path = folder / f"{name}_{top}.h5"
            found[name, top] = path, reference(name, path, top=top)
    return found


@pytest.fixture(scope="module")
def b0():
    return build_classifier("efficientnet_b0")


@pytest.fixture(scope="module")
def lite0():
    return build_classifier("efficientnet_lite0")


def refused(model: keras.Model, name: str, path, message: str, *, classifier: bool = True) -> None:
    """Loading raises, names the file, and leaves every variable as it was."""
    before = model.get_weights()
    with pytest.raises(WeightsError, match=message) as error:
        load_weights(model, name, BACKBONES[name], path, classifier=classifier)
    assert str(path) in str(error.value)
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["efficientnet_b0", "mobilenet_v3_small"])
def test_file_without_top_gives_the_same_backbone(files, name):
    path, truth = files[name, False]
    image = np.random.default_rng(0).uniform(0, 255, (1, 64, 64, 3)).astype(np.float32)
    *levels, _ = truth(image)
    for mine, true in zip(build_backbone(name, weights=path)(image), levels, strict=True):
        np.testing.assert_allclose(mine, true, atol=1e-4 * np.abs(true).max())
    with pytest.raises(WeightsError, match="layers with weights"):
        build_classifier(name, weights=path)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["efficientnet_b0", "mobilenet_v3_small"])
def test_weights_h5_of_keras_3(files, name, tmp_path):
    _, truth = files[name, True]
    truth.save_weights(tmp_path / "a.weights.h5")
    image = np.random.default_rng(0).uniform(0, 255, (1, 64, 64, 3)).astype(np.float32)
    *_, true = truth(image)
    mine = build_classifier(name, weights=tmp_path / "a.weights.h5")(image)
    np.testing.assert_allclose(mine, true, atol=1e-4 * np.abs(true).max())


@pytest.mark.slow
@pytest.mark.parametrize("classes", [1000, 5])
def test_our_own_classifier_gives_its_backbone(classes, tmp_path):
    classifier = build_classifier("efficientnet_lite0", classes)
    classifier.save_weights(tmp_path / "a.weights.h5")
    backbone = build_backbone("efficientnet_lite0", weights=tmp_path / "a.weights.h5")
    ours = {weight.path: weight.numpy() for weight in backbone.weights}
    theirs = {weight.path: weight.numpy() for weight in classifier.weights}
    assert len(ours) > 200
    for key, value in ours.items():
        np.testing.assert_array_equal(value, theirs[key])


def test_our_own_backbone_file(tmp_path):
    model = build_backbone("mobilenet_v3_small")
    model.save_weights(tmp_path / "a.weights.h5")
    again = build_backbone("mobilenet_v3_small", weights=tmp_path / "a.weights.h5")
    for old, new in zip(model.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_bundle_is_small_and_half_precision():
    assert LITE0.stat().st_size < 10e6
    with np.load(LITE0) as file:
        assert {file[key].dtype for key in file.files} == {np.dtype(np.float16)}
        values = {key: file[key] for key in file.files}
    model = build_classifier("efficientnet_lite0", weights="imagenet")
    assert {weight.path for weight in model.weights} == set(values)
    for weight in model.weights:
        np.testing.assert_array_equal(weight.numpy(), values[weight.path].astype(np.float32))


@pytest.mark.slow
def test_other_networks_files_are_refused(files, b0, lite0, tmp_path):
    refused(b0, "efficientnet_b0", files["mobilenet_v3_small", True][0], "layers with weights")
    refused(b0, "efficientnet_b0", LITE0, "stem_conv|layers with weights|which this network")
    refused(lite0, "efficientnet_lite0", files["efficientnet_b0", True][0], "normalisation|layers")
    build_classifier("efficientnet_lite1").save_weights(tmp_path / "a.weights.h5")
    refused(lite0, "efficientnet_lite0", tmp_path / "a.weights.h5", "which this network does not")
    build_classifier("efficientnet_lite0", 5).save_weights(tmp_path / "b.weights.h5")
    refused(lite0, "efficientnet_lite0", tmp_path / "b.weights.h5", "top_logits")


def test_damaged_files_are_refused(files, b0, lite0, tmp_path):
    whole = files["efficientnet_b0", True][0].read_bytes()
    cut = tmp_path / "cut.h5"
    for length in (100, len(whole) // 2, len(whole) - 1000):
        cut.write_bytes(whole[:length])
        refused(b0, "efficientnet_b0", cut, "damaged or cut short|no whole|no weights file")
    cut = tmp_path / "cut.npz"
    cut.write_bytes(LITE0.read_bytes()[:-1000])
    refused(lite0, "efficientnet_lite0", cut, "no whole .npz")
    spoilt = bytearray(LITE0.read_bytes())
    spoilt[len(spoilt) // 2] ^= 255
    cut.write_bytes(spoilt)
    refused(lite0, "efficientnet_lite0", cut, "damaged")
    cut.write_text("not weights")
    refused(lite0, "efficientnet_lite0", cut, "no whole .npz")
    refused(lite0, "efficientnet_lite0", tmp_path / "none.npz", "There is no weights file")
    refused(lite0, "efficientnet_lite0", tmp_path, "There is no weights file")


def test_values_that_cannot_be_weights_are_refused(lite0, tmp_path):
    with np.load(LITE0) as file:
        arrays = dict(file)
    for key, value, message in [
        ("stage3_block1_project_conv/kernel", np.nan, "not finite"),
        ("stage3_block1_project_bn/moving_variance", -1, "negative variance"),
    ]:
        changed = arrays | {key: np.full_like(arrays[key], value)}
        np.savez(tmp_path / "a.npz", **changed)
        refused(lite0, "efficientnet_lite0", tmp_path / "a.npz", message)
    del arrays["stem_bn/gamma"]
    np.savez(tmp_path / "a.npz", **arrays)
    refused(lite0, "efficientnet_lite0", tmp_path / "a.npz", "only part of the layer stem_bn")


def test_files_that_mean_harm_are_refused(files, b0, lite0, tmp_path):
    name = "efficientnet_lite0"
    with zipfile.ZipFile(tmp_path / "bomb.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("stem_conv/kernel.npy", bytes(400_000_000))
    refused(lite0, name, tmp_path / "bomb.npz", "more than this network could take")
    np.savez(tmp_path / "pickle.npz", **{"stem_conv/kernel": np.array([{"a": 1}], dtype=object)})
    refused(lite0, name, tmp_path / "pickle.npz", "damaged")
    path = tmp_path / "link.h5"
    path.write_bytes(files["efficientnet_b0", True][0].read_bytes())
    with h5py.File(path, "r+") as file:
        key = next(key for key in file["stem_conv"]["stem_conv"])
        del file["stem_conv"]["stem_conv"][key]
        file["stem_conv"]["stem_conv"][key] = h5py.ExternalLink("other.h5", "/secret")
    refused(b0, "efficientnet_b0", path, "damaged")


def test_other_input_normalisation_is_refused(files, b0, tmp_path):
    path = tmp_path / "a.h5"
    path.write_bytes(files["efficientnet_b0", True][0].read_bytes())
    with h5py.File(path, "r+") as file:
        (group,) = (key for key in file if key.startswith("normalization"))
        (inner,) = file[group]
        file[group][inner]["mean"][...] = 0  # as of a network that was never adapted
        file[group][inner]["variance"][...] = 1
    refused(b0, "efficientnet_b0", path, "another input normalisation")


def test_addresses_and_checksums_are_those_of_keras():
    kinds = {
        "efficientnetv2": ("efficientnet_v2", "BASE_WEIGHTS_PATH", "efficientnetv2-{}{}"),
        "efficientnet": ("efficientnet", "BASE_WEIGHTS_PATH", "efficientnet{}{}"),
        "mobilenet_v3": (
            "mobilenet_v3",
            "BASE_WEIGHT_PATH",
            "weights_mobilenet_v3_{}_224_1.0_float{}",
        ),
    }
    assert set(official.KERAS_FILES) == set(CONSTRUCTORS)
    for name in CONSTRUCTORS:
        family, member = name.rsplit("_", 1)
        file, base, pattern = kinds[family]
        module = importlib.import_module(f"keras.src.applications.{file}")
        hashes = {key.strip("-"): value for key, value in module.WEIGHTS_HASHES.items()}
        key = f"{member}_224_1.0_float" if family == "mobilenet_v3" else member
        endings = ("", "_no_top_v2" if family == "mobilenet_v3" else "_notop")
        for classifier, ending, checksum in zip((True, False), endings, hashes[key], strict=True):
            address = getattr(module, base) + pattern.format(member, ending) + ".h5"
            assert official.keras_file(name, classifier=classifier) == (address, checksum)


def test_downloads_go_through_keras_cache_with_checksum(files, monkeypatch):
    asked = []

    def get_file(fname, origin, **options):
        asked.append((fname, origin, options))
        return str(files["efficientnet_b0", False][0])

    monkeypatch.setattr(keras.utils, "get_file", get_file)
    build_backbone("efficientnet_b0", weights="imagenet")
    url, checksum = official.keras_file("efficientnet_b0", classifier=False)
    options = {"cache_subdir": "models", "file_hash": checksum}
    assert asked == [("efficientnetb0_notop.h5", url, options)]


def test_without_a_network_the_message_helps(monkeypatch):
    def get_file(*_, **__):
        raise Exception("URL fetch failure")  # what Keras raises

    monkeypatch.setattr(keras.utils, "get_file", get_file)
    url, _ = official.keras_file("efficientnetv2_b0", classifier=False)
    with pytest.raises(WeightsUnavailable) as error:
        build_backbone("efficientnetv2_b0", weights="imagenet")
    for part in (url, "by its path", "efficientnet_lite0"):
        assert part in str(error.value)


def test_members_and_scalings_without_published_weights():
    with pytest.raises(WeightsUnavailable, match="efficientnet_lite2, whose weights are bundled"):
        build_backbone("efficientnet_lite3", weights="imagenet")
    with pytest.raises(WeightsUnavailable, match=r"width 0\.75"):
        build_backbone("efficientnet_lite", weights="imagenet", width=0.75)
    build_backbone("efficientnet_lite", weights="imagenet", stochastic_depth=0.4)
