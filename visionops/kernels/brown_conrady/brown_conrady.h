// Points through the Brown-Conrady lens and back, and their adjoints: the formulas of
// `visionops.geometry.cameras.brown_conrady`, eight points at a time, in double precision.
#pragma once

#include <algorithm>
#include <cstdint>

namespace visionops {

// Points that are computed together: a register of the widest instruction set holds a number of each.
constexpr int WIDTH = 8;
constexpr int LARGEST_LENS = 14;

// Points (batch, points, 3) or pixels (batch, points, 2) with the cameras that they go through.
struct BrownConrady {
  const void *places, *matrices, *distortions;
  int64_t batch, points;
  int64_t matrix_step, distortion_step;  // from one camera to the next; 0: one serves all
  int coefficients;
  bool doubles;  // else floats
  void* out;     // pixels (batch, points, 2), x and y and how they are (batch, points, 3), or bytes (batch, points)

  // Whether lanes are cameras, of which there are many with few points each; else they are points of one camera.
  bool across() const { return points < 64 && (batch + WIDTH - 1) / WIDTH * points <= batch * stretches_of_lanes(); }
  int64_t stretches_of_lanes() const { return (points + WIDTH - 1) / WIDTH; }

  // What is computed as one: eight cameras, or a stretch of points of one.
  int64_t strips() const { return across() ? (batch + WIDTH - 1) / WIDTH : batch * strips_of_camera(); }
  int64_t strips_of_camera() const { return (points + STRETCH - 1) / STRETCH; }
  int64_t points_of_strip() const { return across() ? WIDTH * points : std::min(points, STRETCH); }

  static constexpr int64_t STRETCH = 4096;
};

// Rows of sums over points: one for each strip, or for each camera where lanes are cameras; null if not wanted.
struct Rows {
  void* to;
  bool doubles;  // else floats
};

struct BrownConradyGradients {
  const void* grad;      // of `out`
  const void* solution;  // of the inverse: what it returned
  void* by_places;       // or null
  Rows by_matrix, by_distortion;

  bool sums() const { return by_matrix.to || by_distortion.to; }
};

// Strips [begin, end).
#define VISIONOPS_DECLARE(isa)                                                                                         \
  namespace isa {                                                                                                      \
  void project_strips(const BrownConrady& job, int64_t begin, int64_t end);                                            \
  void project_adjoint_strips(const BrownConrady& job, const BrownConradyGradients& to, int64_t begin, int64_t end);   \
  void see_strips(const BrownConrady& job, int64_t begin, int64_t end);                                                \
  void undistort_strips(const BrownConrady& job, int64_t begin, int64_t end);                                          \
  void undistort_adjoint_strips(const BrownConrady& job, const BrownConradyGradients& to, int64_t begin, int64_t end); \
  }
VISIONOPS_DECLARE(baseline)
VISIONOPS_DECLARE(avx2)
VISIONOPS_DECLARE(avx512)
VISIONOPS_DECLARE(avx512vbmi)
#undef VISIONOPS_DECLARE

}  // namespace visionops
