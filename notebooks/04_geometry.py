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
# # Two photos, one scene
#
# From two photos of a motorcycle to where the second camera stood, to a rectified pair, to depth. Every step is a
# function of tensors with gradients, which is also how to know how much of the result to believe.
#
# Needed: `pip install 'visionops[demo]'`. The photos come with scikit-image (Middlebury 2014), with their true depth.

# %%
import io

import numpy as np
import torch
from PIL import Image, ImageDraw
from skimage import data
from skimage.feature import SIFT, match_descriptors

from visionops import color, filters, resample
from visionops import geometry as vg
from visionops.plot import grid

torch.set_num_threads(2)


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


# %% [markdown]
# The photos were taken by two cameras side by side, all but parallel. That is too easy, so turn the second one: a
# rotation of a camera is a homography of its image, K R K^-1. Now we know the answer that has to be found.

# %%
left, right, disparity = data.stereo_motorcycle()
left, right = (torch.from_numpy(p).permute(2, 0, 1).double() / 255 for p in (left, right))
h, w = left.shape[-2:]
K = torch.tensor([[994.978, 0, 311.193], [0, 994.978, 254.877], [0, 0, 1]], dtype=torch.float64)
K_right = K + torch.tensor([[0, 0, 31.086], [0, 0, 0], [0, 0, 0]], dtype=torch.float64)

turn = torch.deg2rad(torch.tensor([2.0, -3.0, 4.0], dtype=torch.float64))
R_true = vg.so3.exp(turn)
t_true = R_true @ torch.tensor([-1.0, 0, 0], dtype=torch.float64)  # the baseline is one unit
turned = K @ R_true @ torch.linalg.inv(K_right)
image1, image2 = left, resample.warp_perspective(right, turned)
photographed = resample.warp_perspective(torch.ones_like(right[:1]), turned)  # the rest of the second photo is black
depth_true = vg.disparity_to_depth(
    torch.from_numpy(disparity)[None].double(), focal=994.978, baseline=1.0, offset=31.086
)
seen = torch.from_numpy(np.isfinite(disparity))[None]
Show(grid([image1, image2], columns=2, cell=(300, 450)))

# %% [markdown]
# ## Matches
#
# Any detector will do; this is scikit-image's SIFT. One match in ten is wrong, and that is fine.


# %%
def features(image):
    """Returns points (n, 2) and their descriptors."""
    found = SIFT(upsampling=1)
    found.detect_and_extract(color.rgb_to_grayscale(image)[0].numpy())
    return found.positions[:, ::-1].astype(np.float64), found.descriptors


(points1, words1), (points2, words2) = features(image1), features(image2)
pairs = match_descriptors(words1, words2, max_ratio=0.8)
p1, p2 = torch.from_numpy(points1[pairs[:, 0]]), torch.from_numpy(points2[pairs[:, 1]])
x1, x2 = vg.normalize_pixels(p1, K), vg.normalize_pixels(p2, K)
print(len(pairs), "matches")

# %% [markdown]
# ## Where was the second camera?
#
# Five matches fix an essential matrix, up to ten solutions. Which five are right nobody knows, so ask two thousand
# times at once: `find_essential` takes (2000, 5, 2). The Sampson distance then says how far each match is from each
# solution.

# %%
draws = torch.stack([torch.randperm(len(x1), generator=torch.Generator().manual_seed(i))[:5] for i in range(2000)])
roots = vg.find_essential(x1[draws], x2[draws])
candidates = roots.matrices[roots.valid]
limit = (1.0 / 994.978) ** 2  # one pixel, squared as the distance is
support = torch.cat([(vg.sampson_distance(some, x1, x2) < limit).sum(-1) for some in candidates.split(2000)])
E = candidates[support.argmax()]
good = vg.sampson_distance(E, x1, x2) < limit
motion = vg.motion_from_essential(E, x1[good], x2[good])


def errors(R, t):
    """Returns how many degrees a rotation and a direction are off."""
    apart = torch.rad2deg(vg.geodesic_distance(R, R_true)).item()
    direction = torch.rad2deg(torch.atan2(torch.linalg.cross(t, t_true).norm(), t @ t_true)).item()
    return f"rotation off by {apart:.3f} degrees, direction by {direction:.2f}"


