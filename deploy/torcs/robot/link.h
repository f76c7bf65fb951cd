// The robot's side of the UDP connection to its client.
// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <netinet/in.h>

#include <array>
#include <string>

#include "message.h"

namespace scr_robot {

class Link {
 public:
  Link() = default;
  Link(const Link&) = delete;
  Link& operator=(const Link&) = delete;
  ~Link();

  // Listens on 127.0.0.1 at SCR_PORT + index, 3001 + index if not given, or on a free port if SCR_PORT is 0; then writes
  // the port into the file that SCR_READY_FILE names, if any. Ends the process where that fails.
  void Open(int index);
  // The first client's range finder angles; ends the process after SCR_CLIENT_SECONDS (60) without one.
  std::array<float, kRangeFinders> AwaitClient();
  // The client's next message; ends the process after SCR_ANSWER_SECONDS (30) without one.
  std::string AwaitAnswer();
  // Sends to the client, if there is one.
  void Send(const std::string& text) const;

 private:
  std::string Receive(double seconds, const char* what);

  int socket_ = -1;
  sockaddr_in client_{};
  bool has_client_ = false;
};

}  // namespace scr_robot
