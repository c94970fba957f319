from visionops.demo.gallery.picture import Picture

GROUPS = {
    "Maps": {
        "ssim": Picture("ssim(image, photo('astronaut'), padding='reflect', reduction='none')", show="heat", of="noisy(image)"),
    },
}