print(f"{len(candidates)} solutions; the best has {support.max()} of {len(x1)} matches within a pixel")
print("five points:  ", errors(motion.R, motion.t))

# %% [markdown]
# Now all of the good matches, by least squares over motions: the unknowns are a small rotation from the left and a
# direction. `implicit_argmin` minimises, and its result is a function of the matches.


# %%
def motion_of(step, start):
    """Returns the motion that a step (5,) leads to from a start."""
    t = start.t + vg.skew(start.t)[..., :2] @ step[..., 3:]  # two directions across t
    return vg.so3.exp(step[..., :3]) @ start.R, t / t.square().sum(-1, keepdim=True).sqrt()


def refine(y1, y2):
    """Returns the motion that explains matches best, as a function of them."""

    def residual(step, y1, y2):
        R, t = motion_of(step, motion)
        squared = vg.sampson_distance(vg.essential_from_pose(R, t), y1, y2) * 994.978**2
        return (1 + squared).log().clamp(min=1e-30).sqrt()  # Cauchy's kernel: what is far off counts little

    return motion_of(vg.implicit_argmin(residual, torch.zeros(5, dtype=torch.float64), y1, y2), motion)


R, t = refine(x1[good], x2[good])
print("all good ones:", errors(R, t))

# %% [markdown]
# ## How sure is that?
#
# The motion is a function of the matches, so its derivative by them is there: by the implicit function theorem at the
# minimum, not through the iterations. A match is off by so many pixels; then the rotation is off by so many degrees.

# %%
clicks = torch.cat([p1[good], p2[good]]).requires_grad_()


def rotation_of(clicks):
    """Returns how the refined camera is turned against the one found above, in degrees about x, y and z."""
    y1, y2 = vg.normalize_pixels(clicks, K).chunk(2)
    return torch.rad2deg(vg.so3.log(refine(y1, y2)[0] @ R.mT))


J = torch.stack([torch.autograd.grad(angle, clicks, retain_graph=True)[0] for angle in rotation_of(clicks)])
E = vg.essential_from_pose(R, t)
noise = (vg.sampson_distance(E, x1[good], x2[good]).mean() / 2).sqrt() * 994.978  # of a coordinate, in pixels
spread = noise * J.square().sum((1, 2)).sqrt()
print(
    f"matches are off by {noise:.2f} px, so the rotation by",
    ", ".join(f"{s:.3f}" for s in spread),
    "degrees about x, y, z",
)

# %% [markdown]
# The epipolar line of a point is where it has to be in the other photo.

