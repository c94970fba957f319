// Samples of one run of pixels: positions, then the interpolation for what the run meets.
#pragma once

#include <optional>
#include <type_traits>

#include "pixel/program.h"
#include "warp/aligned.h"
#include "warp/bilinear.h"
#include "warp/positions.h"
#include "warp/taps.h"

namespace visionops {
namespace VISIONOPS_ISA {

// Rows that are swept together, run by run: what they read of a turned source is still in the first cache.
constexpr int BAND = 8;

// Where the pixels of a run read, at a matrix or a map. Places that no pixel needs are ones that another reads, or
// (left, top), so that a part of a source will do.
inline void find_positions(const Sweep& job, const double* matrix, const float* map, const int factors[2], int left,
                           int top, const Run& run, Positions& at) {
  const bool nearest = job.interpolation == Interpolation::nearest;
  if (map)
    map_positions(map, job.geometry.width, run, nearest ? NEAREST_BIAS : 0, factors, at);
  else if (nearest)
    exact_positions(matrix, run, NEAREST_BIAS, at);
  else
    matrix_positions(matrix, run, at);
  if (at.any_lost)
    for (int i = 0; i < RUN; ++i)
      if (at.lost[i]) at.x[i] = left, at.y[i] = top, at.tx[i] = at.ty[i] = 0;
  const int last = run.count - 1;
  for (int i = run.count; i < RUN; ++i)
    at.x[i] = at.x[last], at.y[i] = at.y[last], at.tx[i] = at.tx[last], at.ty[i] = at.ty[last];
}

// Samples runs of one source. Holds what does not change from run to run.
template <class T>
class Sampler {
 public:
  Sampler(const Sweep& job, const View<T>& view, const double* matrix, const float* map, const int factors[2],
          const float* fill)
      : job_(job), view_(view), matrix_(matrix), map_(map), factors_(factors), fill_(fill) {
    if (matrix && job.interpolation == Interpolation::bilinear && AlignedRows<T>::takes(matrix, job.border))
      aligned_.emplace(view, job.channels, job.border, matrix, job.geometry.width);
  }

  // Whether rows are best swept one at a time.
  bool by_rows() const { return (!matrix_ && !map_) || aligned_; }

  // Whether colours need no sampling: they lie at their own places, as float32. Then `tile` becomes what is there.
  bool is_direct(const Run& run, Tile& tile) const {
    if constexpr (std::is_same_v<T, float>) {
      if (matrix_ || map_ || view_.column_stride != 1) return false;
      tile = {const_cast<float*>(view_.data) + run.row * view_.row_stride + run.column, view_.channel_stride};
      return true;
    }
    return false;
  }

  void sample(const Run& run, float* tile) {
    if (!matrix_ && !map_) return load_run(run, tile);
    if (aligned_) {
      if (aligned_->sample(run, tile, outside_)) add_fill(tile);
      return;
    }
    const bool nearest = job_.interpolation == Interpolation::nearest;
    find_positions(job_, matrix_, map_, factors_, view_.left, view_.top, run, at_);
    if (nearest)
      sample_nearest(tile);
    else if (job_.interpolation == Interpolation::bicubic)
      sample_bicubic(tile);
    else
      sample_bilinear(tile);
    if (at_.any_lost)
      for (int c = 0; c < job_.channels; ++c)
        for (int i = 0; i < RUN; ++i) tile[c * RUN + i] = at_.lost[i] ? fill_[c] : tile[c * RUN + i];
  }

 private:
  // Colours at the output's own places.
  void load_run(const Run& run, float* __restrict tile) const {
    const T* const data = view_.data + run.row * view_.row_stride + run.column * view_.column_stride;
    const int64_t step = view_.column_stride;
    const float unit = view_.unit;
    for (int c = 0; c < job_.channels; ++c) {
      const T* const from = data + c * view_.channel_stride;
      float* __restrict const out = tile + c * RUN;
      if (step == 1 && run.count == RUN)
        for (int i = 0; i < RUN; ++i) out[i] = static_cast<float>(from[i]) * unit;
      else
        for (int i = 0; i < run.count; ++i) out[i] = static_cast<float>(from[i * step]) * unit;
    }
  }

