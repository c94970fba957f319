// Order statistics of windows: see `visionops.kernels.rank.definition` for the meaning.
#pragma once

#include "common/source.h"

namespace visionops {

struct Ranks {
  const Source* sources;
  int64_t batch;
  int channels;
  Dtype dtype;
  int rank;           // from 0, of height * width values
  int height, width;  // of the window; its middle is at height / 2, width / 2
  Border border;
  float fill;
  const int64_t* outputs;  // addresses of contiguous images
};

// Offsets (dy, dx) from a pixel, in reading order, of which one is chosen.
struct Choice {
  const Source *grads, *images, *results;
  int64_t batch;
  int channels;
  const int32_t* offsets;
  int64_t count;
  bool box;                      // all of the offsets within their reach
  int top, bottom, left, right;  // how far they reach: rows above and below, columns before and after
  Border border;
  float fill;
  const int64_t* outputs;  // addresses of contiguous gradients, overwritten
};

void rank_windows(const Ranks& job, int threads);
void choose_adjoint(const Choice& job, int threads);

#define VISIONOPS_DECLARE(isa)                                                                       \
  namespace isa {                                                                                    \
  /* Medians of windows of 3 x 3 or 5 x 5, for some rows of a channel. */                            \
  void median_rows(const Ranks& job, int64_t sample, int channel, int begin, int end);               \
  void histogram_rows(const Ranks& job, int64_t sample, int channel, int begin, int end);            \
  void ordinal_tile(const Ranks& job, int64_t sample, int channel, int top, int left, int bottom, int right); \
  /* Windows of up to 127 x 127, tiles of up to 256 x 256 with what is around them. */                \
  void cumulative_tile(const Ranks& job, int64_t sample, int channel, int top, int left, int bottom, int right); \
  void choose_plane(const Choice& job, int64_t sample, int channel);                                 \
  void choose_box_plane(const Choice& job, int64_t sample, int channel);                             \
  }
VISIONOPS_DECLARE(baseline)
#ifdef VISIONOPS_X86
VISIONOPS_DECLARE(avx2)
VISIONOPS_DECLARE(avx512)
VISIONOPS_DECLARE(avx512vbmi)
#endif
#undef VISIONOPS_DECLARE

}  // namespace visionops
