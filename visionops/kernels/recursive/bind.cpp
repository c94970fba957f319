#include "recursive/recursive.h"

#include "common/isa.h"
#include "common/parallel.h"
#include "native.h"

namespace visionops {

void blur_recursive(const Recursive& job, int threads) {
  const auto kernel = VISIONOPS_PICK(blur_plane);
  int64_t elements = 0;
  for (int64_t b = 0; b < job.batch; ++b) elements += job.sources[b].height * job.sources[b].width * job.channels;
  parallel_for(job.batch * job.channels, threads_for(elements * 4, threads),
               [&](int64_t i) { kernel(job, i / job.channels, static_cast<int>(i % job.channels)); });
}

namespace {

void blur(const Array<int64_t, 2>& sources, int64_t channels, int dtype, const Array<int64_t, 1>& reach,
          const Array<float, 3>& decays, int border, double fill, bool adjoint, const Array<int64_t, 1>& outputs,
          int threads) {
  static_assert(sizeof(Decay) == 6 * sizeof(float));
  require(dtype >= 0 && dtype <= 1 && border >= 0 && border <= 3, "unknown dtype or border");
  require(outputs.shape(0) == sources.shape(0), "outputs must have one address for each sample");
  require(reach.shape(0) > 0 && decays.shape(0) == reach.shape(0) && decays.shape(1) == DECAYS && decays.shape(2) == 6,
          "decays must be (count, 3, 6), and reach as many");
  for (size_t i = 0; i < reach.shape(0); ++i)
    require(reach.data()[i] >= 0 && reach.data()[i] < (1 << 30), "reach must be between 0 and 2^30");
  const Recursive job{check_sources(sources, channels, false), static_cast<int64_t>(sources.shape(0)), extent(channels),
                      static_cast<Dtype>(dtype), static_cast<int64_t>(reach.shape(0)), reach.data(),
                      reinterpret_cast<const Decay*>(decays.data()), static_cast<Border>(border),
                      static_cast<float>(fill), adjoint, outputs.data()};
  nb::gil_scoped_release release;
  blur_recursive(job, threads);
}

}  // namespace

void bind_recursive(nb::module_& m) {
  m.def("blur_recursive", &blur, nb::arg("sources"), nb::arg("channels"), nb::arg("dtype"), nb::arg("reach"),
        nb::arg("decays"), nb::arg("border"), nb::arg("fill"), nb::arg("adjoint"), nb::arg("outputs"),
        nb::arg("threads"));
}

}  // namespace visionops