  // Whether taps from `first` to `last` of a position's whole part leave the source.
  bool leaves(int first, int last) const {
    const int32_t width = view_.width - last, height = view_.height - last;
    int32_t any = 0;
    for (int i = 0; i < RUN; ++i)
      any |= (at_.x[i] < -first) | (at_.x[i] >= width) | (at_.y[i] < -first) | (at_.y[i] >= height);
    return any;
  }

  void sample_nearest(float* tile) {
    const bool out = leaves(0, 0);
    if (out)
      for (int i = 0; i < RUN; ++i) {
        const int32_t x = fold(at_.x[i], view_.width, job_.border), y = fold(at_.y[i], view_.height, job_.border);
        outside_[i] = x != at_.x[i] || y != at_.y[i];
        at_.x[i] = x;
        at_.y[i] = y;
      }
    int32_t furthest = 0;
    for (int i = 0; i < RUN; ++i) {
      offset_[i] = view_.offset(at_.x[i], at_.y[i]);
      furthest = offset_[i] > furthest ? offset_[i] : furthest;
    }
    const bool packed = sizeof(T) == 1 && view_.channel_stride == 1 && job_.channels <= 4;
    if (packed && furthest + 4 <= span(job_.channels)) {
      alignas(64) uint32_t words[RUN];
      fetch_four<1>(view_.data, offset_, words);
      for (int c = 0; c < job_.channels; ++c)
        for (int i = 0; i < RUN; ++i)
          tile[c * RUN + i] = static_cast<float>(static_cast<int32_t>(words[i] >> 8 * c & 255)) * view_.unit;
    } else if (sizeof(T) == 1 && furthest + 4 <= span(1)) {
      alignas(64) uint32_t words[RUN];
      for (int c = 0; c < job_.channels; ++c) {
        fetch_four<1>(view_.data + c * view_.channel_stride, offset_, words);
        for (int i = 0; i < RUN; ++i)
          tile[c * RUN + i] = static_cast<float>(static_cast<int32_t>(words[i] & 255)) * view_.unit;
      }
    } else {
      alignas(64) T fetched[RUN];
      for (int c = 0; c < job_.channels; ++c) {
        fetch(view_.data + c * view_.channel_stride, offset_, fetched);
        for (int i = 0; i < RUN; ++i) tile[c * RUN + i] = static_cast<float>(fetched[i]) * view_.unit;
      }
    }
    if (out && job_.border == Border::constant)
      for (int c = 0; c < job_.channels; ++c)
        for (int i = 0; i < RUN; ++i) tile[c * RUN + i] = outside_[i] != 0 ? fill_[c] : tile[c * RUN + i];
  }

  // Elements from the first pixel to the end of the last, where that is `last` elements long.
  int64_t span(int last) const {
    return (view_.height - 1) * view_.row_stride + (view_.width - 1) * view_.column_stride + last;
  }

  void sample_bilinear(float* tile) {
    const bool out = leaves(0, 1);
    if (out && job_.border == Border::circular) return sample_any(0, 2, tile);  // neighbours may be far apart
    if (out && job_.border == Border::reflect) {
      reflect_positions(at_.x, at_.tx, view_.width);
      reflect_positions(at_.y, at_.ty, view_.height);
    }
    if (out) {
      make_pair(at_.x, at_.tx, view_.width, job_.border, pair_x_);
      make_pair(at_.y, at_.ty, view_.height, job_.border, pair_y_);
      bilinear(pair_x_, pair_y_, true, tile);
    } else {
      keep_pair(at_.x, at_.tx, pair_x_);
      keep_pair(at_.y, at_.ty, pair_y_);
      bilinear(pair_x_, pair_y_, false, tile);
    }
  }

