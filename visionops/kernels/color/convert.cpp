// The loops of conversions over rows, a run of pixels at a time.
#include <algorithm>

#include "color/bytes.h"
#include "color/color.h"
#include "color/hues.h"
#include "common/isa.h"

namespace visionops {
namespace VISIONOPS_ISA {
namespace {

// Calls run(stage) with what a conversion is made of.
template <class Run>
void with_stage(const Convert& job, Run run) {
  const float* const n = job.numbers;
  const Each<Decoding> decode;
  const Each<Encoding> encode;
  switch (job.conversion) {
    case Conversion::affine: return job.channels == 1 ? run(Affine<1>(n)) : run(Affine<3>(n));
    case Conversion::decode: return run(decode);
    case Conversion::encode: return run(encode);
    case Conversion::hsv: return run(ToHsv());
    case Conversion::from_hsv: return run(OfHsv());
    case Conversion::hls: return run(ToHls());
    case Conversion::from_hls: return run(OfHls());
    case Conversion::lab: return run(chain(decode, Affine<3>(n), Each<LabCurve>(), Affine<3>(n + 12)));
    case Conversion::from_lab: return run(chain(Affine<3>(n), Each<LabUncurve>(), Affine<3>(n + 12), encode));
    case Conversion::oklab: return run(chain(decode, Affine<3>(n), Each<CubeRoot>(), Affine<3>(n + 12)));
    case Conversion::from_oklab: return run(chain(Affine<3>(n), Each<Cube>(), Affine<3>(n + 12), encode));
    case Conversion::luv: return run(chain(decode, Affine<3>(n), ToLuv{n[12], n[13]}));
    case Conversion::from_luv: return run(chain(OfLuv{n[12], n[13]}, Affine<3>(n), encode));
  }
}

// N channels of a run of pixels.
template <int N>
struct Tile {
  alignas(64) float values[N][RUN];
};

constexpr int whole_vectors(int count) { return (count + LANES - 1) / LANES * LANES; }

// Rows of an image as stretches of pixels a constant step apart: all of them one where nothing lies between rows.
struct Stretches {
  Stretches(const Source& source, int begin, int end)
      : at(source), count(static_cast<int>(source.width)), first(begin), rows(end - begin) {}

  // Joins the rows if those of every image can be.
  static bool are_joined(const Source& s) { return s.row_stride == s.width * s.column_stride; }

  void join() {
    count *= rows;
    rows = 1;
  }

  template <class T>
  const T* channel(int c, int row) const {
    return reinterpret_cast<const T*>(at.address) + c * at.channel_stride + (first + row) * at.row_stride;
  }

  const Source& at;
  int count, first, rows;
};

// Points `from` at whole vectors of N channels from pixel i on: in place where they lie so, else in a copy.
template <int N>
void take(const Stretches& s, int row, int i, int count, Tile<N>& copy, const float** from) {
  const int64_t step = s.at.column_stride;
  for (int c = 0; c < N; ++c) {
    const float* const data = s.channel<float>(c, row) + i * step;
    from[c] = step == 1 && count == whole_vectors(count) ? data : copy.values[c];
    if (from[c] == data) continue;
    float* const to = copy.values[c];
    for (int j = 0; j < count; ++j) to[j] = data[j * step];
    std::fill(to + count, to + whole_vectors(count), 0.0f);
  }
}

template <int N>
Vectors<N> load_at(const float* const* from, int j) {
  Vectors<N> x;
  for (int c = 0; c < N; ++c) x[c] = load(from[c] + j);
  return x;
}

// Where results go: straight to float32 planes where whole vectors fit, else through a tile.
template <int N>
struct Target {
  Tile<N> tile;
  float* to[N];

  void aim(float* const* planes, int64_t at, bool direct) {
    for (int c = 0; c < N; ++c) to[c] = direct ? planes[c] + at : tile.values[c];
  }
  void put(const Vectors<N>& y, int j) {
    for (int c = 0; c < N; ++c) store(y[c], to[c] + j);
  }
};

template <int N, class T>
void planes_of(const Convert& job, int64_t sample, int64_t pixels, T** planes) {
  for (int c = 0; c < N; ++c) planes[c] = reinterpret_cast<T*>(job.outputs[sample]) + c * pixels;
}

template <class Stage>
void convert_floats(const Stage& stage, const Convert& job, int64_t sample, int begin, int end) {
  constexpr int N = Stage::OUT;
  const Source& source = job.sources[sample];
  Stretches s(source, begin, end);
  if (Stretches::are_joined(source)) s.join();
  float* planes[N];
  planes_of<N>(job, sample, source.height * source.width, planes);
  Tile<3> copy;
  Target<N> target;
  const float* from[3];
  for (int row = 0; row < s.rows; ++row) {
    const int64_t start = (begin + row) * source.width;
    for (int i = 0; i < s.count; i += RUN) {
      const int count = std::min(RUN, s.count - i);
      take<3>(s, row, i, count, copy, from);
      const bool direct = count == whole_vectors(count);
      target.aim(planes, start + i, direct);
      for (int j = 0; j < count; j += LANES) target.put(stage.forward(load_at<3>(from, j)), j);
      if (!direct)
        for (int c = 0; c < N; ++c) std::copy_n(target.tile.values[c], count, planes[c] + start + i);
    }
  }
}

// A stage between bytes: `levels` are scale and shift of those that go in, then of those that come out.
template <class Stage>
struct InLevels {
  static constexpr int OUT = Stage::OUT;
  Stage stage;
  float levels[12];

