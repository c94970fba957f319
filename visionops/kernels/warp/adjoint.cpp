// The adjoint of a sweep over the rows of one output, a run of pixels at a time.
#include "warp/adjoint.h"

#include <vector>

#include "common/lanes.h"
#include "pixel/adjoint.h"
#include "warp/domain.h"
#include "warp/reduce.h"
#include "warp/sampler.h"
#include "warp/slopes.h"

namespace visionops {
namespace VISIONOPS_ISA {
namespace {

// Reads a run of a gradient, zero beyond its end.
void load_gradient(const Source& grad, int channels, const Run& run, float* tile) {
  const float* const data =
      reinterpret_cast<const float*>(grad.address) + run.row * grad.row_stride + run.column * grad.column_stride;
  for (int c = 0; c < channels; ++c) {
    const float* const from = data + c * grad.channel_stride;
    float* const out = tile + c * RUN;
    if (grad.column_stride == 1)
      std::memcpy(out, from, sizeof(float) * run.count);
    else
      for (int i = 0; i < run.count; ++i) out[i] = from[i * grad.column_stride];
    std::fill(out + run.count, out + RUN, 0.0f);
  }
}

// Runs a stage forward to know what each step read, then backward.
class StageRunner {
 public:
  StageRunner(const SweepAdjoint& adjoint, const Stage& stage)
      : job_(adjoint.job), stage_(stage), channels_(job_.channels), tile_(channels_ * RUN),
        sums_(stage.params ? static_cast<size_t>(job_.params_step) * LANES : 1),
        factor_sums_(static_cast<size_t>(2 * channels_ + 2) * LANES),
        tiles_(static_cast<size_t>(tile_) * (stage.last - stage.first + 2)) {
    for (int i = stage.first; i < stage.last; ++i) {
      Step step{job_.code(stage.sample, i), job_.params_of(stage.sample, i), Sums{nullptr}};
      if (stage.params) step.sums.lanes = sums_.data() + static_cast<int64_t>(job_.starts[i]) * LANES;
      if (step.op == Op::contrast) {
        contrast_ = contrast_as_scale(step.params[0], stage.mean, channels_);
        factor_ = step.params[0];
        step = {Op::scale, contrast_.data(), Sums{factor_sums_.data()}};
      }
      if (step.op != Op::none) steps_.push_back(step);
    }
  }

  void run(int begin, int end) {
    const int width = job_.geometry.width;
    for (int row = begin; row < end; ++row) {
      for (int column = 0; column < width; column += RUN) step_run(make_run(row, column, width));
      if ((row + 1) % SUM_ROWS == 0 || row + 1 == end) flush(row / SUM_ROWS);
    }
  }

 private:
  struct Step {
    Op op;
    const float* params;
    Sums sums;
  };

  Tile tile(size_t i) { return {tiles_.data() + i * tile_, RUN}; }

  void step_run(const Run& run) {
    const int whole = (run.count + LANES - 1) / LANES * LANES;
    const Extent extent{channels_, whole, run.row, run.column};
    const int64_t plane = static_cast<int64_t>(job_.geometry.height) * job_.geometry.width;
    const int64_t place = static_cast<int64_t>(run.row) * job_.geometry.width + run.column;
    const Tile gradient = tile(steps_.size());
    if (run.count < RUN) std::fill(tiles_.data(), tiles_.data() + tile_ * (steps_.size() + 1), 0.0f);
    load_gradient(stage_.grad, channels_, run, gradient.colours);
    if (stage_.bias)
      for (int c = 0; c < channels_; ++c)
        for (int i = 0; i < run.count; ++i) gradient.channel(c)[i] += stage_.bias[c];
    if (!steps_.empty())
      for (int c = 0; c < channels_; ++c)
        std::memcpy(tile(0).channel(c), stage_.from + c * plane + place, sizeof(float) * run.count);
    for (size_t k = 0; k + 1 < steps_.size(); ++k) {
      const Step& step = steps_[k];
      if (streams(step.op)) {
        stream_step(extent, tile(k), tile(k + 1), step.op, step.params);
      } else {
        std::memcpy(tile(k + 1).colours, tile(k).colours, sizeof(float) * tile_);
        run_step(extent, tile(k + 1), step.op, step.params);
      }
    }
    for (size_t k = steps_.size(); k-- > 0;)
      step_adjoint(extent, tile(k), gradient, steps_[k].op, steps_[k].params, steps_[k].sums);
    for (int c = 0; c < channels_; ++c)
      std::memcpy(stage_.to + c * plane + place, gradient.channel(c), sizeof(float) * run.count);
  }

