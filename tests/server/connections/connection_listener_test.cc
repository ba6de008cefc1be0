// Over real sockets: what is accepted, what gives way, and that accepting goes
// on after descriptors have run out.
#include "server/connections/connection_listener.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <deque>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"

namespace qstore::server {
namespace {

using ::testing::HasSubstr;

ListeningSockets MustOpen(const std::string& address) {
  auto sockets = ListeningSockets::Open(address);
  EXPECT_TRUE(sockets.ok()) << sockets.status();
  return *std::move(sockets);
}

uint16_t PortOf(const std::string& address) {
  return static_cast<uint16_t>(
      std::stoi(address.substr(address.rfind(':') + 1)));
}

// A client, of 127.0.0.N.
class Connection {
 public:
  Connection(uint16_t port, int from) {
    descriptor_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK - 1 + from);
    EXPECT_EQ(Do(bind, address), 0);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(port);
    EXPECT_EQ(Do(connect, address), 0);
  }
  ~Connection() { close(descriptor_); }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  void Send() const { EXPECT_EQ(send(descriptor_, "x", 1, MSG_NOSIGNAL), 1); }
  bool IsOpen() const {
    char byte = 0;
    return recv(descriptor_, &byte, 1, MSG_DONTWAIT) < 0 && errno == EAGAIN;
  }
  bool EndsSoon() const {
    for (int i = 0; i < 500 && IsOpen(); ++i) {
      absl::SleepFor(absl::Milliseconds(10));
    }
    return !IsOpen();
  }

 private:
  template <typename Call>
  int Do(const Call& call, const sockaddr_in& address) {
    return call(descriptor_, reinterpret_cast<const sockaddr*>(&address),
                sizeof(address));
  }
  int descriptor_ = -1;
};

// Stands for gRPC: owns what it is given, and closes what the peer has ended.
class ConnectionListenerTest : public ::testing::Test {
 protected:
  ~ConnectionListenerTest() override {
    listener_.reset();
    const absl::MutexLock lock(&mutex_);
    for (const int descriptor : accepted_) close(descriptor);
  }

  void Start(size_t max_connections) {
    listener_ = std::make_unique<ConnectionListener>(
        MustOpen("127.0.0.1:0"), max_connections,
        [this](int /*listener*/, int connection) {
          const absl::MutexLock lock(&mutex_);
          accepted_.push_back(connection);
        });
    listener_->Start();
  }
  Connection* Connect(int from) {
    const uint64_t before = listener_->accepted_count();
    clients_.emplace_back(PortOf(listener_->address()), from);
    for (int i = 0; i < 500 && listener_->accepted_count() == before; ++i) {
      absl::SleepFor(absl::Milliseconds(10));
    }
    return &clients_.back();
  }
  void CloseAccepted(size_t index) {
    const absl::MutexLock lock(&mutex_);
    close(accepted_[index]);
    accepted_.erase(accepted_.begin() + static_cast<ptrdiff_t>(index));
  }

  absl::Mutex mutex_;
  std::vector<int> accepted_ ABSL_GUARDED_BY(mutex_);
  std::deque<Connection> clients_;
  std::unique_ptr<ConnectionListener> listener_;
};

TEST_F(ConnectionListenerTest, TheAddressWithTheMostGivesWay) {
  Start(4);
  Connection* const honest = Connect(2);
  Connection* const quiet = Connect(3);
  Connection* const busy = Connect(3);
  Connection* const fourth = Connect(3);
  absl::SleepFor(absl::Milliseconds(50));
  busy->Send();
  fourth->Send();
  // The oldest of all stays: its address has one.
  Connection* const fifth = Connect(4);
  EXPECT_TRUE(quiet->EndsSoon());
  for (Connection* const each : {honest, busy, fourth, fifth}) {
    EXPECT_TRUE(each->IsOpen());
  }
  EXPECT_EQ(listener_->ended_count(), 1u);
}

TEST_F(ConnectionListenerTest, WhatIsOverLeavesRoom) {
  Start(2);
  Connection* const first = Connect(2);
  Connect(2);
  CloseAccepted(1);
  Connect(2);
  CloseAccepted(1);
  Connect(2);
  EXPECT_TRUE(first->IsOpen());
  EXPECT_EQ(listener_->ended_count(), 0u);
}

TEST_F(ConnectionListenerTest, AFloodLeavesOthersAlone) {
  Start(64);
  Connection* const honest = Connect(2);
  for (int i = 0; i < 300; ++i) Connect(3);
  EXPECT_TRUE(honest->IsOpen());
  EXPECT_GE(listener_->ended_count(), 300u + 1 - 64);
  EXPECT_LT(listener_->ended_count(), 300u);
}

TEST_F(ConnectionListenerTest, GoesOnAfterDescriptorsRanOut) {
  Start(1000);
  Connect(2);
  rlimit before = {};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
  // No number is free but that of the client's own next socket.
  const int next = dup(0);
  close(next);
  const rlimit none = {static_cast<rlim_t>(next) + 1, before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
  clients_.emplace_back(PortOf(listener_->address()), 2);
  EXPECT_TRUE(clients_.back().EndsSoon());
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
  EXPECT_TRUE(Connect(2)->IsOpen());
}

TEST(ListeningSocketsTest, Addresses) {
  EXPECT_THAT(MustOpen("localhost:0").address(),
              ::testing::MatchesRegex("localhost:[0-9]+"));
  const ListeningSockets every = MustOpen("0.0.0.0:0");
  EXPECT_EQ(every.descriptors().size(), 1u);
  Connection(PortOf(every.address()), 2);
}

TEST(ListeningSocketsTest, Refusals) {
  const ListeningSockets taken = MustOpen("127.0.0.1:0");
  const struct {
    std::string address;
    const char* text;
  } cases[] = {
      {"", "--listen"},
      {"7350", "names no port"},
      {":7350", "names no host"},
      {"127.0.0.1:65536", "0 to 65535"},
      {"127.0.0.1:x", "0 to 65535"},
      {"::1:7350", "in brackets"},
      {taken.address(), "Address already in use; is another qstored running?"},
      {"192.0.2.7:0", "Cannot assign requested address"},
      {"no-such-host.invalid:1", "cannot listen on no-such-host.invalid:1: "},
  };
  for (const auto& test : cases) {
    EXPECT_THAT(
        std::string(ListeningSockets::Open(test.address).status().message()),
        HasSubstr(test.text));
  }
}

}  // namespace
}  // namespace qstore::server
