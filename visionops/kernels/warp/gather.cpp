#include "warp/gather.h"

#define VISIONOPS_ISA portable
#include "common/parallel.h"
#include "warp/domain.h"
#include "warp/positions.h"
#include "warp/view.h"

namespace visionops {
namespace {

using portable::Positions;
using portable::Run;

template <class T>
void gather_row(const Gather& job, int64_t sample, int row) {
  const Geometry& geometry = job.geometry;
  const Source& source = job.sources[sample];
  const int height = static_cast<int>(source.height), width = static_cast<int>(source.width);
  const bool constant = job.border == Border::constant;
  const int factors[2] = {1, 1};
  const T* const data = reinterpret_cast<const T*>(source.address);
  const int64_t plane = static_cast<int64_t>(geometry.height) * geometry.width;
  T* const out = reinterpret_cast<T*>(job.outputs[sample]) + static_cast<int64_t>(row) * geometry.width;
  const Span inside = inside_domains(
      geometry.planes_of(sample), geometry.domains, geometry.width, row, [&](int domain, Span span) {
        for (int c = 0; c < job.channels; ++c)
          std::fill(out + c * plane + span.begin, out + c * plane + span.end,
                    static_cast<T>(job.fills[domain * job.channels + c]));
      });
  Positions at;
  int64_t offset[RUN];
  bool filled[RUN];
  for (int column = inside.begin; column < inside.end; column += RUN) {
    const Run run = portable::make_run(row, column, inside.end);
    if (const float* map = geometry.map_of(sample))
      portable::map_positions(map, geometry.width, run, NEAREST_BIAS, factors, at);
    else
      portable::exact_positions(geometry.matrix_of(sample), run, NEAREST_BIAS, at);
    for (int i = 0; i < run.count; ++i) {
      const int x = portable::fold(at.x[i], width, job.border), y = portable::fold(at.y[i], height, job.border);
      filled[i] = at.lost[i] || (constant && (x != at.x[i] || y != at.y[i]));
      offset[i] = y * source.row_stride + x * source.column_stride;
    }
    for (int c = 0; c < job.channels; ++c) {
      const T* const from = data + c * source.channel_stride;
      const T fill = static_cast<T>(job.fill[c]);
      T* const to = out + c * plane + column;
      for (int i = 0; i < run.count; ++i) to[i] = filled[i] ? fill : from[offset[i]];
    }
  }
}

}  // namespace

void gather_nearest(const Gather& job, int threads) {
  const int64_t rows = job.geometry.height;
  const int workers = threads_for(job.batch * rows * job.geometry.width * job.channels, threads);
  const auto kernel = job.itemsize == 1   ? gather_row<uint8_t>
                      : job.itemsize == 2 ? gather_row<uint16_t>
                      : job.itemsize == 4 ? gather_row<uint32_t>
                                          : gather_row<uint64_t>;
  const int64_t chunks = (rows + SUM_ROWS - 1) / SUM_ROWS;
  parallel_for(job.batch * chunks, workers, [&](int64_t i) {
    const int64_t end = std::min(rows, (i % chunks + 1) * SUM_ROWS);
    for (int64_t row = i % chunks * SUM_ROWS; row < end; ++row) kernel(job, i / chunks, static_cast<int>(row));
  });
}

}  // namespace visionops