  static double take(float* lanes) {
    double sum = 0;
    for (int j = 0; j < LANES; ++j) sum += lanes[j], lanes[j] = 0;
    return sum;
  }

  // Writes the sums of SUM_ROWS rows.
  void flush(int64_t block) {
    double* const params = stage_.params ? stage_.params + block * job_.params_step : nullptr;
    if (params)
      for (int64_t i = 0; i < job_.params_step; ++i) params[i] = take(sums_.data() + i * LANES);
    if (contrast_.empty()) return;
    // out = f x + (1 - f) mean: the scale's own parameters are f and (1 - f) mean.
    double by_scale = 0, by_shift = 0;
    for (int c = 0; c < channels_; ++c) by_scale += take(factor_sums_.data() + c * LANES);
    for (int c = 0; c < channels_; ++c) by_shift += take(factor_sums_.data() + (channels_ + c) * LANES);
    stage_.means[block] = (1 - static_cast<double>(factor_)) * by_shift;
    if (params) params[job_.starts[stage_.first]] = by_scale - static_cast<double>(stage_.mean) * by_shift;
  }

  const Sweep& job_;
  const Stage& stage_;
  const int channels_, tile_;
  std::vector<Step> steps_;  // those that do something
  std::vector<float> contrast_;
  float factor_ = 0;
  Aligned sums_, factor_sums_, tiles_;
};

typedef float Four __attribute__((vector_size(16)));

inline void add(float* at, Four x) {
  Four sum;
  std::memcpy(&sum, at, sizeof sum);
  sum += x;
  std::memcpy(at, &sum, sizeof sum);
}

// Takes the gradients of rows to the places that they were read from, and to the positions.
template <class T>
class Scatterer {
 public:
  // `view` is only read if the adjoint moves.
  Scatterer(const SweepAdjoint& adjoint, const Scatter& scatter, const Reduction& small, const View<T>& view,
            const float* fill)
      : adjoint_(adjoint), job_(adjoint.job), scatter_(scatter), small_(small), view_(view), fill_(fill),
        columns_(scatter.box.right - scatter.box.left), count_(taps_of(job_.interpolation)),
        first_(count_ == 4 ? -1 : 0),
        grads_(static_cast<size_t>(job_.channels) * RUN) {}

  void run() {
    constexpr int band = BAND;
    const int width = job_.geometry.width;
    const double* const planes = job_.geometry.planes_of(scatter_.sample);
    Span inside[band];
    for (int top = scatter_.begin; top < scatter_.end; top += band) {
      const int bottom = std::min(top + band, scatter_.end);
      for (int row = top; row < bottom; ++row)
        inside[row - top] = inside_domains(planes, planes ? job_.geometry.domains : 0, width, row, [](int, Span) {});
      for (int column = 0; column < width; column += RUN)
        for (int row = top; row < bottom; ++row) scatter_run(make_run(row, column, width), inside[row - top]);
    }
    if (!scatter_.matrix) return;
    double by[9];
    for (int k = 0; k < 9; ++k) {
      by[k] = 0;
      for (double lane : by_matrix_[k]) by[k] += lane;
    }
    // The reduced matrix is the matrix after a scale and a shift.
    for (int j = 0; j < 3; ++j) {
      scatter_.matrix[6 + j] = by[6 + j];
      for (int i = 0; i < 2; ++i) {
        scatter_.matrix[3 * i + j] = by[3 * i + j] / small_.factors[i];
        scatter_.matrix[6 + j] += small_.shift(i) * by[3 * i + j];
      }
    }
  }

 private:
  static int taps_of(Interpolation interpolation) {
    return interpolation == Interpolation::nearest ? 1 : interpolation == Interpolation::bilinear ? 2 : 4;
  }

  void scatter_run(const Run& run, Span inside) {
    const int from = std::max(inside.begin - run.column, 0), to = std::min(inside.end - run.column, run.count);
    if (from >= to) {
      if (adjoint_.map) std::memset(map_of(run), 0, sizeof(float) * 2 * run.count);
      return;
    }
    load_gradient(scatter_.grad, job_.channels, run, grads_.data());
    const Box& box = scatter_.box;
    find_positions(job_, small_.matrix, small_.map, small_.factors, box.left, box.top, run, at_);
    for (int c = 0; c < job_.channels; ++c) {
      float* const g = grads_.data() + c * RUN;
      std::fill(g, g + from, 0.0f);
      std::fill(g + to, g + RUN, 0.0f);
      if (at_.any_lost)
        for (int i = 0; i < RUN; ++i) g[i] = at_.lost[i] ? 0 : g[i];
    }
    if (scatter_.sums) spread();
    if (adjoint_.moves() && count_ > 1)
      move(run);
    else if (adjoint_.map)
      std::memset(map_of(run), 0, sizeof(float) * 2 * run.count);
  }

