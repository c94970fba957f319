// Bilinear samples without rotation and shear: all rows share the columns' taps, and a source row is resampled along x
// once for all the output rows that read it.
#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

#include "common/fetch.h"
#include "common/lanes.h"
#include "warp/bilinear.h"
#include "warp/positions.h"
#include "warp/view.h"

namespace visionops {
namespace VISIONOPS_ISA {

// Two neighbouring pixels of STRIDE bytes, weighed.
template <int STRIDE, int CHANNELS>
void blend_packed(const uint8_t* row, const int32_t* offset, int64_t right, bool safe,
                  const float* __restrict left_weight, const float* __restrict right_weight, float* __restrict out,
                  int64_t stride) {
  alignas(64) uint32_t words[2][RUN];
  fetch_pixels<STRIDE, CHANNELS>(row, offset, right, safe, words);
  for (int c = 0; c < CHANNELS; ++c)
    for (int i = 0; i < RUN; ++i)
      out[c * stride + i] = left_weight[i] * byte_of_pair<STRIDE>(words, i, 0, c) +
                            right_weight[i] * byte_of_pair<STRIDE>(words, i, 1, c);
}

template <class T>
class AlignedRows {
 public:
  // Whether a matrix and a border are such that this class samples them.
  static bool takes(const double* m, Border border) {
    const bool aligned = !m[1] && !m[3] && !m[6] && !m[7] && m[8] == 1;
    return aligned && std::isfinite(m[0] + m[2] + m[4] + m[5]) && border != Border::circular;
  }

  AlignedRows(const View<T>& view, int channels, Border border, const double* matrix, int width)
      : view_(view), channels_(channels), border_(border), scale_(matrix[4]), shift_(matrix[5]),
        right_(view.width > 1 ? view.column_stride : 0), blocks_((width + RUN - 1) / RUN), stride_(blocks_ * RUN),
        offset_(stride_), furthest_(blocks_), weights_(3 * static_cast<size_t>(stride_)),
        rows_(2 * static_cast<size_t>(channels) * stride_) {
    for (int column = 0; column < stride_; ++column) {
      // Past the end the last column is repeated.
      const Tap tap = tap_of(matrix[0] * std::min(column, width - 1) + matrix[2], view.width);
      offset_[column] = (tap.base - view.left) * static_cast<int32_t>(view.column_stride);
      int32_t& furthest = furthest_[column / RUN];
      furthest = std::max(furthest, offset_[column]);
      left_weight()[column] = tap.first * view.unit;
      right_weight()[column] = tap.second * view.unit;
      inside()[column] = tap.first + tap.second;
    }
#if defined(__AVX512VBMI__)
    if constexpr (std::is_same_v<T, uint8_t>) make_windows(width);
#endif
  }

  // Makes the colours of a run, and what the fill has of each pixel if the border is constant. Returns whether it has
  // anything.
  bool sample(const Run& run, float* tile, float* outside) {
    if (row_ != run.row) begin_row(run.row);
    const int64_t count = (run.count + LANES - 1) / LANES * LANES;
    const float first_weight = first_weight_, second_weight = second_weight_;
    for (int c = 0; c < channels_; ++c) {
      const float *const first = first_ + c * stride_ + run.column, *const second = second_ + c * stride_ + run.column;
      float* const out = tile + c * RUN;
      if (second_)
        for (int i = 0; i < count; i += LANES)
          store(first_weight * load(first + i) + second_weight * load(second + i), out + i);
      else if (first_)
        for (int i = 0; i < count; i += LANES) store(first_weight * load(first + i), out + i);
      else
        std::fill(out, out + RUN, 0.0f);
    }
    if (border_ != Border::constant) return false;
    const float* const weight = inside() + run.column;
    for (int i = 0; i < RUN; ++i) outside[i] = 1.0f - weight[i] * (first_weight_ + second_weight_);
    return true;
  }

 private:
  // Finds the source rows of an output row. A tap of weight zero is not read, and the only tap of two is the first.
  void begin_row(int output_row) {
    row_ = output_row;
    const Tap tap = tap_of(scale_ * output_row + shift_, view_.height);
    first_ = tap.first != 0 ? row(tap.base) : nullptr;
    second_ = tap.second != 0 ? row(tap.base + 1) : nullptr;
    first_weight_ = tap.first;
    second_weight_ = tap.second;
    if (first_) return;
    std::swap(first_, second_);
    std::swap(first_weight_, second_weight_);
  }

  Tap tap_of(double position, int n) const {
    int32_t x;
    float t;
    split(position, x, t);
    if (border_ == Border::reflect) reflect_position(x, t, n);
    return make_tap(x, t, n, border_);
  }

  // Returns a source row resampled along x, channel by channel. Two are kept: an output row reads two neighbours.
  const float* row(int y) {
    float* const out = rows_.data() + (y & 1) * channels_ * stride_;
    if (row_in_[y & 1] != y) {
      row_in_[y & 1] = y;
      resample(view_.data + (y - view_.top) * view_.row_stride, y, out);
    }
    return out;
  }

