// The bilateral filter: see `visionops.kernels.bilateral.definition` for the meaning.
#pragma once

#include <vector>

#include "common/source.h"

namespace visionops {

struct Tap {
  int dy, dx;
  float square;  // of the distance
};

struct Bilateral {
  const Source* images;
  const Source* guides;  // null: the images
  int64_t batch;
  int channels, guide_channels;
  Dtype dtype;
  const float *sigma_color, *sigma_space;  // (batch or 1)
  int64_t color_step, space_step;          // from one sample to the next: 0 where all share one
  int ry, rx;
  std::vector<Tap> taps;  // without the middle
  Border border;
  const int64_t* outputs;  // in the adjoint, of the images' gradients
};

// What the adjoint has besides.
struct BilateralGradients {
  const Source* grads;
  const int64_t* guides;  // outputs; null where the images are the guides
  double* sigmas;         // (batch, 2), zero to begin with: of sigma_color and of sigma_space
};

void bilateral(const Bilateral& job, int threads);
void bilateral_adjoint(const Bilateral& job, const BilateralGradients& to, int threads);

// Planes of one sample with room about them, all of one shape. `at` is the first pixel's place in the first plane.
struct Room {
  float* at;
  int64_t stride, plane;
};

// What the adjoint goes by, of one sample: values within the border and zeros beyond it, twice the radii wide. `share`
// (channels) and `rest` are zero outside the image: grad / (sum of weights), and its product with (out - image).
struct Shares {
  Room image, guide, share, rest;
  Room by_image, by_guide;  // results, as wide as the border
};

// Filters rows; fills rows of `share` and `rest`; gathers one row of both results, a border's row too, and adds to the
// two sums of the sigmas.
#define VISIONOPS_DECLARE(isa)                                                                       \
  namespace isa {                                                                                    \
  void bilateral_rows(const Bilateral& job, int64_t sample, int begin, int end);                     \
  void pad_bilateral(const Bilateral& job, const Source& source, int channel, int begin, int end, const Room& to); \
  void share_rows(const Bilateral& job, const Source& grad, int64_t sample, const Shares& shares, int begin, int end); \
  void gather_row(const Bilateral& job, int64_t sample, const Shares& shares, int row, double* sums); \
  }
VISIONOPS_DECLARE(baseline)
VISIONOPS_DECLARE(avx2)
VISIONOPS_DECLARE(avx512)
VISIONOPS_DECLARE(avx512vbmi)
#undef VISIONOPS_DECLARE

}  // namespace visionops