  void sample_bicubic(float* tile) {
    const bool inside = !leaves(-1, 2);
    if (inside && view_.column_stride == 1) {
      prepare_bicubic();
      return bicubic_planar(view_, job_.channels, offset_, taps_x_.weight, taps_y_.weight, tile);
    }
    if constexpr (!std::is_same_v<T, float>) {
      if (inside && view_.channel_stride == 1 && view_.column_stride == 3 && job_.channels == 3) {
        prepare_bicubic();
        return bicubic_packed(view_, offset_, taps_x_.weight, taps_y_.weight, tile);
      }
    }
    sample_any(-1, 4, tile);
  }

  void prepare_bicubic() {
    cubic_weights(at_.tx, taps_x_.weight);
    cubic_weights(at_.ty, taps_y_.weight);
    for (int i = 0; i < RUN; ++i) offset_[i] = view_.offset(at_.x[i] - 1, at_.y[i] - 1);
  }

  void sample_any(int first, int count, float* tile) {
    make_taps(at_.x, at_.tx, view_.width, first, count, job_.border, taps_x_);
    make_taps(at_.y, at_.ty, view_.height, first, count, job_.border, taps_y_);
    sample_taps(view_, job_.channels, taps_x_, taps_y_, tile);
    if (job_.border != Border::constant) return;
    for (int i = 0; i < RUN; ++i) outside_[i] = 1.0f - taps_x_.inside[i] * taps_y_.inside[i];
    add_fill(tile);
  }

  void bilinear(const Pair& x, const Pair& y, bool leaves, float* tile) {
    int32_t furthest = 0;
    for (int i = 0; i < RUN; ++i) {
      offset_[i] = view_.offset(x.base[i], y.base[i]);
      furthest = offset_[i] > furthest ? offset_[i] : furthest;
    }
    furthest += view_.height > 1 ? static_cast<int32_t>(view_.row_stride) : 0;
    const Bilinear at{offset_, x.first, x.second, y.first, y.second};
    bool done = false;
    if constexpr (std::is_same_v<T, uint8_t>) {
      const int64_t step = view_.column_stride;
      const bool safe = furthest + 8 <= span(job_.channels);
      done = view_.channel_stride == 1;
      if (done && job_.channels == 3 && step == 3)
        bilinear_packed<3, 3>(view_, at, safe, tile);
      else if (done && job_.channels == 3 && step == 4)
        bilinear_packed<4, 3>(view_, at, safe, tile);
      else if (done && job_.channels == 4 && step == 4)
        bilinear_packed<4, 4>(view_, at, safe, tile);
      else
        done = false;
    }
    if (!done) bilinear_strided(view_, job_.channels, at, furthest + 4 <= span(1), tile);
    if (leaves && job_.border == Border::constant) {
      for (int i = 0; i < RUN; ++i)
        outside_[i] = 1.0f - (x.first[i] + x.second[i]) * (y.first[i] + y.second[i]);
      add_fill(tile);
    }
  }

  // Weights inside sum to one but for rounding, so that a smaller rest is none: the fill may be a NaN.
  void add_fill(float* __restrict tile) const {
    for (int c = 0; c < job_.channels; ++c) {
      const float fill = fill_[c];
      for (int i = 0; i < RUN; ++i) tile[c * RUN + i] += std::fabs(outside_[i]) > 1e-6f ? outside_[i] * fill : 0;
    }
  }

  const Sweep& job_;
  const View<T> view_;
  const double* const matrix_;
  const float* const map_;
  const int* const factors_;
  const float* const fill_;
  std::optional<AlignedRows<T>> aligned_;
  Positions at_;
  Pair pair_x_, pair_y_;
  Taps taps_x_, taps_y_;
  alignas(64) int32_t offset_[RUN];
  alignas(64) float outside_[RUN];
};

}  // namespace VISIONOPS_ISA
}  // namespace visionops
