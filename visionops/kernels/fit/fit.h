// Fits of images by their guides: see `visionops.kernels.fit.definition` for the meaning.
#pragma once

#include <cstdint>

namespace visionops {

struct Fit {
  const int64_t *means, *products;  // addresses, of contiguous planes for each sample
  const int64_t* outputs;           // null in the adjoint
  int64_t batch, pixels;
  int guides, channels;  // channels: of the image; 0 where the guide is fitted itself
  const float* eps;      // (batch or 1)
  int64_t eps_step;

  int values() const { return guides + channels; }
  int first() const { return channels ? guides : 0; }  // of the values that are fitted
  int fitted() const { return channels ? channels : guides; }
  int pairs() const { return guides * values(); }
  int coefficients() const { return (guides + 1) * fitted(); }
};

struct FitGradients {
  const int64_t *grads, *means, *products;
  double* eps;  // (batch, 1), zero to begin with
};

void fit(const Fit& job, int threads);
void fit_adjoint(const Fit& job, const FitGradients& to, int threads);

// The pixels [begin, end) of a sample; the adjoint returns its part of the gradient of eps.
#define VISIONOPS_DECLARE(isa)                                                                     \
  namespace isa {                                                                                  \
  void fit_pixels(const Fit& job, int64_t sample, int64_t begin, int64_t end);                     \
  double fit_adjoint_pixels(const Fit& job, const FitGradients& to, int64_t sample, int64_t begin, int64_t end); \
  }
VISIONOPS_DECLARE(baseline)
VISIONOPS_DECLARE(avx2)
VISIONOPS_DECLARE(avx512)
VISIONOPS_DECLARE(avx512vbmi)
#undef VISIONOPS_DECLARE

}  // namespace visionops