  bool leaves() const {
    const int32_t width = small_.width - (count_ + first_) + 1, height = small_.height - (count_ + first_) + 1;
    int32_t any = 0;
    for (int i = 0; i < RUN; ++i)
      any |= (at_.x[i] < -first_) | (at_.x[i] >= width) | (at_.y[i] < -first_) | (at_.y[i] >= height);
    return any;
  }

  // Adds the gradients to the taps, four channels at once.
  void spread() {
    const bool pairs = count_ == 2 && !leaves();
    if (count_ == 1) {
      for (int i = 0; i < RUN; ++i) {
        const int32_t x = fold(at_.x[i], small_.width, job_.border), y = fold(at_.y[i], small_.height, job_.border);
        const bool out = job_.border == Border::constant && (x != at_.x[i] || y != at_.y[i]);
        taps_x_.index[0][i] = x, taps_y_.index[0][i] = y;
        taps_x_.weight[0][i] = out ? 0.0f : 1.0f, taps_y_.weight[0][i] = 1.0f;
      }
    } else if (!pairs) {
      make_taps(at_.x, at_.tx, small_.width, first_, count_, job_.border, taps_x_);
      make_taps(at_.y, at_.ty, small_.height, first_, count_, job_.border, taps_y_);
    }
    for (int group = 0; 4 * group < job_.channels; ++group) {
      float* const sums = scatter_.sums + group * scatter_.area() * 4;
      interleave(group);
      if (pairs)
        spread_pairs(sums);
      else
        spread_taps(sums);
    }
  }

  void interleave(int group) {
    const int used = std::min(job_.channels - 4 * group, 4);
    for (int k = 0; k < 4; ++k)
      for (int i = 0; i < RUN; ++i) four_[4 * i + k] = k < used ? grads_.data()[(4 * group + k) * RUN + i] : 0;
  }

  int64_t place(int32_t x, int32_t y) const {
    return 4 * (static_cast<int64_t>(y - scatter_.box.top) * columns_ + (x - scatter_.box.left));
  }

  // Where a pixel reads one to the right of the last, as most do, its left taps are the other's right ones: their sums
  // wait in registers, and are not written only to be read again.
  void spread_pairs(float* sums) const {
    const int64_t down = 4 * static_cast<int64_t>(columns_);
    float* at = sums + place(at_.x[0], at_.y[0]);
    Four above = {}, below = {};  // of the pixels at `at` and below it
    for (int i = 0; i < RUN; ++i) {
      Four g;
      std::memcpy(&g, four_ + 4 * i, sizeof g);
      const float right = at_.tx[i], left = 1.0f - right, lower = at_.ty[i], upper = 1.0f - lower;
      float* const next = sums + place(at_.x[i], at_.y[i]);
      if (next != at) {
        add(at, above);
        add(at + down, below);
        above = below = Four{};
      }
      add(next, above + g * (upper * left));
      add(next + down, below + g * (lower * left));
      above = g * (upper * right);
      below = g * (lower * right);
      at = next + 4;
    }
    add(at, above);
    add(at + down, below);
  }

  void spread_taps(float* sums) const {
    for (int j = 0; j < count_; ++j)
      for (int k = 0; k < count_; ++k)
        for (int i = 0; i < RUN; ++i) {
          const float weight = taps_y_.weight[j][i] * taps_x_.weight[k][i];
          Four g;
          std::memcpy(&g, four_ + 4 * i, sizeof g);
          if (weight != 0) add(sums + place(taps_x_.index[k][i], taps_y_.index[j][i]), g * weight);
        }
  }

  float* map_of(const Run& run) const {
    return reinterpret_cast<float*>(adjoint_.map[scatter_.sample]) +
           2 * (static_cast<int64_t>(run.row) * job_.geometry.width + run.column);
  }

