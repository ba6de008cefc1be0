// Accepts connections and gives them to gRPC.
//
// gRPC's own listener (1.51) has no bound on connections, and closes itself for
// good when accept(2) fails once, as it does when descriptors run out
// (CVE-2023-4785).
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <thread>

#include "server/connections/connection_table.h"
#include "server/connections/listening_sockets.h"

namespace qstore::server {

class ConnectionListener {
 public:
  // Owns the socket from then on.
  using HandOver = std::function<void(int listener, int connection)>;

  // Accepts from Start on. At most `max_connections` are open (connection_table
  // says which give way), but for a moment.
  ConnectionListener(ListeningSockets sockets, size_t max_connections,
                     HandOver hand_over);
  // As Stop.
  ~ConnectionListener() { Stop(); }
  ConnectionListener(const ConnectionListener&) = delete;
  ConnectionListener& operator=(const ConnectionListener&) = delete;

  void Start();
  // When it has returned nothing is handed over any more; the port is closed.
  void Stop();

  const std::string& address() const { return sockets_.address(); }
  // Accepted since the start, and ended to make room for others.
  uint64_t accepted_count() const { return accepted_count_; }
  uint64_t ended_count() const { return ended_count_; }

 private:
  void Run();
  // Whether there may be more to accept.
  bool AcceptOne(int listener);
  void MakeRoom();
  // Without descriptors: takes what waits in front and lets it go, so that its
  // client learns of it.
  void TurnAway(int listener);
  // One line for many of the same.
  void Warn(const std::string& sentence);

  ListeningSockets sockets_;
  const HandOver hand_over_;
  ConnectionTable table_;
  int wake_ = -1;   // an eventfd
  int spare_ = -1;  // given up for a moment when there is no other
  std::atomic<uint64_t> accepted_count_ = 0;
  std::atomic<uint64_t> ended_count_ = 0;
  std::chrono::steady_clock::time_point next_warning_;
  std::thread thread_;
};

}  // namespace qstore::server
