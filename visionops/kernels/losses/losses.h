// What losses loop over pixels for: see `visionops.losses` for the meaning, in plain torch.
#pragma once

#include <cstdint>

namespace visionops {

// In the order of `visionops.kernels.losses.cpu.RHO`.
enum class Rho { square, charbonnier, cauchy, welsch, geman_mcclure };

// Pixels that are summed in one go, whatever the number of threads.
constexpr int64_t STRETCH = 1 << 15;

// Residuals (a - b) * scale of n pixels.
struct Residuals {
  const float *a, *b;
  float scale;
  Rho rho;
};

// A row of logits and labels, and what a label of 1 and one of 0 weigh.
struct Labels {
  const float *x, *y;
  float on, off, gamma;
};

// Logits (channels, n) of a sample, and the class of each pixel.
struct Classes {
  const float* x;
  const int64_t* place;
  int64_t n;
  int channels;
  float gamma;
};

#define VISIONOPS_DECLARE(isa)                                                                            \
  namespace isa {                                                                                         \
  double robust_sum(const Residuals& job, int64_t begin, int64_t end);                                    \
  void robust_slopes(const Residuals& job, float grad, int64_t begin, int64_t end, float* by_a, float* by_b); \
  void focal_of_labels(const Labels& job, int64_t n, float* out);                                         \
  void focal_slopes_of_labels(const Labels& job, const float* grad, int64_t n, float* by_x, float* by_y); \
  void focal_of_classes(const Classes& job, int64_t begin, int64_t end, float* out);                      \
  void focal_slopes_of_classes(const Classes& job, const float* grad, int64_t begin, int64_t end, float* by_x); \
  }
VISIONOPS_DECLARE(baseline)
VISIONOPS_DECLARE(avx2)
VISIONOPS_DECLARE(avx512)
VISIONOPS_DECLARE(avx512vbmi)
#undef VISIONOPS_DECLARE

// Writes by how much Jaccard's loss grows as pixels are got wrong, those of most error first, to the places of the
// pixels. `counts` is null or says which pixels do; the others come last.
void jaccard_steps(const float* errors, const float* there, const uint8_t* counts, int64_t n, float* steps);

// A map (height, width) of what is wrong.
struct Erosion {
  const float* wrong;
  int height, width, iterations;
  float alpha;
};

// Writes the sum of the eroded maps, the k-th times k^alpha.
void eroded_sum(const Erosion& job, float* out);
// Writes the gradient by `wrong`, given that by the sum. The maximum that a map is stretched by counts as a constant.
void eroded_sum_adjoint(const Erosion& job, const float* grad, float* by_wrong);

}  // namespace visionops
