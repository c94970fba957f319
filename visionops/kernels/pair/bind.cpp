#include <algorithm>
#include <vector>

#include "common/isa.h"
#include "common/parallel.h"
#include "native.h"
#include "pair/pair.h"

namespace visionops {
namespace {

// Pixels of rows that are handled together where no gap is between them: a call costs more than some hundred bytes.
constexpr int64_t LONG = 8192;

// Returns the images with rows joined; `rows` keeps their descriptions.
Pair join(const Pair& pair, std::vector<Source>& rows) {
  const int64_t batch = pair.batch, width = pair.first->width, height = pair.first->height;
  rows.assign(pair.first, pair.first + batch);
  rows.insert(rows.end(), pair.second, pair.second + batch);
  int64_t joined = std::clamp<int64_t>(LONG / width, 1, height);
  while (height % joined) --joined;
  for (const Source& s : rows)
    if (s.row_stride != s.width * s.column_stride || s.width != width || s.height != height) return pair;
  for (Source& s : rows) s.height /= joined, s.width *= joined, s.row_stride *= joined;
  return {rows.data(), rows.data() + batch, batch, pair.channels, pair.dtype, pair.outputs};
}

template <class Row>
void for_rows(const Pair& pair, int threads, const Row& run) {
  const int64_t planes = pair.batch * pair.channels, height = pair.first[0].height;
  const int workers = threads_for(planes * height * pair.first[0].width, threads);
  const int64_t parts = planes >= workers ? 1 : workers;
  parallel_for(planes * parts, workers, [&](int64_t i) {
    const int64_t plane = i / parts, part = i % parts, sample = plane / pair.channels;
    for (int64_t row = height * part / parts; row < height * (part + 1) / parts; ++row)
      run(sample, static_cast<int>(plane % pair.channels), row);
  });
}

}  // namespace

void blend(const Pair& given, const Weights* weights, int64_t step, float low, float high, int threads) {
  std::vector<Source> rows;
  const Pair pair = join(given, rows);
  const auto run = VISIONOPS_PICK(blend_row);
  for_rows(pair, threads, [&](int64_t sample, int channel, int64_t row) {
    run(pair, sample, channel, row, weights[sample * step], low, high);
  });
}

void where_above(const Pair& given, const Choice& choice, int threads) {
  std::vector<Source> rows;
  const Pair pair = join(given, rows);
  const auto run = VISIONOPS_PICK(where_above_row);
  for_rows(pair, threads,
           [&](int64_t sample, int channel, int64_t row) { run(pair, sample, channel, row, choice); });
}

namespace {

using Sources = Array<int64_t, 2>;

Pair pair_of(const Sources& first, const Sources& second, int64_t channels, int dtype,
             const Array<int64_t, 1>& outputs) {
  require(dtype >= 0 && dtype <= 1, "unknown dtype");
  const Source *const one = check_sources(first, channels, false),
               *const two = check_sources(second, channels, false);
  const size_t batch = first.shape(0);
  require(batch > 0 && second.shape(0) == batch && outputs.shape(0) == batch, "both images must have as many samples");
  for (size_t b = 0; b < batch; ++b)
    for (const Source* other : {one + b, two + b})
      require(other->height == one->height && other->width == one->width, "images must have one size");
  return {one, two, static_cast<int64_t>(batch), extent(channels), static_cast<Dtype>(dtype), outputs.data()};
}

}  // namespace

void bind_pair(nb::module_& m) {
  m.def("blend", [](const Sources& first, const Sources& second, int64_t channels, int dtype,
                    const Array<float, 2>& weights, double low, double high, const Array<int64_t, 1>& outputs,
                    int threads) {
    const Pair pair = pair_of(first, second, channels, dtype, outputs);
    require(weights.shape(1) == 3, "weights must be three");
    const int64_t step = step_of(weights, first.shape(0), 1, "weights");
    static_assert(sizeof(Weights) == 3 * sizeof(float));
    const auto* rows = reinterpret_cast<const Weights*>(weights.data());
    nb::gil_scoped_release release;
    blend(pair, rows, step, static_cast<float>(low), static_cast<float>(high), threads);
  });
  m.def("where_above", [](const Sources& first, const Sources& second, int64_t channels, int dtype, double offset,
                          double yes, double no, const Array<int64_t, 1>& outputs, int threads) {
    const Pair pair = pair_of(first, second, channels, dtype, outputs);
    require(pair.dtype == Dtype::float32 || (yes >= 0 && yes < 256 && no >= 0 && no < 256), "levels must be 0 to 255");
    const Choice choice{static_cast<float>(offset), static_cast<float>(yes), static_cast<float>(no)};
    nb::gil_scoped_release release;
    where_above(pair, choice, threads);
  });
}

}  // namespace visionops
