// The module's entry point: TORCS looks up a function with the module's name, and calls the robot through it.
// SPDX-License-Identifier: GPL-2.0-or-later

#include <car.h>
#include <raceman.h>
#include <robot.h>
#include <tgf.h>
#include <track.h>

#include <memory>

#include "driver.h"

namespace {

constexpr int kDrivers = 10;
const char* const kNames[kDrivers] = {"scr 1", "scr 2", "scr 3", "scr 4", "scr 5",
                                      "scr 6", "scr 7", "scr 8", "scr 9", "scr 10"};

std::unique_ptr<scr_robot::Driver> drivers[kDrivers];

void NewTrack(int index, tTrack* track, void* /*car_parameters*/, void** own_parameters, tSituation* /*situation*/) {
  *own_parameters = drivers[index]->NewTrack(track);
}

void NewRace(int index, tCarElt* /*car*/, tSituation* /*situation*/) { drivers[index]->NewRace(); }

void Drive(int index, tCarElt* car, tSituation* situation) { drivers[index]->Drive(car, situation); }

int PitCommand(int /*index*/, tCarElt* /*car*/, tSituation* /*situation*/) { return ROB_PIT_IM; }

void Shutdown(int index) { drivers[index].reset(); }

int Init(int index, void* interface) {
  auto* robot = static_cast<tRobotItf*>(interface);
  drivers[index] = std::make_unique<scr_robot::Driver>(index);
  robot->rbNewTrack = NewTrack;
  robot->rbNewRace = NewRace;
  robot->rbEndRace = nullptr;
  robot->rbDrive = Drive;
  robot->rbPitCmd = PitCommand;
  robot->rbShutdown = Shutdown;
  robot->index = index;
  return 0;
}

}  // namespace

extern "C" int scr(tModInfo* modules) {
  for (int index = 0; index < kDrivers; ++index) {
    modules[index] = tModInfo{};
    modules[index].name = const_cast<char*>(kNames[index]);
    modules[index].desc = const_cast<char*>("driven over UDP by the SCR protocol");
    modules[index].fctInit = Init;
    modules[index].gfId = ROB_IDENT;
    modules[index].index = index;
  }
  return 0;
}
