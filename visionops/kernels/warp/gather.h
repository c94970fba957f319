// Nearest samples of elements of any kind, copied bit for bit.
#pragma once

#include "warp/sweep.h"

namespace visionops {

struct Gather {
  const Source* sources;
  int64_t batch;
  int itemsize;  // 1, 2, 4 or 8 bytes
  int channels;
  Geometry geometry;
  const uint64_t* fills;  // (domains, channels): the bytes of an element in the low end
  const uint64_t* fill;   // (channels)
  Border border;
  const int64_t* outputs;
};

void gather_nearest(const Gather& job, int threads);

}  // namespace visionops
