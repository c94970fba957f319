// The sweep over the rows of one output: positions, samples, colours and stores, a run of pixels at a time.
#include "warp/sweep.h"

#include <vector>

#include "common/lanes.h"
#include "pixel/program.h"
#include "warp/domain.h"
#include "warp/reduce.h"
#include "warp/sampler.h"

namespace visionops {
namespace VISIONOPS_ISA {
namespace {

void store(const float* __restrict colours, int count, uint8_t* __restrict out) {
  if (count == RUN)
    for (int i = 0; i < RUN; ++i) out[i] = byte_of(colours[i] * 255.0f);
  else
    for (int i = 0; i < count; ++i) out[i] = byte_of(colours[i] * 255.0f);
}

void store(const float* __restrict colours, int count, float* __restrict out) {
  std::memcpy(out, colours, sizeof(float) * count);
}

// The part of a row inside all domains, and what each domain leaves of it to its fill.
struct Row {
  struct Piece {
    int domain;
    Span span;
  };
  Span inside;
  std::vector<Piece> left;

  void set(const double* planes, int domains, int width, int row) {
    left.clear();
    inside = inside_domains(planes, domains, width, row,
                            [&](int domain, Span span) { left.push_back({domain, span}); });
  }
};

// Runs a pass on rows: `sampler` makes the colours of a run, everything after is the same for all sources.
template <class T>
class Sweeper {
 public:
  Sweeper(const Sweep& job, const Pass& pass, Sampler<T>& sampler, const float* fills)
      : job_(job), pass_(pass), sampler_(sampler), fills_(fills), colours_(static_cast<size_t>(job.channels) * RUN),
        target_(pass.to                             ? pass.to
                : job.out_dtype == Dtype::float32 ? reinterpret_cast<float*>(job.outputs[pass.sample])
                                                    : nullptr) {
    for (int i = pass.first; i < pass.last; ++i) {
      Step step{job.code(pass.sample, i), job.params_of(pass.sample, i)};
      if (step.op == Op::contrast) {  // the first of its pass
        contrast_ = contrast_as_scale(step.params[0], pass.mean, job.channels);
        step = {Op::scale, contrast_.data()};
      }
      if (step.op != Op::none) steps_.push_back(step);
    }
  }

  void sweep(int begin, int end) {
    const int width = job_.geometry.width;
    const double* const planes = pass_.from ? nullptr : job_.geometry.planes_of(pass_.sample);
    const int band = sampler_.by_rows() ? 1 : BAND;
    static_assert(SUM_ROWS % BAND == 0);
    Row rows[BAND];
    for (int top = begin; top < end; top += band) {
      const int bottom = std::min(top + band, end);
      for (int row = top; row < bottom; ++row)
        rows[row - top].set(planes, planes ? job_.geometry.domains : 0, width, row);
      for (int column = 0; column < width; column += RUN)
        for (int row = top; row < bottom; ++row) sweep_run(make_run(row, column, width), rows[row - top]);
      if (pass_.sums && (bottom % SUM_ROWS == 0 || bottom == end)) {
        double& total = pass_.sums[top / SUM_ROWS];
        total = 0;
        for (double& lane : sums_) total += lane, lane = 0;
      }
    }
  }

 private:
  void sweep_run(const Run& run, const Row& row) {
    const Extent extent{job_.channels, whole_vectors(run.count), run.row, run.column};
    // Where whole vectors fit, colours go straight to float32 planes, and come straight from them.
    const bool fits = extent.size == run.count, direct = fits && target_;
    const Tile mine{colours_.data(), RUN};
    const Tile out = direct ? Tile{target_ + place(run.row, run.column), plane()} : mine;
    Tile at = mine;
    if (!fits || !row.left.empty() || !sampler_.is_direct(run, at)) fill_run(run, row, mine);
    for (const Step& step : steps_) {
      if (streams(step.op)) {
        const Tile to = &step == &steps_.back() && !pass_.sums ? out : mine;
        stream_step(extent, at, to, step.op, step.params);
        at = to;
      } else {
        move(extent, at, mine);
        run_step(extent, mine, step.op, step.params);
        at = mine;
      }
    }
    if (pass_.sums) {
      const Floats sum = move_and_sum(extent, at, out, run.count);
      for (int j = 0; j < LANES; ++j) sums_[j] += sum[j];
    } else {
      move(extent, at, out);
    }
    if (!direct && target_)
      store_run(mine, run, target_);
    else if (!direct)
      store_run(mine, run, reinterpret_cast<uint8_t*>(job_.outputs[pass_.sample]));
  }

