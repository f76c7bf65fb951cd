// SPDX-License-Identifier: GPL-2.0-or-later
#include "message.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace scr_robot {

namespace {

// Where the numbers of "(name" begin; null where there is no such item.
const char* Find(const std::string& text, const char* name) {
  const std::string opening = "(" + std::string(name) + " ";
  const char* found = std::strstr(text.c_str(), opening.c_str());
  return found == nullptr ? nullptr : found + opening.size();
}

float Number(const std::string& text, const char* name, float least, float most) {
  const char* found = Find(text, name);
  const float value = found == nullptr ? 0.0F : std::strtof(found, nullptr);
  return std::isfinite(value) ? std::clamp(value, least, most) : 0.0F;
}

}  // namespace

void Sensors::Write(const char* name, const float* values, std::size_t count) {
  text_.append("(").append(name);
  char number[32];
  for (std::size_t i = 0; i < count; ++i) {
    // Nine digits tell any two floats apart.
    std::snprintf(number, sizeof number, " %.9g", static_cast<double>(values[i]));
    text_.append(number);
  }
  text_.append(")");
}

Action ParseAction(const std::string& text) {
  Action action;
  action.steer = Number(text, "steer", -1.0F, 1.0F);
  action.accelerate = Number(text, "accel", 0.0F, 1.0F);
  action.brake = Number(text, "brake", 0.0F, 1.0F);
  action.clutch = Number(text, "clutch", 0.0F, 1.0F);
  action.gear = static_cast<int>(Number(text, "gear", -1.0F, 6.0F));
  action.restart = Number(text, "meta", 0.0F, 1.0F) != 0.0F;
  return action;
}

std::array<float, kRangeFinders> ParseAngles(const std::string& text) {
  std::array<float, kRangeFinders> angles{};
  const char* next = Find(text, "init");
  for (std::size_t i = 0; i < kRangeFinders; ++i) {
    char* end = nullptr;
    const float degrees = next == nullptr ? 0.0F : std::strtof(next, &end);
    const bool given = next != nullptr && end != next && std::isfinite(degrees);
    next = given ? end : nullptr;
    angles[i] = (given ? degrees : 10.0F * static_cast<float>(i) - 90.0F) * static_cast<float>(M_PI / 180.0);
  }
  return angles;
}

std::array<float, kOpponentSensors> OpponentDistances(const tCarElt& car, const tSituation& situation) {
  constexpr float kReachMetres = 200.0F;
  std::array<float, kOpponentSensors> distances;
  distances.fill(kReachMetres);
  for (int i = 0; i < situation._ncars; ++i) {
    const tCarElt& other = *situation.cars[i];
    if (other.index == car.index || (other._state & RM_CAR_STATE_NO_SIMU) != 0) {
      continue;
    }
    const double east = other._pos_X - car._pos_X;
    const double north = other._pos_Y - car._pos_Y;
    const double clockwise = std::remainder(car._yaw - std::atan2(north, east), 2.0 * M_PI);
    const int sector = static_cast<int>((clockwise + M_PI) / (2.0 * M_PI) * kOpponentSensors);
    float& nearest = distances[std::clamp<int>(sector, 0, kOpponentSensors - 1)];
    nearest = std::min(nearest, static_cast<float>(std::hypot(east, north)));
  }
  return distances;
}

}  // namespace scr_robot
