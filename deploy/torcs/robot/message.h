// The protocol's texts: sensors out, "(name value ...)" after one another, and actions in, in the same form.
// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <car.h>
#include <raceman.h>

#include <array>
#include <cstddef>
#include <string>

namespace scr_robot {

constexpr std::size_t kRangeFinders = 19;
constexpr std::size_t kOpponentSensors = 36;

class Sensors {
 public:
  Sensors() { text_.reserve(2048); }

  void Add(const char* name, float value) { Write(name, &value, 1); }

  template <std::size_t N>
  void Add(const char* name, const std::array<float, N>& values) {
    Write(name, values.data(), N);
  }

  const std::string& Text() const { return text_; }

 private:
  void Write(const char* name, const float* values, std::size_t count);

  std::string text_;
};

struct Action {
  float steer = 0.0F;
  float accelerate = 0.0F;
  float brake = 0.0F;
  float clutch = 0.0F;
  int gear = 0;
  bool restart = false;
};

// What the text asks for, each within its bounds; what it leaves out, or gives as no number, is 0.
Action ParseAction(const std::string& text);

// The angles of "(init a b ...)" in radians, clockwise from the car's axis; those every 10 degrees where it has none.
std::array<float, kRangeFinders> ParseAngles(const std::string& text);

// To the nearest other car within 200 m in each of 36 sectors of 10 degrees, clockwise from straight behind.
std::array<float, kOpponentSensors> OpponentDistances(const tCarElt& car, const tSituation& situation);

}  // namespace scr_robot
