#include "server/connections/peer_address.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"

namespace qstore::server {
namespace {

constexpr size_t kNetworkBytes = 8;  // 64 bits

std::string Text(int family, const void* address) {
  char text[INET6_ADDRSTRLEN] = {};
  if (inet_ntop(family, address, text, sizeof(text)) == nullptr) return "";
  return text;
}

std::string TextOf(const in6_addr& address) {
  if (IN6_IS_ADDR_V4MAPPED(&address)) {
    return Text(AF_INET, &address.s6_addr[12]);
  }
  if (IN6_IS_ADDR_LOOPBACK(&address)) return Text(AF_INET6, &address);
  in6_addr network = {};
  std::copy_n(address.s6_addr, kNetworkBytes, network.s6_addr);
  return absl::StrCat(Text(AF_INET6, &network), "/64");
}

}  // namespace

std::string PeerAddressOf(const sockaddr_storage& address) {
  if (address.ss_family == AF_INET) {
    sockaddr_in ipv4{};
    std::memcpy(&ipv4, &address, sizeof(ipv4));
    return Text(AF_INET, &ipv4.sin_addr);
  }
  if (address.ss_family == AF_INET6) {
    sockaddr_in6 ipv6{};
    std::memcpy(&ipv6, &address, sizeof(ipv6));
    return TextOf(ipv6.sin6_addr);
  }
  return "";
}

std::string PeerAddressOf(std::string_view grpc_peer) {
  std::string whole(grpc_peer);
  const size_t port = whole.rfind(':');
  const size_t scheme = whole.find(':');
  if (port == scheme) return whole;
  const std::string host =
      absl::StrReplaceAll(whole.substr(scheme + 1, port - scheme - 1),
                          {{"%5B", ""}, {"%5D", ""}, {"[", ""}, {"]", ""}});
  // Without the zone, "%25eth0".
  std::string address = host.substr(0, host.find('%'));
  in_addr ipv4{};
  if (inet_pton(AF_INET, address.c_str(), &ipv4) == 1) return address;
  in6_addr ipv6{};
  if (inet_pton(AF_INET6, address.c_str(), &ipv6) == 1) return TextOf(ipv6);
  return whole;
}

}  // namespace qstore::server
