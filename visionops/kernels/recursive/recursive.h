// Recursive Gaussian blur: see `visionops.kernels.recursive.definition` for the meaning.
#pragma once

#include "common/source.h"

namespace visionops {

// One decay: s = p s + x; what it adds is Re(a s) of the pixels up to this one, Re(b s) of those after it, b = a p.
struct Decay {
  float pole_re, pole_im, a_re, a_im, b_re, b_im;
};
constexpr int DECAYS = 3;

struct Recursive {
  const Source* sources;  // of the adjoint, gradients
  int64_t batch;
  int channels;
  Dtype dtype;
  int64_t count;         // of what follows: sample i takes i % count
  const int64_t* reach;  // how many pixels outside the image are read
  const Decay* decays;   // (count, DECAYS)
  Border border;
  float fill;  // in the units of the image
  bool adjoint;
  const int64_t* outputs;
};

void blur_recursive(const Recursive& job, int threads);

#define VISIONOPS_DECLARE(isa)                                                  \
  namespace isa {                                                               \
  void blur_plane(const Recursive& job, int64_t sample, int channel);           \
  }
VISIONOPS_DECLARE(baseline)
VISIONOPS_DECLARE(avx2)
VISIONOPS_DECLARE(avx512)
VISIONOPS_DECLARE(avx512vbmi)
#undef VISIONOPS_DECLARE

}  // namespace visionops
