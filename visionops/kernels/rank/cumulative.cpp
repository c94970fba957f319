// Ranks in windows of up to 127 x 127 over floats, in constant time for each pixel.
//
// The sorted pixels of a tile are cut into BINS of as many each. Columns count those of their part of the window up to
// the end of each bin, and the window's counts are the sums of its columns' (after Perreault and Hebert 2007); those
// that are not beyond the rank tell its bin. Within it all pixels are tested for whether they are in the window.
#include <algorithm>

#include "rank/places.h"
#include "rank/window.h"

namespace visionops {
namespace VISIONOPS_ISA {
namespace {

constexpr int BINS = 128;
constexpr int REACH = 256;                      // of a tile with what is around it: its coordinates are bytes
constexpr int WORDS = REACH * REACH / BINS / 64;  // of a bit for each pixel of a bin

typedef int16_t Shorts __attribute__((vector_size(4 * LANES)));
typedef int8_t HalfBytes __attribute__((vector_size(2 * LANES)));
typedef int8_t SignedBytes __attribute__((vector_size(4 * LANES)));

template <class V>
inline V take(const void* from) {
  V x;
  std::memcpy(&x, from, sizeof x);
  return x;
}

// Returns a bit for each of 64 pixels: whether its coordinates are less than the sizes after the origin.
inline uint64_t inside(const uint8_t* down, const uint8_t* across, int y, int x, int height, int width) {
#if defined(__AVX512BW__)
  const __m512i dy = _mm512_sub_epi8(take<__m512i>(down), _mm512_set1_epi8(static_cast<char>(y)));
  const __m512i dx = _mm512_sub_epi8(take<__m512i>(across), _mm512_set1_epi8(static_cast<char>(x)));
  return _mm512_mask_cmplt_epu8_mask(_mm512_cmplt_epu8_mask(dy, _mm512_set1_epi8(static_cast<char>(height))), dx,
                                     _mm512_set1_epi8(static_cast<char>(width)));
#elif defined(__AVX2__)
  uint64_t bits = 0;
  for (int i = 0; i < 64; i += 32) {
    const __m256i dy = _mm256_sub_epi8(take<__m256i>(down + i), _mm256_set1_epi8(static_cast<char>(y)));
    const __m256i dx = _mm256_sub_epi8(take<__m256i>(across + i), _mm256_set1_epi8(static_cast<char>(x)));
    const __m256i in = _mm256_and_si256(
        _mm256_cmpeq_epi8(_mm256_min_epu8(dy, _mm256_set1_epi8(static_cast<char>(height - 1))), dy),
        _mm256_cmpeq_epi8(_mm256_min_epu8(dx, _mm256_set1_epi8(static_cast<char>(width - 1))), dx));
    bits |= static_cast<uint64_t>(static_cast<uint32_t>(_mm256_movemask_epi8(in))) << i;
  }
  return bits;
#else
  uint8_t in[64];
  for (int i = 0; i < 64; ++i)
    in[i] = (static_cast<uint8_t>(down[i] - y) < height) & (static_cast<uint8_t>(across[i] - x) < width);
  uint64_t bits = 0;
  // The product gathers the lowest bits of eight bytes in its highest byte.
  for (int i = 0; i < 64; i += 8) bits |= (take<uint64_t>(in + i) * 0x0102040810204080 >> 56) << i;
  return bits;
#endif
}

// Returns how many of the numbers are at most `most`.
inline int count(Shorts numbers, int most) {
#if defined(__AVX512BW__)
  return __builtin_popcount(_mm512_cmple_epi16_mask(reinterpret_cast<__m512i>(numbers),
                                                    _mm512_set1_epi16(static_cast<int16_t>(most))));
#elif defined(__AVX2__)
  return 16 - __builtin_popcount(_mm256_movemask_epi8(_mm256_cmpgt_epi16(
                  reinterpret_cast<__m256i>(numbers), _mm256_set1_epi16(static_cast<int16_t>(most))))) / 2;
#else
  constexpr uint64_t ONES = 0x0001000100010001;
  const Shorts in = numbers <= static_cast<int16_t>(most);
  uint64_t halves[2];
  std::memcpy(halves, &in, sizeof halves);
  return static_cast<int>(((halves[0] & ONES) + (halves[1] & ONES)) * ONES >> 48);
#endif
}

// Returns the place of a set bit, the n-th from 0.
inline int place_of(uint64_t bits, int n) {
#if defined(__BMI2__)
  return __builtin_ctzll(_pdep_u64(uint64_t{1} << n, bits));
#else
  for (; n; --n) bits &= bits - 1;
  return __builtin_ctzll(bits);
#endif
}

class Tile {
 public:
  Tile(const Ranks& job, const std::vector<float>& pixels, int columns)
      : job_(job), columns_(columns), rows_(static_cast<int>(pixels.size()) / columns),
        words_((static_cast<int>(pixels.size()) + 64 * BINS - 1) / (64 * BINS)), bins_(pixels.size()),
        values_(pixels.size()), down_(64 * words_ * BINS), across_(down_.size()),
        upto_(static_cast<size_t>(columns) * BINS) {
    const std::vector<Entry> entries = sorted(pixels);
    for (int i = 0; i < static_cast<int>(entries.size()); ++i) {
      const int at = entries[i].at;
      values_[i] = pixels[at];
      down_[i] = static_cast<uint8_t>(at / columns);
      across_[i] = static_cast<uint8_t>(at % columns);
      bins_[at] = static_cast<uint8_t>(i / (64 * words_));
    }
    for (int y = 0; y < job.height; ++y)
      for (int x = 0; x < columns; ++x) ++upto_[x * BINS + bins_[y * columns + x]];
    for (int x = 0; x < columns; ++x)
      for (int b = 1; b < BINS; ++b) upto_[x * BINS + b] += upto_[x * BINS + b - 1];
    std::fill(steps_ + BINS, steps_ + 2 * BINS, int8_t{1});
  }

