#include "server/connections/listening_sockets.h"

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstring>
#include <memory>
#include <optional>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "base/text/host_port.h"

namespace qstore::server {
namespace {

const char* AdviceOn(int error_number) {
  switch (error_number) {
    case EADDRINUSE:
      return "; is another qstored running?";
    case EACCES:
      return "; ports below 1024 are the administrator's";
    case EADDRNOTAVAIL:
      return "; no interface of this machine has that address";
    default:
      return "";
  }
}

absl::Status CannotListen(const std::string& address, const std::string& why) {
  return absl::UnavailableError(
      absl::StrCat("cannot listen on ", address, ": ", why));
}

absl::Status CannotListen(const std::string& address, int error_number) {
  return CannotListen(
      address, absl::StrCat(std::generic_category().message(error_number),
                            AdviceOn(error_number)));
}

using Addresses = std::unique_ptr<addrinfo, decltype(&freeaddrinfo)>;

absl::StatusOr<Addresses> Resolve(const HostPort& host_port,
                                  const std::string& address) {
  addrinfo hints = {};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  const int error =
      getaddrinfo(host_port.host.c_str(), absl::StrCat(host_port.port).c_str(),
                  &hints, &found);
  if (error != 0) return CannotListen(address, gai_strerror(error));
  return Addresses(found, &freeaddrinfo);
}

void SetPort(uint16_t port, sockaddr_storage* address) {
  if (address->ss_family == AF_INET6) {
    reinterpret_cast<sockaddr_in6*>(address)->sin6_port = htons(port);
  } else {
    reinterpret_cast<sockaddr_in*>(address)->sin_port = htons(port);
  }
}

uint16_t PortOf(int descriptor) {
  sockaddr_storage address = {};
  socklen_t size = sizeof(address);
  getsockname(descriptor, reinterpret_cast<sockaddr*>(&address), &size);
  return ntohs(address.ss_family == AF_INET6
                   ? reinterpret_cast<sockaddr_in6*>(&address)->sin6_port
                   : reinterpret_cast<sockaddr_in*>(&address)->sin_port);
}

// The socket, or a negative errno.
int OpenSocket(const sockaddr_storage& address, bool both_families) {
  const int descriptor =
      socket(address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (descriptor < 0) return -errno;
  const int on = 1;
  const int ipv6_only = both_families ? 0 : 1;
  setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  // What is accepted has it too.
  setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  if (address.ss_family == AF_INET6) {
    setsockopt(descriptor, IPPROTO_IPV6, IPV6_V6ONLY, &ipv6_only,
               sizeof(ipv6_only));
  }
  const socklen_t size = address.ss_family == AF_INET6 ? sizeof(sockaddr_in6)
                                                       : sizeof(sockaddr_in);
  if (bind(descriptor, reinterpret_cast<const sockaddr*>(&address), size) !=
          0 ||
      listen(descriptor, SOMAXCONN) != 0) {
    const int error_number = errno;
    close(descriptor);
    return -error_number;
  }
  return descriptor;
}

// What this machine does not have is not what it was asked for.
bool IsMissingHere(int error_number) {
  return error_number == EADDRNOTAVAIL || error_number == EAFNOSUPPORT;
}

bool IsEveryAddress(const std::string& host) {
  return host == "0.0.0.0" || host == "::";
}

}  // namespace

absl::StatusOr<ListeningSockets> ListeningSockets::Open(
    const std::string& host_port) {
  const absl::StatusOr<HostPort> parsed =
      ParseHostPort(host_port, /*least_port=*/0);
  if (!parsed.ok()) return Annotate(parsed.status(), "--listen");
  ListeningSockets sockets;
  uint16_t port = parsed->port;
  int error_number = EADDRNOTAVAIL;
  const auto open = [&](const sockaddr_storage& wanted, bool both_families) {
    sockaddr_storage address = wanted;
    SetPort(port, &address);
    const int descriptor = OpenSocket(address, both_families);
    if (descriptor < 0) {
      error_number = -descriptor;
      return false;
    }
    sockets.descriptors_.push_back(descriptor);
    port = PortOf(descriptor);
    return true;
  };
  if (IsEveryAddress(parsed->host)) {
    sockaddr_storage every = {};
    every.ss_family = AF_INET6;
    if (!open(every, /*both_families=*/true) && IsMissingHere(error_number)) {
      every.ss_family = AF_INET;
      open(every, false);
    }
  } else {
    QSTORE_ASSIGN_OR_RETURN(const Addresses addresses,
                            Resolve(*parsed, host_port));
    for (const addrinfo* each = addresses.get(); each != nullptr;
         each = each->ai_next) {
      if (each->ai_family != AF_INET && each->ai_family != AF_INET6) continue;
      sockaddr_storage address = {};
      std::memcpy(&address, each->ai_addr, each->ai_addrlen);
      if (!open(address, false) && !IsMissingHere(error_number)) {
        return CannotListen(host_port, error_number);
      }
    }
  }
  if (sockets.descriptors_.empty()) {
    return CannotListen(host_port, error_number);
  }
  sockets.address_ =
      absl::StrCat(host_port.substr(0, host_port.rfind(':')), ":", port);
  return sockets;
}

ListeningSockets& ListeningSockets::operator=(
    ListeningSockets&& other) noexcept {
  if (this != &other) {
    Close();
    descriptors_ = std::exchange(other.descriptors_, {});
    address_ = std::move(other.address_);
  }
  return *this;
}

void ListeningSockets::SetUserTimeout(std::chrono::milliseconds timeout) {
  const unsigned milliseconds =
      static_cast<unsigned>(std::clamp<int64_t>(timeout.count(), 0, UINT_MAX));
  for (const int descriptor : descriptors_) {
    setsockopt(descriptor, IPPROTO_TCP, TCP_USER_TIMEOUT, &milliseconds,
               sizeof(milliseconds));
  }
}

void ListeningSockets::Close() {
  for (const int descriptor : descriptors_) close(descriptor);
  descriptors_.clear();
}

}  // namespace qstore::server
