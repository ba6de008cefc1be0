#include "server/listen_address.h"

#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "base/text/host_port.h"

namespace qstore::server {
namespace {

// 0, or the errno of what failed.
int TryToBind(const addrinfo& address) {
  const int descriptor =
      socket(address.ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (descriptor < 0) return errno;
  // As the server does: connections of a daemon before it do not count.
  const int on = 1;
  setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  // Another one listens there only if listening fails too.
  const int result = bind(descriptor, address.ai_addr, address.ai_addrlen) == 0
                         ? listen(descriptor, 1)
                         : -1;
  const int error = result == 0 ? 0 : errno;
  close(descriptor);
  return error;
}

absl::Status CannotListen(const std::string& address, const std::string& reason,
                          const char* advice) {
  return absl::UnavailableError(
      absl::StrCat("cannot listen on ", address, ": ", reason, advice));
}

const char* AdviceOn(int error) {
  switch (error) {
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

}  // namespace

absl::Status CheckCanListen(const std::string& listen) {
  const auto address = ParseHostPort(listen, /*least_port=*/0);
  if (!address.ok()) return Annotate(address.status(), "--listen");
  addrinfo hints = {};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  const int resolved =
      getaddrinfo(address->host.c_str(), std::to_string(address->port).c_str(),
                  &hints, &found);
  if (resolved != 0) {
    return CannotListen(listen, gai_strerror(resolved), "");
  }
  int error = 0;
  for (const addrinfo* one = found; one != nullptr; one = one->ai_next) {
    error = TryToBind(*one);
    // gRPC is content with one of them.
    if (error == 0) break;
  }
  freeaddrinfo(found);
  if (error == 0) return absl::OkStatus();
  return CannotListen(listen, std::generic_category().message(error),
                      AdviceOn(error));
}

}  // namespace qstore::server
