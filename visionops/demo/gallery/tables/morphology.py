from visionops.demo.gallery.picture import Picture

GROUPS = {
    "Erosion, dilation and what is made of them": {
        "erosion": Picture("erosion(image, kernel_size=7)", "cat"),
        "dilation": Picture("dilation(image, kernel_size=7)", "cat"),
        "opening": Picture("opening(image, kernel_size=7)", "cat"),
        "closing": Picture("closing(image, kernel_size=7)", "cat"),
        "morphological_gradient": Picture("morphological_gradient(grey, kernel_size=3)", "camera", show="stretched"),
        "top_hat": Picture("top_hat(grey, kernel_size=15)", "page", show="stretched"),
        "black_hat": Picture("black_hat(grey, kernel_size=15)", "page", show="stretched"),
        "reconstruction": Picture("reconstruction(erosion(grey, kernel_size=25), grey)", "coins"),
    },
    "Shapes": {
        "skeletonize": Picture("skeletonize(image)", "horse", of="(image < 0.5).float()"),
        "distance_transform": Picture("distance_transform(image)", "horse", show="heat", of="(image < 0.5).float()"),
        "connected_components": Picture(
            "connected_components(image)", "coins", show="labels", of="morphology.opening(enhance.threshold(image, 0.45), kernel_size=5)"
        ),
    },
    "Elements": {
        "box": Picture("box(9)", show="kernel"),
        "cross": Picture("cross(9)", show="kernel"),
        "ellipse": Picture("ellipse(9)", show="kernel"),
    },
}
