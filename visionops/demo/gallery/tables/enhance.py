from visionops.demo.gallery.picture import Picture

GROUPS = {
    "Light and colour": {
        "adjust_brightness": Picture("adjust_brightness(image, 1.3)"),
        "adjust_contrast": Picture("adjust_contrast(image, 1.8)"),
        "adjust_saturation": Picture("adjust_saturation(image, 2.0)", "cat"),
        "adjust_hue": Picture("adjust_hue(image, 0.3)"),
        "adjust_gamma": Picture("adjust_gamma(image, 0.5)"),
        "adjust_log": Picture("adjust_log(image)", "rocket"),
        "adjust_sigmoid": Picture("adjust_sigmoid(image)"),
        "adjust_sharpness": Picture("adjust_sharpness(image, 8.0)", "cat"),
        "invert": Picture("invert(image)"),
        "solarize": Picture("solarize(image, threshold=0.5)"),
        "posterize": Picture("posterize(image, bits=2)"),
        "add_weighted": Picture("add_weighted(image, photo('cat'), alpha=0.6, beta=0.4)"),
    },
    "Histograms": {
        "autocontrast": Picture("autocontrast(image, cutoff=2.0)", of="0.3 + 0.4 * image"),
        "equalize": Picture("equalize(image)", "rocket"),
        "clahe": Picture("clahe(image, clip_limit=3.0)", "rocket"),
        "match_histograms": Picture("match_histograms(image, photo('coffee'))"),
        "histogram": Picture("histogram(image, bins=64)", show="bars"),
        "histogram2d": Picture("histogram2d(image[:1], image[2:], bins=64).log1p()", show="heat"),
        "integral_image": Picture("integral_image(grey)", show="heat"),
    },
    "Statistics": {
        "normalize": Picture("normalize(image, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))", show="stretched"),
        "denormalize": Picture("denormalize(image, mean=0.2, std=0.5)"),
        "min_max_normalize": Picture("min_max_normalize(image)", of="0.3 + 0.4 * image"),
        "linear_transform": Picture("linear_transform(image, torch.eye(3).roll(1, 0))"),
        "zca_whitening": Picture("zca_whitening(image)", show="signed"),
    },
    "Thresholds": {
        "threshold": Picture("threshold(grey, 0.5)", "coins"),
        "otsu_threshold": Picture("threshold(grey, otsu_threshold(grey))", "coins"),
        "adaptive_threshold": Picture("adaptive_threshold(grey, kernel_size=31, offset=0.03)", "page"),
    },
    "Tables and curves": {
        "lut1d": Picture("lut1d(image, torch.linspace(0, 1, 256) ** 0.5)"),
        "lut3d": Picture("lut3d(image, 1 - torch.stack(torch.meshgrid(*[torch.linspace(0, 1, 17)] * 3, indexing='ij')))"),
        "tone_curve": Picture("tone_curve(image, torch.tensor([[0, 0], [0.3, 0.1], [0.7, 0.9], [1, 1]]))"),
        "jpeg_compress": Picture("jpeg_compress(image, quality=8)"),
    },
}
