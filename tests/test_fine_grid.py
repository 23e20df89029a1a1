"""A finer map holds the coarse one, and is drawn where its places look."""

import numpy as np
import pytest
import torch
from torch import nn
from torchvision.models import resnet18

from helpers.fine_grid import fine_activation, place, refine
from helpers.saliency import class_activation


@pytest.fixture(scope="module")
def network() -> nn.Module:
    torch.manual_seed(1)
    network = resnet18(num_classes=2)
    network.conv1 = nn.Conv2d(1, 64, kernel_size=7, stride=2, padding=3, bias=False)
    with torch.no_grad():
        network.train()
        network(torch.randn(8, 1, 96, 128))
    return network.eval()


@pytest.mark.parametrize("halvings", [0, 1, 2, 3])
def test_every_second_place_and_so_on_is_the_coarse_map(network, halvings):
    films = torch.randn(2, 1, 96, 128, generator=torch.Generator().manual_seed(2))
    _, coarse = class_activation(network, films, output=1, relu=False, upsample=False)
    fine_network = refine(network, halvings)
    _, fine = class_activation(fine_network, films, output=1, relu=False, upsample=False)
    step = 2**halvings
    assert fine.shape == (2, 3 * step, 4 * step)
    torch.testing.assert_close(fine[:, ::step, ::step], coarse, atol=1e-4, rtol=1e-4)
    assert coarse.abs().max() > 1e-2


def test_the_weights_are_the_networks_own_and_its_strides_stay(network):
    fine = refine(network, 2)
    assert network.layer4[0].conv1.stride == (2, 2) and fine.layer4[0].conv1.stride == (1, 1)
    mine, theirs = network.state_dict(), fine.state_dict()
    assert {name: value.data_ptr() for name, value in mine.items()} == {
        name: value.data_ptr() for name, value in theirs.items()
    }


def test_refuses_what_it_cannot_do(network):
    with pytest.raises(ValueError, match="0 to 3 halvings, got 4"):
        refine(network, 4)
    with pytest.raises(ValueError, match="eval mode"):
        refine(resnet18(num_classes=1).train())
    with pytest.raises(ValueError, match="got 2 outputs"):
        fine_activation(network, torch.zeros(1, 1, 96, 128))


def test_without_finer_places_squares_keep_their_values(network):
    films = torch.randn(1, 1, 96, 128, generator=torch.Generator().manual_seed(3))
    _, coarse = class_activation(network, films, output=0, relu=False, upsample=False)
    drawn = fine_activation(network, films, output=0, halvings=0)
    assert drawn.shape == (1, 96, 128)
    middles = (drawn[:, 15::32, 15::32] + drawn[:, 16::32, 16::32]) / 2  # of the squares
    torch.testing.assert_close(middles, coarse, atol=0.1 * float(coarse.abs().max()), rtol=0)


def test_a_value_is_drawn_in_the_middle_of_its_square():
    maps = torch.zeros(1, 13, 13)
    maps[0, 6, 2] = 1.0  # the square from (48, 16) on, its middle at (64, 32)
    drawn = place(maps, (128, 128), 8)[0].numpy()
    rows, columns = np.nonzero(drawn > 0.8)
    assert (rows.mean() + 0.5, columns.mean() + 0.5) == (64, 32)
    corner = torch.zeros(1, 13, 13)
    corner[0, 0, 12] = 1.0
    drawn = place(corner, (128, 128), 8)[0]
    assert drawn[0, 127] == 1 and drawn[127, 0] == 0


class Brightness(nn.Module):
    """No ResNet; only there to be refused."""

    def forward(self, films):
        return films.mean((1, 2, 3))[:, None]


def test_other_networks_are_refused():
    with pytest.raises(ValueError, match="expected a ResNet"):
        refine(Brightness().eval())
