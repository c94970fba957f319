// Pixels spread over bins, or pairs of pixels over pairs of bins, and the adjoint.
#include <algorithm>

#include "common/parallel.h"
#include "histogram/histogram.h"

namespace visionops {
namespace {

// The bins that a value counts in, how much, and how that changes with its place.
template <int TAPS>
struct Share {
  int place[TAPS];
  float weight[TAPS], slope[TAPS];

  // Returns whether the value counts at all; a NaN does not.
  bool set(float x, const Bins& bins) {
    if (!(x >= bins.low && x <= bins.high)) return false;
    float at = (x - bins.low) * bins.scale;
    if constexpr (TAPS == 1) {
      place[0] = std::min(static_cast<int>(at), bins.count - 1);
      weight[0] = 1.0f;
      return true;
    }
    at -= 0.5f;
    int whole = static_cast<int>(at);
    whole -= at < static_cast<float>(whole);
    const float part = at - static_cast<float>(whole), rest = 1.0f - part;
    if constexpr (TAPS == 2) {
      weight[0] = rest, slope[0] = -1.0f;
      weight[1] = part, slope[1] = 1.0f;
    }
    if constexpr (TAPS == 4) {
      weight[0] = rest * rest * rest / 6, slope[0] = -rest * rest / 2;
      weight[1] = 2.0f / 3 - part * part + part * part * part / 2, slope[1] = part * (1.5f * part - 2);
      weight[2] = 2.0f / 3 - rest * rest + rest * rest * rest / 2, slope[2] = rest * (2 - 1.5f * rest);
      weight[3] = part * part * part / 6, slope[3] = part * part / 2;
      --whole;
    }
    for (int k = 0; k < TAPS; ++k) place[k] = std::clamp(whole + k, 0, bins.count - 1);
    return true;
  }
};

const float* row_of(const Source& source, int channel, int64_t y) {
  return reinterpret_cast<const float*>(source.address) + channel * source.channel_stride + y * source.row_stride;
}

template <int TAPS>
void add(const Source& image, int channel, const Bins& bins, double* sums) {
  Share<TAPS> a;
  for (int64_t y = 0; y < image.height; ++y) {
    const float* const row = row_of(image, channel, y);
    for (int64_t x = 0; x < image.width; ++x)
      if (a.set(row[x * image.column_stride], bins))
        for (int k = 0; k < TAPS; ++k) sums[a.place[k]] += static_cast<double>(a.weight[k]);
  }
}

template <int TAPS>
void add_pairs(const Source& first, const Source& second, const Source* weights, int channel, const Bins& bins,
               double* sums) {
  Share<TAPS> a, b;
  for (int64_t y = 0; y < first.height; ++y) {
    const float *const one = row_of(first, channel, y), *const two = row_of(second, channel, y);
    const float* const weight = weights ? row_of(*weights, channel, y) : nullptr;
    for (int64_t x = 0; x < first.width; ++x) {
      if (!a.set(one[x * first.column_stride], bins) || !b.set(two[x * second.column_stride], bins)) continue;
      if (weight)
        for (float& share : a.weight) share *= weight[x * weights->column_stride];
      for (int i = 0; i < TAPS; ++i)
        for (int j = 0; j < TAPS; ++j)
          sums[int64_t{a.place[i]} * bins.count + b.place[j]] += static_cast<double>(a.weight[i] * b.weight[j]);
    }
  }
}

template <int TAPS>
void spread(const float* grads, const Source& image, int channel, const Bins& bins, float* out) {
  Share<TAPS> a;
  for (int64_t y = 0; y < image.height; ++y) {
    const float* const row = row_of(image, channel, y);
    for (int64_t x = 0; x < image.width; ++x) {
      float sum = 0;
      if (a.set(row[x * image.column_stride], bins))
        for (int k = 0; k < TAPS; ++k) sum += a.slope[k] * grads[a.place[k]];
      *out++ = sum * bins.scale;
    }
  }
}

template <int TAPS>
void spread_pairs(const float* grads, const Source& first, const Source& second, const Source* weights, int channel,
                  const Bins& bins, float* by_first, float* by_second, float* by_weights) {
  Share<TAPS> a, b;
  for (int64_t y = 0; y < first.height; ++y) {
    const float *const one = row_of(first, channel, y), *const two = row_of(second, channel, y);
    const float* const weight = weights ? row_of(*weights, channel, y) : nullptr;
    for (int64_t x = 0; x < first.width; ++x) {
      float left = 0, right = 0, sum = 0;
      if (a.set(one[x * first.column_stride], bins) && b.set(two[x * second.column_stride], bins)) {
        for (int i = 0; i < TAPS; ++i)
          for (int j = 0; j < TAPS; ++j) {
            const float g = grads[int64_t{a.place[i]} * bins.count + b.place[j]];
            left += a.slope[i] * b.weight[j] * g;
            right += a.weight[i] * b.slope[j] * g;
            sum += a.weight[i] * b.weight[j] * g;
          }
        const float scale = bins.scale * (weight ? weight[x * weights->column_stride] : 1.0f);
        left *= scale, right *= scale;
      }
      if (by_first) *by_first++ = left;
      if (by_second) *by_second++ = right;
      if (by_weights) *by_weights++ = sum;
    }
  }
}

template <class Function>
void for_planes(const Images& images, const Bins& bins, int threads, const Function& function) {
  const int64_t planes = images.batch * images.channels;
  const int64_t pixels = images.first[0].height * images.first[0].width * planes;
  parallel_for(planes, threads_for(pixels * bins.taps * 2, threads), [&](int64_t plane) {
    function(plane, plane / images.channels, static_cast<int>(plane % images.channels));
  });
}

}  // namespace

void bin_sums(const Images& images, const Bins& bins, double* sums, int threads) {
  const Source *const first = images.first, *const second = images.second, *const weights = images.weights;
  const int64_t size = second ? int64_t{bins.count} * bins.count : bins.count;
  for_planes(images, bins, threads, [&](int64_t plane, int64_t b, int c) {
    double* const mine = sums + plane * size;
    if (second) {
      const auto run = bins.taps == 1 ? add_pairs<1> : bins.taps == 2 ? add_pairs<2> : add_pairs<4>;
      run(first[b], second[b], weights ? weights + b : nullptr, c, bins, mine);
    } else {
      const auto run = bins.taps == 1 ? add<1> : bins.taps == 2 ? add<2> : add<4>;
      run(first[b], c, bins, mine);
    }
  });
}

void bin_sums_adjoint(const float* grads, const Images& images, const Bins& bins, const Outputs& outputs,
                      int threads) {
  const Source *const first = images.first, *const second = images.second, *const weights = images.weights;
  const int64_t size = second ? int64_t{bins.count} * bins.count : bins.count;
  for_planes(images, bins, threads, [&](int64_t plane, int64_t b, int c) {
    const int64_t start = c * first[b].height * first[b].width;
    const auto out = [&](const int64_t* addresses) {
      return addresses ? reinterpret_cast<float*>(addresses[b]) + start : nullptr;
    };
    const float* const mine = grads + plane * size;
    if (second) {
      const auto run = bins.taps == 2 ? spread_pairs<2> : spread_pairs<4>;
      run(mine, first[b], second[b], weights ? weights + b : nullptr, c, bins, out(outputs.by_first),
          out(outputs.by_second), out(outputs.by_weights));
    } else {
      const auto run = bins.taps == 2 ? spread<2> : spread<4>;
      run(mine, first[b], c, bins, out(outputs.by_first));
    }
  });
}

}  // namespace visionops
