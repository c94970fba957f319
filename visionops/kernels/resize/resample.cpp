// Down the columns first, into a row of floats; then along it, sixteen outputs at a time.
#include "resize/resample.h"

#include <algorithm>
#include <type_traits>
#include <vector>

#include "common/isa.h"
#include "common/lanes.h"
#include "filter/rows.h"

namespace visionops {
namespace VISIONOPS_ISA {
namespace {

// As TIE of definition.py.
constexpr float TIE = 1.0f / 8192;
constexpr int LONG = 512;

inline Floats load_as_floats(const float* from) { return load(from); }

inline Floats load_as_floats(const uint8_t* from) {
#if defined(__AVX512F__)
  return _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from))));
#elif defined(__AVX2__)
  return _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(from))));
#else
  Floats x;
  for (int i = 0; i < LANES; ++i) x[i] = from[i];
  return x;
#endif
}

template <class T>
Floats load_some(const T* from, int n) {
  T block[LANES] = {};
  std::memcpy(block, from, sizeof(T) * n);
  return load_as_floats(block);
}

// Stores the first n lanes.
void finish(Floats x, int n, float* out) { put(x, n, out); }
void finish(Floats x, int n, uint8_t* out) { put(x + TIE, n, out); }

// out[i] = sum_k weights[k] * lines[k][i] for i < n; `out` has room for whole vectors.
template <int TAPS, class T>
void down(const T* const* lines, const float* weights, int taps, int n, float* out) {
  constexpr int MANY = 4;
  if (TAPS) taps = TAPS;
  int at = 0;
  for (; n - at >= MANY * LANES; at += MANY * LANES) {
    Floats sums[MANY];
    for (int j = 0; j < MANY; ++j) sums[j] = weights[0] * load_as_floats(lines[0] + at + j * LANES);
    for (int k = 1; k < taps; ++k)
      for (int j = 0; j < MANY; ++j) sums[j] += weights[k] * load_as_floats(lines[k] + at + j * LANES);
    for (int j = 0; j < MANY; ++j) store(sums[j], out + at + j * LANES);
  }
  for (; at < n; at += LANES) {
    const int count = std::min(LANES, n - at);
    Floats sum = weights[0] * load_some(lines[0] + at, count);
    for (int k = 1; k < taps; ++k) sum += weights[k] * load_some(lines[k] + at, count);
    store(sum, out + at);
  }
}

template <class T>
void down_any(const T* const* lines, const float* weights, int taps, int n, float* out) {
  switch (taps) {
    case 1: return down<1>(lines, weights, taps, n, out);
    case 2: return down<2>(lines, weights, taps, n, out);
    case 3: return down<3>(lines, weights, taps, n, out);
    case 4: return down<4>(lines, weights, taps, n, out);
    case 5: return down<5>(lines, weights, taps, n, out);
    default: return down<0>(lines, weights, taps, n, out);
  }
}

// Outputs along a row, LANES at a time.
class Along {
 public:
  explicit Along(const Band& band)
      : size_(band.size), taps_(band.taps), blocks_((band.size + LANES - 1) / LANES), moves_(band.taps > 1),
        first_(blocks_), reach_(blocks_), places_(static_cast<size_t>(blocks_) * LANES),
        weights_(static_cast<size_t>(blocks_) * LANES * band.taps) {
    for (int b = 0; b < blocks_; ++b) {
      const int at = b * LANES, count = std::min(LANES, size_ - at);
      const auto [low, high] = std::minmax_element(band.start + at, band.start + at + count);
      first_[b] = *low;
      reach_[b] = *high - *low;
      for (int i = 0; i < LANES; ++i) {
        places_[at + i] = i < count ? band.start[at + i] - *low : 0;
        for (int k = 0; k < taps_; ++k)
          weights_.data()[(static_cast<int64_t>(b) * taps_ + k) * LANES + i] =
              i < count ? band.weights[static_cast<int64_t>(at + i) * taps_ + k] : 0.0f;
      }
    }
    for (int i = 0; i < size_; ++i) moves_ = moves_ || band.start[i] != i || band.weights[i] != 1.0f;
  }

  // Whether an output differs from the row's own elements.
  bool moves() const { return moves_; }

