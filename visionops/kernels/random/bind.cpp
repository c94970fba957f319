#include "native.h"
#include "random/philox.h"

namespace visionops {
namespace {

Doubles philox_arrays(uint64_t seed, uint64_t epoch, uint64_t view,
const Array<int64_t, 1>& index,
                       const std::vector<int64_t>& counts) {
  size_t total = 0;
  for (int64_t count : counts) {
    require(count >= 0, "counts must not be negative");
    total += static_cast<size_t>(count);
  }
  const size_t batch = index.shape(0);
  Doubles out = zeros(total, batch);
  {
    nb::gil_scoped_release release;
    double* to = out.data();
    for (size_t step = 0; step < counts.size(); ++step) {
      for (size_t b = 0; b < batch; ++b)
        philox_uniform(seed, epoch, view, static_cast<uint64_t>(index.data()[b]), step, counts[step], to + b,
                       static_cast<int64_t>(batch));
      to += static_cast<size_t>(counts[step]) * batch;
    }
  }
  return out;
}

}  // namespace

void bind_random(nb::module_& m) {
  m.def("philox_uniform", &philox_arrays, nb::arg("seed"), nb::arg("epoch"), nb::arg("view"), nb::arg("index"),
        nb::arg("counts"));
}

}  // namespace visionops
