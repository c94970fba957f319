// What the bindings of all kernels share: checked arrays, and results that Python owns.
#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/vector.h>

#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "common/source.h"

namespace nb = nanobind;

namespace visionops {

template <class T, int N>
using Array = nb::ndarray<const T, nb::ndim<N>, nb::c_contig, nb::device::cpu>;
template <class T, int N>
using MaybeArray = std::optional<Array<T, N>>;

inline void require(bool condition, const char* message) {
  if (!condition) throw std::invalid_argument(message);
}

template <class A>
auto data_of(const std::optional<A>& array) {
  return array ? array->data() : nullptr;
}

// The elements from one sample to the next of an array (batch or 1, ...).
template <class A>
int64_t step_of(const A& array, size_t batch, int64_t size, const char* name) {
  if (array.shape(0) != batch && array.shape(0) != 1)
    throw std::invalid_argument(std::string(name) + " must have one row, or one for each sample");
  return array.shape(0) == 1 ? 0 : size;
}

inline int extent(int64_t n) {
  require(n >= 0 && n < (int64_t{1} << 30), "sizes must be between 0 and 2^30");
  return static_cast<int>(n);
}

inline const Source* check_sources(const Array<int64_t, 2>& sources, int64_t channels, bool may_be_empty) {
  require(sources.shape(1) == 6, "sources must have six columns");
  static_assert(sizeof(Source) == 6 * sizeof(int64_t));
  const auto* rows = reinterpret_cast<const Source*>(sources.data());
  for (size_t b = 0; b < sources.shape(0); ++b) {
    const Source& s = rows[b];
    require(may_be_empty || (s.height > 0 && s.width > 0 && channels > 0), "sources must not be empty");
    require(s.channel_stride >= 0 && s.row_stride >= 0 && s.column_stride >= 0, "strides must not be negative");
    // Offsets within a channel are 32-bit.
    require(extent(s.height) * s.row_stride + extent(s.width) * s.column_stride < (int64_t{1} << 31) - 16,
            "a channel of a source must span less than 2^31 elements");
  }
  return rows;
}

using Doubles = nb::ndarray<nb::numpy, double, nb::ndim<2>>;

// Returns zeros (rows, columns).
inline Doubles zeros(size_t rows, size_t columns) {
  double* const data = new double[rows * columns]();
  return {data, {rows, columns}, nb::capsule(data, [](void* p) noexcept { delete[] static_cast<double*>(p); })};
}

// Each kernel's folder adds its functions to the module.
void bind_bilateral(nb::module_& m);
void bind_box(nb::module_& m);
void bind_brown_conrady(nb::module_& m);
void bind_canny(nb::module_& m);
void bind_color(nb::module_& m);
void bind_dense(nb::module_& m);
void bind_eigen(nb::module_& m);
void bind_epipolar(nb::module_& m);
void bind_filter(nb::module_& m);
void bind_fit(nb::module_& m);
void bind_histogram(nb::module_& m);
void bind_linear(nb::module_& m);
void bind_losses(nb::module_& m);
void bind_minimal(nb::module_& m);
void bind_morphology(nb::module_& m);
void bind_motions(nb::module_& m);
void bind_non_local(nb::module_& m);
void bind_pair(nb::module_& m);
void bind_random(nb::module_& m);
void bind_rank(nb::module_& m);
void bind_recursive(nb::module_& m);
void bind_resize(nb::module_& m);
void bind_stats(nb::module_& m);
void bind_warp(nb::module_& m);

}  // namespace visionops
