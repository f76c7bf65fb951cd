// SPDX-License-Identifier: GPL-2.0-or-later
#include "range_finders.h"

#include <algorithm>
#include <cmath>

namespace scr_robot {

namespace {

constexpr float kReachMetres = 200.0F;
// Pieces of the edges that are farther along the track than a ray reaches are left out.
constexpr float kWindowMetres = 260.0F;
// How far a chord may stray from its arc.
constexpr double kSagittaMetres = 0.02;

struct Point {
  float x, y;
};

// A point of an edge, at a fraction of a segment.
Point EdgePoint(const tTrackSeg& segment, bool left, double fraction) {
  const t3Dd& start = segment.vertex[left ? TR_SL : TR_SR];
  const t3Dd& end = segment.vertex[left ? TR_EL : TR_ER];
  if (segment.type == TR_STR) {
    return {static_cast<float>(start.x + fraction * (end.x - start.x)),
            static_cast<float>(start.y + fraction * (end.y - start.y))};
  }
  const double turned = (segment.type == TR_LFT ? 1.0 : -1.0) * fraction * segment.arc;
  const double east = start.x - segment.center.x;
  const double north = start.y - segment.center.y;
  return {static_cast<float>(segment.center.x + east * std::cos(turned) - north * std::sin(turned)),
          static_cast<float>(segment.center.y + east * std::sin(turned) + north * std::cos(turned))};
}

int Pieces(const tTrackSeg& segment) {
  if (segment.type == TR_STR) {
    return 1;
  }
  const double radius = std::max(segment.radiusl, segment.radiusr);
  const double step = 2.0 * std::acos(std::max(0.0, 1.0 - kSagittaMetres / radius));
  return std::max(1, static_cast<int>(std::ceil(segment.arc / step)));
}

}  // namespace

RangeFinders::Ranges RangeFinders::Nothing() {
  Ranges ranges;
  ranges.fill(-1.0F);
  return ranges;
}

void RangeFinders::Survey(const tTrack* track) {
  chords_.clear();
  length_metres_ = track->length;
  const tTrackSeg* segment = track->seg->next;
  for (int i = 0; i < track->nseg; ++i, segment = segment->next) {
    const int pieces = Pieces(*segment);
    for (const bool left : {true, false}) {
      for (int piece = 0; piece < pieces; ++piece) {
        const double begins = static_cast<double>(piece) / pieces;
        const Point start = EdgePoint(*segment, left, begins);
        const Point end = EdgePoint(*segment, left, static_cast<double>(piece + 1) / pieces);
        chords_.push_back({start.x, start.y, end.x - start.x, end.y - start.y,
                           segment->lgfromstart + static_cast<float>(begins) * segment->length});
      }
    }
  }
}

RangeFinders::Ranges RangeFinders::Measure(const tCarElt& car) const {
  const float x = car._pos_X;
  const float y = car._pos_Y;
  std::array<float, kRangeFinders> east;
  std::array<float, kRangeFinders> north;
  Ranges ranges;
  ranges.fill(kReachMetres);
  for (std::size_t i = 0; i < kRangeFinders; ++i) {
    east[i] = std::cos(car._yaw - angles_[i]);
    north[i] = std::sin(car._yaw - angles_[i]);
  }
  for (const Chord& chord : chords_) {
    const float ahead = std::remainder(chord.distance - car._distFromStartLine, length_metres_);
    if (std::fabs(ahead) > kWindowMetres) {
      continue;
    }
    const float to_x = chord.start_x - x;
    const float to_y = chord.start_y - y;
    const float moment = to_x * chord.along_y - to_y * chord.along_x;
    for (std::size_t i = 0; i < kRangeFinders; ++i) {
      // Solves position + range * direction = start + share * along.
      const float slope = east[i] * chord.along_y - north[i] * chord.along_x;
      const float inverse = 1.0F / slope;
      const float range = moment * inverse;
      const float share = (to_x * north[i] - to_y * east[i]) * inverse;
      // False where they are parallel, as comparisons with NaN and infinity are.
      const bool hits = share >= 0.0F && share <= 1.0F && range >= 0.0F && range < ranges[i];
      ranges[i] = hits ? range : ranges[i];
    }
  }
  return ranges;
}

}  // namespace scr_robot
