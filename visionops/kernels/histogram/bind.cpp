#include "histogram/histogram.h"
#include "native.h"

namespace visionops {
namespace {

using Sources = Array<int64_t, 2>;

Bins bins_of(int64_t count, double low, double high, int taps) {
  require(count >= 1 && count <= (1 << 15), "bins must be 1 to 2^15");
  require(low < high, "low must be below high");
  require(taps == 1 || taps == 2 || taps == 4, "taps must be 1, 2 or 4");
  return {static_cast<int>(count), static_cast<float>(low), static_cast<float>(high),
          static_cast<float>(static_cast<double>(count) / (high - low)), taps};
}

void check_same(const Source* one, const Source* two, const Sources& first, const Sources& second) {
  require(first.shape(0) == second.shape(0), "both images must have as many samples");
  for (size_t b = 0; b < first.shape(0); ++b)
    require(one[b].height == two[b].height && one[b].width == two[b].width, "both images must have one size");
}

}  // namespace

void bind_histogram(nb::module_& m) {
  m.def("bin_sums", [](const Sources& images, int64_t channels, int64_t count, double low, double high, int taps,
                       int threads) {
    const Bins bins = bins_of(count, low, high, taps);
    const Source* const rows = check_sources(images, channels, false);
    Doubles sums = zeros(images.shape(0) * channels, bins.count);
    nb::gil_scoped_release release;
    bin_sums(rows, nullptr, images.shape(0), extent(channels), bins, sums.data(), threads);
    return sums;
  });
  m.def("joint_sums", [](const Sources& first, const Sources& second, int64_t channels, int64_t count, double low,
                         double high, int taps, int threads) {
    const Bins bins = bins_of(count, low, high, taps);
    const Source *const one = check_sources(first, channels, false),
                 *const two = check_sources(second, channels, false);
    check_same(one, two, first, second);
    Doubles sums = zeros(first.shape(0) * channels, static_cast<size_t>(bins.count) * bins.count);
    nb::gil_scoped_release release;
    bin_sums(one, two, first.shape(0), extent(channels), bins, sums.data(), threads);
    return sums;
  });
  m.def("bin_sums_adjoint", [](const Array<float, 3>& grads, const Sources& images, int64_t count, double low,
                               double high, int taps, const Array<int64_t, 1>& outputs, int threads) {
    const Bins bins = bins_of(count, low, high, taps);
    const int64_t channels = static_cast<int64_t>(grads.shape(1));
    const Source* const rows = check_sources(images, channels, false);
    require(taps > 1, "counts have no gradient");
    require(grads.shape(0) == images.shape(0) && outputs.shape(0) == images.shape(0) &&
                static_cast<int64_t>(grads.shape(2)) == count,
            "grads and outputs must go with the images");
    nb::gil_scoped_release release;
    bin_sums_adjoint(grads.data(), rows, nullptr, images.shape(0), extent(channels), bins, outputs.data(), nullptr,
                     threads);
  });
  m.def(
      "joint_sums_adjoint",
      [](const Array<float, 4>& grads, const Sources& first, const Sources& second, int64_t count, double low,
         double high, int taps, const MaybeArray<int64_t, 1>& by_first, const MaybeArray<int64_t, 1>& by_second,
         int threads) {
        const Bins bins = bins_of(count, low, high, taps);
        const int64_t channels = static_cast<int64_t>(grads.shape(1));
        const Source *const one = check_sources(first, channels, false),
                     *const two = check_sources(second, channels, false);
        check_same(one, two, first, second);
        require(taps > 1, "counts have no gradient");
        require(grads.shape(0) == first.shape(0) && static_cast<int64_t>(grads.shape(2)) == count &&
                    static_cast<int64_t>(grads.shape(3)) == count,
                "grads must go with the images");
        for (const auto* outputs : {&by_first, &by_second})
          require(!*outputs || (*outputs)->shape(0) == first.shape(0), "outputs must go with the images");
        nb::gil_scoped_release release;
        bin_sums_adjoint(grads.data(), one, two, first.shape(0), extent(channels), bins, data_of(by_first),
                         data_of(by_second), threads);
      },
      nb::arg("grads"), nb::arg("first"), nb::arg("second"), nb::arg("count"), nb::arg("low"), nb::arg("high"),
      nb::arg("taps"), nb::arg("by_first").none(), nb::arg("by_second").none(), nb::arg("threads"));
}

}  // namespace visionops