  void resample(const T* data, int y, float* out) {
#if defined(__AVX512VBMI__)
    if (!windows_.empty()) return blend_windows(reinterpret_cast<const uint8_t*>(data), out);
#endif
    for (int k = 0; k < blocks_; ++k) {
      // Elements from the block's last pixel to the end of the source.
      const int64_t last = (view_.height - 1 - y) * view_.row_stride + (view_.width - 1) * view_.column_stride;
      const int64_t room = last - furthest_[k];
      blend(data, k * RUN, room, out + k * RUN);
    }
  }

  void blend(const T* data, int at, int64_t room, float* out) {
    const int32_t* const offset = offset_.data() + at;
    const float *left = left_weight() + at, *right = right_weight() + at;
    if constexpr (std::is_same_v<T, uint8_t>) {
      const int64_t step = view_.column_stride;
      const bool safe = room + channels_ >= 8;
      if (view_.channel_stride == 1 && channels_ == 3 && step == 3)
        return blend_packed<3, 3>(data, offset, right_, safe, left, right, out, stride_);
      if (view_.channel_stride == 1 && channels_ == 3 && step == 4)
        return blend_packed<4, 3>(data, offset, right_, safe, left, right, out, stride_);
      if (view_.channel_stride == 1 && channels_ == 4 && step == 4)
        return blend_packed<4, 4>(data, offset, right_, safe, left, right, out, stride_);
    }
    alignas(64) T first[RUN], second[RUN];
    for (int c = 0; c < channels_; ++c) {
      fetch_pairs(data + c * view_.channel_stride, right_, offset, room >= 3, first, second);
      for (int i = 0; i < RUN; ++i) out[c * stride_ + i] = weigh(left[i], first[i]) + weigh(right[i], second[i]);
    }
  }

#if defined(__AVX512VBMI__)
  // Sixteen pixels whose bytes lie within two registers: a permutation finds them, which is faster than gathering.
  struct Window {
    int32_t start;
    __mmask64 mask[2];                  // what is read from there on
    alignas(64) uint8_t index[2][64];   // of each tap: three bytes and any fourth
  };

  void make_windows(int width) {
    if (view_.channel_stride != 1 || channels_ != 3) return;
    windows_.resize((width + 15) / 16);
    for (size_t k = 0; k < windows_.size(); ++k) {
      Window& window = windows_[k];
      const int32_t* const offset = offset_.data() + 16 * k;
      const auto [low, high] = std::minmax_element(offset, offset + 16);
      const int64_t size = *high - *low + right_ + 3;
      if (size > 128) return windows_.clear();
      window.start = *low;
      window.mask[0] = size < 64 ? (1ull << size) - 1 : ~0ull;
      window.mask[1] = size == 128 ? ~0ull : size > 64 ? (1ull << (size - 64)) - 1 : 0;
      for (int i = 0; i < 16; ++i)
        for (int c = 0; c < 3; ++c) {
          window.index[0][4 * i + c] = static_cast<uint8_t>(offset[i] - *low + c);
          window.index[1][4 * i + c] = static_cast<uint8_t>(offset[i] - *low + right_ + c);
        }
    }
  }

  void blend_windows(const uint8_t* data, float* out) {
    const float *left_weights = left_weight(), *right_weights = right_weight();
    const int64_t stride = stride_;
    for (const Window& window : windows_) {
      const __m512i left_at = _mm512_load_si512(window.index[0]), right_at = _mm512_load_si512(window.index[1]);
      const __m512i low = _mm512_maskz_loadu_epi8(window.mask[0], data + window.start);
      __m512i left, right;
      if (window.mask[1]) {
        const __m512i high = _mm512_maskz_loadu_epi8(window.mask[1], data + window.start + 64);
        left = _mm512_permutex2var_epi8(low, left_at, high);
        right = _mm512_permutex2var_epi8(low, right_at, high);
      } else {
        left = _mm512_permutexvar_epi8(left_at, low);
        right = _mm512_permutexvar_epi8(right_at, low);
      }
      Floats left_weight = load(left_weights), right_weight = load(right_weights);
      for (int c = 0; c < 3; ++c) {
        // A byte is not shifted down: its place is taken out of the weights, which is exact.
        const __m512i byte = _mm512_set1_epi32(255 << 8 * c);
        const Floats a = _mm512_cvtepi32_ps(_mm512_and_si512(left, byte));
        const Floats b = _mm512_cvtepi32_ps(_mm512_and_si512(right, byte));
        store(left_weight * a + right_weight * b, out + c * stride);
        left_weight *= 1 / 256.0f;
        right_weight *= 1 / 256.0f;
      }
      left_weights += 16;
      right_weights += 16;
      out += 16;
    }
  }

  std::vector<Window> windows_;
#endif

  float* left_weight() { return weights_.data(); }
  float* right_weight() { return weights_.data() + stride_; }
  float* inside() { return weights_.data() + 2 * stride_; }

  const View<T> view_;
  const int channels_;
  const Border border_;
  const double scale_, shift_;
  const int64_t right_;  // elements to the neighbour
  const int blocks_;     // of RUN columns
  const int64_t stride_;
  std::vector<int32_t> offset_, furthest_;  // of each column's first tap; the largest of each block
  Aligned weights_, rows_;
  int row_in_[2] = {-1, -1};
  // Of the output row in hand: where its source rows are, resampled, and their weights.
  int row_ = -1;
  const float *first_ = nullptr, *second_ = nullptr;
  float first_weight_ = 0, second_weight_ = 0;
};

}  // namespace VISIONOPS_ISA
}  // namespace visionops