  void run(float* out, int64_t stride) {
    for (int y = 0; y + job_.height <= rows_; ++y, out += stride) {
      if (y) descend(y);
      row(y, out);
    }
  }

 private:
  // Moves the columns' part of the window down to begin at row y.
  void descend(int y) {
    const uint8_t* const gone = &bins_[(y - 1) * columns_];
    const uint8_t* const come = &bins_[(y - 1 + job_.height) * columns_];
    for (int x = 0; x < columns_; ++x) {
      const int8_t *const less = steps_ + BINS - gone[x], *const more = steps_ + BINS - come[x];
      int8_t* const at = &upto_[x * BINS];
      for (int b = 0; b < BINS; b += 4 * LANES) {
        const SignedBytes sum = take<SignedBytes>(at + b) - take<SignedBytes>(less + b) + take<SignedBytes>(more + b);
        std::memcpy(at + b, &sum, sizeof sum);
      }
    }
  }

  void row(int y, float* out) {
    constexpr int PART = 2 * LANES;
    alignas(64) int16_t sums[32 + BINS] = {};  // of the window, after a zero
    int16_t* const window = sums + 32;
    for (int x = 0; x < job_.width - 1; ++x)
      for (int b = 0; b < BINS; ++b) window[b] = static_cast<int16_t>(window[b] + upto_[x * BINS + b]);
    const std::vector<int8_t> none(BINS);
    const int8_t* gone = none.data();
    for (int x = 0; x + job_.width <= columns_; ++x) {
      const int8_t* const come = &upto_[(x + job_.width - 1) * BINS];
      int bin = 0;
      for (int b = 0; b < BINS; b += PART) {
        const HalfBytes change = take<HalfBytes>(come + b) - take<HalfBytes>(gone + b);
        const Shorts sum = take<Shorts>(window + b) + __builtin_convertvector(change, Shorts);
        std::memcpy(window + b, &sum, sizeof sum);
        bin += count(sum, job_.rank);
      }
      out[x] = find(bin, job_.rank - window[bin - 1], y, x);
      gone = &upto_[x * BINS];
    }
  }

  // Returns the value of a rank among the pixels of a bin that are in a window.
  float find(int bin, int rank, int y, int x) const {
    uint64_t bits[WORDS];
    const int start = bin * words_ * 64;
    int sum = 0, before = 0, word = 0;
    for (int i = 0; i < words_; ++i) {
      const int at = start + 64 * i;
      bits[i] = inside(&down_[at], &across_[at], y, x, job_.height, job_.width);
      sum += __builtin_popcountll(bits[i]);
      const bool beyond = sum <= rank;  // no branch: none could be foreseen
      word += beyond;
      before = beyond ? sum : before;
    }
    return values_[start + 64 * word + place_of(bits[word], rank - before)];
  }

  const Ranks& job_;
  int columns_, rows_, words_;
  std::vector<uint8_t> bins_;            // of each pixel
  std::vector<float> values_;            // in order, as are the coordinates
  std::vector<uint8_t> down_, across_;
  std::vector<int8_t> upto_;             // of each column, the counts
  int8_t steps_[2 * BINS] = {};          // what a pixel of bin b adds begins b before the middle
};

}  // namespace

void cumulative_tile(const Ranks& job, int64_t sample, int channel, int top, int left, int bottom, int right) {
  const Plane<float> plane(job.sources[sample], channel, job.border, job.fill);
  const int columns = right - left + job.width - 1;
  const std::vector<float> pixels =
      around(plane, top - job.height / 2, left - job.width / 2, bottom - top + job.height - 1, columns);
  float* const out = reinterpret_cast<float*>(job.outputs[sample]) +
                     (static_cast<int64_t>(channel) * plane.height + top) * plane.width + left;
  Tile(job, pixels, columns).run(out, plane.width);
}

}  // namespace VISIONOPS_ISA
}  // namespace visionops