  // The gradients of the positions, and through them those of the map or the matrix.
  void move(const Run& run) {
    alignas(64) float by_x[RUN], by_y[RUN];
    position_slopes(view_, job_, small_, at_, first_, count_, fill_, grads_.data(), by_x, by_y);
    if (at_.any_lost)
      for (int i = 0; i < RUN; ++i) by_x[i] = at_.lost[i] ? 0 : by_x[i], by_y[i] = at_.lost[i] ? 0 : by_y[i];
    if (adjoint_.map) {
      float* const out = map_of(run);
      const float scale_x = 1.0f / small_.factors[0], scale_y = 1.0f / small_.factors[1];
      for (int i = 0; i < run.count; ++i) out[2 * i] = by_x[i] * scale_x, out[2 * i + 1] = by_y[i] * scale_y;
    }
    if (!scatter_.matrix) return;
    const double* const m = small_.matrix;
    const double v = run.row;
    for (int start = 0; start < RUN; start += 8)
      for (int lane = 0; lane < 8; ++lane) {
        const int i = start + lane;
        const bool counts = i < run.count && (by_x[i] != 0 || by_y[i] != 0);
        const double u = run.column + i, w = m[6] * u + m[7] * v + m[8], inverse = counts ? 1 / w : 0;
        const double x = at_.x[i] + static_cast<double>(at_.tx[i]), y = at_.y[i] + static_cast<double>(at_.ty[i]);
        const double by[3] = {by_x[i] * inverse, by_y[i] * inverse, -(by_x[i] * x + by_y[i] * y) * inverse};
        for (int k = 0; k < 3; ++k) {
          const double g = counts ? by[k] : 0;
          by_matrix_[3 * k][lane] += g * u;
          by_matrix_[3 * k + 1][lane] += g * v;
          by_matrix_[3 * k + 2][lane] += g;
        }
      }
  }

  const SweepAdjoint& adjoint_;
  const Sweep& job_;
  const Scatter& scatter_;
  const Reduction& small_;
  const View<T> view_;
  const float* const fill_;
  const int columns_, count_, first_;
  Aligned grads_;
  alignas(64) float four_[4 * RUN];
  double by_matrix_[9][8] = {};
  Positions at_;
  Taps taps_x_, taps_y_;
};

template <class T>
void scatter_source(const SweepAdjoint& adjoint, const Scatter& scatter) {
  const Sweep& job = adjoint.job;
  const View<T> view = view_of<T>(job.sources[scatter.sample]);
  std::vector<float> fill;
  for (int c = 0; c < job.channels; ++c) fill.push_back(static_cast<float>(job.fill[c]) * view.unit);
  const Reduction small(job, scatter.sample);
  if (small.is_trivial() || !adjoint.moves()) return Scatterer<T>(adjoint, scatter, small, view, fill.data()).run();
  std::unique_ptr<float[]> scratch;
  const View<float> reduced = reduce_region(view, job.channels, small, scatter.box, scratch);
  Scatterer<float>(adjoint, scatter, small, reduced, fill.data()).run();
}

}  // namespace

void stage_rows(const SweepAdjoint& adjoint, const Stage& stage, int begin, int end) {
  StageRunner(adjoint, stage).run(begin, end);
}

void scatter_rows(const SweepAdjoint& adjoint, const Scatter& scatter) {
  const int64_t groups = (adjoint.job.channels + 3) / 4;
  if (scatter.sums) std::fill(scatter.sums, scatter.sums + groups * scatter.area() * 4, 0.0f);
  if (adjoint.job.dtype == Dtype::uint8)
    scatter_source<uint8_t>(adjoint, scatter);
  else
    scatter_source<float>(adjoint, scatter);
}

void collect_rows(const SweepAdjoint& adjoint, const Scatter* scatters, int count, int begin, int end) {
  const int64_t sample = scatters[0].sample;
  const Reduction small(adjoint.job, sample);
  const int height = static_cast<int>(adjoint.job.sources[sample].height);
  const int width = static_cast<int>(adjoint.job.sources[sample].width);
  const int kx = small.factors[0], ky = small.factors[1];
  float* const image = reinterpret_cast<float*>(adjoint.image[sample]);
  for (int row = begin; row < end; ++row) {
    const int y = row / ky;
    const float rows = static_cast<float>(std::min(ky, height - y * ky));
    for (int c = 0; c < adjoint.job.channels; ++c) {
      float* __restrict const out = image + (static_cast<int64_t>(c) * height + row) * width;
      std::fill(out, out + width, 0.0f);
      for (int k = 0; k < count; ++k) {
        const Scatter& from = scatters[k];
        const Box& box = from.box;
        if (y < box.top || y >= box.bottom) continue;
        const float* __restrict const sums =
            from.sums + 4 * (c / 4 * from.area() + static_cast<int64_t>(y - box.top) * (box.right - box.left)) + c % 4;
        if (small.is_trivial()) {
          for (int x = box.left; x < box.right; ++x) out[x] += sums[4 * (x - box.left)];
          continue;
        }
        for (int x = box.left; x < box.right; ++x) {
          const int start = x * kx, stop = std::min(start + kx, width);
          const float each = sums[4 * (x - box.left)] / (rows * static_cast<float>(stop - start));
          for (int i = start; i < stop; ++i) out[i] += each;
        }
      }
    }
  }
}

}  // namespace VISIONOPS_ISA
}  // namespace visionops
