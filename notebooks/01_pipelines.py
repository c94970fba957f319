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
# # A pipeline, from a photo to a training batch
#
# Ten minutes with `visionops`: build a pipeline, look at what it draws, read its plan, let labels follow, get the
# same draw again, put it into a `DataLoader`, run it on a batch, and learn one of its bounds by gradient descent.
#
# Needed: `pip install 'visionops[demo]'`. The photos come with scikit-image, nothing is downloaded.

# %%
import io
import json

import numpy as np
import torch
from PIL import Image
from skimage import data
from torch import nn
from torch.utils.data import DataLoader

import visionops as vo
from visionops import augment as va
from visionops.plot import draw, grid

astronaut, coffee, cat, rocket = data.astronaut(), data.coffee(), data.chelsea(), data.rocket()


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


Show(grid([astronaut, coffee, cat, rocket], titles=["astronaut", "coffee", "cat", "rocket"], cell=190))

# %% [markdown]
# ## Build one, and look
#
# A pipeline is a chain of steps. A number is fixed, a pair is a range that is drawn from anew for every image. It
# takes numpy arrays (H, W, C), PIL images and tensors (C, H, W), and returns tensors; `uint8` stays `uint8` unless a
# step normalises.

# %%
pipe = vo.Pipeline(
    va.RandomResizedCrop((192, 192), scale=(0.3, 1)),
    va.HorizontalFlip(p=0.5),
    va.Affine(rotate=(-30, 30), shear=(-10, 10)),
    va.ColorJitter(0.3, 0.3, 0.3, 0.05),
    va.GaussianBlur(sigma=(0.1, 2.0), p=0.5),
    seed=0,
)
out = pipe(cat)
print(out.shape, out.dtype)
draws = [pipe(cat, index=i) for i in range(5)]
Show(grid([cat, *draws], columns=6, titles=["photo", *(f"index {i}" for i in range(5))], cell=150))

# %% [markdown]
# ## Read the plan
#
# A pipeline is planned before it runs. Neighbouring moves (crop, flip, affine) are one matrix product and one
# resampling; colours are worked out on its pixels before they are written. The blur needs neighbours, so it is a pass
# of its own.

# %%
print(pipe.explain())

# %% [markdown]
# Why it matters: each resampling averages neighbouring pixels. Below, the same five small rotations once as one pass,
# and once with `Rasterize`, which asks for pixels in between. They add up to nothing, so the photo should come back.

# %%
turns = [va.Rotate(angle) for angle in (7, 11, -5, 9, -22)]
once = vo.Pipeline(*turns, va.CenterCrop((160, 160)))
apart = vo.Pipeline(*(step for turn in turns for step in (turn, va.Rasterize())), va.CenterCrop((160, 160)))
print(once.explain())
print("apart:", apart.explain().splitlines()[0])

middle = vo.Pipeline(va.CenterCrop((160, 160)))(cat)
results = {"the photo": middle, "one pass": once(cat), "a pass for each": apart(cat)}
for name, result in results.items():
    print(f"{name}: {(result.float() - middle).abs().mean():.2f} of 255 off, on average")
Show(grid(list(results.values()), titles=list(results), cell=320))

# %% [markdown]
# ## Labels follow
#
# Masks, boxes, keypoints and camera matrices go along, through the one composed motion. A box is clipped and filtered
# once, at the end, and takes its label with it. Keypoints never drop: `keypoints_valid` says which are still seen.
# With a swap table, a mirrored left eye is still called the left eye.

# %%
boxes = np.array([[180, 68, 270, 180], [133, 348, 208, 422], [353, 0, 472, 290], [277, 343, 511, 511]], np.float32)
names = ["face", "patch", "shuttle", "helmet"]
eyes = np.array([[247, 103], [203.5, 100.5]], np.float32)  # left, right: the subject's own

detector = vo.Pipeline(
    va.Resize(320),
    va.RandomCrop((256, 256)),
    va.HorizontalFlip(p=0.5),
    va.Affine(rotate=(-20, 20), scale=(0.8, 1.2)),
    box_min_visibility=0.3,
    keypoint_swap=[(0, 1)],
    fill=0.5,
)
labelled = {"image": astronaut, "boxes": boxes, "box_labels": names, "keypoints": eyes}
draws = [detector(**labelled, index=i) for i in (1, 2, 3)]
for i, one in zip((1, 2, 3), draws, strict=True):
    print(f"index {i}: {one['box_labels']}, eyes seen: {one['keypoints_valid'].tolist()}")
Show(grid([labelled, *draws], cell=230))

# %% [markdown]
# Masks keep their own numbers: they are read by the nearest pixel, even through an elastic field.

