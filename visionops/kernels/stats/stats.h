// Counts of levels, tables that are looked up, and running sums: see `visionops.kernels.stats.definition`.
#pragma once

#include <cstdint>

#include "common/source.h"

namespace visionops {

constexpr int LEVELS = 256;

struct Images {
  const Source* sources;
  int64_t batch;
  int channels;
  Dtype dtype;
};

// Tiles that cover an image, and their size in pixels.
struct Grid {
  int rows, columns, tall, wide;

  bool is_whole() const { return rows == 1 && columns == 1; }
};

// Counts of each tile: outputs (channels, rows, columns, 256).
void level_counts(const Images& images, const Grid& grid, const int64_t* outputs, int threads);

// Levels spread evenly, of uint8: as a whole where `limits` is null, else by tiles, no level counting more than its
// limit (batch, or one where the step is 0).
void equalize_levels(const Images& images, const Grid& grid, const int64_t* limits, int64_t limits_step,
                     const int64_t* outputs, int threads);

// The least and the greatest value of each channel of float32 images, NaN where one is: `out` (batch, channels, 2).
void extremes(const Images& images, float* out, int threads);

// Each channel of float32 images stretched from its extremes to [low, high], and the gradient of that by the images.
void stretch(const Images& images, float low, float high, const int64_t* outputs, int threads);
void stretch_adjoint(const Source* grads, const Images& images, float low, float high, const int64_t* outputs,
                     int threads);

// Tables by sample and channel; a step of 0 shares one.
template <class T>
struct Tables {
  const T* data;
  int64_t sample_step, channel_step;
  int size;  // entries of one

  const T* of(int64_t sample, int channel) const { return data + sample * sample_step + channel * channel_step; }
};

void look_up_levels(const Images& images, const Tables<uint8_t>& tables, const int64_t* outputs, int threads);

// Of float32, with a table for each tile.
void look_up(const Images& images, const Grid& grid, const Tables<float>& tables, const int64_t* outputs, int threads);

// Writes the gradient by the images to `outputs`, and adds that by each sample and channel's tables to its row of
// `sums`; either may be null.
void look_up_adjoint(const Source* grads, const Images& images, const Grid& grid, const Tables<float>& tables,
                     const int64_t* outputs, double* sums, int threads);

// A table over three colours, (channels, n, n, n), of at most four channels. It serves all samples if the step is 0.
struct Cube {
  const float* data;
  int64_t sample_step;
  int channels, n;
  bool tetrahedral;

  int64_t entries() const { return int64_t{n} * n * n; }
};

void look_up3d(const Images& images, const Cube& cube, const int64_t* outputs, int threads);

// As `look_up_adjoint`; a row of `sums` is (channels, n, n, n).
void look_up3d_adjoint(const Source* grads, const Images& images, const Cube& cube, const int64_t* outputs,
                       double* sums, int threads);

// Sums over rows above and columns to the left, (h + 1, w + 1), of uint8 in 32 bits or of float32 in either precision;
// the adjoint is (h - 1, w - 1), of float32 gradients.
void integral(const Images& images, bool as_double, const int64_t* outputs, int threads);
void integral_adjoint(const Images& grads, const int64_t* outputs, int threads);

// What one thread does at a time; `plane` is the source's channel.
#define VISIONOPS_DECLARE(isa)                                                                                       \
  namespace isa {                                                                                                    \
  void count_tile(const Source& source, Dtype dtype, int channel, const Grid& grid, int row, int column,             \
                  int32_t* counts);                                                                                  \
  void find_extremes(const Source& source, int channel, float* out);                                                 \
  void stretch_plane(const Source& source, int channel, float low, float high, float* out);                          \
  void stretch_adjoint_plane(const Source& grad, const Source& source, int channel, float low, float high,           \
                             float* out);                                                                            \
  void map_levels(const Source& source, int channel, const uint8_t* table, uint8_t* out, int begin, int end);        \
  void blend_levels(const Source& source, int channel, const Grid& grid, const uint8_t* tables, uint8_t* out,        \
                    int begin, int end);                                                                             \
  void look_up_rows(const Source& source, int channel, const Grid& grid, const float* tables, int size, float* out,  \
                    int begin, int end);                                                                             \
  void look_up_adjoint_rows(const Source& grad, const Source& source, int channel, const Grid& grid,                 \
                            const float* tables, int size, float* out, double* sums, int begin, int end);            \
  void look_up3d_rows(const Source& source, const Cube& cube, const float* packed, float* out, int begin, int end);  \
  void look_up3d_adjoint_rows(const Source& grad, const Source& source, const Cube& cube, const float* packed,       \
                              float* out, double* sums, int begin, int end);                                         \
  void integral_plane(const Source& source, Dtype dtype, int channel, bool as_double, int64_t address,               \
                      int64_t start);                                                                                \
  void integral_adjoint_plane(const Source& grad, int channel, float* out);                                          \
  }
VISIONOPS_DECLARE(baseline)
VISIONOPS_DECLARE(avx2)
VISIONOPS_DECLARE(avx512)
VISIONOPS_DECLARE(avx512vbmi)
#undef VISIONOPS_DECLARE

}  // namespace visionops
