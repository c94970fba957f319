// Cuts the adjoint of a sweep into stages, stripes and rows, and hands them to the kernel of this machine.
#include <algorithm>
#include <cmath>
#include <memory>
#include <vector>

#define VISIONOPS_ISA portable
#include "common/isa.h"
#include "common/parallel.h"
#include "warp/adjoint.h"
#include "warp/reduce.h"

namespace visionops {
namespace {

// A stripe of rows has about so many pixels: what it scatters is added up apart from other stripes.
constexpr int64_t STRIPE = 1 << 17;
constexpr int MOST_STRIPES = 8;
// Scratch blocks above this size are not kept. Elements.
constexpr size_t LARGE = 1 << 22;
// As LUMA in pixel/program.py.
constexpr float LUMA[3] = {0.299f, 0.587f, 0.114f};

// Memory that one sample after the other uses: a fresh page costs more than the arithmetic on it.
struct Scratch {
  std::vector<std::unique_ptr<float[]>> blocks;
  std::vector<size_t> sizes;

  float* take(size_t slot, int64_t size) {
    if (blocks.size() <= slot) blocks.resize(slot + 1), sizes.resize(slot + 1);
    if (sizes[slot] < static_cast<size_t>(size)) blocks[slot].reset(new float[size]), sizes[slot] = size;
    return blocks[slot].get();
  }

  // Keeps no more than the next batch of ordinary images needs.
  void trim() {
    for (size_t i = 0; i < blocks.size(); ++i)
      if (sizes[i] > LARGE) blocks[i].reset(), sizes[i] = 0;
  }
};

// One sample: the stretches of its program between contrasts forward, then backward, then the warp.
class Sample {
 public:
  Sample(const SweepAdjoint& adjoint, int64_t sample, int threads)
      : adjoint_(adjoint), job_(adjoint.job), sample_(sample), height_(job_.geometry.height),
        pixels_(static_cast<int64_t>(height_) * job_.geometry.width), blocks_((height_ + SUM_ROWS - 1) / SUM_ROWS),
        workers_(threads_for(pixels_ * job_.channels, threads)), grad_(adjoint.grads[sample]) {}

  void run() {
    if (has_program()) run_program();
    if (job_.geometry.inverse || job_.geometry.maps)
      run_warp();
    else if (adjoint_.image && !has_program())
      copy_gradient();
    scratch().trim();
  }

 private:
  bool has_program() const {
    for (int i = 0; i < job_.steps; ++i)
      if (job_.code(sample_, i) != Op::none) return true;
    return false;
  }

  // Rows in chunks of SUM_ROWS, on all threads.
  template <class Body>
  void each_rows(Body body) const {
    const int each = (blocks_ + workers_ - 1) / workers_;
    parallel_for((blocks_ + each - 1) / each, workers_, [&](int64_t part) {
      const int begin = static_cast<int>(part) * each * SUM_ROWS;
      body(begin, std::min(height_, begin + each * SUM_ROWS));
    });
  }

  float* gradient_of_program() const {
    const bool is_last = !job_.geometry.inverse && !job_.geometry.maps && adjoint_.image;
    return is_last ? reinterpret_cast<float*>(adjoint_.image[sample_])
                   : scratch().take(0, pixels_ * job_.channels);
  }

  // The adjoint of a linear program is one too: its steps transposed, the last first. It reads no colours.
  void run_transposed() {
    const int channels = job_.channels;
    std::vector<int32_t> codes, starts;
    std::vector<float> params;
    for (int i = job_.steps; i-- > 0;) {
      const Op op = job_.code(sample_, i);
      if (op == Op::none) continue;
      const float* const p = job_.params_of(sample_, i);
      codes.push_back(static_cast<int32_t>(op));
      starts.push_back(static_cast<int32_t>(params.size()));
      if (op == Op::matrix) {
        for (int row = 0; row < 3; ++row) params.insert(params.end(), {p[row], p[4 + row], p[8 + row], 0.0f});
      } else {  // an ERASE fills with zeros
        params.insert(params.end(), p, p + (op == Op::scale ? channels : 4));
        params.insert(params.end(), channels, 0.0f);
      }
      if (op != Op::erase) params.insert(params.end(), {-INFINITY, INFINITY});
    }
    Sweep job{};
    job.sources = &grad_;
    job.dtype = job.out_dtype = Dtype::float32;
    job.batch = 1;
    job.channels = channels;
    job.geometry.height = height_, job.geometry.width = job_.geometry.width;
    job.steps = static_cast<int>(codes.size());
    job.codes = codes.data(), job.starts = starts.data(), job.params = params.data();
    float* const to = gradient_of_program();
    const Pass pass{0, 0, job.steps, 0.0f, nullptr, to, nullptr};
    const auto forward = VISIONOPS_PICK(sweep_rows);
    each_rows([&](int begin, int end) { forward(job, pass, begin, end); });
    grad_ = source_of(to);
  }

  Source source_of(const float* planes) const {
    const int64_t width = job_.geometry.width;
    return {reinterpret_cast<int64_t>(planes), height_, width, pixels_, width, 1};
  }