# %%
row, column = np.indices(coffee.shape[:2])
cup = (np.hypot((column - 291) / 118, (row - 113) / 95) < 1).astype(np.int32) * 1000  # an ellipse, class number 1000
bend = vo.Pipeline(va.Resize((240, 360)), va.Elastic(alpha=8, sigma=20), va.Rotate((-20, 20)))
bent = [bend(image=coffee, mask=cup, index=i) for i in range(3)]
print(bent[0]["mask"].dtype, bent[0]["mask"].unique().tolist())
cells = [{"image": coffee, "mask": cup}, *bent]
Show(grid([one | {"mask": one["mask"] // 1000} for one in cells], cell=(160, 230)))

# %% [markdown]
# ## The same draw again
#
# A draw is a pure function of the pipeline's seed and of `index`, `epoch` and `view`: not of batch size, order,
# worker or device. `view` tells two looks at one photo apart, as contrastive learning wants.

# %%
assert torch.equal(pipe(cat, index=7), pipe(cat, index=7))
assert not torch.equal(pipe(cat, index=7), pipe(cat, index=7, epoch=1))
cells = [pipe(cat, index=7, epoch=epoch, view=view) for epoch in (0, 1) for view in (0, 1, 2)]
Show(grid(cells, columns=3, titles=[f"view {v}" for v in range(3)], row_titles=["epoch 0", "epoch 1"], cell=150))

# %% [markdown]
# Drawing and applying are two steps, when you want them to be. What was drawn is plain data: keep it as JSON beside a
# strange training image, and replay it later.

# %%
params = pipe.sample(cat.shape[:2], index=7)
text = json.dumps(params)
print({name: round(value, 2) for name, value in params["steps"][2].items() if name not in ("step", "active")})
again = pipe.apply(json.loads(text), image=cat)["image"]
assert torch.equal(again, pipe(cat, index=7))

# %% [markdown]
# And there is a way back: what a network said about the augmented picture, where it lies on the photo.

# %%
params = detector.sample(astronaut.shape[:2], index=2)
seen = detector.apply(params, keypoints=eyes)["keypoints"]
home = detector.inverse(params, keypoints=seen)["keypoints"]
print(f"on the augmented picture:\n{seen.numpy()}\non the photo:\n{home.numpy()}")

# %% [markdown]
# ## In a DataLoader
#
# `collate_fn=pipe.collate` takes a list of samples (dicts, bare images or `(image, label)` pairs) and writes each
# photo's pass straight into its slice of the batch. The photos differ in size; the batch does not. An `index` in the
# sample keys its draw, so two workers, or none, make the same batches.

# %%
mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
train = vo.Pipeline(
    va.RandomResizedCrop((160, 160), scale=(0.3, 1)),
    va.HorizontalFlip(p=0.5),
    va.ColorJitter(0.4, 0.4, 0.4, 0.1),
    va.Normalize(mean, std),
)
photos = [astronaut, coffee, cat, rocket]
samples = [{"image": photos[i % 4], "label": i % 4, "index": i} for i in range(16)]

batches = {}
for workers in (0, 2):
    loader = DataLoader(samples, batch_size=8, num_workers=workers, collate_fn=train.collate)
    batches[workers] = list(loader)
first = batches[2][0]
print({name: (tuple(value.shape), value.dtype) for name, value in first.items()})
assert all(torch.equal(a["image"], b["image"]) for a, b in zip(batches[0], batches[2], strict=True))
Show(grid(first["image"], columns=8, mean=mean, std=std, cell=110))

# %% [markdown]
# The next epoch draws anew. `set_epoch` reaches workers that are already running.

# %%
train.set_epoch(1)
later = next(iter(DataLoader(samples, batch_size=8, num_workers=2, collate_fn=train.collate)))
assert not torch.equal(later["image"], first["image"])
Show(grid(later["image"], columns=8, mean=mean, std=std, cell=110))

# %% [markdown]
# ## On a batch
#
# The same object takes a batch of tensors, with parameters of its own for each sample. MixUp and CutMix live here;
# integer labels come out soft.

# %%
batch = torch.stack([vo.Pipeline(va.Resize((160, 160)))(photo) for photo in photos])
mix = vo.Pipeline(va.Rotate((-25, 25)), va.CutMix(num_classes=4), va.ToFloat(), seed=4)
mixed = mix(image=batch, label=torch.arange(4), index=torch.arange(4))
print(mix.explain())
print(mixed["label"].numpy().round(2))
Show(grid(mixed["image"], cell=180))

# %% [markdown]
# ## Learn a bound
#
# A bound can be an `nn.Parameter`: draws are written as functions of their bounds, so the loss reaches them. Suppose
# photos come tilted by up to some unknown angle. We tilt ours by up to `width`, compare, and let the gradient widen
# it. Here the unknown answer is 20 degrees.

# %%
small = [vo.Pipeline(va.Resize((96, 96)), va.GaussianBlur(2.0), va.ToFloat())(photo) for photo in photos]
batch = torch.stack(small)
unknown = vo.Pipeline(va.Rotate(va.Symmetric(20.0)))

width = nn.Parameter(torch.tensor(5.0))
ours = vo.Pipeline(va.Rotate(va.Symmetric(width)))
optimiser = torch.optim.Adam([width], lr=1.0, betas=(0.6, 0.95))
for step in range(60):
    index = torch.arange(4) + 4 * step
    with torch.no_grad():
        target = unknown(batch, index=index)
    loss = (ours(batch, index=index) - target).square().mean()
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    if step % 10 == 9:
        print(f"step {step + 1}: up to {width.item():5.2f} degrees, loss {loss.item():.1e}")
assert abs(width.item() - 20) < 0.1

# %% [markdown]
# ## Keep it
#
# A pipeline is written as YAML or JSON, and read again safely: only steps of visionops are built. On the command
# line, `visionops preview pipe.yaml *.jpg -o grid.png` shows what such a file does to your own photos.

# %%
text = detector.to_yaml()
print(text)
same = vo.Pipeline.from_yaml(text)
assert torch.equal(same(astronaut, index=3), detector(astronaut, index=3))

# %% [markdown]
# That was the main path. `help(vo.Pipeline)` has every option, `visionops.augment` every step, and `visionops demo` a
# page with stereo pairs, test-time votes and the speed of it all. A last look, with labels drawn by
# `visionops.plot.draw`:

# %%
last = same(**labelled, index=1)
Show(draw(last["image"], boxes=last["boxes"], box_labels=last["box_labels"], keypoints=last["keypoints"], scale=1.5))
