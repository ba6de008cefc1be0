// Who is at the other end, for shares: callers are told apart by the network
// address of their machine.
#pragma once

#include <sys/socket.h>

#include <string>
#include <string_view>

namespace qstore::server {

// "192.0.2.7"; of IPv6 the network of 64 bits that one machine may have all to
// itself, "2001:db8:0:1::/64". IPv4 in IPv6 is IPv4. Empty: neither.
std::string PeerAddressOf(const sockaddr_storage& address);

// The same of what grpc::ServerContextBase::peer() says, "ipv4:192.0.2.7:5000"
// or "ipv6:%5B2001:db8::7%5D:5000"; what is neither stands for itself.
std::string PeerAddressOf(std::string_view grpc_peer);

}  // namespace qstore::server
