// Two images of one size and dtype, pixel by pixel.
#pragma once

#include "common/source.h"

namespace visionops {

struct Pair {
  const Source *first, *second;
  int64_t batch;
  int channels;
  Dtype dtype;
  const int64_t* outputs;
};

struct Weights {
  float alpha, beta, gamma;
};

struct Choice {
  float offset, yes, no;
};

// Writes clamp(alpha first + beta second + gamma, low, high), of uint8 rounded; a step of 0 shares the weights.
void blend(const Pair& given, const Weights* weights, int64_t step, float low, float high, int threads);

// Writes yes where first > second - offset, no elsewhere.
void where_above(const Pair& given, const Choice& choice, int threads);

// The same of one row of a channel.
#define VISIONOPS_DECLARE(isa)                                                                                 \
  namespace isa {                                                                                              \
  void blend_row(const Pair& pair, int64_t sample, int channel, int64_t row, const Weights& weights, float low, \
                 float high);                                                                                  \
  void where_above_row(const Pair& pair, int64_t sample, int channel, int64_t row, const Choice& choice);      \
  }
VISIONOPS_DECLARE(baseline)
VISIONOPS_DECLARE(avx2)
VISIONOPS_DECLARE(avx512)
VISIONOPS_DECLARE(avx512vbmi)
#undef VISIONOPS_DECLARE

}  // namespace visionops
