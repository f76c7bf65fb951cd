// Settings from environment variables: a race's description has no room for them.
// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <cstdlib>
#include <string>

namespace scr_robot {

inline std::string TextSetting(const char* name) {
  const char* text = std::getenv(name);
  return text == nullptr ? std::string() : std::string(text);
}

// The number a variable holds; the default where it is unset or no number.
inline double NumberSetting(const char* name, double otherwise) {
  const std::string text = TextSetting(name);
  char* end = nullptr;
  const double number = std::strtod(text.c_str(), &end);
  return text.empty() || *end != '\0' ? otherwise : number;
}

}  // namespace scr_robot
