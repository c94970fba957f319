// What a sweep is asked to do: see `visionops.kernels.warp.op.warp` for the meaning of every field.
#pragma once

#include <cstdint>

#include "common/source.h"

namespace visionops {

enum class Interpolation : int { nearest = 0, bilinear = 1, bicubic = 2 };
// As in pixel/program.py.
enum class Op : int { none, scale, matrix, contrast, hue, gamma, lut, solarize, noise, erase };

// A nearest tap this close below a tie goes up, and positions beyond FAR are clamped: as in definition.py.
constexpr double NEAREST_BIAS = 0.5 + 1e-6;
constexpr double FAR = 16777216.0;
// Rows whose colours are summed together, so that a mean does not depend on the number of threads.
constexpr int SUM_ROWS = 32;

// Pixels [left, right) x [top, bottom).
struct Box {
  int left, top, right, bottom;
};

// Where each output pixel reads its source: at a matrix, at a map, or (neither) at its own place.
struct Geometry {
  const double* inverse;     // (batch or 1, 3, 3)
  const int64_t* maps;       // (batch) addresses of float32 (height, width, 2)
  const double* planes;      // (batch or 1, domains, 4, 3)
  int64_t inverse_step, planes_step;  // elements from one sample to the next: 0 where all share one
  int domains;
  int height, width;         // of the output

  const double* matrix_of(int64_t sample) const { return inverse ? inverse + sample * inverse_step : nullptr; }
  const float* map_of(int64_t sample) const {
    return maps ? reinterpret_cast<const float*>(maps[sample]) : nullptr;
  }
  const double* planes_of(int64_t sample) const { return planes ? planes + sample * planes_step : nullptr; }
};

struct Sweep {
  const Source* sources;
  Dtype dtype;
  int64_t batch;
  int channels;
  Geometry geometry;
  const double* fills;   // (domains, channels)
  const double* fill;    // (channels)
  Interpolation interpolation;
  Border border;
  const int32_t* levels;  // (batch, 2): along y, along x
  int steps;
  const int32_t* codes;   // (batch, steps)
  const int32_t* starts;  // (steps)
  const float* params;    // (batch, width_of_params)
  int64_t params_step;
  const int64_t* outputs;
  Dtype out_dtype;

  Op code(int64_t sample, int step) const { return static_cast<Op>(codes[sample * steps + step]); }
  const float* params_of(int64_t sample, int step) const { return params + sample * params_step + starts[step]; }
};

// One pass over the output of one sample: a stretch of its program without a statistic in the middle.
struct Pass {
  int64_t sample;
  int first, last;        // steps [first, last) of the program
  float mean;             // for a contrast, which can only be the first step
  const float* from;      // the colours so far, (channels, height, width); null: the source
  float* to;              // where colours go as float32; null: the output, in its dtype
  double* sums;           // receives the sum of the luma of every SUM_ROWS rows; null: not wanted
};

// Runs the sweep. Results do not depend on the number of threads.
void sweep(const Sweep& job, int threads);

// Runs a pass on the rows [begin, end); begin is a multiple of SUM_ROWS.
namespace baseline { void sweep_rows(const Sweep& job, const Pass& pass, int begin, int end); }
namespace avx2 { void sweep_rows(const Sweep& job, const Pass& pass, int begin, int end); }
namespace avx512 { void sweep_rows(const Sweep& job, const Pass& pass, int begin, int end); }
namespace avx512vbmi { void sweep_rows(const Sweep& job, const Pass& pass, int begin, int end); }

}  // namespace visionops
