// Forward and adjoint of the bilateral filter, a run of pixels at a time: one tap after another over the whole run, so
// that every loop is vector code for any number of channels.
#include "bilateral/bilateral.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "common/border.h"
#include "common/isa.h"
#include "pixel/elementary.h"

namespace visionops {
namespace VISIONOPS_ISA {
namespace {

// The exponents of 2 by squared difference and squared distance.
struct Rates {
  float color, space;
  Rates(const Bilateral& job, int64_t sample) {
    const float c = job.sigma_color[sample * job.color_step] * (job.dtype == Dtype::uint8 ? 255.0f : 1.0f);
    const float s = job.sigma_space[sample * job.space_step];
    color = -0.5f * 1.44269504f / (c * c);
    space = -0.5f * 1.44269504f / (s * s);
  }
};

// distance[i] = the sum over channels of |planes[i + shift] - planes[i]|.
inline void distances(const Room& guide, const float* at, int channels, int64_t shift, float* __restrict distance) {
  for (int i = 0; i < RUN; ++i) distance[i] = std::fabs(at[i + shift] - at[i]);
  for (int c = 1; c < channels; ++c) {
    const float* const here = at + c * guide.plane;
    for (int i = 0; i < RUN; ++i) distance[i] += std::fabs(here[i + shift] - here[i]);
  }
}

inline void weights(const float* __restrict distance, float by_color, float by_space, float* __restrict weight) {
  for (int i = 0; i < RUN; ++i) weight[i] = fall(distance[i] * distance[i] * by_color + by_space);
}

// Adds up the weights, and per channel the weights times the differences from the middle, `change` (channels, RUN).
void accumulate(const Bilateral& job, const Rates& rates, const Room& image, const float* at, const Room& guide,
                const float* at_guide, float* __restrict total, float* __restrict change) {
  alignas(64) float distance[RUN], weight[RUN];
  const int channels = job.guides ? job.guide_channels : job.channels;
  std::fill(total, total + RUN, 1.0f);
  std::fill(change, change + RUN * job.channels, 0.0f);
  for (const Tap& tap : job.taps) {
    const int64_t shift = tap.dy * image.stride + tap.dx;
    distances(guide, at_guide, channels, shift, distance);
    weights(distance, rates.color, tap.square * rates.space, weight);
    for (int i = 0; i < RUN; ++i) total[i] += weight[i];
    for (int c = 0; c < job.channels; ++c) {
      const float* const here = at + c * image.plane;
      float* __restrict sum = change + c * RUN;
      for (int i = 0; i < RUN; ++i) sum[i] += weight[i] * (here[i + shift] - here[i]);
    }
  }
}

template <class T>
void pad(const Source& source, int channel, int begin, int end, int rx, Border border, const Room& to) {
  const int height = static_cast<int>(source.height), width = static_cast<int>(source.width);
  const T* const data = reinterpret_cast<const T*>(source.address) + channel * source.channel_stride;
  for (int y = begin; y < end; ++y) {
    float* const line = to.at + channel * to.plane + y * to.stride;
    if (border == Border::constant && (y < 0 || y >= height)) {
      std::fill(line - rx, line + width + rx, 0.0f);
      continue;
    }
    const T* const from = data + fold(y, height, border) * source.row_stride;
    if (source.column_stride == 1)
      for (int x = 0; x < width; ++x) line[x] = from[x];
    else
      for (int x = 0; x < width; ++x) line[x] = from[x * source.column_stride];
    for (int k = 0; k < rx; ++k) {
      line[k - rx] = border == Border::constant ? 0.0f : line[fold(k - rx, width, border)];
      line[width + k] = border == Border::constant ? 0.0f : line[fold(width + k, width, border)];
    }
  }
}

inline void put(const float* x, int n, float* out) { std::copy(x, x + n, out); }
inline void put(const float* x, int n, uint8_t* out) {
  for (int i = 0; i < n; ++i) out[i] = byte_of(x[i]);
}

template <class T>
void filter(const Bilateral& job, int64_t sample, int begin, int end) {
  const Source& source = job.images[sample];
  const int height = static_cast<int>(source.height), width = static_cast<int>(source.width);
  const int guides = job.guides ? job.guide_channels : 0;
  const int64_t stride = 2 * job.rx + (width + RUN - 1) / RUN * RUN;
  const int64_t plane = stride * (end - begin + 2 * job.ry);
  thread_local std::vector<float> scratch;
  scratch.assign(static_cast<size_t>(plane * (job.channels + guides)), 0.0f);
  const int64_t first = (job.ry - begin) * stride + job.rx;  // of row 0, which the scratch may not have
  const Room image{scratch.data() + first, stride, plane};
  const Room guide{guides ? image.at + job.channels * plane : image.at, stride, plane};
  for (int c = 0; c < job.channels; ++c) pad_bilateral(job, source, c, begin - job.ry, end + job.ry, image);
  for (int c = 0; c < guides; ++c) pad_bilateral(job, job.guides[sample], c, begin - job.ry, end + job.ry, guide);

  const Rates rates(job, sample);
  T* const out = reinterpret_cast<T*>(job.outputs[sample]);
  std::vector<float> change(static_cast<size_t>(RUN) * job.channels);
  alignas(64) float total[RUN];
  for (int y = begin; y < end; ++y)
    for (int x = 0; x < width; x += RUN) {
      const float* const at = image.at + y * stride + x;
      accumulate(job, rates, image, at, guide, guide.at + y * stride + x, total, change.data());
      for (int i = 0; i < RUN; ++i) total[i] = 1 / total[i];
      for (int c = 0; c < job.channels; ++c) {
        float* const sum = change.data() + c * RUN;
        for (int i = 0; i < RUN; ++i) sum[i] = at[c * plane + i] + sum[i] * total[i];
        put(sum, std::min(RUN, width - x), out + (static_cast<int64_t>(c) * height + y) * width + x);
      }
    }
}

}  // namespace

void pad_bilateral(const Bilateral& job, const Source& source, int channel, int begin, int end, const Room& to) {
  if (job.dtype == Dtype::uint8)
    pad<uint8_t>(source, channel, begin, end, job.rx, job.border, to);
  else
    pad<float>(source, channel, begin, end, job.rx, job.border, to);
}

void bilateral_rows(const Bilateral& job, int64_t sample, int begin, int end) {
  if (job.dtype == Dtype::uint8)
    filter<uint8_t>(job, sample, begin, end);
  else
    filter<float>(job, sample, begin, end);
}

void share_rows(const Bilateral& job, const Source& grad, int64_t sample, const Shares& shares, int begin, int end) {
  const int width = static_cast<int>(grad.width);
  const Room &image = shares.image, &share = shares.share;
  const Rates rates(job, sample);
  const float* const grads = reinterpret_cast<const float*>(grad.address);
  std::vector<float> change(static_cast<size_t>(RUN) * job.channels);
  alignas(64) float total[RUN];
  for (int y = begin; y < end; ++y)
    for (int x = 0; x < width; x += RUN) {
      const int64_t here = y * image.stride + x;
      accumulate(job, rates, image, image.at + here, shares.guide, shares.guide.at + here, total, change.data());
      const int n = std::min(RUN, width - x);
      float* const rest = shares.rest.at + here;
      for (int c = 0; c < job.channels; ++c) {
        const float* const from = grads + c * grad.channel_stride + y * grad.row_stride + x * grad.column_stride;
        float* const to = share.at + c * share.plane + here;
        const float* const sum = change.data() + c * RUN;
        for (int i = 0; i < n; ++i) {
          to[i] = from[i * grad.column_stride] / total[i];
          rest[i] += to[i] * (sum[i] / total[i]);
        }
      }
    }
}

// With d = image(q) - image(p), the loss changes with log w(p, q) and log w(q, p) together by
// w (sum over channels of (share(p) - share(q)) d - rest(p) - rest(q)): as seen from p, so that all is read from the
// neighbours and written at p.
void gather_row(const Bilateral& job, int64_t sample, const Shares& shares, int row, double* sums) {
  const Room &image = shares.image, &guide = shares.guide, &share = shares.share, &rest = shares.rest;
  const int wide = static_cast<int>(job.images[sample].width) + 2 * job.rx;
  const int guides = job.guides ? job.guide_channels : job.channels;
  const Rates rates(job, sample);
  const float color = job.sigma_color[sample * job.color_step], space = job.sigma_space[sample * job.space_step];
  std::vector<float> by_image(static_cast<size_t>(RUN) * job.channels), by_guide(static_cast<size_t>(RUN) * guides);
  alignas(64) float distance[RUN], weight[RUN], both[RUN], by_color[RUN], by_space[RUN];
  double of_color = 0, of_space = 0;
  for (int x = 0; x < wide; x += RUN) {
    const int64_t here = row * image.stride + x - job.rx;
    for (int c = 0; c < job.channels; ++c) {  // the middle
      const float* const from = share.at + c * share.plane + here;
      std::copy(from, from + RUN, by_image.data() + c * RUN);
    }
    std::fill(by_guide.begin(), by_guide.end(), 0.0f);
    std::fill(by_color, by_color + RUN, 0.0f);
    std::fill(by_space, by_space + RUN, 0.0f);
    for (const Tap& tap : job.taps) {
      const int64_t shift = tap.dy * image.stride + tap.dx;
      distances(guide, guide.at + here, guides, shift, distance);
      weights(distance, rates.color, tap.square * rates.space, weight);
      const float* const own = rest.at + here;
      for (int i = 0; i < RUN; ++i) both[i] = -own[i] - own[i + shift];
      for (int c = 0; c < job.channels; ++c) {
        const float *const value = image.at + c * image.plane + here, *const part = share.at + c * share.plane + here;
        float* __restrict to = by_image.data() + c * RUN;
        for (int i = 0; i < RUN; ++i) {
          both[i] += (part[i] - part[i + shift]) * (value[i + shift] - value[i]);
          to[i] += weight[i] * part[i + shift];
        }
      }
      for (int i = 0; i < RUN; ++i) {
        both[i] *= weight[i];
        by_space[i] += both[i] * tap.square;
        both[i] *= distance[i];
        by_color[i] += both[i] * distance[i];
      }
      for (int c = 0; c < guides; ++c) {
        const float* const value = guide.at + c * guide.plane + here;
        float* __restrict to = by_guide.data() + c * RUN;
        for (int i = 0; i < RUN; ++i) {
          const float d = value[i + shift] - value[i];
          to[i] += d > 0 ? both[i] : d < 0 ? -both[i] : 0.0f;
        }
      }
    }
    const int n = std::min(RUN, wide - x);
    for (int i = 0; i < n; ++i) of_color += by_color[i], of_space += by_space[i];
    const float scale = 1 / (color * color);
    for (size_t i = 0; i < by_guide.size(); ++i) by_guide[i] *= scale;
    if (!job.guides)
      for (size_t i = 0; i < by_image.size(); ++i) by_image[i] += by_guide[i];
    const int64_t there = row * shares.by_image.stride + x - job.rx;
    for (int c = 0; c < job.channels; ++c)
      put(by_image.data() + c * RUN, n, shares.by_image.at + c * shares.by_image.plane + there);
    for (int c = 0; job.guides && c < guides; ++c)
      put(by_guide.data() + c * RUN, n, shares.by_guide.at + c * shares.by_guide.plane + there);
  }
  // Every pair was met from both of its ends.
  sums[0] += 0.5 * of_color / (static_cast<double>(color) * color * color);
  sums[1] += 0.5 * of_space / (static_cast<double>(space) * space * space);
}

}  // namespace VISIONOPS_ISA
}  // namespace visionops