  void run_program() {
    if (!job_.sources[sample_].address) return run_transposed();
    const auto forward = VISIONOPS_PICK(sweep_rows);
    const auto backward = VISIONOPS_PICK(stage_rows);
    const int64_t size = pixels_ * job_.channels;
    std::vector<int> cuts{0};
    for (int i = 0; i < job_.steps; ++i)
      if (job_.code(sample_, i) == Op::contrast) cuts.push_back(i);
    const size_t stages = cuts.size();
    cuts.push_back(job_.steps);

    // What each stretch reads, and the means that the contrasts take.
    std::vector<float*> colours{scratch().take(1, size)};
    std::vector<float> means{0.0f};
    std::vector<double> sums(blocks_);
    Pass pass{sample_, 0, 0, 0.0f, nullptr, colours[0], stages > 1 && cuts[1] == 0 ? sums.data() : nullptr};
    each_rows([&](int begin, int end) { forward(job_, pass, begin, end); });
    for (size_t s = 0; s + 1 < stages; ++s) {
      if (cuts[s] != cuts[s + 1]) {
        colours.push_back(scratch().take(s + 2, size));
        pass = {sample_, cuts[s], cuts[s + 1], means[s], colours[s], colours[s + 1], sums.data()};
        each_rows([&](int begin, int end) { forward(job_, pass, begin, end); });
      } else {
        colours.push_back(colours[s]);  // nothing comes before the first contrast
      }
      double sum = 0;
      for (double part : sums) sum += part;
      means.push_back(static_cast<float>(sum / static_cast<double>(pixels_)));
    }

    float* const to = gradient_of_program();
    std::vector<double> params(adjoint_.params ? blocks_ * job_.params_step : 0), by_mean(blocks_);
    std::vector<float> bias;
    for (size_t s = stages; s-- > 0;) {
      Stage stage{sample_, cuts[s], cuts[s + 1], means[s], colours[s], grad_, bias.empty() ? nullptr : bias.data(), to,
                  adjoint_.params ? params.data() : nullptr, by_mean.data()};
      each_rows([&](int begin, int end) { backward(adjoint_, stage, begin, end); });
      for (int64_t i = 0; i < static_cast<int64_t>(params.size()); ++i)
        adjoint_.params[sample_ * job_.params_step + i % job_.params_step] += params[i];
      if (s > 0) {
        double sum = 0;
        for (double part : by_mean) sum += part;
        bias.clear();
        for (int c = 0; c < job_.channels; ++c) {
          const double weight = job_.channels == 3 ? LUMA[c] : 1.0 / job_.channels;
          bias.push_back(static_cast<float>(sum * weight / static_cast<double>(pixels_)));
        }
      }
      grad_ = source_of(to);
    }
  }

  void run_warp() const {
    if (!adjoint_.image && !adjoint_.moves()) return;
    const auto scatter = VISIONOPS_PICK(scatter_rows);
    const auto collect = VISIONOPS_PICK(collect_rows);
    const int stripes = static_cast<int>(std::clamp<int64_t>(pixels_ / STRIPE, 1, std::min(height_, MOST_STRIPES)));
    const portable::Reduction small(job_, sample_);
    std::vector<Scatter> parts(stripes);
    std::vector<double> matrices(9 * static_cast<size_t>(stripes));
    for (int i = 0; i < stripes; ++i) {
      Scatter& part = parts[i];
      part = {sample_, height_ * i / stripes, height_ * (i + 1) / stripes, grad_, {}, nullptr,
              adjoint_.matrix ? &matrices[9 * i] : nullptr};
      part.box = portable::region_read(small, job_.geometry.width, part.begin, part.end, job_.border);
      // Blocks before these hold the gradient and the colours of the program.
      if (adjoint_.image)
        part.sums = scratch().take(2 + job_.steps + i, part.area() * 4 * ((job_.channels + 3) / 4));
    }
    parallel_for(stripes, workers_, [&](int64_t i) { scatter(adjoint_, parts[i]); });
    if (adjoint_.matrix)
      for (size_t i = 0; i < matrices.size(); ++i) adjoint_.matrix[9 * sample_ + i % 9] += matrices[i];
    if (!adjoint_.image) return;
    const int64_t rows = job_.sources[sample_].height;
    parallel_for(workers_, workers_, [&](int64_t i) {
      collect(adjoint_, parts.data(), stripes, static_cast<int>(rows * i / workers_),
              static_cast<int>(rows * (i + 1) / workers_));
    });
  }

  void copy_gradient() const {
    float* out = reinterpret_cast<float*>(adjoint_.image[sample_]);
    const float* const from = reinterpret_cast<const float*>(grad_.address);
    for (int c = 0; c < job_.channels; ++c)
      for (int y = 0; y < height_; ++y)
        for (int x = 0; x < job_.geometry.width; ++x)
          *out++ = from[c * grad_.channel_stride + y * grad_.row_stride + x * grad_.column_stride];
  }

  static Scratch& scratch() {
    thread_local Scratch mine;
    return mine;
  }

  const SweepAdjoint& adjoint_;
  const Sweep& job_;
  const int64_t sample_;
  const int height_;
  const int64_t pixels_;
  const int blocks_, workers_;
  Source grad_;
};

}  // namespace

void sweep_adjoint(const SweepAdjoint& adjoint, int threads) {
  const Sweep& job = adjoint.job;
  const int64_t elements = static_cast<int64_t>(job.geometry.height) * job.geometry.width * job.channels;
  const int workers = threads_for(2 * job.batch * elements, threads);
  const bool by_sample = workers <= 1 || job.batch >= workers;
  parallel_for(job.batch, by_sample ? workers : 1,
               [&](int64_t sample) { Sample(adjoint, sample, by_sample ? 1 : workers).run(); });
}

}  // namespace visionops
