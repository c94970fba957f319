// Least and largest values over flat elements, and what grows over a whole image.
#pragma once

#include "common/source.h"

namespace visionops {

// Columns x0 to x1, both included, of the row dy, from each pixel.
struct Run {
  int32_t dy, x0, x1;
};

struct Runs {
  const Run* at;  // in reading order
  int64_t count;
};

struct Extremum {
  const Source* sources;
  int64_t batch;
  int channels;
  Dtype dtype;
  Runs runs;
  bool largest;
  const int64_t* outputs;  // addresses of contiguous images
};

void extremum(const Extremum& job, int threads);

// What is written of an image, its first extreme, and the other extreme, second.
enum class Result : int { second = 0, image_less_second = 1, second_less_image = 2, second_less_first = 3 };

// The second is of the first, or of the image where the first is subtracted. Differences of bytes saturate.
struct Compound {
  Extremum first;
  Runs second;
  Result result;
};

void compound(const Compound& job, int threads);

// Of contiguous planes (height, width), as `visionops.kernels.morphology.growth`.
void squared_distance(const uint8_t* inside, int height, int width, double* out);
void label_components(const uint8_t* inside, int height, int width, int connectivity, int64_t* out);
void thin(const uint8_t* inside, int height, int width, const uint8_t* removed, uint8_t* out);
void reconstruct(const float* marker, const float* mask, int height, int width, int connectivity, int64_t* out);
void reconstruct(const double* marker, const double* mask, int height, int width, int connectivity, int64_t* out);

#define VISIONOPS_DECLARE(isa) \
  namespace isa {              \
  void extremum_rows(const Extremum& job, int64_t sample, int channel, int begin, int end); \
  void compound_rows(const Compound& job, int64_t sample, int channel, int begin, int end); \
  }
VISIONOPS_DECLARE(baseline)
#ifdef VISIONOPS_X86
VISIONOPS_DECLARE(avx2)
VISIONOPS_DECLARE(avx512)
VISIONOPS_DECLARE(avx512vbmi)
#endif
#undef VISIONOPS_DECLARE

}  // namespace visionops
