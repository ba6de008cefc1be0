#include "server/connections/connection_table.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstdint>
#include <unordered_map>
#include <unordered_set>
#include <utility>

namespace qstore::server {
namespace {

// Of the connections of one address, how many end at once.
constexpr size_t kEndedPart = 16;

// 0: it is no socket any more.
ino_t InodeOf(int descriptor) {
  struct stat status {};
  if (fstat(descriptor, &status) != 0 || !S_ISSOCK(status.st_mode)) return 0;
  return status.st_ino;
}

// For how long no payload has come or gone; that of acknowledgements, which a
// peer that takes nothing sends too, does not count.
uint32_t QuietMilliseconds(int descriptor) {
  tcp_info state = {};
  socklen_t size = sizeof(state);
  if (getsockopt(descriptor, IPPROTO_TCP, TCP_INFO, &state, &size) != 0) {
    return UINT32_MAX;
  }
  return std::min(state.tcpi_last_data_recv, state.tcpi_last_data_sent);
}

}  // namespace

void ConnectionTable::Add(int descriptor, std::string peer_address) {
  std::erase_if(connections_, [descriptor](const Connection& connection) {
    return connection.descriptor == descriptor;
  });
  connections_.push_back(
      {descriptor, InodeOf(descriptor), std::move(peer_address)});
}

size_t ConnectionTable::Count() {
  ForgetClosed();
  return connections_.size();
}

void ConnectionTable::ForgetClosed() {
  std::erase_if(connections_, [](const Connection& connection) {
    return InodeOf(connection.descriptor) != connection.inode;
  });
}

ConnectionTable::Ended ConnectionTable::MakeRoom() {
  if (!full()) return {};
  ForgetClosed();
  if (!full()) return {};
  std::unordered_map<std::string, size_t> counts;
  for (const Connection& connection : connections_) {
    ++counts[connection.peer_address];
  }
  const auto most = std::max_element(
      counts.begin(), counts.end(),
      [](const auto& a, const auto& b) { return a.second < b.second; });
  std::vector<std::pair<uint32_t, int>> quiet;
  for (const Connection& connection : connections_) {
    // Where all have one each, it may be any.
    if (most->second > 1 && connection.peer_address != most->first) continue;
    quiet.emplace_back(QuietMilliseconds(connection.descriptor),
                       connection.descriptor);
  }
  const size_t ended_count =
      std::max<size_t>(1, most->second > 1 ? most->second / kEndedPart : 1);
  std::partial_sort(quiet.begin(), quiet.begin() + ended_count, quiet.end(),
                    std::greater<>());
  std::unordered_set<int> ended;
  for (size_t i = 0; i < ended_count; ++i) {
    // gRPC finds the end of the stream, and closes it.
    shutdown(quiet[i].second, SHUT_RDWR);
    ended.insert(quiet[i].second);
  }
  std::erase_if(connections_, [&ended](const Connection& connection) {
    return ended.contains(connection.descriptor);
  });
  return {ended_count, most->second > 1 ? most->first : "several addresses"};
}

}  // namespace qstore::server
