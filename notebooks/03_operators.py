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
# # Filters that learn
#
# Ten minutes with the image operators. They are the ones you know, a blur, a look-up table, Sobel, Canny, a bilateral
# filter; and each carries gradients to its own parameters. So instead of turning knobs, say what should come out.
#
# Needed: `pip install 'visionops[demo]'`. The photos come with scikit-image, nothing is downloaded.

# %%
import io

import numpy as np
import torch
from PIL import Image
from scipy.ndimage import correlate
from skimage import color as skimage_color
from skimage import data
from skimage import filters as skimage_filters
from torch.nn.functional import mse_loss

from visionops import color, enhance, filters, metrics, resample
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
        Image.fromarray(self.pixels).save(buffer, "JPEG", quality=85)
        return buffer.getvalue()


def photo(array):
    """Returns an array as an image, float32 (c, 180, 240) in [0, 1]."""
    whole = torch.from_numpy(np.atleast_3d(array)).permute(2, 0, 1)
    h, w = whole.shape[-2:]
    side = min(h, 3 * w // 4)
    return resample.resize(resample.center_crop(whole, (side, 4 * side // 3)) / 255, (180, 240))


def decibels(image, clean):
    """Returns the peak signal-to-noise ratio."""
    return -10 * mse_loss(image, clean).log10().item()


astronaut, cat, coffee = photo(data.astronaut()), photo(data.chelsea()), photo(data.coffee())
photos = torch.stack([astronaut, cat, coffee])
Show(grid([*photos], columns=3, cell=(180, 240)))

# %% [markdown]
# ## How strongly were these blurred?
#
# Somebody blurred each photo, with SciPy's Gaussian, by another sigma. Here are the photos before and after; how strong
# was it? `sigma` may be a tensor with one number for each image of the batch. Let it require a gradient, and descend.

# %%
SIGMAS = (0.8, 2.0, 3.5)
blurred = torch.stack(
    [
        torch.from_numpy(skimage_filters.gaussian(p.numpy(), s, channel_axis=0, mode="mirror"))
        for p, s in zip(photos, SIGMAS, strict=True)
    ]
)
sigma = torch.full((3,), 1.5, requires_grad=True)
optimiser = torch.optim.Adam([sigma], lr=0.2, betas=(0.8, 0.95))
slower = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, 100)
for step in range(100):
    loss = mse_loss(filters.gaussian_blur(photos, sigma=sigma, kernel_size=31), blurred)
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    slower.step()
    if step in (0, 5, 10, 20, 99):
        print(f"step {step:2}: sigma " + ", ".join(f"{s:.3f}" for s in sigma.tolist()))
assert (sigma - torch.tensor(SIGMAS)).abs().max() < 0.02

# %% [markdown]
# The same with any kernel: this one is unknown, 25 numbers, and only an image before and after is there. `filter2d`
# has a gradient to its taps.

# %%
grey = color.rgb_to_grayscale(photos)
wanted = torch.from_numpy(np.stack([skimage_filters.scharr_h(g[0].numpy()) for g in grey]))[:, None].float()
taps = torch.zeros(5, 5, requires_grad=True)
optimiser = torch.optim.LBFGS([taps], max_iter=100, line_search_fn="strong_wolfe")


def miss():
    optimiser.zero_grad()
    inner = (filters.filter2d(grey, taps) - wanted)[..., 3:-3, 3:-3]
    loss = inner.square().mean() * 1e3
    loss.backward()
    return loss


optimiser.step(miss)
print((16 * taps.detach()).round(decimals=2).numpy() + 0.0)

# %% [markdown]
# It was Scharr's derivative: 3, 10, 3 over 16, and the outer ring of the 5x5 is empty.
#
# ## A look, from one pair of photos
#
# A photographer has a look: warm lights, teal shadows, a soft curve. We have one photo before and after, made with
# scikit-image, and would like that look on all others. A three-dimensional table, colour in, colour out, can hold any
# look, and `lut3d` has a gradient to its entries. What the pair never shows, smoothness fills in.


# %%
def look(image):
    """The photographer, who works in scikit-image."""
    lab = skimage_color.rgb2lab(image.permute(1, 2, 0).double().numpy())
    light = lab[..., 0] / 100
    lab[..., 0] = 100 * (0.5 - 0.45 * np.cos(np.pi * light))
    lab[..., 1] += 9 * (light - 0.35)
    lab[..., 2] += 26 * (light - 0.45)
    return torch.from_numpy(skimage_color.lab2rgb(lab).clip(0, 1)).permute(2, 0, 1).float()


pair = astronaut, look(astronaut)
axis = torch.linspace(0, 1, 9)
identity = torch.stack(torch.meshgrid(axis, axis, axis, indexing="ij"))  # (3, r, g, b): what comes out for each colour
table = identity.clone().requires_grad_()
optimiser = torch.optim.Adam([table], lr=0.02)
slower = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, 150)
for step in range(150):
    change = table - identity
    bend = sum(change.diff(n=2, dim=d).square().mean() for d in (1, 2, 3))
    loss = mse_loss(enhance.lut3d(pair[0], table), pair[1]) + 0.02 * bend
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    slower.step()
    if step in (0, 20, 50, 149):
        print(f"step {step:3}: off by {255 * mse_loss(enhance.lut3d(pair[0], table), pair[1]).sqrt():.1f} grey levels")

# %% [markdown]
# Now photos that the table has never seen, beside what the photographer would have done.

# %%
table = table.detach()
unseen = {"cat": cat, "coffee": coffee, "rocket": photo(data.rocket())}
rows = {"before": [*unseen.values()], "learned": [enhance.lut3d(p, table) for p in unseen.values()]}
rows["photographer"] = [look(p) for p in unseen.values()]
for name, before, learned, right in zip(unseen, *rows.values(), strict=True):
    print(f"{name}: {decibels(before, right):.1f} dB before, {decibels(learned, right):.1f} dB with the table")
    assert decibels(learned, right) > decibels(before, right) + 8
Show(grid([p for row in rows.values() for p in row], columns=3, row_titles=list(rows), cell=(150, 200)))

# %% [markdown]
# ## Edges
#
# `sobel` gives how steep the image is, `canny` thin lines that keep their links: (magnitude, edges). The thresholds are
# in units of that magnitude, which for a step from black to white is 4. The lines are yes or no, and have no gradient;
# the magnitude has.

# %%
camera = photo(data.camera())
magnitude, edges = filters.canny(camera, low=0.4, high=1.0, sigma=1.0)
fine, coarse = (filters.canny(camera, low=0.2, high=0.5, sigma=s)[1] for s in (0.8, 2.5))
pictures = {"photo": camera, "sobel": filters.sobel(camera) / 4, "canny, sigma 1": edges}
pictures |= {"sigma 0.8, lower": fine, "sigma 2.5, lower": coarse, "magnitude": magnitude / magnitude.max()}
Show(grid(list(pictures.values()), titles=list(pictures), columns=3, cell=(150, 200)))

# %% [markdown]
# ## Undo a shake
#
# The camera moved while the shutter was open: each pixel of the cat is the mean of 15 along a diagonal, made with SciPy
# and rounded to bytes. Here nothing about the filter is unknown, the photo is. So let the *image* descend, until
# blurring it gives the blurred photo; a little total variation keeps noise from growing.

# %%
shake = torch.eye(15) / 15
shaken = np.stack([correlate(c.numpy(), shake.numpy(), mode="mirror") for c in cat])
shaken = torch.from_numpy((255 * shaken).round() / 255)
sharp = shaken.clone().requires_grad_()
optimiser = torch.optim.Adam([sharp], lr=0.02)
slower = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, 200)
for _ in range(200):
    roughness = sharp.diff(dim=-1).abs().mean() + sharp.diff(dim=-2).abs().mean()
    loss = mse_loss(filters.filter2d(sharp, shake), shaken) + 2e-4 * roughness
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    slower.step()
sharp = sharp.detach()
print(f"{decibels(shaken, cat):.1f} dB shaken, {decibels(sharp, cat):.1f} dB after")
assert decibels(sharp, cat) > decibels(shaken, cat) + 3
Show(grid([cat, shaken, sharp], titles=["photo", "shaken", "recovered"], columns=3, cell=(180, 240)))

# %% [markdown]
# ## Noise
#
# Four ways to smooth. A Gaussian takes the edges with it; the bilateral filter weighs neighbours by how alike they are;
# non-local means looks for patches that are alike, wherever they lie; total variation asks for the nearest image with
# little slope in all.

# %%
noise = torch.randn(photos.shape, generator=torch.Generator().manual_seed(0))
noisy = photos + 0.1 * noise
by_hand = {
    "noisy": noisy,
    "gaussian": filters.gaussian_blur(noisy, sigma=1.0),
    "bilateral": filters.bilateral_blur(noisy, kernel_size=9, sigma_color=0.25, sigma_space=2.0),
    "non-local means": filters.non_local_means(noisy, h=0.06, sigma=0.1),
    "total variation": filters.total_variation_denoise(noisy, weight=0.1),
}
for name, image in by_hand.items():
    each = ", ".join(f"{decibels(a, b):.1f}" for a, b in zip(image, photos, strict=True))
    print(f"{name:>16}: {each} dB, SSIM {metrics.ssim(image, photos):.2f}")

# %% [markdown]
# The bilateral filter's sigmas were guessed. Let the astronaut choose them, and the other two photos judge.

# %%
log_sigmas = torch.tensor([0.25, 2.0]).log().requires_grad_()
optimiser = torch.optim.Adam([log_sigmas], lr=0.08)
for _ in range(40):
    across, space = log_sigmas.exp()
    clean = filters.bilateral_blur(noisy[:1], kernel_size=9, sigma_color=across, sigma_space=space)
    loss = mse_loss(clean, photos[:1])
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
across, space = log_sigmas.detach().exp()
learned = filters.bilateral_blur(noisy, kernel_size=9, sigma_color=across, sigma_space=space)
print(f"sigma_color {across:.3f}, sigma_space {space:.2f}")
names = "astronaut", "cat", "coffee"
for name, guessed, chosen, right in zip(names, by_hand["bilateral"], learned, photos, strict=True):
    print(f"{name}: {decibels(guessed, right):.1f} dB guessed, {decibels(chosen, right):.1f} dB chosen")
    assert decibels(chosen, right) > decibels(guessed, right)
by_hand["bilateral, learned"] = learned
shown = {"photo": photos} | by_hand
shown.pop("bilateral")
Show(grid([s[1][:, 40:130, 60:180] for s in shown.values()], titles=list(shown), columns=3, cell=(180, 240)))

# %% [markdown]
# Two numbers, learned from one photo. The same descent works inside a network: every operator is a Module, and its
# parameters train with the rest.
