#include "server/connections/peer_address.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>

#include <cstring>

namespace qstore::server {
namespace {

std::string OfIpv6(const char* text) {
  sockaddr_in6 ipv6 = {};
  ipv6.sin6_family = AF_INET6;
  EXPECT_EQ(inet_pton(AF_INET6, text, &ipv6.sin6_addr), 1);
  sockaddr_storage address = {};
  std::memcpy(&address, &ipv6, sizeof(ipv6));
  return PeerAddressOf(address);
}

TEST(PeerAddressTest, OfASocket) {
  sockaddr_in ipv4 = {};
  ipv4.sin_family = AF_INET;
  ipv4.sin_port = htons(5000);
  EXPECT_EQ(inet_pton(AF_INET, "192.0.2.7", &ipv4.sin_addr), 1);
  sockaddr_storage address = {};
  std::memcpy(&address, &ipv4, sizeof(ipv4));
  EXPECT_EQ(PeerAddressOf(address), "192.0.2.7");
  EXPECT_EQ(OfIpv6("::ffff:192.0.2.7"), "192.0.2.7");
  EXPECT_EQ(OfIpv6("2001:db8:0:1:2:3:4:5"), "2001:db8:0:1::/64");
  EXPECT_EQ(OfIpv6("::1"), "::1");
  EXPECT_EQ(PeerAddressOf(sockaddr_storage{}), "");
}

TEST(PeerAddressTest, OfWhatGrpcSays) {
  const struct {
    const char* peer;
    const char* address;
  } cases[] = {
      {"ipv4:192.0.2.7:5000", "192.0.2.7"},
      {"ipv6:%5B::ffff:192.0.2.7%5D:5000", "192.0.2.7"},
      {"ipv6:[::1]:5000", "::1"},
      {"ipv6:%5B2001:db8::7%5D:5000", "2001:db8::/64"},
      {"ipv6:%5Bfe80::7%25eth0%5D:5000", "fe80::/64"},
      {"unix:/tmp/socket", "unix:/tmp/socket"},
      {"", ""},
      {"ipv4:", "ipv4:"},
      {"a:b:c", "a:b:c"},
  };
  for (const auto& test : cases) {
    EXPECT_EQ(PeerAddressOf(std::string_view(test.peer)), test.address);
  }
}

}  // namespace
}  // namespace qstore::server