# %%
F = vg.fundamental_from_essential(vg.essential_from_pose(R, t), K, K)
chosen = torch.nonzero(good)[:, 0][:: max(1, int(good.sum()) // 12)][:12]
hues = torch.linspace(0, 1, len(chosen) + 1)[:-1]
inks = [
    tuple(int(255 * v) for v in color.hsv_to_rgb(torch.tensor([u, 0.9, 1.0])[:, None, None])[:, 0, 0]) for u in hues
]


def with_lines(image, points, lines):
    """Returns an image with points, and lines a x + b y + c = 0."""
    canvas = Image.fromarray((image * 255).clamp(0, 255).byte().permute(1, 2, 0).numpy())
    pen = ImageDraw.Draw(canvas)
    for (x, y), (a, b, c), ink in zip(points.tolist(), lines.tolist(), inks, strict=True):
        pen.line([(0, -c / b), (w, -(c + a * w) / b)], fill=ink, width=2)
        pen.ellipse([x - 5, y - 5, x + 5, y + 5], outline=ink, width=3)
    return np.asarray(canvas)


lines1, lines2 = vg.epilines(F, p2[chosen], image=2), vg.epilines(F, p1[chosen], image=1)
Show(grid([with_lines(image1, p1[chosen], lines1), with_lines(image2, p2[chosen], lines2)], columns=2, cell=(300, 450)))

# %% [markdown]
# ## Rectified
#
# Turn both cameras so that epipolar lines become rows. Each rectified image is one resampling of its photo.

# %%
flat = vg.stereo_rectify(K, K, R, t, (h, w), alpha=1)
rectified = [
    vg.undistort_image(image, vg.PinholeCamera(K), matrix=P[:, :3], R=turned)
    for image, P, turned in ((image1, flat.P1, flat.R1), (image2, flat.P2, flat.R2))
]
rows = [
    vg.transform_points(P[:, :3] @ turned @ torch.linalg.inv(K), p[good])[:, 1]
    for p, P, turned in ((p1, flat.P1, flat.R1), (p2, flat.P2, flat.R2))
]
print(f"matches are {(rows[0] - rows[1]).abs().median():.2f} rows apart in the median")
ruled = []
for image in rectified:
    canvas = image.clone()
    canvas[:, 25::50] = torch.tensor([1.0, 0.8, 0.0], dtype=torch.float64)[:, None, None]
    ruled.append(canvas)
Show(grid(ruled, columns=2, cell=(300, 450)))

# %% [markdown]
# ## Depth
#
# Suppose that everything lay on a plane, at one depth; `plane_sweep` rebuilds the first photo from the second under
# that assumption. Where it succeeds, the plane is right. Here are 96 planes, evenly spaced in 1 / z. What is compared
# are colours, a little, and slopes, more; costs are smoothed along the edges of the photo (Rhemann and others, 2011),
# and a soft minimum makes the choice a function with gradients.

# %%
small1, small2, there2 = (resample.rescale(image.float(), 0.5) for image in (image1, image2, photographed))
both = torch.cat([small2, there2])  # a fourth channel goes along: where the second photo shows something
halve = torch.tensor([[0.5, 0, -0.25], [0, 0.5, -0.25], [0, 0, 1]], dtype=torch.float64)  # pixel centres, as `rescale`
K_small = (halve @ K).float()
near, far = 994.978 / 100, 994.978 / 32  # of the disparities 1 to 70, in baselines
inverse = torch.linspace(1 / far, 1 / near, 96)


def slope(image):
    """Returns how steep the grey image is along x."""
    return filters.spatial_gradient(color.rgb_to_grayscale(image))[..., 0, :, :] / 4


def depth_of(R, t):
    """Returns the depth (1, h, w) of the first photo, in baselines."""
    rebuilt, there = vg.plane_sweep(both, 1 / inverse, K_small, R.float(), t.float()).split((3, 1), -3)
    colours = (rebuilt - small1).abs().mean(-3, keepdim=True).clamp(max=0.03)
    slopes = (slope(rebuilt) - slope(small1)).abs().clamp(max=0.04)
    cost = torch.where(there > 0.99, 0.11 * colours + 0.89 * slopes, 0.05)  # (planes, 1, h, w)
    cost = filters.guided_blur(cost, guide=small1.expand(96, -1, -1, -1), kernel_size=13, eps=1e-4)
    share = torch.softmax(-3000 * cost, 0)
    return 1 / (share * inverse[:, None, None, None]).sum(0)


depth = depth_of(R, t)
nearest = {"size": depth.shape[-2:], "interpolation": "nearest"}
truth = resample.resize(torch.where(seen, depth_true, 0).float(), **nearest)
hidden = vg.warp_by_depth(there2, depth, K_small, R.float(), t.float()) < 0.99  # outside the second photo
judged = (truth > 0) & ~hidden
apart = (994.978 / depth - 994.978 / truth).abs()[judged]  # as disparities, in pixels of the whole photo
print(f"{apart.median():.2f} px off in the median, {(apart < 2).float().mean():.0%} within 2 px")


def coloured(depth, unknown):
    """Returns near in red, far in blue, and black where nothing is known."""
    return color.apply_colormap((32 / depth - 0.9) / 2.2, colormap="turbo") * ~unknown


Show(grid([coloured(depth, hidden), coloured(truth.clamp(min=1), truth == 0)], columns=2, cell=(300, 450)))

# %% [markdown]
# No training, no post-processing; what is wrong hides from the second camera, or has no texture. A network that
# predicts depth would take the same steps, and everything it needs to learn from two photos alone flows back through
# them.
