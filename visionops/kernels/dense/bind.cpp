#include <array>

#include "dense/dense.h"
#include "native.h"

namespace visionops {
namespace {

using Sizes = std::vector<int64_t>;

Dense dense_of(const Sizes& shape, const Sizes& strides, int64_t image, int border, double fill) {
  require(shape.size() == 5 && strides.size() == 5, "an image must have five dimensions");
  require(border >= 0 && border <= 3, "unknown border");
  Dense job{};
  job.image = image;
  job.batch = shape[0];
  job.channels = shape[1];
  job.depth = extent(shape[2]);
  job.height = extent(shape[3]);
  job.width = extent(shape[4]);
  require(int64_t{job.depth} * job.height < (int64_t{1} << 30), "an image must have fewer than 2^30 rows");
  std::copy(strides.begin(), strides.end(), job.strides);
  job.dtype = Dtype::float32;
  job.border = static_cast<Border>(border);
  job.fill = static_cast<float>(fill);
  return job;
}

void take_kernel(Dense& job, const Array<float, 5>& kernel) {
  job.kernel = kernel.data();
  job.count = extent(static_cast<int64_t>(kernel.shape(1)));
  require(job.count > 0, "there must be a kernel");
  job.kd = extent(static_cast<int64_t>(kernel.shape(2)));
  job.kh = extent(static_cast<int64_t>(kernel.shape(3)));
  job.kw = extent(static_cast<int64_t>(kernel.shape(4)));
  require(job.kd % 2 == 1 && job.kh % 2 == 1 && job.kw % 2 == 1, "kernels must have odd sizes");
  job.kernel_step = step_of(kernel, static_cast<size_t>(job.batch),
                            int64_t{job.count} * job.kd * job.kh * job.kw, "kernel");
}

void take_grad(Dense& job, int64_t grad, const Sizes& strides) {
  require(strides.size() == 6, "a gradient must have six dimensions");
  job.grad = grad;
  std::copy(strides.begin(), strides.end(), job.grad_strides);
}

void forward(int64_t image, const Sizes& shape, const Sizes& strides, int dtype, const Array<float, 5>& kernel,
             int border, double fill, int norm, int64_t output, int threads) {
  Dense job = dense_of(shape, strides, image, border, fill);
  require(dtype >= 0 && dtype <= 1 && norm >= 0 && norm <= 2, "unknown dtype or norm");
  take_kernel(job, kernel);
  job.dtype = static_cast<Dtype>(dtype);
  require(norm == 0 || job.count <= 3, "a norm must be of up to three kernels");
  job.norm = static_cast<Norm>(norm);
  job.output = output;
  nb::gil_scoped_release release;
  filter_dense(job, threads);
}

void adjoint(int64_t grad, const Sizes& shape, const Sizes& grad_strides, const Sizes& image,
             const Array<float, 5>& kernel, int border, double fill, int norm, int64_t output, int threads) {
  require(image.empty() || image.size() == 6, "image must be an address and five strides, or nothing");
  require(norm >= 0 && norm <= 2 && (norm == 0 || !image.empty()), "the adjoint of a norm must have the image");
  const Sizes strides = image.empty() ? Sizes(5) : Sizes(image.begin() + 1, image.end());
  Dense job = dense_of(shape, strides, image.empty() ? 0 : image[0], border, fill);
  take_kernel(job, kernel);
  take_grad(job, grad, grad_strides);
  require(norm == 0 || job.count <= 3, "a norm must be of up to three kernels");
  job.norm = static_cast<Norm>(norm);
  job.output = output;
  nb::gil_scoped_release release;
  filter_dense_adjoint(job, threads);
}

Doubles products(int64_t grad, const Sizes& grad_strides, int64_t image, const Sizes& shape, const Sizes& strides,
                 const Sizes& kernel, int border, double fill, int threads) {
  require(kernel.size() == 4, "kernel must be four sizes");
  Dense job = dense_of(shape, strides, image, border, fill);
  take_grad(job, grad, grad_strides);
  job.count = extent(kernel[0]), job.kd = extent(kernel[1]), job.kh = extent(kernel[2]), job.kw = extent(kernel[3]);
  require(job.kd % 2 == 1 && job.kh % 2 == 1 && job.kw % 2 == 1, "kernels must have odd sizes");
  Doubles sums = zeros(static_cast<size_t>(job.batch), static_cast<size_t>(job.count) * job.kd * job.kh * job.kw);
  job.sums = sums.data();
  nb::gil_scoped_release release;
  filter_dense_products(job, threads);
  return sums;
}

}  // namespace

void bind_dense(nb::module_& m) {
  m.def("filter_dense", &forward, nb::arg("image"), nb::arg("shape"), nb::arg("strides"), nb::arg("dtype"),
        nb::arg("kernel"), nb::arg("border"), nb::arg("fill"), nb::arg("norm"), nb::arg("output"), nb::arg("threads"));
  m.def("filter_dense_adjoint", &adjoint, nb::arg("grad"), nb::arg("shape"), nb::arg("grad_strides"),
        nb::arg("image"), nb::arg("kernel"), nb::arg("border"), nb::arg("fill"), nb::arg("norm"), nb::arg("output"),
        nb::arg("threads"));
  m.def("filter_dense_products", &products, nb::arg("grad"), nb::arg("grad_strides"), nb::arg("image"),
        nb::arg("shape"), nb::arg("strides"), nb::arg("kernel"), nb::arg("border"), nb::arg("fill"),
        nb::arg("threads"));
}

}  // namespace visionops
