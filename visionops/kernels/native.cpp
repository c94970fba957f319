// The compiled module: every kernel binds its own functions.
#include "native.h"

#include "common/isa.h"

NB_MODULE(_native, m) {
  using namespace visionops;
  bind_warp(m);
  bind_filter(m);
  bind_random(m);
  m.def("features", [] { return name_of(active_isa()); });
}
