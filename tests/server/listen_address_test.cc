#include "server/listen_address.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "absl/strings/str_cat.h"

namespace qstore::server {
namespace {

using ::testing::HasSubstr;

std::string Refusal(const std::string& listen, absl::StatusCode code) {
  const absl::Status status = CheckCanListen(listen);
  EXPECT_EQ(status.code(), code) << listen << ": " << status;
  return std::string(status.message());
}

TEST(ListenAddressTest, TriesAndLetsGo) {
  for (int i = 0; i < 2; ++i) {
    EXPECT_TRUE(CheckCanListen("127.0.0.1:0").ok());
    EXPECT_TRUE(CheckCanListen("localhost:0").ok());
  }
}

TEST(ListenAddressTest, SaysWhyNot) {
  constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;
  constexpr auto kUnavailable = absl::StatusCode::kUnavailable;
  EXPECT_THAT(Refusal("127.0.0.1:99999", kInvalid), HasSubstr("0 to 65535"));
  EXPECT_THAT(Refusal("127.0.0.1", kInvalid), HasSubstr("--listen"));
  // TEST-NET-1: no interface has it.
  EXPECT_THAT(Refusal("192.0.2.1:0", kUnavailable),
              HasSubstr("Cannot assign requested address"));
  EXPECT_THAT(Refusal("no-such-host.invalid:1", kUnavailable),
              HasSubstr("cannot listen on no-such-host.invalid:1: "));

  const int taken = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  ASSERT_EQ(bind(taken, reinterpret_cast<const sockaddr*>(&address), size), 0);
  ASSERT_EQ(listen(taken, 1), 0);
  ASSERT_EQ(getsockname(taken, reinterpret_cast<sockaddr*>(&address), &size),
            0);
  EXPECT_THAT(Refusal(absl::StrCat("127.0.0.1:", ntohs(address.sin_port)),
                      kUnavailable),
              HasSubstr("Address already in use; is another qstored running?"));
  close(taken);
}

}  // namespace
}  // namespace qstore::server
