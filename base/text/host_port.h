// Addresses as people write them: HOST:PORT.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"

namespace qstore {

struct HostPort {
  std::string host;  // an IPv6 address without its brackets
  uint16_t port = 0;

  // Whether the host is this machine: 127.0.0.0/8, ::1 or localhost.
  bool is_loopback() const;
};

// "store:7350", "10.0.0.7:7350", "[::1]:7350". INVALID_ARGUMENT, in words that
// follow the option's name, says what is wrong and what to write: a missing
// host or port, a port that is no number from `least_port` to 65535, a scheme
// such as "http://", an IPv6 address without brackets.
absl::StatusOr<HostPort> ParseHostPort(const std::string& text,
                                       uint16_t least_port = 1);

}  // namespace qstore
