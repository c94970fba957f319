# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Training with a pipeline
#
# Ten minutes with gradients: follow one through a pipeline, train a small network with the pipeline on its batches,
# learn how strong the augmentation should be, and find the depth of a scene from two photos.
#
# Needed: `pip install 'visionops[demo]'`. The photos come with scikit-image, nothing is downloaded.

# %%
import io

import numpy as np
import torch
from PIL import Image
from skimage import data
from skimage.transform import AffineTransform, SimilarityTransform, warp
from torch import nn
from torch.nn.functional import cross_entropy, interpolate

import visionops as vo
from visionops import augment as va
from visionops import losses
from visionops.demo import disparity
from visionops.demo.labels import stereo
from visionops.plot import grid

torch.set_num_threads(1)  # the pictures are small


class Show:
    """An array that a notebook shows as a JPEG: small, unlike the PNG it would choose."""

    def __init__(self, pixels):
        self.pixels = pixels

    def __repr__(self):
        return "a picture"

    def _repr_jpeg_(self):
        buffer = io.BytesIO()
        Image.fromarray(self.pixels).save(buffer, "JPEG", quality=80)
        return buffer.getvalue()


# %% [markdown]
# ## A gradient through a pipeline
#
# A value given as an `nn.Parameter` stays a parameter: the draw is a formula of it, and the loss reaches it through
# resampling, colours and blur. Does it tell the truth? Ask finite differences, in double precision.

# %%
photo = vo.Pipeline(va.Resize((80, 80)), va.ToFloat())(data.astronaut()).double()
angle, light = (nn.Parameter(torch.tensor(v, dtype=torch.float64)) for v in (10.0, 0.9))
pipe = vo.Pipeline(va.Rotate(angle), va.Brightness(light), va.GaussianBlur(2.0))


def loss_of(image):
    return losses.ssim(pipe(image, index=0), photo)


loss_of(photo).backward()
for name, parameter in (("angle", angle), ("light", light)):
    with torch.no_grad():
        step, ends = 1e-4, []
        for sign in (1, -1):
            parameter += sign * step
            ends.append(loss_of(photo).item())
            parameter -= sign * step
    measured = (ends[0] - ends[1]) / (2 * step)
    print(f"{name}: gradient {parameter.grad.item():+.6f}, finite difference {measured:+.6f}")
    assert abs(parameter.grad.item() - measured) < 1e-4

# %% [markdown]
# ## The pipeline on the batch
#
# Three textures, and a network of three convolutions that tells them apart. It trains on upright, evenly lit patches
# from the upper rows of the photos. What it will meet comes from the lower rows, and was turned by up to 60 degrees
# and lit by 0.4 to 1.3 with scikit-image, so that the pipeline does not mark its own homework.

# %%
SIDE, AROUND, TURN, LIGHT = 48, 72, 60.0, (0.4, 1.3)
textures = [photo / 255 for photo in (data.brick(), data.grass(), data.gravel())]
rng = np.random.default_rng(0)


def upper(photo):
    y, x = rng.integers(0, 320 - AROUND + 1), rng.integers(0, 512 - AROUND + 1)
    return photo[y : y + AROUND, x : x + AROUND]


def lower(photo):
    turn, y, x = rng.uniform(-TURN, TURN), rng.uniform(356, 475), rng.uniform(36, 475)
    centre = AffineTransform(translation=(-(SIDE - 1) / 2,) * 2)
    back = centre + SimilarityTransform(rotation=np.deg2rad(turn)) + AffineTransform(translation=(x, y))
    return (rng.uniform(*LIGHT) * warp(photo, back, output_shape=(SIDE, SIDE), order=1)).clip(0, 1)


def batch_of(make, count):
    return torch.from_numpy(np.stack([make(photo) for photo in textures for _ in range(count)])).float()[:, None]


train, met, unlabelled = batch_of(upper, 120), batch_of(lower, 120), batch_of(lower, 120)
classes = torch.arange(3).repeat_interleave(120)
crop = va.CenterCrop((SIDE, SIDE))
cells = [*vo.Pipeline(crop)(train)[::30][:12], *met[::30][:12]]
Show(grid(cells, columns=12, row_titles=["train", "met later"], cell=72))


# %% [markdown]
# One function trains, whatever the pipeline. Without augmentation it only cuts the middle out; with it, one line more
# makes every batch anew, with parameters of its own for each patch.


# %%
def network():
    layers = []
    for before, after in ((1, 12), (12, 24), (24, 32)):
        layers += [nn.Conv2d(before, after, 5 if before == 1 else 3, 2, 1), nn.BatchNorm2d(after), nn.ReLU()]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 3))


def accuracy(pipe, epochs=15):
    torch.manual_seed(0)
    net = network()
    optimiser = torch.optim.Adam(net.parameters(), lr=3e-3)
    slower = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, epochs)
    for epoch in range(epochs):
        pipe.set_epoch(epoch)
        for index in torch.randperm(len(train)).split(50):
            with torch.no_grad():
                image = pipe(train[index], index=index) - 0.45
            loss = cross_entropy(net(image), classes[index])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        slower.step()
    net.eval()
    with torch.no_grad():
        return (net(met - 0.45).argmax(1) == classes).float().mean().item()


without = accuracy(vo.Pipeline(crop))
print(f"without augmentation {without:.0%} of what it meets is right; guessing gets 33%")

