// Rows of float32 with room for the border on both sides, kept in a ring; sums over taps of registers of them.
#include "dense/dense.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "common/border.h"
#include "common/isa.h"
#include "filter/rows.h"

namespace visionops {
namespace VISIONOPS_ISA {
namespace {

// Results that are summed at once: as many as registers allow.
constexpr int MOST = 3;

struct Size {
  int depth, height, width;
};

// The rows around a row, of `count` images that are read together.
class Lines {
 public:
  // `reach`: how many pixels left and right of the image are read.
  Lines(int count, Size size, int kd, int kh, int reach, Border border, float fill)
      : count_(count), size_(size), kd_(kd), kh_(kh), reach_(reach), border_(border), fill_(fill),
        margin_((reach + LANES - 1) / LANES * LANES + LANES),
        stride_((size.width + LANES - 1) / LANES * LANES + 2 * margin_ + LANES),
        ring_(static_cast<size_t>(stride_) * count * kd * kh), blank_(stride_), held_(kd * kh, {-1, 0, 0}) {
    std::fill(blank_.data(), blank_.data() + stride_, fill);
    for (int k = 0; k < reach; ++k) {
      before_.push_back(fold(k - reach, size.width, border));
      after_.push_back(fold(size.width + k, size.width, border));
    }
  }

  // Points `lines` (count, kd, kh) at the rows around (z, y); make(z, y, to, stride) writes those that are not there.
  template <class Make>
  void gather(int z, int y, const Make& make, const float** lines) {
    for (int dz = 0; dz < kd_; ++dz)
      for (int dy = 0; dy < kh_; ++dy) {
        const int zz = z + dz - kd_ / 2, yy = y + dy - kh_ / 2;
        const bool outside =
            border_ == Border::constant && (zz < 0 || zz >= size_.depth || yy < 0 || yy >= size_.height);
        const int slot = dz * kh_ + (yy + 2 * kh_) % kh_;
        float* const to = ring_.data() + static_cast<int64_t>(slot) * count_ * stride_ + margin_;
        if (!outside && !(held_[slot] == Place{1, zz, yy})) {
          make(fold(zz, size_.depth, border_), fold(yy, size_.height, border_), to, stride_);
          for (int o = 0; o < count_; ++o) extend(to + static_cast<int64_t>(o) * stride_);
          held_[slot] = {1, zz, yy};
        }
        for (int o = 0; o < count_; ++o)
          lines[(o * kd_ + dz) * kh_ + dy] =
              outside ? blank_.data() + margin_ : to + static_cast<int64_t>(o) * stride_;
      }
  }

 private:
  struct Place {
    int held, z, y;
    bool operator==(const Place& other) const { return held == other.held && z == other.z && y == other.y; }
  };

  void extend(float* row) const {
    const bool constant = border_ == Border::constant;
    for (int k = 0; k < reach_; ++k) {
      row[k - reach_] = constant ? fill_ : row[before_[k]];
      row[size_.width + k] = constant ? fill_ : row[after_[k]];
    }
  }

  const int count_;
  const Size size_;
  const int kd_, kh_, reach_;
  const Border border_;
  const float fill_;
  const int margin_, stride_;
  Aligned ring_, blank_;
  std::vector<Place> held_;
  std::vector<int> before_, after_;
};

// The taps of up to MOST results that are not zero in all of them.
struct Taps {
  std::vector<int> line, shift;
  std::vector<float> weights;  // (taps, results)
  int middle;
  float totals[MOST] = {};