  Vectors<OUT> forward(const Three& x) const {
    Three units;
    for (int c = 0; c < 3; ++c) units[c] = (x[c] - levels[3 + c]) * (1 / levels[c]);
    Vectors<OUT> y = stage.forward(units);
    for (int c = 0; c < OUT; ++c) y[c] = y[c] * levels[6 + c] + levels[9 + c];
    return y;
  }
};

template <class Stage>
InLevels<Stage> in_levels(const Stage& stage, const float* levels) {
  InLevels<Stage> result{stage, {}};
  std::copy_n(levels, 12, result.levels);
  return result;
}

// Of an affine stage it is one too.
template <int N>
Affine<N> in_levels(const Affine<N>& stage, const float* levels) {
  Affine<N> result(stage);
  for (int c = 0; c < N; ++c) {
    double shift = stage.m[4 * c + 3];
    for (int j = 0; j < 3; ++j) {
      const double factor = static_cast<double>(stage.m[4 * c + j]) / levels[j];
      shift -= factor * levels[3 + j];
      result.m[4 * c + j] = static_cast<float>(factor * levels[6 + c]);
    }
    result.m[4 * c + 3] = static_cast<float>(shift * levels[6 + c] + levels[9 + c]);
  }
  return result;
}

// The stage comes by value: a byte that is stored could be one of what a reference leads to.
template <class Stage>
void convert_bytes(const Stage stage, const Convert& job, int64_t sample, int begin, int end) {
  constexpr int N = Stage::OUT;
  const Source& source = job.sources[sample];
  Stretches s(source, begin, end);
  if (Stretches::are_joined(source)) s.join();
  uint8_t* planes[N];
  planes_of<N>(job, sample, source.height * source.width, planes);
  const int64_t step = source.column_stride;
  alignas(64) uint8_t copy[3][RUN] = {}, tile[N][RUN];
  for (int row = 0; row < s.rows; ++row) {
    const int64_t start = (begin + row) * source.width;
    for (int i = 0; i < s.count; i += RUN) {
      const int count = std::min(RUN, s.count - i);
      const bool fits = count == whole_vectors(count);
      const uint8_t* from[3];
      uint8_t* to[N];
      for (int c = 0; c < 3; ++c) {
        from[c] = s.channel<uint8_t>(c, row) + i * step;
        if (fits && step == 1) continue;
        for (int j = 0; j < count; ++j) copy[c][j] = from[c][j * step];
        from[c] = copy[c];
      }
      for (int c = 0; c < N; ++c) to[c] = fits ? planes[c] + start + i : tile[c];
      for (int j = 0; j < count; j += LANES) {
        const Vectors<N> y =
            stage.forward({load_bytes(from[0] + j), load_bytes(from[1] + j), load_bytes(from[2] + j)});
        for (int c = 0; c < N; ++c) store_bytes(y[c], to[c] + j);
      }
      if (!fits)
        for (int c = 0; c < N; ++c) std::copy_n(tile[c], count, planes[c] + start + i);
    }
  }
}

template <class Stage>
void convert_adjoint(const Stage& stage, const Convert& job, int64_t sample, int begin, int end) {
  constexpr int N = Stage::OUT;
  const Source &grad = job.grads[sample], &source = job.sources ? job.sources[sample] : grad;
  Stretches g(grad, begin, end), s(source, begin, end);
  if (Stretches::are_joined(grad) && Stretches::are_joined(source)) g.join(), s.join();
  float* planes[3];
  planes_of<3>(job, sample, grad.height * grad.width, planes);
  Tile<3> copy;
  Tile<N> gradients;
  Target<3> target;
  const float *from[3] = {copy.values[0], copy.values[1], copy.values[2]}, *back[N];
  if (!job.sources) copy = {};
  for (int row = 0; row < g.rows; ++row) {
    const int64_t start = (begin + row) * grad.width;
    for (int i = 0; i < g.count; i += RUN) {
      const int count = std::min(RUN, g.count - i);
      if (job.sources) take<3>(s, row, i, count, copy, from);
      take<N>(g, row, i, count, gradients, back);
      const bool direct = count == whole_vectors(count);
      target.aim(planes, start + i, direct);
      for (int j = 0; j < count; j += LANES)
        target.put(stage.adjoint(load_at<3>(from, j), load_at<N>(back, j)), j);
      if (!direct)
        for (int c = 0; c < 3; ++c) std::copy_n(target.tile.values[c], count, planes[c] + start + i);
    }
  }
}

}  // namespace

void convert_rows(const Convert& job, int64_t sample, int begin, int end) {
  with_stage(job, [&](const auto& stage) {
    job.dtype == Dtype::uint8 ? convert_bytes(in_levels(stage, job.levels), job, sample, begin, end)
                              : convert_floats(stage, job, sample, begin, end);
  });
}

void convert_rows_adjoint(const Convert& job, int64_t sample, int begin, int end) {
  with_stage(job, [&](const auto& stage) { convert_adjoint(stage, job, sample, begin, end); });
}

}  // namespace VISIONOPS_ISA
}  // namespace visionops