  // `row` can be read 4 LANES beyond its end.
  template <class T>
  void run(const float* row, T* out) {
    switch (taps_) {
      case 1: return run_taps<1>(row, out);
      case 2: return run_taps<2>(row, out);
      case 3: return run_taps<3>(row, out);
      case 4: return run_taps<4>(row, out);
      case 5: return run_taps<5>(row, out);
      default: return run_taps<0>(row, out);
    }
  }

 private:
  template <int TAPS, class T>
  void run_taps(const float* row, T* out) {
    for (int b = 0; b < blocks_; ++b) finish(block<TAPS>(row, b), std::min(LANES, size_ - b * LANES), out + b * LANES);
  }

#if defined(__AVX512F__)
  // Sums of a block: pick(from, places) reads from[places[i]]. Neighbouring taps come from the same registers.
  template <int TAPS, class Pick>
  Floats sum_of(const float* from, const float* weights, __m512i places, const Pick& pick) const {
    const int taps = TAPS ? TAPS : taps_;
    const __m512i next = _mm512_add_epi32(places, _mm512_set1_epi32(1));
    Floats sum = {};
    int k = 0;
    for (; k + 1 < taps; k += 2) {
      const auto take = pick(from + k);
      sum += load(weights + k * LANES) * take(places);
      sum += load(weights + (k + 1) * LANES) * take(next);
    }
    if (k < taps) sum += load(weights + k * LANES) * pick(from + k)(places);
    return sum;
  }

  template <int TAPS>
  Floats block(const float* row, int b) {
    const float* const weights = weights_.data() + static_cast<int64_t>(b) * taps_ * LANES;
    const float* const from = row + first_[b];
    const __m512i places = _mm512_loadu_si512(places_.data() + b * LANES);
    auto sums = [&](const auto& pick) { return sum_of<TAPS>(from, weights, places, pick); };
    if (reach_[b] + 1 < LANES)
      return sums([](const float* at) {
        return [x = _mm512_loadu_ps(at)](__m512i i) -> Floats { return _mm512_permutexvar_ps(i, x); };
      });
    if (reach_[b] + 1 < 2 * LANES)
      return sums([](const float* at) {
        return [x = _mm512_loadu_ps(at), y = _mm512_loadu_ps(at + LANES)](__m512i i) -> Floats {
          return _mm512_permutex2var_ps(x, i, y);
        };
      });
    if (reach_[b] + 1 < 4 * LANES)
      return sums([](const float* at) {
        return [x = _mm512_loadu_ps(at), y = _mm512_loadu_ps(at + LANES), z = _mm512_loadu_ps(at + 2 * LANES),
                w = _mm512_loadu_ps(at + 3 * LANES)](__m512i i) -> Floats {
          const __mmask16 far = _mm512_cmpge_epi32_mask(i, _mm512_set1_epi32(2 * LANES));
          return _mm512_mask_mov_ps(_mm512_permutex2var_ps(x, i, y), far, _mm512_permutex2var_ps(z, i, w));
        };
      });
    return sums([](const float* at) {
      return [at](__m512i i) -> Floats { return _mm512_i32gather_ps(i, at, 4); };
    });
  }
#else
  template <int TAPS>
  Floats block(const float* row, int b) {
    const int taps = TAPS ? TAPS : taps_;
    const float* const weights = weights_.data() + static_cast<int64_t>(b) * taps_ * LANES;
    const int32_t* const places = places_.data() + b * LANES;
    Floats sum = {};
    for (int k = 0; k < taps; ++k) {
      Floats values;
      for (int i = 0; i < LANES; ++i) values[i] = row[first_[b] + places[i] + k];
      sum += load(weights + k * LANES) * values;
    }
    return sum;
  }
#endif

  const int size_, taps_, blocks_;
  bool moves_;
  std::vector<int32_t> first_, reach_, places_;
  Aligned weights_;
};

bool takes_pixels(const Band& band) {
  return band.taps == 1 && std::all_of(band.weights, band.weights + band.size, [](float w) { return w == 1.0f; });
}

// Neighbouring outputs whose pixels are as far from each other.
struct Stretch {
  int at, size, from, step;
};

std::vector<Stretch> stretches_of(const Band& band) {
  std::vector<Stretch> found;
  for (int at = 0, next; at < band.size; at = next) {
    next = std::min(at + 2, band.size);
    const int step = band.start[next - 1] - band.start[at];
    while (next < band.size && band.start[next] - band.start[next - 1] == step) ++next;
    found.push_back({at, next - at, band.start[at], step});
  }
  return found;
}

