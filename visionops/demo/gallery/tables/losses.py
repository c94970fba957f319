from visionops.demo.gallery.picture import Picture

GROUPS = {
    "Maps": {
        "ssim": Picture("ssim(image, photo('astronaut'), padding='reflect', reduction='none')", show="heat", of="noisy(image)"),
        "total_variation": Picture("total_variation(image, reduction='none')", show="heat", of="noisy(image)"),
        "charbonnier": Picture("charbonnier(image, photo('astronaut'), scale=0.1, reduction='none')", show="heat", of="noisy(image)"),
        "cauchy": Picture("cauchy(image, photo('astronaut'), scale=0.1, reduction='none')", show="heat", of="noisy(image)"),
        "welsch": Picture("welsch(image, photo('astronaut'), scale=0.1, reduction='none')", show="heat", of="noisy(image)"),
        "geman_mcclure": Picture("geman_mcclure(image, photo('astronaut'), scale=0.1, reduction='none')", show="heat", of="noisy(image)"),
        "barron": Picture("barron(image, photo('astronaut'), alpha=1.0, scale=0.1, reduction='none')", show="heat", of="noisy(image)"),
    },
    "Normalisation": {
        "divisive_normalization": Picture("divisive_normalization(image, torch.full((3,), 0.05), torch.full((3, 3), 0.3))"),
    },
}
