// Reads the messages of one Download call. Payloads are not parsed into
// messages of their own: they are seen where gRPC received them.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/bytes.h"
#include "client/cancellation.h"
#include "client/connection.h"
#include "grpcpp/completion_queue.h"
#include "grpcpp/generic/generic_stub.h"
#include "grpcpp/support/byte_buffer.h"
#include "qstore/v1/model_store.pb.h"

namespace qstore::client {

// A v1::Value whose payload lies in `pieces`, in order.
struct ValueView {
  uint64_t object_index = 0;
  uint32_t chunk_index = 0;
  uint32_t layer = 0;
  uint32_t subgroup = 0;
  uint32_t value_index = 0;
  std::vector<ByteView> pieces;

  uint64_t payload_bytes() const;
};

// One v1::DownloadResponse. The pieces of a value are valid until the next
// event is read into it.
struct DownloadEvent {
  std::variant<std::monostate, v1::ManifestPage, ValueView, v1::DownloadEnd>
      event;
  uint64_t message_bytes = 0;
  grpc::ByteBuffer buffer;  // what the pieces point into
};

// Parses `event->buffer` into the rest of `event`. Takes hostile bytes: an
// error says what is wrong with the message. The checksum of a page of the
// manifest is checked here.
absl::Status ParseDownloadEvent(DownloadEvent* event);

// One thread at a time.
class DownloadStream {
 public:
  DownloadStream(Connection* connection, const v1::DownloadRequest& request,
                 Cancellation* cancellation);
  // Cancels a call that has not ended.
  ~DownloadStream();
  DownloadStream(const DownloadStream&) = delete;
  DownloadStream& operator=(const DownloadStream&) = delete;

  // False at the end of a stream that the server ended with OK; an error when
  // it ended otherwise. Not to be called again after either.
  absl::StatusOr<bool> Next(DownloadEvent* event);

  uint64_t bytes_sent() const { return bytes_sent_; }

 private:
  // Waits for the one operation under way; whether it succeeded.
  bool Wait();
  grpc::Status Finish();

  const std::string server_;
  grpc::ClientContext context_;
  grpc::CompletionQueue queue_;
  grpc::GenericStub stub_;
  std::unique_ptr<grpc::GenericClientAsyncReaderWriter> call_;
  grpc::ByteBuffer next_;
  uint64_t bytes_sent_ = 0;
  bool reading_ = false;
  bool finished_ = false;
  const Cancellation::Scope cancel_;
};

}  // namespace qstore::client
