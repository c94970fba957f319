// Conversions of colours: see `visionops.kernels.color.definition` for the meaning.
#pragma once

#include "common/source.h"

namespace visionops {

// In the order of definition.CONVERSIONS.
enum class Conversion : int {
  affine, decode, encode, hsv, from_hsv, hls, from_hls, lab, from_lab, oklab, from_oklab, luv, from_luv
};

struct Convert {
  const Source* sources;  // of three channels; null: the adjoint of an affine conversion, which does not look
  const Source* grads;    // of the result's channels, float32; only for an adjoint
  int64_t batch;
  Dtype dtype;            // of the sources and of the results
  Conversion conversion;
  const float* numbers;
  int channels;           // of the result, 1 or 3
  const float* levels;    // (4, 3): scale and shift of bytes that go in, and of those that come out; null for float32
  const int64_t* outputs;
};

struct Mosaic {
  const Source* sources;  // of one channel, at least 2 x 2 pixels
  int64_t batch;
  Dtype dtype;            // of the sources and of the results
  int red;                // which pixel of the block of 2 x 2 sees red; blue is the one across
  const int64_t* outputs;
};

// Each makes the rows [begin, end) of a sample.
#define VISIONOPS_DECLARE(isa)                                                        \
  namespace isa {                                                                     \
  void convert_rows(const Convert& job, int64_t sample, int begin, int end);          \
  void convert_rows_adjoint(const Convert& job, int64_t sample, int begin, int end);  \
  void mosaic_rows(const Mosaic& job, int64_t sample, int begin, int end);            \
  }
VISIONOPS_DECLARE(baseline)
VISIONOPS_DECLARE(avx2)
VISIONOPS_DECLARE(avx512)
VISIONOPS_DECLARE(avx512vbmi)
#undef VISIONOPS_DECLARE

}  // namespace visionops