  // Of kernels (results, lines, kw), `step` apart.
  Taps(const float* kernel, int results, int64_t step, int lines, int kw) : middle(lines / 2) {
    for (int l = 0; l < lines; ++l)
      for (int k = 0; k < kw; ++k) {
        float found[MOST] = {};
        bool any = false;
        for (int o = 0; o < results; ++o) {
          found[o] = kernel[o * step + static_cast<int64_t>(l) * kw + k];
          any = any || found[o] != 0;
        }
        for (int o = 0; o < results; ++o) totals[o] += found[o];
        if (!any) continue;
        line.push_back(l);
        shift.push_back(k - kw / 2);
        weights.insert(weights.end(), found, found + results);
      }
  }
};

// CENTRED sums weight (x - middle), and adds the middle for all: derivatives of a flat patch are zero, not the rounding of
// it, whose direction a norm would make a gradient of.
template <int N, bool CENTRED, int V, class Sink>
void block(const float* const* lines, const Taps& taps, int at, int start, int n, const Sink& sink) {
  Floats sums[N][V] = {}, middle[V] = {};
  if constexpr (CENTRED)
    for (int j = 0; j < V; ++j) {
      middle[j] = load(lines[taps.middle] + start + at + j * LANES);
      for (int o = 0; o < N; ++o) sums[o][j] = taps.totals[o] * middle[j];
    }
  const int count = static_cast<int>(taps.line.size());
  const float* weight = taps.weights.data();
  for (int t = 0; t < count; ++t, weight += N) {
    const float* const from = lines[taps.line[t]] + taps.shift[t] + start + at;
    for (int j = 0; j < V; ++j) {
      const Floats x = CENTRED ? load(from + j * LANES) - middle[j] : load(from + j * LANES);
      for (int o = 0; o < N; ++o) sums[o][j] += weight[o] * x;
    }
  }
  for (int j = 0; j < V; ++j) {
    Floats found[N];
    for (int o = 0; o < N; ++o) found[o] = sums[o][j];
    sink(at + j * LANES, n - at - j * LANES, found);
  }
}

// Calls sink(at, how many are left, sums of N results) for registers of the pixels [start, start + n).
template <int N, bool CENTRED, class Sink>
void correlate(const float* const* lines, const Taps& taps, int start, int n, const Sink& sink) {
  constexpr int many = N == 1 ? 8 : 4;
  int at = 0;
  for (; n - at >= many * LANES; at += many * LANES) block<N, CENTRED, many>(lines, taps, at, start, n, sink);
  for (; n - at >= 2 * LANES; at += 2 * LANES) block<N, CENTRED, 2>(lines, taps, at, start, n, sink);
  for (; n > at; at += LANES) block<N, CENTRED, 1>(lines, taps, at, start, n, sink);
}

template <class Function>
void with_count(int count, const Function& function) {
  switch (count) {
    case 1: return function(std::integral_constant<int, 1>());
    case 2: return function(std::integral_constant<int, 2>());
    default: return function(std::integral_constant<int, MOST>());
  }
}

inline Floats root_of(Floats x) {
#if defined(__AVX512F__)
  return _mm512_sqrt_ps(x);
#elif defined(__AVX__)
  return _mm256_sqrt_ps(x);
#else
  for (int i = 0; i < LANES; ++i) x[i] = __builtin_sqrtf(x[i]);
  return x;
#endif
}

template <int N>
Floats norm_of(const Floats (&parts)[N], Norm norm) {
  Floats sum = {};
  for (int o = 0; o < N; ++o) sum += norm == Norm::l1 ? at_least(parts[o], -parts[o]) : parts[o] * parts[o];
  return norm == Norm::l1 ? sum : root_of(sum);
}

Size size_of(const Dense& job) { return {job.depth, job.height, job.width}; }

template <class T>
void copy_row(const T* from, int64_t step, int n, float* to) {
  if (step == 1) return convert(from, n, to);
  for (int x = 0; x < n; ++x) to[x] = from[x * step];
}

// Writes a row of a channel's image.
template <class T>
auto image_rows(const Dense& job, int64_t plane) {
  const T* const data = reinterpret_cast<const T*>(job.image) + plane / job.channels * job.strides[0] +
                        plane % job.channels * job.strides[1];
  return [&job, data](int z, int y, float* to, int) {
    copy_row(data + z * job.strides[2] + y * job.strides[3], job.strides[4], job.width, to);
  };
}

const float* kernel_of(const Dense& job, int64_t plane) {
  return job.kernel + plane / job.channels * job.kernel_step;
}

template <class T>
void forward(const Dense& job, int64_t plane, int begin, int end) {
  const int lines = job.kd * job.kh;
  const int64_t taps = int64_t{lines} * job.kw, pixels = int64_t{job.depth} * job.height * job.width;
  const int results = job.norm == Norm::none ? job.count : 1;
  const float* const kernel = kernel_of(job, plane);
  std::vector<Taps> groups;
  for (int g = 0; g < job.count; g += MOST)
    groups.emplace_back(kernel + g * taps, std::min(MOST, job.count - g), taps, lines, job.kw);
  Lines rows(1, size_of(job), job.kd, job.kh, job.kw / 2, job.border, job.fill);
  std::vector<const float*> around(lines);
  const auto make = image_rows<T>(job, plane);
  T* const out = reinterpret_cast<T*>(job.output) + plane * results * pixels;
  for (int row = begin; row < end; ++row) {
    rows.gather(row / job.height, row % job.height, make, around.data());
    for (size_t g = 0; g < groups.size(); ++g) {
      T* const to = out + static_cast<int64_t>(g) * MOST * pixels + static_cast<int64_t>(row) * job.width;
      with_count(std::min(MOST, job.count - static_cast<int>(g) * MOST), [&](auto count) {
        constexpr int N = count;
        if (job.norm != Norm::none)
          return correlate<N, true>(
              around.data(), groups[g], 0, job.width, [&](int at, int left, const Floats(&sums)[N]) {
                put(norm_of(sums, job.norm), left, to + at);
              });
        correlate<N, false>(around.data(), groups[g], 0, job.width, [&](int at, int left, const Floats(&sums)[N]) {
          for (int o = 0; o < N; ++o) put(sums[o], left, to + o * pixels + at);
        });
      });
    }
  }
}

// Calls function(make, count): make writes the rows of the gradients by each of the `count` correlations.
template <class Function>
void with_gradients(const Dense& job, int64_t plane, const Function& function) {
  const float* const data = reinterpret_cast<const float*>(job.grad) + plane / job.channels * job.grad_strides[0] +
                            plane % job.channels * job.grad_strides[1];
  const auto given = [&](int o, int z, int y, float* to) {
    copy_row(data + o * job.grad_strides[2] + z * job.grad_strides[3] + y * job.grad_strides[4], job.grad_strides[5],
             job.width, to);
  };
  if (job.norm == Norm::none) {
    return function([&](int z, int y, float* to, int stride) {
      for (int o = 0; o < job.count; ++o) given(o, z, y, to + static_cast<int64_t>(o) * stride);
    });
  }
  // Through the norm: the correlations are computed again.
  const int lines = job.kd * job.kh;
  const Taps taps(kernel_of(job, plane), job.count, int64_t{lines} * job.kw, lines, job.kw);
  Lines rows(1, size_of(job), job.kd, job.kh, job.kw / 2, job.border, job.fill);
  std::vector<const float*> around(lines);
  const auto image = image_rows<float>(job, plane);
  Aligned own(static_cast<size_t>(job.width) + LANES);
  function([&](int z, int y, float* to, int stride) {
    rows.gather(z, y, image, around.data());
    given(0, z, y, own.data());
    with_count(job.count, [&](auto count) {
      constexpr int N = count;
      correlate<N, true>(around.data(), taps, 0, job.width, [&](int at, int left, const Floats(&sums)[N]) {
        const Floats grad = load(own.data() + at), zero = {};
        Floats scale = grad;
        if (job.norm == Norm::l2) {
          const Floats root = norm_of(sums, Norm::l2);
          scale = grad / root;
          scale = where_equal(root, zero, zero, scale);
        }
        for (int o = 0; o < N; ++o) {
          const Floats x = sums[o];
          put(scale * (job.norm == Norm::l2 ? x : x > zero ? all(1) : x < zero ? all(-1) : x), left,
              to + static_cast<int64_t>(o) * stride + at);
        }
      });
    });
  });
}

}  // namespace

void dense_rows(const Dense& job, int64_t plane, int begin, int end) {
  if (job.dtype == Dtype::uint8)
    forward<uint8_t>(job, plane, begin, end);
  else
    forward<float>(job, plane, begin, end);
}

// Correlates the gradients with the mirrored kernels, also around the image, and folds what falls there back to where
// the border had read it.
void dense_adjoint(const Dense& job, int64_t plane) {
  const int lines = job.count * job.kd * job.kh;
  const bool constant = job.border == Border::constant;
  const int rz = constant ? 0 : job.kd / 2, ry = constant ? 0 : job.kh / 2, rx = constant ? 0 : job.kw / 2;
  std::vector<float> mirrored;
  const float* const kernel = kernel_of(job, plane);
  for (int o = 0; o < job.count; ++o) {
    const float* const first = kernel + static_cast<int64_t>(o) * job.kd * job.kh * job.kw;
    mirrored.insert(mirrored.end(), std::make_reverse_iterator(first + int64_t{job.kd} * job.kh * job.kw),
                    std::make_reverse_iterator(first));
  }
  const Taps taps(mirrored.data(), 1, 0, lines, job.kw);
  const int reach = job.kw / 2 + rx, wide = job.width + 2 * rx;
  Lines rows(job.count, size_of(job), job.kd, job.kh, reach, Border::constant, 0);
  std::vector<const float*> around(lines);
  Aligned spread(static_cast<size_t>(wide) + LANES);
  float* const line = spread.data();
  std::vector<int> columns(2 * rx);
  for (int k = 0; k < rx; ++k) {
    columns[k] = fold(k - rx, job.width, job.border);
    columns[rx + k] = fold(job.width + k, job.width, job.border);
  }
  float* const out = reinterpret_cast<float*>(job.output) + plane * job.depth * job.height * job.width;
  with_gradients(job, plane, [&](const auto& make) {
    const auto add = [&](int z, int y, bool inside) {
      rows.gather(z, y, make, around.data());
      correlate<1, false>(around.data(), taps, -rx, wide,
                   [&](int at, int left, const Floats(&sums)[1]) { put(sums[0], left, line + at); });
      float* const to = out + (static_cast<int64_t>(fold(z, job.depth, job.border)) * job.height +
                               fold(y, job.height, job.border)) * job.width;
      if (inside)
        std::copy(line + rx, line + rx + job.width, to);
      else
        for (int x = 0; x < job.width; ++x) to[x] += line[rx + x];
      for (int k = 0; k < rx; ++k) to[columns[k]] += line[k], to[columns[rx + k]] += line[rx + job.width + k];
    };
    for (int z = 0; z < job.depth; ++z)
      for (int y = 0; y < job.height; ++y) add(z, y, true);
    for (int z = -rz; z < job.depth + rz; ++z)
      for (int y = -ry; y < job.height + ry; ++y)
        if (z < 0 || z >= job.depth || y < 0 || y >= job.height) add(z, y, false);
  });
}

namespace {

// sums[k] += sum_i grad[i] * line[i + k] for K taps, of rows that end in zeros.
template <int K>
void add_products(const float* grad, const float* line, int n, double* sums) {
  Floats found[K] = {};
  for (int i = 0; i < n; i += LANES) {
    const Floats g = load(grad + i);
    for (int k = 0; k < K; ++k) found[k] += g * load(line + i + k);
  }
  for (int k = 0; k < K; ++k)
    for (int j = 0; j < LANES; ++j) sums[k] += found[k][j];
}

}  // namespace

void dense_products(const Dense& job, int64_t plane) {
  const int lines = job.kd * job.kh, radius = job.kw / 2;
  Lines rows(1, size_of(job), job.kd, job.kh, radius, job.border, job.fill);
  std::vector<const float*> around(lines);
  const auto make = image_rows<float>(job, plane);
  const float* const data = reinterpret_cast<const float*>(job.grad) + plane / job.channels * job.grad_strides[0] +
                            plane % job.channels * job.grad_strides[1];
  Aligned mine(static_cast<size_t>(job.width) + LANES);
  for (int z = 0; z < job.depth; ++z)
    for (int y = 0; y < job.height; ++y) {
      rows.gather(z, y, make, around.data());
      double* sums = job.sums + plane * job.count * lines * job.kw;
      for (int o = 0; o < job.count; ++o) {
        copy_row(data + o * job.grad_strides[2] + z * job.grad_strides[3] + y * job.grad_strides[4],
                 job.grad_strides[5], job.width, mine.data());
        for (int l = 0; l < lines; ++l, sums += job.kw) {
          int k = 0;
          for (; k + 5 <= job.kw; k += 5) add_products<5>(mine.data(), around[l] + k - radius, job.width, sums + k);
          for (; k + 3 <= job.kw; k += 3) add_products<3>(mine.data(), around[l] + k - radius, job.width, sums + k);
          for (; k < job.kw; ++k) add_products<1>(mine.data(), around[l] + k - radius, job.width, sums + k);
        }
      }
    }
}

}  // namespace VISIONOPS_ISA
}  // namespace visionops
