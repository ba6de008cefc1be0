// Sockets that clients connect to.
#pragma once

#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"

namespace qstore::server {

// Movable; closes them on destruction.
class ListeningSockets {
 public:
  // "HOST:PORT", "[::1]:PORT"; port 0: a free one. A host of several addresses
  // is listened to on all that this machine has. 0.0.0.0 and [::] are all
  // addresses, of IPv6 too where there is any. INVALID_ARGUMENT: it is no such
  // address. UNAVAILABLE: with the system's reason (taken, not permitted, not
  // of this machine), for whoever started the daemon.
  static absl::StatusOr<ListeningSockets> Open(const std::string& host_port);

  ListeningSockets(ListeningSockets&& other) noexcept
      : descriptors_(std::exchange(other.descriptors_, {})),
        address_(std::move(other.address_)) {}
  ListeningSockets& operator=(ListeningSockets&& other) noexcept;
  ~ListeningSockets() { Close(); }

  // None any more.
  void Close();

  // Bytes that are sent and not taken may wait as long for the peer.
  void SetUserTimeout(std::chrono::milliseconds timeout);

  const std::vector<int>& descriptors() const { return descriptors_; }
  // With the host as it was given and the real port.
  const std::string& address() const { return address_; }

 private:
  ListeningSockets() = default;

  std::vector<int> descriptors_;
  std::string address_;
};

}  // namespace qstore::server