template <int STEP, class T>
void every(const T* __restrict from, int n, T* __restrict out) {
  for (int i = 0; i < n; ++i) out[i] = from[STEP * i];
}

template <class T>
void move_stretch(const T* from, const Stretch& stretch, T* out) {
  switch (stretch.step) {
    case -1: return every<-1>(from, stretch.size, out);
    case 1: std::memcpy(out, from, sizeof(T) * stretch.size); return;
    case 2: return every<2>(from, stretch.size, out);
    case 4: return every<4>(from, stretch.size, out);
    default:
      for (int i = 0; i < stretch.size; ++i) out[i] = from[static_cast<int64_t>(stretch.step) * i];
  }
}

// Where every output is a pixel: copies them, long stretches of neighbours together.
template <class T>
void move(const Resample& job, const Source& source, const T* data, T* out, int begin, int end) {
  const int32_t *const rows = job.rows.start, *const columns = job.columns.start;
  const int width = job.columns.size;
  const std::vector<Stretch> stretches = stretches_of(job.columns);
  const bool together = source.column_stride == 1 && stretches.size() * LANES < static_cast<size_t>(width);
  for (int y = begin; y < end; ++y) {
    T* const to = out + static_cast<int64_t>(y) * width;
    if (y > begin && rows[y] == rows[y - 1]) {
      std::memcpy(to, to - width, sizeof(T) * width);
      continue;
    }
    const T* const from = data + rows[y] * source.row_stride;
    if (together)
      for (const Stretch& stretch : stretches) move_stretch(from + stretch.from, stretch, to + stretch.at);
    else
      for (int x = 0; x < width; ++x) to[x] = from[columns[x] * source.column_stride];
  }
}

template <class T>
void run(const Resample& job, int64_t sample, int channel, int begin, int end) {
  const Source& source = job.sources[sample];
  const int width = static_cast<int>(source.width), out_width = job.columns.size, taps = job.rows.taps;
  const T* const data = reinterpret_cast<const T*>(source.address) + channel * source.channel_stride;
  T* const out = reinterpret_cast<T*>(job.outputs[sample]) + static_cast<int64_t>(channel) * job.rows.size * out_width;
  if (takes_pixels(job.rows) && takes_pixels(job.columns)) return move(job, source, data, out, begin, end);
  Along along(job.columns);
  Aligned line(static_cast<size_t>(width) + 5 * LANES);
  // Long rows of floats are made aside and copied: measured, a doubling takes a seventh less time.
  const bool aside = sizeof(T) == sizeof(float) && out_width >= LONG;
  Aligned result(aside ? out_width : 0);

  // Rows whose elements lie apart are packed into a ring of as many as there are taps.
  const bool packed = source.column_stride == 1;
  std::vector<T> ring(packed ? 0 : static_cast<size_t>(width) * taps);
  std::vector<int> held(taps, -1);
  std::vector<const T*> lines(taps);
  for (int y = begin; y < end; ++y) {
    for (int k = 0; k < taps; ++k) {
      const int row = job.rows.start[y] + k;
      const T* const from = data + row * source.row_stride;
      lines[k] = from;
      if (packed) continue;
      T* const to = ring.data() + static_cast<int64_t>(row % taps) * width;
      lines[k] = to;
      if (held[row % taps] == row) continue;
      held[row % taps] = row;
      for (int x = 0; x < width; ++x) to[x] = from[x * source.column_stride];
    }
    T* const to = out + static_cast<int64_t>(y) * out_width;
    down_any(lines.data(), job.rows.weights + static_cast<int64_t>(y) * taps, taps, width, line.data());
    if (along.moves() && aside) {
      along.run(line.data(), result.data());
      std::memcpy(to, result.data(), sizeof(float) * out_width);
    } else if (along.moves()) {
      along.run(line.data(), to);
    } else {
      for (int x = 0; x < out_width; x += LANES)
        finish(load(line.data() + x), std::min(LANES, out_width - x), to + x);
    }
  }
}

}  // namespace

void resample_rows(const Resample& job, int64_t sample, int channel, int begin, int end) {
  if (job.dtype == Dtype::uint8)
    run<uint8_t>(job, sample, channel, begin, end);
  else
    run<float>(job, sample, channel, begin, end);
}

}  // namespace VISIONOPS_ISA
}  // namespace visionops
