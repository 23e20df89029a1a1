"""Stored models, and the weights that a network can start from."""

import json
import pickle
from dataclasses import replace

import numpy as np
import pytest
import torch
import torchvision

from helpers.models import RiskModel, build_resnet18, choose_start


@pytest.fixture
def model():
    return RiskModel(
        build_resnet18("random"),
        64,
        0.3,
        0.7,
        threshold=0.2,
        base_rate=0.13,
        card={"start": "random"},
    )


def test_saved_model_predicts_the_same(tmp_path, model):
    films = np.random.default_rng(0).integers(0, 256, (5, 64, 64), dtype=np.uint8)
    path = model.save(tmp_path / "models" / "one")
    assert path.name == "one.safetensors"
    loaded = RiskModel.load(path)
    np.testing.assert_array_equal(loaded.risk(films), model.risk(films))
    assert (loaded.threshold, loaded.base_rate, loaded.size) == (0.2, 0.13, 64)
    assert loaded.card["start"] == "random" and "Not for clinical use" in loaded.card["notice"]
    assert sorted(file.name for file in path.parent.iterdir()) == ["one.json", "one.safetensors"]


def test_calibration_is_logistic(model):
    np.testing.assert_allclose(model.calibrate(np.array([0.0])), 1 / (1 + np.exp(-0.3)))


def test_pickle_is_refused_without_being_opened(tmp_path):
    path = tmp_path / "model.pt"
    path.write_bytes(pickle.dumps({}))
    with pytest.raises(ValueError, match="pickle"):
        RiskModel.load(path)


def test_files_that_do_not_belong_together_are_refused(tmp_path, model):
    path = model.save(tmp_path / "one")
    other = RiskModel(build_resnet18("random", seed=1), 64).save(tmp_path / "two")
    path.write_bytes(other.read_bytes())
    with pytest.raises(ValueError, match="do not belong together"):
        RiskModel.load(path)


def test_other_preprocessing_and_missing_parts_are_refused(tmp_path, model):
    path = model.save(tmp_path / "one")
    card_path = path.with_suffix(".json")
    card = json.loads(card_path.read_text())
    card_path.write_text(json.dumps({**card, "preprocessing": "stretched"}))
    with pytest.raises(ValueError, match="prepared as stretched"):
        RiskModel.load(path)
    del card["threshold"]
    card_path.write_text(json.dumps(card))
    with pytest.raises(ValueError, match="lacks threshold"):
        RiskModel.load(path)
    card_path.unlink()
    with pytest.raises(FileNotFoundError, match=r"one\.json is missing"):
        RiskModel.load(path)


def test_starts():
    with pytest.raises(ValueError, match="one of random, imagenet, phantom, got 'pretrained'"):
        build_resnet18("pretrained")
    start, reason = choose_start("quick")
    assert start == "phantom" and "nothing is downloaded" in reason
    first, second = build_resnet18("random", seed=3), build_resnet18("random", seed=3)
    assert torch.equal(first.fc.weight, second.fc.weight)


def test_imagenet_start_sums_the_colours(monkeypatch):
    torch.manual_seed(0)
    coloured = torchvision.models.resnet18().eval()
    monkeypatch.setattr(
        "torchvision.models.ResNet18_Weights.get_state_dict",
        lambda self, progress, check_hash: coloured.state_dict(),
    )
    network = build_resnet18("imagenet").eval()
    grey = torch.randn(2, 1, 64, 64)
    coloured.fc = network.fc
    torch.testing.assert_close(
        network(grey), coloured(grey.repeat(1, 3, 1, 1)), rtol=1e-4, atol=1e-4
    )
    assert choose_start("full")[0] == "imagenet"


def test_imagenet_without_a_network_says_so(monkeypatch, tmp_path):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    with pytest.raises(ConnectionError, match="cannot be downloaded"):
        build_resnet18("imagenet")
    start, reason = choose_start("full")
    assert start == "phantom" and "cannot be downloaded" in reason


def test_a_sign_in_page_or_a_damaged_copy_is_no_imagenet_start(monkeypatch, tmp_path):
    page = tmp_path / "sign-in" / "resnet18-f37072fd.pth"
    page.parent.mkdir()
    page.write_bytes(b"<html>Please sign in.</html>")
    weights = torchvision.models.ResNet18_Weights.IMAGENET1K_V1
    there = replace(weights.value, url=page.as_uri())
    monkeypatch.setattr(weights, "_value_", there)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    start, reason = choose_start("full")
    assert start == "phantom" and "sign-in page" in reason
    for damaged in (b"", page.read_bytes(), b"PK\3\4 half an archive"):
        copy = tmp_path / "hub" / "checkpoints" / page.name
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(damaged)
        with pytest.raises(ConnectionError, match="delete a damaged copy"):
            build_resnet18("imagenet")
