// Domains: the half-planes outside of which a row takes fills instead of samples.
#pragma once

namespace visionops {

// The pixels [begin, end) of a row. One that is empty has begin == end.
struct Span {
  int begin, end;
};

// Returns the part of `span` on row `v` where a u + b v + c is not negative for all four half-planes of a domain.
Span clip(Span span, const double planes[4][3], int v);

// Returns the part of row `v` inside all domains. `left(domain, span)` is called with what leaves each of them,
// having been inside those before it.
template <class Left>
Span inside_domains(const double* planes, int domains, int width, int v, Left left) {
  Span span{0, width};
  for (int d = 0; d < domains; ++d) {
    const Span in = clip(span, reinterpret_cast<const double(*)[3]>(planes + 12 * d), v);
    if (in.begin > span.begin) left(d, Span{span.begin, in.begin});
    if (in.end < span.end) left(d, Span{in.end, span.end});
    span = in;
  }
  return span;
}

}  // namespace visionops
