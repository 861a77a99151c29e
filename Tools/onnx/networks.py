"""The networks that Tools/check-onnx compares: torchvision's and a small U-Net, with random weights, whose batch normalisations have seen images."""

import torch
import torchvision
from torch import nn

NAMES = ["alexnet", "vgg16_bn", "resnet18", "resnet50", "mobilenet_v2", "mobilenet_v3_small", "mobilenet_v3_large", "squeezenet1_1",
         "densenet121", "googlenet", "inception_v3", "shufflenet_v2_x1_0", "mnasnet1_0", "regnet_y_400mf", "efficientnet_b0",
         "convnext_tiny", "unet"]


class UNet(nn.Module):
    """Ronneberger et al. 2015, three levels, padded: transposed convolutions on the way up, one map per class."""

    def __init__(self, channels=16, classes=5):
        super().__init__()

        def pair(inputs, outputs):
            return nn.Sequential(nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(),
                                 nn.Conv2d(outputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU())

        widths = [channels, 2 * channels, 4 * channels]
        self.down = nn.ModuleList(pair(a, b) for a, b in zip([3] + widths, widths))
        self.middle = pair(widths[-1], 2 * widths[-1])
        self.up = nn.ModuleList(nn.ConvTranspose2d(2 * w, w, 2, stride=2) for w in reversed(widths))
        self.join = nn.ModuleList(pair(2 * w, w) for w in reversed(widths))
        self.head = nn.Conv2d(widths[0], classes, 1)

    def forward(self, x):
        kept = []
        for block in self.down:
            x = block(x)
            kept.append(x)
            x = nn.functional.max_pool2d(x, 2)
        x = self.middle(x)
        for up, join in zip(self.up, self.join):
            x = join(torch.cat([up(x), kept.pop()], 1))
        return self.head(x)


def size(name):
    """Height and width of its images."""
    return {"inception_v3": 299, "unet": 128}.get(name, 224)


def images(count, side, seed):
    """Smooth noise with the statistics of normalised photographs: differences between images survive the network."""
    random = torch.Generator().manual_seed(seed)
    fine = torch.randn(count, 3, side, side, generator=random)
    coarse = torch.randn(count, 3, 8, 8, generator=random)
    return 0.4 * fine + nn.functional.interpolate(coarse, size=(side, side), mode="bilinear", align_corners=False)


def make(name):
    """The network in eval mode."""
    torch.manual_seed(0)
    if name == "unet":
        network = UNet()
    else:
        options = {"aux_logits": False, "init_weights": True} if name in ("googlenet", "inception_v3") else {}
        network = getattr(torchvision.models, name)(weights=None, **options)
    settle(network, size(name))
    return network.eval()


def settle(network, side):
    """Makes signals of random weights what they are after training: batch normalisation gets the statistics of images; where there is none, and
    for what layer scale and small initial weights damp, weights grow until the output depends on the image."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = None
        if isinstance(module, (nn.Conv2d, nn.Linear, nn.ConvTranspose2d)):
            with torch.no_grad():
                # He's variance, 2 / fan-in.
                fan = module.weight[0].numel() if not isinstance(module, nn.ConvTranspose2d) else module.weight.shape[0]
                module.weight.normal_(0, (2 / fan) ** 0.5)
        if hasattr(module, "layer_scale"):
            with torch.no_grad():
                module.layer_scale.fill_(0.1)
    network.train()
    for module in network.modules():
        if isinstance(module, nn.Dropout) or type(module).__name__ == "StochasticDepth":
            module.eval()
    with torch.no_grad():
        for seed in range(2):
            network(images(8, side, 1000 + seed))
    centre(network.eval(), side)


def centre(network, side):
    """Takes the mean over images away from the classes' scores: what is left depends on the image, and so does which class is largest."""
    last = [m for m in network.modules() if isinstance(m, (nn.Linear, nn.Conv2d))][-1]
    scores = []
    hook = last.register_forward_hook(lambda layer, inputs, output: scores.append(output))
    with torch.no_grad():
        network(images(16, side, 1002))
        last.bias -= scores[0].mean([0, *range(2, scores[0].ndim)])
    hook.remove()
