from visionops.demo.gallery.picture import Picture

GROUPS = {
    "Smoothing": {
        "gaussian_blur": Picture("gaussian_blur(image, sigma=4.0)"),
        "box_blur": Picture("box_blur(image, kernel_size=15)"),
        "median_blur": Picture("median_blur(image, kernel_size=5)", of="speckled(image)"),
        "rank_filter": Picture("rank_filter(image, kernel_size=7, rank=40)"),
        "motion_blur": Picture("motion_blur(image, kernel_size=25, angle=30.0)", "motorcycle"),
        "unsharp_mask": Picture("unsharp_mask(image, sigma=2.0, amount=2.0)", "cat"),
    },
    "Smoothing that keeps edges": {
        "bilateral_blur": Picture("bilateral_blur(image, kernel_size=13, sigma_color=0.5, sigma_space=4.0)", of="noisy(image)"),
        "joint_bilateral_blur": Picture(
            "joint_bilateral_blur(image, photo('astronaut'), kernel_size=13, sigma_color=0.1, sigma_space=4.0)", of="noisy(image, 0.25)"
        ),
        "guided_blur": Picture("guided_blur(image, kernel_size=13, eps=0.02)", "cat", of="noisy(image)"),
        "anisotropic_diffusion": Picture("anisotropic_diffusion(image, kappa=0.1, iterations=20)", "cat", of="noisy(image)"),
        "non_local_means": Picture("non_local_means(image, h=0.06, sigma=0.1)", "coffee", of="noisy(image)"),
        "total_variation_denoise": Picture("total_variation_denoise(image, weight=0.15)", "motorcycle", of="noisy(image)"),
    },
    "Derivatives and edges": {
        "sobel": Picture("sobel(grey)", "camera", show="stretched"),
        "scharr": Picture("scharr(grey)", "camera", show="stretched"),
        "laplacian": Picture("laplacian(grey, kernel_size=5)", "camera", show="signed"),
        "spatial_gradient": Picture("spatial_gradient(grey)[0, 0]", "camera", show="signed"),
        "gabor": Picture("gabor(grey, sigma=4.0, angle=45.0, wavelength=8.0)", "camera", show="signed"),
        "difference_of_gaussians": Picture("difference_of_gaussians(grey, sigma_low=1.0, sigma_high=3.0)", "camera", show="signed"),
        "canny": Picture("canny(grey, low=0.4, high=0.8, sigma=1.0)[1]", "camera"),
    },
    "Any kernel": {
        "filter2d": Picture("filter2d(image, torch.eye(15) / 15)", "motorcycle"),
        "filter2d_separable": Picture("filter2d_separable(image, torch.ones(25) / 25, torch.ones(1))", "motorcycle"),
        "fft_filter2d": Picture("fft_filter2d(image, torch.eye(61) / 61)", "motorcycle"),
    },
    "Pooling": {
        "blur_pool": Picture("blur_pool(image, kernel_size=5, stride=4)"),
        "max_blur_pool": Picture("max_blur_pool(image, kernel_size=3, stride=4)"),
    },
    "Kernels": {
        "gaussian_kernel1d": Picture("gaussian_kernel1d(3.0, 21)", show="kernel"),
        "gaussian_kernel2d": Picture("gaussian_kernel2d(3.0, 21)", show="kernel"),
        "box_kernel": Picture("box_kernel(5)", show="kernel"),
        "sobel_kernel": Picture("sobel_kernel()[0]", show="kernel"),
        "laplacian_kernel": Picture("laplacian_kernel(5)", show="kernel"),
        "motion_kernel": Picture("motion_kernel(15, 30.0)", show="kernel"),
        "gabor_kernel": Picture("gabor_kernel(sigma=5.0, angle=45.0, wavelength=8.0, kernel_size=31)", show="kernel"),
    },
}
