// Non-local means: see `visionops.kernels.non_local.definition` for the meaning.
#pragma once

#include "common/source.h"

namespace visionops {

struct NonLocal {
  const Source* images;
  int64_t batch;
  int channels;
  Dtype dtype;
  const float *rate, *floor;  // (batch or 1)
  int64_t rate_step, floor_step;
  int patch, search;  // radii
  Border border;
  const int64_t* outputs;  // in the adjoint, of the images' gradients
};

// What the adjoint has besides.
struct NonLocalGradients {
  const Source* grads;
  double* sums;  // (batch, 2), zero to begin with: of rate and of floor
};

void non_local(const NonLocal& job, int threads);
void non_local_adjoint(const NonLocal& job, const NonLocalGradients& to, int threads);

// A rectangle of pixels that are computed together; in the adjoint it may lie outside the image.
struct Tile {
  int64_t sample;
  int top, left, height, width;
};

// What the adjoint goes by, of one sample: grad / (sum of weights), and its product with (image - out), summed over
// the channels; contiguous planes of the image's size.
struct Shares {
  float *share, *rest;
};

// Averages a tile; fills a tile of the shares; gathers a tile of the gradient by the image with a border of
// patch + search around, whose first pixel and strides `to` has, and adds to the two sums.
#define VISIONOPS_DECLARE(isa)                                                                          \
  namespace isa {                                                                                       \
  void average_tile(const NonLocal& job, const Tile& tile);                                             \
  void share_tile(const NonLocal& job, const Tile& tile, const Source& grad, const Shares& to);         \
  void gather_tile(const NonLocal& job, const Tile& tile, const Shares& shares, float* to, int64_t row, \
                   int64_t plane, double* sums);                                                        \
  }
VISIONOPS_DECLARE(baseline)
VISIONOPS_DECLARE(avx2)
VISIONOPS_DECLARE(avx512)
VISIONOPS_DECLARE(avx512vbmi)
#undef VISIONOPS_DECLARE

}  // namespace visionops
