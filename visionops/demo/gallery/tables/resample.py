from visionops.demo.gallery.picture import Picture

TURN = "torch.tensor([[0.9, -0.3, 60.0], [0.3, 0.9, -20.0]])"

GROUPS = {
    "Sizes": {
        "resize": Picture("resize(image, (60, 80))"),
        "rescale": Picture("rescale(image, 0.5)"),
        "crop": Picture("crop(image, top=20, left=90, height=120, width=160)"),
        "center_crop": Picture("center_crop(image, (120, 160))"),
        "crop_and_resize": Picture("crop_and_resize(image, torch.tensor([[110.0, 30.0, 190.0, 120.0]]), (120, 160))"),
        "crop_by_boxes": Picture("crop_by_boxes(image, torch.tensor([[110.0, 40], [190, 10], [220, 100], [140, 130]]), (160, 160))"),
        "pad": Picture("pad(image, 30, border='reflect')"),
    },
    "Moves": {
        "hflip": Picture("hflip(image)", "motorcycle"),
        "vflip": Picture("vflip(image)", "motorcycle"),
        "rot90": Picture("rot90(image)", "motorcycle"),
        "rotate": Picture("rotate(image, 20.0)", "cat"),
        "translate": Picture("translate(image, torch.tensor([40.0, -20.0]))", "cat"),
        "scale": Picture("scale(image, 0.6)", "cat"),
        "shear": Picture("shear(image, 20.0)", "cat"),
    },
    "Warps": {
        "warp_affine": Picture(f"warp_affine(image, {TURN})"),
        "warp_perspective": Picture(
            "warp_perspective(image, torch.tensor([[1.1, 0.2, 0.0], [0.1, 1.2, 0.0], [8e-4, 1e-3, 1.0]]))"
        ),
        "remap": Picture("remap(image, grid_of() + 6 * torch.sin(grid_of().flip(-1) / 12), border='reflect')"),
        "warp_polar": Picture("warp_polar(image, (240, 320))", "coffee"),
        "elastic_transform": Picture("elastic_transform(image, alpha=250.0, sigma=8.0, generator=torch.Generator().manual_seed(0))"),
        "thin_plate_spline": Picture(
            "thin_plate_spline(image, torch.tensor([[0.0, 0], [319, 0], [0, 239], [319, 239], [160, 120]]),"
            " torch.tensor([[0.0, 0], [319, 0], [0, 239], [319, 239], [230, 70]]))"
        ),
    },
    "Pyramids": {
        "pyramid_down": Picture("pyramid_down(image)"),
        "pyramid_up": Picture("pyramid_up(pyramid_down(image))"),
        "gaussian_pyramid": Picture("gaussian_pyramid(image, levels=4)", show="images"),
        "laplacian_pyramid": Picture("laplacian_pyramid(image, levels=4)", show="bands"),
        "collapse_pyramid": Picture("collapse_pyramid(laplacian_pyramid(image, levels=4))"),
        "scale_space": Picture("scale_space(image, octaves=1).octaves[0]", show="images"),
    },
    "Patches": {
        "extract_patches": Picture("extract_patches(image, size=80, stride=80)", show="images"),
        "combine_patches": Picture("combine_patches(extract_patches(image, size=80, stride=80).flip(0), size=(240, 320), stride=80)"),
    },
}
