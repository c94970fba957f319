#include "canny/canny.h"
#include "native.h"

namespace visionops {
namespace {

void find(const Array<int64_t, 2>& sources, int64_t channels, int dtype, const Array<double, 1>& low,
          const Array<double, 1>& high, bool squares, const Array<int64_t, 1>& edges,
          const MaybeArray<int64_t, 1>& magnitudes, int threads) {
  const size_t batch = sources.shape(0);
  require(dtype >= 0 && dtype <= 1, "unknown dtype");
  require(edges.shape(0) == batch, "edges must have one address for each sample");
  require(!magnitudes || magnitudes->shape(0) == batch, "magnitudes must have one address for each sample");
  const Canny job{check_sources(sources, channels, false), static_cast<int64_t>(batch), extent(channels),
                  static_cast<Dtype>(dtype), low.data(), high.data(), step_of(low, batch, 1, "low"),
                  step_of(high, batch, 1, "high"), squares, edges.data(), data_of(magnitudes)};
  nb::gil_scoped_release release;
  find_edges(job, threads);
}

}  // namespace

void bind_canny(nb::module_& m) {
  m.def("find_edges", &find, nb::arg("sources"), nb::arg("channels"), nb::arg("dtype"), nb::arg("low"),
        nb::arg("high"), nb::arg("squares"), nb::arg("edges"), nb::arg("magnitudes").none(), nb::arg("threads"));
}

}  // namespace visionops
