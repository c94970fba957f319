#include "warp/domain.h"

#include <algorithm>

namespace visionops {

Span clip(Span span, const double planes[4][3], int v) {
  for (int i = 0; i < 4; ++i) {
    const double a = planes[i][0], b = planes[i][1], c = planes[i][2];
    auto outside = [=](int u) { return a * u + b * v + c < 0; };
    if (!(a != 0)) {
      if (outside(span.begin)) return {span.begin, span.begin};
      continue;
    }
    // The crossing as a starting point; the comparison itself, which is monotone along the row, decides.
    const double crossing = -(b * v + c) / a;
    int u = static_cast<int>(std::min<double>(span.end, std::max<double>(span.begin, crossing)));
    if (a > 0) {
      while (u > span.begin && !outside(u - 1)) --u;
      while (u < span.end && outside(u)) ++u;
      span.begin = u;
    } else {
      while (u > span.begin && outside(u - 1)) --u;
      while (u < span.end && !outside(u)) ++u;
      span.end = u;
    }
    if (span.begin >= span.end) return {span.begin, span.begin};
  }
  return span;
}

}  // namespace visionops
