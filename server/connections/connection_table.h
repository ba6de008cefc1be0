// The connections that gRPC has, and which of them end when there are too many.
//
// gRPC owns the sockets and does not tell when it closes one: it is asked of
// the kernel, when it matters.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <string>
#include <vector>

namespace qstore::server {

// For the one thread that accepts: since no other one makes sockets, the
// descriptor of a connection that is over is not another connection's unless
// Add says so.
class ConnectionTable {
 public:
  explicit ConnectionTable(size_t max_connections)
      : max_connections_(max_connections) {}

  // A socket that was accepted and is gRPC's from now on.
  void Add(int descriptor, std::string peer_address);

  struct Ended {
    size_t count = 0;
    std::string peer_address;
  };
  // Brings the number below the limit. The address that has the most
  // connections loses those on which nothing has come or gone for longest, a
  // few at a time, so that not each new one has to look for the next.
  Ended MakeRoom();

  // Those that are open.
  size_t Count();
  bool full() const { return connections_.size() >= max_connections_; }

 private:
  struct Connection {
    int descriptor = -1;
    ino_t inode = 0;  // of the socket: tells it from a later one
    std::string peer_address;
  };

  void ForgetClosed();

  const size_t max_connections_;
  std::vector<Connection> connections_;
};

}  // namespace qstore::server
