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

void check_same(const Sources& first, const Sources& other) {
  require(first.shape(0) == other.shape(0), "all images must have as many samples");
  const auto *const one = reinterpret_cast<const Source*>(first.data()),
             *const two = reinterpret_cast<const Source*>(other.data());
  for (size_t b = 0; b < first.shape(0); ++b)
    require(one[b].height == two[b].height && one[b].width == two[b].width, "all images must have one size");
}

Images images_of(const Sources& first, int64_t channels) {
  return {check_sources(first, channels, false), nullptr, nullptr, static_cast<int64_t>(first.shape(0)),
          extent(channels)};
}

Images images_of(const Sources& first, const Sources& second, const MaybeArray<int64_t, 2>& weights,
                 int64_t channels) {
  Images images = images_of(first, channels);
  check_same(first, second);
  images.second = check_sources(second, channels, false);
  if (weights) {
    check_same(first, *weights);
    images.weights = check_sources(*weights, channels, false);
  }
  return images;
}

}  // namespace

void bind_histogram(nb::module_& m) {
  m.def("bin_sums", [](const Sources& sources, int64_t channels, int64_t count, double low, double high, int taps,
                       int threads) {
    const Bins bins = bins_of(count, low, high, taps);
    const Images images = images_of(sources, channels);
    Doubles sums = zeros(sources.shape(0) * channels, bins.count);
    nb::gil_scoped_release release;
    bin_sums(images, bins, sums.data(), threads);
    return sums;
  });
  m.def(
      "joint_sums",
      [](const Sources& first, const Sources& second, const MaybeArray<int64_t, 2>& weights, int64_t channels,
         int64_t count, double low, double high, int taps, int threads) {
        const Bins bins = bins_of(count, low, high, taps);
        const Images images = images_of(first, second, weights, channels);
        Doubles sums = zeros(first.shape(0) * channels, static_cast<size_t>(bins.count) * bins.count);
        nb::gil_scoped_release release;
        bin_sums(images, bins, sums.data(), threads);
        return sums;
      },
      nb::arg("first"), nb::arg("second"), nb::arg("weights").none(), nb::arg("channels"), nb::arg("count"),
      nb::arg("low"), nb::arg("high"), nb::arg("taps"), nb::arg("threads"));
  m.def("bin_sums_adjoint", [](const Array<float, 3>& grads, const Sources& sources, int64_t count, double low,
                               double high, int taps, const Array<int64_t, 1>& outputs, int threads) {
    const Bins bins = bins_of(count, low, high, taps);
    const Images images = images_of(sources, static_cast<int64_t>(grads.shape(1)));
    require(taps > 1, "counts have no gradient");
    require(grads.shape(0) == sources.shape(0) && outputs.shape(0) == sources.shape(0) &&
                static_cast<int64_t>(grads.shape(2)) == count,
            "grads and outputs must go with the images");
    nb::gil_scoped_release release;
    bin_sums_adjoint(grads.data(), images, bins, {outputs.data(), nullptr, nullptr}, threads);
  });
  m.def(
      "joint_sums_adjoint",
      [](const Array<float, 4>& grads, const Sources& first, const Sources& second,
         const MaybeArray<int64_t, 2>& weights, int64_t count, double low, double high, int taps,
         const MaybeArray<int64_t, 1>& by_first, const MaybeArray<int64_t, 1>& by_second,
         const MaybeArray<int64_t, 1>& by_weights, int threads) {
        const Bins bins = bins_of(count, low, high, taps);
        const Images images = images_of(first, second, weights, static_cast<int64_t>(grads.shape(1)));
        require(taps > 1, "counts have no gradient");
        require(grads.shape(0) == first.shape(0) && static_cast<int64_t>(grads.shape(2)) == count &&
                    static_cast<int64_t>(grads.shape(3)) == count,
                "grads must go with the images");
        for (const auto* outputs : {&by_first, &by_second, &by_weights})
          require(!*outputs || (*outputs)->shape(0) == first.shape(0), "outputs must go with the images");
        nb::gil_scoped_release release;
        bin_sums_adjoint(grads.data(), images, bins, {data_of(by_first), data_of(by_second), data_of(by_weights)},
                         threads);
      },
      nb::arg("grads"), nb::arg("first"), nb::arg("second"), nb::arg("weights").none(), nb::arg("count"),
      nb::arg("low"), nb::arg("high"), nb::arg("taps"), nb::arg("by_first").none(), nb::arg("by_second").none(),
      nb::arg("by_weights").none(), nb::arg("threads"));
}

}  // namespace visionops
