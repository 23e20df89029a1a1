"""Heat maps equal the reference, and the checks measure what they say."""

import numpy as np
import pandas as pd
import pytest
import torch
from captum.attr import LayerAttribution, LayerGradCam
from pytorch_grad_cam import GradCAM
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from torch import nn
from torch.nn.functional import interpolate
from torchvision.models import resnet18

from helpers import fine_grid, saliency
from helpers.cam_methods import occlusion_maps


@pytest.fixture(scope="module")
def network() -> nn.Module:
    torch.manual_seed(1)
    network = resnet18(num_classes=1)
    network.conv1 = nn.Conv2d(1, 64, kernel_size=7, stride=2, padding=3, bias=False)
    with torch.no_grad():  # batch statistics of real input, so that activations are not degenerate
        network.train()
        network(torch.randn(16, 1, 96, 128))
    return network.eval()


@pytest.fixture(scope="module")
def images() -> torch.Tensor:
    return torch.randn(3, 1, 96, 128, generator=torch.Generator().manual_seed(2))


def package_maps(network: nn.Module, images: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
    """The grad-cam package's maps on layer4: raw on the grid, and as it returns them."""
    targets = [ClassifierOutputTarget(0)] * len(images)
    with GradCAM(network, [network.layer4[-1]]) as cam:
        final = cam(images, targets)
        gradients = cam.activations_and_grads.gradients[0].numpy()
        activations = cam.activations_and_grads.activations[0].numpy()
        raw = cam.get_cam_image(
            images, network.layer4[-1], targets, activations, gradients, eigen_smooth=False
        )
    return raw, final


def test_map_equals_grad_cam_before_its_scaling(network, images):
    raw, _ = package_maps(network, images)
    _, maps = saliency.class_activation(network, images, relu=False, upsample=False)
    assert maps.shape == (3, 3, 4)
    places = maps.shape[1] * maps.shape[2]
    np.testing.assert_allclose(maps.numpy() / places, raw, atol=1e-5)
    assert np.abs(raw).max() > 1e-3  # a comparison of zeros would say nothing


def test_map_equals_grad_cam_as_the_package_returns_it(network, images):
    _, final = package_maps(network, images)
    _, maps = saliency.class_activation(network, images)
    ours = saliency.to_own_range(maps.numpy())
    np.testing.assert_allclose(ours, final, atol=1e-5)


@pytest.mark.parametrize("relu", [True, False])
def test_map_equals_captum(network, images, relu):
    attribution = LayerGradCam(network, network.layer4[-1]).attribute(
        images, target=0, relu_attributions=relu
    )
    theirs = LayerAttribution.interpolate(attribution, images.shape[-2:], "bilinear")[:, 0]
    _, maps = saliency.class_activation(network, images, relu=relu)
    places = 3 * 4
    torch.testing.assert_close(maps / places, theirs.detach(), atol=1e-5, rtol=1e-4)
    assert theirs.abs().max() > 1e-3


def test_map_and_prediction_cost_one_forward_pass_and_no_gradient(network, images):
    network.zero_grad(set_to_none=True)
    calls = []
    layers = [module for module in network.modules() if not list(module.children())]
    handles = [layer.register_forward_hook(lambda *_: calls.append(1)) for layer in layers]
    try:
        network(images)
        alone, calls[:] = len(calls), []
        logits, maps = saliency.class_activation(network, images)
    finally:
        for handle in handles:
            handle.remove()
    assert len(calls) == alone > 50
    assert not logits.requires_grad and not maps.requires_grad
    assert all(parameter.grad is None for parameter in network.parameters())


def test_logit_is_bias_plus_mean_of_map(network, images):
    logits, maps = saliency.class_activation(network, images, relu=False, upsample=False)
    with torch.inference_mode():
        expected = network(images)[:, 0]
    torch.testing.assert_close(logits, expected)
    torch.testing.assert_close(logits, network.fc.bias + maps.mean((1, 2)), atol=1e-5, rtol=1e-5)


def test_any_output_of_several_is_explained(images):
    network = resnet18(num_classes=3).eval()
    network.conv1 = nn.Conv2d(1, 64, kernel_size=7, stride=2, padding=3, bias=False)
    values, maps = saliency.class_activation(network, images, output=2, relu=False, upsample=False)
    torch.testing.assert_close(values, network(images)[:, 2].detach())
    torch.testing.assert_close(maps.mean((1, 2)) + network.fc.bias[2].detach(), values)
    with pytest.raises(ValueError, match="output number 3, got 3 outputs"):
        saliency.class_activation(network, images, output=3)


def test_class_activation_leaves_no_hook_behind(network, images):
    saliency.class_activation(network, images)
    with pytest.raises(RuntimeError):
        saliency.class_activation(network, torch.randn(1, 3, 64, 64))
    assert not network.layer4._forward_hooks


def test_class_activation_refuses_two_logits_and_training_mode(images):
    with pytest.raises(ValueError, match="got 2 outputs"):
        saliency.class_activation(resnet18(num_classes=2).eval(), images)
    with pytest.raises(ValueError, match="eval mode"):
        saliency.class_activation(resnet18(num_classes=1).train(), images)


class CornerMean(nn.Module):
    """A 'network' that looks only at the top left 16 px square."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(1, 1)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return images[:, :, :16, :16].mean((1, 2, 3))[:, None] * 4


def test_occlusion_finds_the_only_place_that_counts():
    network = CornerMean().eval()
    falls = occlusion_maps(network, torch.ones(2, 1, 40, 50), patch=16, stride=16)
    assert falls.shape == (2, 40, 50)
    np.testing.assert_allclose(falls[:, :16, :16], 4.0)  # only that square: all of the logit
    assert np.all(falls[:, 24:, 34:] == 0)


def test_occlusion_covers_every_pixel_and_refuses_gaps():
    network = CornerMean().eval()
    falls = occlusion_maps(network, torch.ones(1, 1, 37, 41), patch=10, stride=7)
    assert np.isfinite(falls).all()
    with pytest.raises(AssertionError, match=r"Stride dimension \(1, 20, 20\) cannot be larger"):
        occlusion_maps(network, torch.ones(1, 1, 64, 64), patch=10, stride=20)


def test_randomisation_lowers_similarity_and_leaves_the_network_alone(network, images):
    before = {name: value.clone() for name, value in network.state_dict().items()}
    state = torch.random.get_rng_state()
    table = saliency.randomization_similarity(network, images, seed=3)
    assert torch.equal(state, torch.random.get_rng_state())
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())
    means = table.groupby("stage", observed=True)["similarity"].mean()
    assert list(means.index) == ["trained", *saliency.CASCADE]
    assert means["trained"] == 1.0
    assert means["conv1"] < 0.7
    again = saliency.randomization_similarity(network, images, seed=3)
    pd.testing.assert_frame_equal(table, again)


def test_a_random_map_is_compared_with_that_of_the_film_beside_it(network, images):
    films = images[:3]

    def draw(which, asked):  # the film, and whatever the network was before
        return asked[:, 0]

    table = saliency.randomization_similarity(network, films, draw=draw)
    alike = saliency.map_similarity(films[0, 0].numpy(), films[1, 0].numpy())
    assert table["similarity"].to_numpy() == pytest.approx(1)
    for _, stage in table.groupby("stage", observed=True):
        assert stage["another"].to_numpy()[:2] == pytest.approx([alike, alike])
        assert np.isnan(stage["another"].iloc[2])  # no film is beside it


def test_pointing_game_with_and_without_tolerance():
    maps = np.zeros((3, 20, 20))
    maps[0, 5, 5] = maps[1, 5, 12] = 1.0  # in the mask; 3 px beside it; flat
    masks = np.zeros((3, 20, 20), dtype=bool)
    masks[:, 2:10, 2:10] = True
    assert saliency.pointing_game(maps, masks).tolist() == [True, False, False]
    assert saliency.pointing_game(maps, masks, tolerance=3).tolist() == [True, True, False]
    assert saliency.pointing_game(maps, masks, tolerance=2.9).tolist() == [True, False, False]


def test_pointing_game_takes_the_middle_of_a_plateau():
    maps = np.zeros((1, 9, 9))
    maps[0, :, 3:6] = 1.0
    mask = np.zeros((1, 9, 9), dtype=bool)
    mask[0, 4, 4] = True
    assert saliency.pointing_game(maps, mask).all()


@pytest.mark.parametrize("upsample", ["bilinear", "fine"])
def test_a_place_at_the_edge_points_where_it_lies(upsample):
    side, step, first = (4, 32, 16) if upsample == "bilinear" else (13, 8, 16)
    for place in range(side**2):
        grid = torch.full((1, side, side), -0.3)
        grid[0, place // side, place % side] = 2.7
        heat = (
            interpolate(grid[:, None], (128, 128), mode="bilinear")[0, 0]
            if upsample == "bilinear"
            else fine_grid.place(grid, (128, 128), step)[0]
        )
        found = saliency.hottest_pixel(heat.numpy())
        middle = [first - 0.5 + step * number for number in divmod(place, side)]
        np.testing.assert_allclose(found, middle, atol=0.5)


def test_of_two_flat_tops_the_larger_counts():
    heat = np.zeros((20, 20))
    heat[2:4, 2:4] = heat[10:15, 8:13] = 1.0
    assert saliency.hottest_pixel(heat) == (12, 10)


def test_pointing_game_refuses_empty_masks_and_other_shapes():
    with pytest.raises(ValueError, match=r"1 empty ones \(the first at position 1\)"):
        saliency.pointing_game(np.ones((2, 4, 4)), np.stack([np.ones((4, 4)), np.zeros((4, 4))]))
    with pytest.raises(ValueError, match="one shape"):
        saliency.pointing_game(np.ones((2, 4, 4)), np.ones((2, 4, 5)))


def test_chance_is_what_random_points_score():
    rng = np.random.default_rng(0)
    masks = np.zeros((1, 30, 40), dtype=bool)
    masks[0, 5:15, 10:30] = True
    chance = saliency.pointing_chance(masks, tolerance=2)
    points = np.zeros((4000, 30, 40))
    points[np.arange(4000), rng.integers(30, size=4000), rng.integers(40, size=4000)] = 1
    hits = saliency.pointing_game(points, np.repeat(masks, 4000, axis=0), tolerance=2)
    assert hits.mean() == pytest.approx(chance[0], abs=0.03)
    assert saliency.pointing_chance(masks)[0] == pytest.approx(200 / 1200)


def test_own_range_keeps_the_pattern_and_survives_a_flat_map():
    maps = np.stack([np.arange(6.0).reshape(2, 3) * 7 - 3, np.full((2, 3), 5.0)])
    ranged = saliency.to_own_range(maps)
    np.testing.assert_allclose(ranged[0], np.arange(6).reshape(2, 3) / 5)
    assert np.all(ranged[1] == 0)


def test_heat_share_ignores_evidence_against_and_says_when_there_is_none():
    maps = np.zeros((2, 4, 4))
    maps[0, 0, :] = 3.0
    maps[0, 1, :] = 1.0
    maps[0, 2, :] = -9.0
    masks = np.zeros((2, 4, 4), dtype=bool)
    masks[:, 0] = True
    share = saliency.heat_share(maps, masks)
    assert share[0] == pytest.approx(0.75)
    assert np.isnan(share[1])


def test_centred_blob_is_hottest_in_the_middle():
    blob = saliency.centred_blob((31, 41))
    assert np.unravel_index(blob.argmax(), blob.shape) == (15, 20)
    np.testing.assert_allclose(blob, blob[::-1, ::-1])


def test_a_map_of_the_film_alone_does_not_notice_that_weights_are_random(network, images):
    table = saliency.randomization_similarity(network, images, draw=lambda _, films: films[:, 0])
    assert table["similarity"].to_numpy() == pytest.approx(1)


def test_similarity_is_of_patterns_whatever_their_scale():
    pattern = np.random.default_rng(0).random((32, 32)).astype(np.float32)
    assert saliency.map_similarity(pattern, 7 * pattern + 1) == pytest.approx(1, abs=1e-4)
    assert saliency.map_similarity(pattern, pattern[::-1].copy()) < 0.5
