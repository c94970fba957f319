// The adjoint of a sweep: from the gradient of its output those of the image, the matrix or map, and the parameters.
#pragma once

#include "warp/sweep.h"

namespace visionops {

// Gradients that are not wanted are null. They are written, not added to.
struct SweepAdjoint {
  Sweep job;             // the forward sweep; its outputs are not read
  const Source* grads;   // of the output, float32
  const int64_t* image;  // (batch) addresses of float32 (channels, height, width); the image is float32 too
  double* matrix;        // (batch, 9)
  const int64_t* map;    // (batch) addresses of float32 (height, width, 2)
  double* params;        // (batch, width_of_params)

  bool moves() const { return matrix || map; }
};

// A stretch of one sample's program, run backwards. Its first step may be a contrast.
struct Stage {
  int64_t sample;
  int first, last;      // steps [first, last) of the program
  float mean;           // that the contrast took
  const float* from;    // what the stretch read, (channels, height, width)
  Source grad;          // of what it made
  const float* bias;    // added to every pixel of that, by channel; null: nothing
  float* to;            // the gradient of what it read; `grad` may lie in the same place
  double* params;       // receives the parameters' gradients of every SUM_ROWS rows, (blocks, width_of_params)
  double* means;        // receives the gradient of the contrast's mean, likewise
};

// Rows of an output, whose gradients go to the source together.
struct Scatter {
  int64_t sample;
  int begin, end;
  Source grad;     // of the whole output of the warp
  Box box;         // what these rows read of the (reduced) source
  float* sums;     // (groups of four channels, rows of the box, columns, 4): receives its gradient; null: not wanted
  double* matrix;  // (9)

  int64_t area() const { return static_cast<int64_t>(box.bottom - box.top) * (box.right - box.left); }
};

// Results do not depend on the number of threads.
void sweep_adjoint(const SweepAdjoint& adjoint, int threads);

// Runs a stage on the rows [begin, end) of the output; begin is a multiple of SUM_ROWS.
#define VISIONOPS_DECLARE(isa)                                                                                    \
  namespace isa {                                                                                                 \
  void stage_rows(const SweepAdjoint& adjoint, const Stage& stage, int begin, int end);                           \
  void scatter_rows(const SweepAdjoint& adjoint, const Scatter& scatter);                                         \
  /* Writes the rows [begin, end) of the image's gradient from what was scattered. */                             \
  void collect_rows(const SweepAdjoint& adjoint, const Scatter* scatters, int count, int begin, int end);         \
  }
VISIONOPS_DECLARE(baseline)
VISIONOPS_DECLARE(avx2)
VISIONOPS_DECLARE(avx512)
VISIONOPS_DECLARE(avx512vbmi)
#undef VISIONOPS_DECLARE

}  // namespace visionops
