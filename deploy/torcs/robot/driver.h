// One robot: tells its client what the car senses every 20 ms of the race, and does what the client answers.
// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <car.h>
#include <raceman.h>
#include <track.h>

#include "link.h"
#include "range_finders.h"

namespace scr_robot {

class Driver {
 public:
  explicit Driver(int index) : index_(index) {}
  ~Driver();

  // Takes in the track; returns this robot's changes of the car: the fuel to start with.
  void* NewTrack(tTrack* track);
  // Waits for the client; ends the process if none comes in time.
  void NewRace();
  // One exchange with the client, which the race waits for; ends the process if no answer comes in time.
  void Drive(tCarElt* car, const tSituation* situation);

 private:
  void Restart();

  int index_;
  tTrack* track_ = nullptr;
  Link link_;
  RangeFinders range_finders_;
  bool started_ = false;
  float first_distance_metres_ = 0.0F;
};

}  // namespace scr_robot
