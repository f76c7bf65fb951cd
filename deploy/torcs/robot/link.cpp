// SPDX-License-Identifier: GPL-2.0-or-later
#include "link.h"

#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "settings.h"

namespace scr_robot {

namespace {

constexpr double kDefaultPort = 3001;
constexpr std::size_t kMessageBytes = 4096;

// TORCS has no way for a robot to fail, and a race without its client would go on for ever.
[[noreturn]] void Fail(const std::string& sentence) {
  std::fprintf(stderr, "scr: %s\n", sentence.c_str());
  std::fflush(nullptr);
  _exit(EXIT_FAILURE);
}

std::string Reason() { return std::strerror(errno); }

void Announce(int port) {
  const std::string path = TextSetting("SCR_READY_FILE");
  if (path.empty()) {
    return;
  }
  // Renamed into place, so that whoever waits for it never reads half of it.
  const std::string part = path + ".part";
  std::FILE* file = std::fopen(part.c_str(), "w");
  if (file == nullptr || std::fprintf(file, "%d\n", port) < 0 || std::fclose(file) != 0 ||
      std::rename(part.c_str(), path.c_str()) != 0) {
    Fail("cannot write " + path + ": " + Reason());
  }
}

}  // namespace

Link::~Link() {
  if (socket_ >= 0) {
    close(socket_);
  }
}

void Link::Open(int index) {
  if (socket_ >= 0) {
    close(socket_);
  }
  has_client_ = false;
  const int first = static_cast<int>(NumberSetting("SCR_PORT", kDefaultPort));
  sockaddr_in own{};
  own.sin_family = AF_INET;
  own.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  own.sin_port = htons(static_cast<std::uint16_t>(first == 0 ? 0 : first + index));
  socket_ = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  socklen_t size = sizeof own;
  if (socket_ < 0 || bind(socket_, reinterpret_cast<sockaddr*>(&own), sizeof own) != 0 ||
      getsockname(socket_, reinterpret_cast<sockaddr*>(&own), &size) != 0) {
    Fail("cannot listen on 127.0.0.1:" + std::to_string(first == 0 ? 0 : first + index) + ": " + Reason());
  }
  std::fprintf(stderr, "scr: listening on 127.0.0.1:%d\n", ntohs(own.sin_port));
  Announce(ntohs(own.sin_port));
}

std::array<float, kRangeFinders> Link::AwaitClient() {
  for (;;) {
    const std::string text = Receive(NumberSetting("SCR_CLIENT_SECONDS", 60.0), "no client has identified itself");
    if (text.find("(init") != std::string::npos || text.rfind("SCR", 0) == 0) {
      has_client_ = true;
      Send("***identified***");
      return ParseAngles(text);
    }
  }
}

std::string Link::AwaitAnswer() {
  for (;;) {
    const std::string text = Receive(NumberSetting("SCR_ANSWER_SECONDS", 30.0), "the client has not answered");
    // A client that asked twice before it was heard.
    if (text.find("(init") == std::string::npos) {
      return text;
    }
  }
}

void Link::Send(const std::string& text) const {
  // A datagram that is lost is missed by the client, whose deadline tells.
  if (has_client_) {
    sendto(socket_, text.c_str(), text.size() + 1, 0, reinterpret_cast<const sockaddr*>(&client_), sizeof client_);
  }
}

std::string Link::Receive(double seconds, const char* what) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds);
  for (;;) {
    const std::chrono::duration<double, std::milli> left = deadline - std::chrono::steady_clock::now();
    pollfd waiting{socket_, POLLIN, 0};
    const int ready = left.count() <= 0.0 ? 0 : poll(&waiting, 1, static_cast<int>(left.count()) + 1);
    if (ready == 0) {
      Send("***shutdown***");
      Fail(std::string(what) + " within " + std::to_string(seconds) + " s");
    }
    if (ready < 0) {
      if (errno == EINTR) {
        continue;
      }
      Fail("cannot wait for the client: " + Reason());
    }
    char buffer[kMessageBytes];
    sockaddr_in sender{};
    socklen_t size = sizeof sender;
    const ssize_t bytes =
        recvfrom(socket_, buffer, sizeof buffer - 1, 0, reinterpret_cast<sockaddr*>(&sender), &size);
    if (bytes < 0) {
      // An answer of the network to something sent earlier, such as that nobody listens there any more.
      continue;
    }
    const bool known = sender.sin_port == client_.sin_port && sender.sin_addr.s_addr == client_.sin_addr.s_addr;
    if (has_client_ && !known) {
      continue;
    }
    client_ = sender;
    buffer[bytes] = '\0';
    return std::string(buffer);
  }
}

}  // namespace scr_robot
