// Planes of a tile with a margin about them, and the weights of its pixels.
#pragma once

#include <algorithm>
#include <vector>

#include "box/sums.h"
#include "common/border.h"
#include "common/isa.h"
#include "non_local/non_local.h"
#include "pixel/elementary.h"

namespace visionops {
namespace VISIONOPS_ISA {

// Returns how many floats a row takes that is written a register at a time.
inline int whole(int width) { return (width + LANES - 1) / LANES * LANES; }

// Zeros to begin with. Rows may be read a register further than they are wide.
class Planes {
 public:
  Planes(int count, int height, int width, int margin)
      : stride(whole(width + 2 * margin) + LANES), plane(stride * (height + 2 * margin)), height_(height),
        width_(width), margin_(margin), data_(static_cast<size_t>(plane * count + 2 * LANES)) {}

  float* at(int channel, int y, int x) {
    return data_.data() + channel * plane + (y + margin_) * stride + x + margin_;
  }

  // Reads a plane of a source about (top, left), margin and all, beyond the source as the border asks.
  template <class T>
  void read(const Source& source, int channel, Border border, int top, int left, int to) {
    const int high = static_cast<int>(source.height), wide = static_cast<int>(source.width);
    const T* const data = reinterpret_cast<const T*>(source.address) + channel * source.channel_stride;
    std::vector<int64_t> offsets(static_cast<size_t>(width_ + 2 * margin_));
    for (int x = -margin_; x < width_ + margin_; ++x) {
      const bool outside = border == Border::constant && (left + x < 0 || left + x >= wide);
      offsets[x + margin_] = outside ? -1 : fold(left + x, wide, border) * source.column_stride;
    }
    for (int y = -margin_; y < height_ + margin_; ++y) {
      if (border == Border::constant && (top + y < 0 || top + y >= high)) continue;
      const T* const from = data + fold(top + y, high, border) * source.row_stride;
      float* const line = at(to, y, -margin_);
      for (size_t x = 0; x < offsets.size(); ++x) line[x] = offsets[x] < 0 ? 0.0f : static_cast<float>(from[offsets[x]]);
    }
  }

  const int64_t stride, plane;

 private:
  const int height_, width_, margin_;
  Aligned data_;
};

// The exponent of 2 by a sum of squared differences over a patch and channels: at most 0.
struct Exponent {
  float factor, offset;  // factor < 0
  float mean, floor;     // of the sum, what comes after `rate` in the definition

  Exponent(const NonLocal& job, int64_t sample) {
    const float unit = job.dtype == Dtype::uint8 ? 255.0f : 1.0f;
    const float side = static_cast<float>(2 * job.patch + 1), rate = job.rate[sample * job.rate_step] * 1.44269504f;
    mean = 1 / (side * side * job.channels * unit * unit);
    floor = job.floor[sample * job.floor_step];
    factor = rate * mean;
    offset = -rate * floor;
  }

  float weight(float sum) const {
    const float y = sum * factor + offset;
    return fall(y < 0 ? y : 0);
  }
};

// Sums of squared differences between a pixel's patch and the one that lies `shift` further, over all channels.
class Distances {
 public:
  Distances(int channels, int patch, int height, int width)
      : channels_(channels), patch_(patch), height_(height), width_(width), squares_(1, height, width, patch),
        columns_(2 * patch + 1, width + 2 * patch), along_(2 * patch + 1, width),
        sums_(static_cast<size_t>(whole(width))) {}

  // Calls sink(y, sums) for rows of a tile whose first pixel is at (y0, x0) of the image's planes.
  template <class Sink>
  void sum(Planes& image, int y0, int x0, int64_t shift, const Sink& sink) {
    const int wide = width_ + 2 * patch_;
    for (int y = -patch_; y < height_ + patch_; ++y) {
      float* __restrict const to = squares_.at(0, y, -patch_);
      for (int c = 0; c < channels_; ++c) {
        const float* const here = image.at(c, y0 + y, x0 - patch_);
        if (c == 0)
          for (int x = 0; x < wide; ++x) to[x] = (here[x + shift] - here[x]) * (here[x + shift] - here[x]);
        else
          for (int x = 0; x < wide; ++x) to[x] += (here[x + shift] - here[x]) * (here[x + shift] - here[x]);
      }
    }
    columns_.restart();
    for (int y = 0; y < height_; ++y) {
      columns_.sum(y, [&](int row) -> const float* { return squares_.at(0, row - patch_, -patch_); }, along_.row());
      along_.sum([&](int at, int, Floats sum) { store(sum, sums_.data() + at); });
      sink(y, sums_.data());
    }
  }

 private:
  const int channels_, patch_, height_, width_;
  Planes squares_;
  Columns columns_;
  Along along_;
  Aligned sums_;
};

}  // namespace VISIONOPS_ISA
}  // namespace visionops
