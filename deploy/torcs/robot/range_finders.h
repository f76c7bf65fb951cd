// Range finders: how far it is from the car to the edge of the road, in nineteen directions.
// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <car.h>
#include <track.h>

#include <array>
#include <vector>

#include "message.h"

namespace scr_robot {

class RangeFinders {
 public:
  using Ranges = std::array<float, kRangeFinders>;

  // What is measured off the road.
  static Ranges Nothing();

  // Takes in the edges of the track's road.
  void Survey(const tTrack* track);
  // Sets the directions, in radians clockwise from the car's axis.
  void Aim(const std::array<float, kRangeFinders>& angles) { angles_ = angles; }
  // Metres to the nearest edge in each direction, 200 at most.
  Ranges Measure(const tCarElt& car) const;

 private:
  // A piece of an edge, straight: curves are cut into pieces that stray from them by centimetres.
  struct Chord {
    float start_x, start_y, along_x, along_y;
    // Metres along the track from the start line, of its beginning.
    float distance;
  };

  std::array<float, kRangeFinders> angles_{};
  std::vector<Chord> chords_;
  float length_metres_ = 0.0F;
};

}  // namespace scr_robot