  void fill_run(const Run& run, const Row& row, Tile tile) {
    if (row.inside.begin < run.column + run.count && row.inside.end > run.column) sampler_.sample(run, tile.colours);
    const int channels = job_.channels;
    for (const Row::Piece& piece : row.left) {
      const int from = std::max(piece.span.begin - run.column, 0);
      const int to = std::min(piece.span.end - run.column, run.count);
      for (int c = 0; c < channels; ++c)
        for (int i = from; i < to; ++i) tile.channel(c)[i] = fills_[piece.domain * channels + c];
    }
  }

  static int whole_vectors(int count) { return (count + LANES - 1) / LANES * LANES; }

  int64_t plane() const { return static_cast<int64_t>(job_.geometry.height) * job_.geometry.width; }
  int64_t place(int row, int column) const { return static_cast<int64_t>(row) * job_.geometry.width + column; }

  template <class Out>
  void store_run(Tile tile, const Run& run, Out* out) const {
    for (int c = 0; c < job_.channels; ++c)
      store(tile.channel(c), run.count, out + c * plane() + place(run.row, run.column));
  }

  struct Step {
    Op op;
    const float* params;
  };

  const Sweep& job_;
  const Pass& pass_;
  Sampler<T>& sampler_;
  const float* const fills_;
  std::vector<Step> steps_;  // those that do something
  std::vector<float> contrast_;
  Aligned colours_;
  float* const target_;     // float32 planes to write to; null: bytes
  double sums_[LANES] = {};
};

template <class T>
void sweep_source(const Sweep& job, const Pass& pass, int begin, int end) {
  const View<T> view = view_of<T>(job.sources[pass.sample]);
  std::vector<float> fills;
  const double one = std::is_same_v<T, uint8_t> ? 1.0 / 255 : 1.0;
  for (int c = 0; c < job.channels; ++c) fills.push_back(job.fill ? static_cast<float>(job.fill[c] * one) : 0);
  for (int i = 0; i < job.geometry.domains * job.channels; ++i) fills.push_back(static_cast<float>(job.fills[i] * one));
  const float* const fill = fills.data();

  const Reduction small(job, pass.sample);
  if (small.is_trivial()) {
    Sampler<T> sampler(job, view, small.matrix, small.map, small.factors, fill);
    return Sweeper<T>(job, pass, sampler, fill + job.channels).sweep(begin, end);
  }
  std::unique_ptr<float[]> scratch;
  const Box box = region_read(small, job.geometry.width, begin, end, job.border);
  const View<float> reduced = reduce_region(view, job.channels, small, box, scratch);
  Sampler<float> sampler(job, reduced, small.matrix, small.map, small.factors, fill);
  Sweeper<float>(job, pass, sampler, fill + job.channels).sweep(begin, end);
}

}  // namespace

void sweep_rows(const Sweep& job, const Pass& pass, int begin, int end) {
  if (pass.from) {
    const int64_t width = job.geometry.width, plane = job.geometry.height * width;
    const View<float> view{pass.from, job.geometry.height, job.geometry.width, 0, 0, plane, width, 1, 1.0f};
    const int factors[2] = {1, 1};
    Sampler<float> sampler(job, view, nullptr, nullptr, factors, nullptr);
    Sweeper<float>(job, pass, sampler, nullptr).sweep(begin, end);
  } else if (job.dtype == Dtype::uint8) {
    sweep_source<uint8_t>(job, pass, begin, end);
  } else {
    sweep_source<float>(job, pass, begin, end);
  }
}

}  // namespace VISIONOPS_ISA
}  // namespace visionops
