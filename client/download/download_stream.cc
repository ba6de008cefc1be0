#include "client/download/download_stream.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "client/manifest_query.h"
#include "client/rpc_status.h"
#include "client/server_faults.h"
#include "google/protobuf/io/coded_stream.h"
#include "google/protobuf/wire_format_lite.h"
#include "grpcpp/support/proto_buffer_reader.h"
#include "grpcpp/support/proto_buffer_writer.h"

namespace qstore::client {
namespace {

using google::protobuf::internal::WireFormatLite;
using google::protobuf::io::CodedInputStream;

constexpr char kMethod[] = "/qstore.v1.ModelStore/Download";

constexpr uint32_t MakeTag(int field, WireFormatLite::WireType type) {
  return WireFormatLite::MakeTag(field, type);
}
constexpr auto kVarint = WireFormatLite::WIRETYPE_VARINT;
constexpr auto kBytes = WireFormatLite::WIRETYPE_LENGTH_DELIMITED;

// Notes where the next length-prefixed bytes lie, without copying them.
bool ReadInPlace(CodedInputStream* input, std::vector<ByteView>* pieces) {
  uint32_t left_bytes = 0;
  if (!input->ReadVarint32(&left_bytes)) return false;
  while (left_bytes > 0) {
    const void* bytes = nullptr;
    int size_bytes = 0;
    if (!input->GetDirectBufferPointer(&bytes, &size_bytes)) return false;
    const uint32_t taken_bytes =
        std::min(left_bytes, static_cast<uint32_t>(size_bytes));
    pieces->push_back({static_cast<const uint8_t*>(bytes), taken_bytes});
    if (!input->Skip(static_cast<int>(taken_bytes))) return false;
    left_bytes -= taken_bytes;
  }
  return true;
}

bool ParseValue(CodedInputStream* input, ValueView* value) {
  while (const uint32_t tag = input->ReadTag()) {
    bool read = false;
    switch (tag) {
      case MakeTag(v1::Value::kObjectIndexFieldNumber, kVarint):
        read = input->ReadVarint64(&value->object_index);
        break;
      case MakeTag(v1::Value::kChunkIndexFieldNumber, kVarint):
        read = input->ReadVarint32(&value->chunk_index);
        break;
      case MakeTag(v1::Value::kLayerFieldNumber, kVarint):
        read = input->ReadVarint32(&value->layer);
        break;
      case MakeTag(v1::Value::kSubgroupFieldNumber, kVarint):
        read = input->ReadVarint32(&value->subgroup);
        break;
      case MakeTag(v1::Value::kValueIndexFieldNumber, kVarint):
        read = input->ReadVarint32(&value->value_index);
        break;
      case MakeTag(v1::Value::kPayloadFieldNumber, kBytes):
        value->pieces.clear();
        read = ReadInPlace(input, &value->pieces);
        break;
      default:
        read = WireFormatLite::SkipField(input, tag);
    }
    if (!read) return false;
  }
  return input->ConsumedEntireMessage();
}

absl::Status Malformed() {
  return ContradictionError("the server sent a message that cannot be parsed");
}

// Parses the one event of a message; `input` is limited to it.
absl::Status ParseOneEvent(uint32_t tag, CodedInputStream* input,
                           DownloadEvent* event) {
  switch (tag) {
    case MakeTag(v1::DownloadResponse::kManifestPageFieldNumber, kBytes): {
      v1::Checked checked;
      if (!checked.ParseFromCodedStream(input)) return Malformed();
      return ParseManifestPage(checked,
                               &event->event.emplace<v1::ManifestPage>());
    }
    case MakeTag(v1::DownloadResponse::kValueFieldNumber, kBytes):
      return ParseValue(input, &event->event.emplace<ValueView>())
                 ? absl::OkStatus()
                 : Malformed();
    case MakeTag(v1::DownloadResponse::kEndFieldNumber, kBytes): {
      v1::DownloadEnd& end = event->event.emplace<v1::DownloadEnd>();
      return end.ParseFromCodedStream(input) ? absl::OkStatus() : Malformed();
    }
    default:
      return Malformed();
  }
}

}  // namespace

uint64_t ValueView::payload_bytes() const {
  uint64_t sum_bytes = 0;
  for (const ByteView piece : pieces) sum_bytes += piece.size();
  return sum_bytes;
}

absl::Status ParseDownloadEvent(DownloadEvent* event) {
  event->event.emplace<std::monostate>();
  event->message_bytes = event->buffer.Length();
  grpc::ProtoBufferReader reader(&event->buffer);
  if (!reader.status().ok()) return Malformed();
  CodedInputStream input(&reader);
  const uint32_t tag = input.ReadTag();
  uint32_t size_bytes = 0;
  if (tag == 0 || !input.ReadVarint32(&size_bytes) ||
      size_bytes > event->message_bytes) {
    return Malformed();
  }
  const auto limit = input.PushLimit(static_cast<int>(size_bytes));
  QSTORE_RETURN_IF_ERROR(ParseOneEvent(tag, &input, event));
  input.PopLimit(limit);
  // One event a message: what follows would be taken for part of another.
  if (input.ReadTag() != 0 || !input.ConsumedEntireMessage()) {
    return Malformed();
  }
  return absl::OkStatus();
}

DownloadStream::DownloadStream(Connection* connection,
                               const v1::DownloadRequest& request,
                               Cancellation* cancellation)
    : server_(connection->server()),
      stub_(connection->channel()),
      call_(stub_.PrepareCall(&context_, kMethod, &queue_)),
      cancel_(cancellation, [this] { context_.TryCancel(); }) {
  grpc::ByteBuffer serialized;
  bool own_buffer = false;
  grpc::GenericSerialize<grpc::ProtoBufferWriter, v1::DownloadRequest>(
      request, &serialized, &own_buffer);
  bytes_sent_ = serialized.Length();
  call_->StartCall(this);
  if (!Wait()) return;
  call_->WriteLast(serialized, grpc::WriteOptions(), this);
  if (!Wait()) return;
  call_->Read(&next_, this);
  reading_ = true;
}

DownloadStream::~DownloadStream() {
  if (!finished_) {
    context_.TryCancel();
    if (reading_) Wait();
    Finish();
  }
  queue_.Shutdown();
  void* tag = nullptr;
  bool ok = false;
  while (queue_.Next(&tag, &ok)) {
  }
}

absl::StatusOr<bool> DownloadStream::Next(DownloadEvent* event) {
  const bool received = reading_ && Wait();
  reading_ = false;
  if (!received) {
    const grpc::Status status = Finish();
    if (!status.ok()) return FromGrpcStatus(status, server_);
    return false;
  }
  event->buffer.Swap(&next_);
  next_.Clear();
  // The next message arrives while this one is worked on.
  call_->Read(&next_, this);
  reading_ = true;
  QSTORE_RETURN_IF_ERROR(ParseDownloadEvent(event));
  return true;
}

bool DownloadStream::Wait() {
  void* tag = nullptr;
  bool ok = false;
  return queue_.Next(&tag, &ok) && ok;
}

grpc::Status DownloadStream::Finish() {
  grpc::Status status;
  call_->Finish(&status, this);
  Wait();
  finished_ = true;
  return status;
}

}  // namespace qstore::client
