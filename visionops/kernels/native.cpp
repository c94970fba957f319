// The compiled module: every kernel binds its own functions.
#include "native.h"

#include "common/isa.h"
#include "common/memory.h"

NB_MODULE(_native, m) {
  using namespace visionops;
  bind_bilateral(m);
  bind_box(m);
  bind_brown_conrady(m);
  bind_canny(m);
  bind_color(m);
  bind_dense(m);
  bind_eigen(m);
  bind_epipolar(m);
  bind_filter(m);
  bind_fit(m);
  bind_histogram(m);
  bind_linear(m);
  bind_losses(m);
  bind_minimal(m);
  bind_morphology(m);
  bind_motions(m);
  bind_non_local(m);
  bind_pair(m);
  bind_random(m);
  bind_rank(m);
  bind_recursive(m);
  bind_resize(m);
  bind_stats(m);
  bind_warp(m);
  m.def("use_huge_pages", nb::overload_cast<int64_t, int64_t>(&use_huge_pages), nb::arg("address"), nb::arg("size"));
  m.def("features", [] { return name_of(active_isa()); });
}
