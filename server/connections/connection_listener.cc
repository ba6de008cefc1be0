#include "server/connections/connection_listener.h"

#include <fcntl.h>
#include <poll.h>
#include <spdlog/spdlog.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/connections/peer_address.h"

namespace qstore::server {
namespace {

constexpr std::chrono::seconds kWarningInterval{10};
// After an error that is not the client's.
constexpr int kPauseMilliseconds = 50;
// From one socket, before the others and the end are looked at.
constexpr int kAcceptedAtOnce = 64;

int OpenSpare() { return open("/dev/null", O_RDONLY | O_CLOEXEC); }

// Of the one connection, or of nothing that matters.
bool IsPassing(int error_number) {
  switch (error_number) {
    case EINTR:
    case ECONNABORTED:
    case EPROTO:
    case ENOPROTOOPT:
    case EHOSTDOWN:
    case EHOSTUNREACH:
    case ENETDOWN:
    case ENETUNREACH:
    case ENONET:
    case EOPNOTSUPP:
    case EPERM:  // a firewall's
      return true;
    default:
      return false;
  }
}

}  // namespace

ConnectionListener::ConnectionListener(ListeningSockets sockets,
                                       size_t max_connections,
                                       HandOver hand_over)
    : sockets_(std::move(sockets)),
      hand_over_(std::move(hand_over)),
      table_(max_connections),
      wake_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      spare_(OpenSpare()) {}

void ConnectionListener::Start() {
  thread_ = std::thread([this] { Run(); });
}

void ConnectionListener::Stop() {
  if (thread_.joinable()) {
    const uint64_t one = 1;
    const ssize_t written = write(wake_, &one, sizeof(one));
    static_cast<void>(written);  // an eventfd has room for it
    thread_.join();
  }
  for (int* const descriptor : {&wake_, &spare_}) {
    if (*descriptor >= 0) close(std::exchange(*descriptor, -1));
  }
  sockets_.Close();
}

void ConnectionListener::Run() {
  std::vector<pollfd> waits;
  waits.push_back({.fd = wake_, .events = POLLIN, .revents = 0});
  for (const int listener : sockets_.descriptors()) {
    waits.push_back({.fd = listener, .events = POLLIN, .revents = 0});
  }
  while (true) {
    if (poll(waits.data(), waits.size(), /*timeout=*/-1) < 0) continue;
    if (waits[0].revents != 0) return;
    for (size_t i = 1; i < waits.size(); ++i) {
      if (waits[i].revents == 0) continue;
      for (int n = 0; n < kAcceptedAtOnce && AcceptOne(waits[i].fd); ++n) {
      }
    }
  }
}

bool ConnectionListener::AcceptOne(int listener) {
  sockaddr_storage address = {};
  socklen_t size = sizeof(address);
  const int connection =
      accept4(listener, reinterpret_cast<sockaddr*>(&address), &size,
              SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (connection < 0) {
    const int error_number = errno;
    if (error_number == EAGAIN || error_number == EWOULDBLOCK) return false;
    if (IsPassing(error_number)) return true;
    if (error_number == EMFILE || error_number == ENFILE) {
      TurnAway(listener);
      return true;
    }
    Warn(absl::StrCat("cannot accept a connection: ",
                      std::generic_category().message(error_number)));
    usleep(kPauseMilliseconds * 1000);
    return false;
  }
  MakeRoom();
  table_.Add(connection, PeerAddressOf(address));
  ++accepted_count_;
  hand_over_(listener, connection);
  return true;
}

void ConnectionListener::MakeRoom() {
  const ConnectionTable::Ended ended = table_.MakeRoom();
  if (ended.count == 0) return;
  ended_count_ += ended.count;
  Warn(
      absl::StrCat("as many connections are open as --max-connections allows: "
                   "ended ",
                   ended.count, " quiet ones of ", ended.peer_address));
}

void ConnectionListener::TurnAway(int listener) {
  if (spare_ >= 0) close(std::exchange(spare_, -1));
  const int connection = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
  if (connection >= 0) close(connection);
  spare_ = OpenSpare();
  Warn(
      "no descriptor is left for a new connection: raise the limit (ulimit -n) "
      "or lower --max-connections");
  // Without the spare one it would be turned to for ever.
  if (connection < 0) usleep(kPauseMilliseconds * 1000);
}

void ConnectionListener::Warn(const std::string& sentence) {
  const auto now = std::chrono::steady_clock::now();
  if (now < next_warning_) return;
  next_warning_ = now + kWarningInterval;
  spdlog::warn("{}", sentence);
}

}  // namespace qstore::server