# %% [markdown]
# ## How strong? Ask the gradient
#
# How far should patches turn, how dark may they get? Nobody says. But patches without labels, as the network will
# meet them, are often at hand, and they show it: in how bright they are, and in which way their edges run. We compare
# how these numbers are distributed, ours against theirs, sorted side by side (the Wasserstein distance), and let the
# gradient move the bounds of our draws until they agree. No label is used.
#
# The numbers of a patch are its mean, and the direction of its edges as the cosine and sine of twice their angle.


# %%
def numbers(patches):
    inner = patches[:, 0]
    dx, dy = inner[:, 1:-1, 2:] - inner[:, 1:-1, :-2], inner[:, 2:, 1:-1] - inner[:, :-2, 1:-1]
    energy = (dx**2 + dy**2).sum((1, 2)) + 1e-6
    return inner.mean((1, 2)), (dx**2 - dy**2).sum((1, 2)) / energy, 2 * (dx * dy).sum((1, 2)) / energy


theirs = [values.sort().values for values in numbers(unlabelled)]

turn = nn.Parameter(torch.tensor(5.0))
darkest, brightest = nn.Parameter(torch.tensor(0.9)), nn.Parameter(torch.tensor(1.1))
learned = vo.Pipeline(va.Rotate(va.Symmetric(turn)), crop, va.Brightness(va.Uniform(darkest, brightest)))
guessed = accuracy(learned)

groups = [{"params": [turn], "lr": 2.0}, {"params": [darkest, brightest], "lr": 0.03}]
optimiser = torch.optim.Adam(groups, betas=(0.8, 0.95))
slower = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, 50)
for step in range(50):
    drawn = numbers(learned(train, index=torch.arange(len(train)) + len(train) * step))
    loss = sum((a.sort().values - b).abs().mean() for a, b in zip(drawn, theirs, strict=True))
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    slower.step()
    if step % 10 == 9:
        bounds = f"up to {turn.item():4.1f} degrees, light {darkest.item():.2f} to {brightest.item():.2f}"
        print(f"step {step + 1}: {bounds}, distance {loss.item():.3f}")

# %% [markdown]
# The patches were turned by up to 60 degrees and lit by 0.4 to 1.3: the bounds come close, from pixels alone. Not
# exactly, because upper and lower rows of a photo differ too. Now train with what was learned.

# %%
found = accuracy(learned)
print(f"without {without:.0%}, with the first guess {guessed:.0%}, with the learned bounds {found:.0%}")
assert found > guessed and found > without
assert abs(turn.item() - TURN) < 20
assert abs(darkest.item() - LIGHT[0]) < 0.15 and abs(brightest.item() - LIGHT[1]) < 0.15
index = torch.arange(0, len(train), 30)[:12]
with torch.no_grad():
    ours = learned(train[index], index=index)
Show(grid([*ours, *unlabelled[::30][:12]], columns=12, row_titles=["ours", "theirs"], cell=72))

# %% [markdown]
# ## Depth from two photos
#
# The last story needs no network. A stereo camera sees each point in both photos, further left in the right one: that
# shift, the disparity, is large where things are near. Make it a parameter of every pixel, pull the right photo over
# the left one with the warp, and lower the difference: SSIM and L1, and a price on slopes where the photo has no edge.
# From coarse to fine, so that a step can cross more than a pixel. The pieces are short:

# %%
left, right, measured = stereo()
counts = disparity.visible(measured)  # known, and not hidden in the right photo
truth, where = torch.from_numpy(measured).float(), torch.from_numpy(counts)
there, here = (vo.Pipeline(va.Resize((125, 185)), va.ToFloat())(photo) for photo in (right, left))
flat = torch.full((125, 185), 10.0, requires_grad=True)
photometric = disparity.dissimilarity(disparity.shifted(there, flat), here)
(photometric + 0.05 * disparity.roughness(flat, here)).backward()
print(f"loss {photometric.item():.3f}; {(flat.grad != 0).float().mean():.0%} of the pixels get a gradient")

# %% [markdown]
# And the descent, watched. The measured disparity only judges, over pixels that both photos show.

# %%
history = []


def watch(found, loss):
    history.append((found, loss))


result = disparity.recover(left, right, ((16, 120), (8, 100), (4, 80)), start=48.0, watch=watch)
moments = [(f"step {step}", history[step][0]) for step in (0, 20, 119, 219)] + [("the end", result)]
for name, field in moments:
    mean, share = disparity.errors(field, truth, where)
    print(f"{name}: {mean:5.2f} px off on average, {share:.0%} by more than {disparity.FAR_OFF:g} px")
start, end = (disparity.errors(field, truth, where) for field in (history[0][0], result))
assert end[0] < start[0] / 4 and end[1] < start[1] / 3


def picture(field):
    whole = interpolate(torch.as_tensor(field)[None, None], size=(250, 370), mode="nearest")[0, 0]
    return (255 * whole / 60).nan_to_num(0).clamp(0, 255).byte().numpy()


fields = {name: picture(field) for name, field in (*moments[1:], ("measured", truth))}
fields = {"left photo": left} | fields
rows = [
    grid([fields[name] for name in names], titles=names, columns=3, cell=(170, 250))
    for names in (list(fields)[:3], list(fields)[3:])
]
Show(np.concatenate(rows))

# %% [markdown]
# Near things are bright; the measured disparity is black where unknown.
#
# `visionops demo` shows both trainings at more length: three seeds with and without the pipeline, and the disparity to
# half the photo's size.
