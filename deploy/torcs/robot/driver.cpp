// SPDX-License-Identifier: GPL-2.0-or-later
#include "driver.h"

#include <robot.h>
#include <robottools.h>
#include <tgf.h>
#include <unistd.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>

#include "message.h"
#include "settings.h"

namespace scr_robot {

Driver::~Driver() { link_.Send("***shutdown***"); }

void* Driver::NewTrack(tTrack* track) {
  track_ = track;
  range_finders_.Survey(track);
  void* own = GfParmReadFile("drivers/scr/car.xml", GFPARM_RMODE_REREAD | GFPARM_RMODE_CREAT);
  GfParmSetNum(own, SECT_CAR, PRM_FUEL, nullptr, static_cast<tdble>(NumberSetting("SCR_FUEL_LITRES", 20.0)));
  return own;
}

void Driver::NewRace() {
  started_ = false;
  link_.Open(index_);
  range_finders_.Aim(link_.AwaitClient());
}

void Driver::Drive(tCarElt* car, const tSituation* situation) {
  // Before the start the cars stand whatever they are told, and the client would only wait.
  if (situation->currentTime < 0.0) {
    return;
  }
  if (!started_) {
    started_ = true;
    first_distance_metres_ = car->_distRaced;
  }
  const float angle = static_cast<float>(std::remainder(RtTrackSideTgAngleL(&car->_trkPos) - car->_yaw, 2.0 * M_PI));
  const float track_position = 2.0F * car->_trkPos.toMiddle / car->_trkPos.seg->width;

  Sensors sensors;
  sensors.Add("angle", angle);
  sensors.Add("curLapTime", car->_curLapTime);
  sensors.Add("damage", static_cast<float>(car->_dammage));
  sensors.Add("distFromStart", car->_distFromStartLine);
  sensors.Add("distRaced", car->_distRaced - first_distance_metres_);
  sensors.Add("fuel", car->_fuel);
  sensors.Add("gear", static_cast<float>(car->_gear));
  sensors.Add("lastLapTime", static_cast<float>(car->_lastLapTime));
  sensors.Add("opponents", OpponentDistances(*car, *situation));
  sensors.Add("racePos", static_cast<float>(car->_pos));
  sensors.Add("rpm", car->_enginerpm * static_cast<float>(30.0 / M_PI));
  sensors.Add("speedX", car->_speed_x * 3.6F);
  sensors.Add("speedY", car->_speed_y * 3.6F);
  sensors.Add("speedZ", car->_speed_z * 3.6F);
  sensors.Add("track", std::fabs(track_position) > 1.0F ? RangeFinders::Nothing() : range_finders_.Measure(*car));
  sensors.Add("trackPos", track_position);
  sensors.Add("wheelSpinVel", std::array<float, 4>{car->_wheelSpinVel(0), car->_wheelSpinVel(1),
                                                   car->_wheelSpinVel(2), car->_wheelSpinVel(3)});
  sensors.Add("z", car->_pos_Z - RtTrackHeightL(&car->_trkPos));
  sensors.Add("focus", std::array<float, 5>{-1.0F, -1.0F, -1.0F, -1.0F, -1.0F});
  link_.Send(sensors.Text());

  const Action action = ParseAction(link_.AwaitAnswer());
  if (action.restart) {
    Restart();
  }
  car->_steerCmd = action.steer;
  car->_accelCmd = action.accelerate;
  car->_brakeCmd = action.brake;
  car->_clutchCmd = action.clutch;
  car->_gearCmd = action.gear;
}

// A robot cannot begin a race anew, so the process ends and whoever started it starts the next.
void Driver::Restart() {
  link_.Send("***restart***");
  std::fflush(nullptr);
  _exit(EXIT_SUCCESS);
}

}  // namespace scr_robot
