#include "server/download/blob_message.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/wire_format_lite.h>

#include <array>
#include <string>
#include <utility>

#include "grpcpp/support/slice.h"

namespace qstore::server {
namespace {

using google::protobuf::internal::WireFormatLite;
using google::protobuf::io::CodedOutputStream;
using ValueReference = std::shared_ptr<const CountedValue>;

// Five tags of one byte, their varints, and tag and length of the BlobPart.
constexpr size_t kMaxHeaderBytes = 64;

// Written as protobuf writes it: zeros are left out.
uint8_t* WriteVarintField(int number, uint64_t value, uint8_t* out) {
  if (value == 0) return out;
  return WireFormatLite::WriteUInt64ToArray(number, value, out);
}

uint8_t* WriteLengthPrefix(int number, uint64_t length, uint8_t* out) {
  out = WireFormatLite::WriteTagToArray(
      number, WireFormatLite::WIRETYPE_LENGTH_DELIMITED, out);
  return CodedOutputStream::WriteVarint64ToArray(length, out);
}

void ReleaseValue(void* reference) {
  delete static_cast<ValueReference*>(reference);
}

}  // namespace

grpc::ByteBuffer BlobMessage(const BlobPosition& position,
                             std::shared_ptr<const CountedValue> value,
                             size_t offset_bytes, size_t size_bytes,
                             size_t value_begin_bytes) {
  std::array<uint8_t, kMaxHeaderBytes> part;
  uint8_t* part_end = part.data();
  part_end = WriteVarintField(v1::BlobPart::kObjectIndexFieldNumber,
                              position.object_index, part_end);
  part_end = WriteVarintField(v1::BlobPart::kChunkIndexFieldNumber,
                              position.chunk_index, part_end);
  part_end = WriteVarintField(v1::BlobPart::kBlobIndexFieldNumber,
                              position.blob_index, part_end);
  part_end = WriteVarintField(v1::BlobPart::kOffsetBytesFieldNumber,
                              offset_bytes, part_end);
  part_end = WriteLengthPrefix(v1::BlobPart::kPayloadFieldNumber, size_bytes,
                               part_end);
  const size_t part_header_bytes = part_end - part.data();

  std::array<uint8_t, kMaxHeaderBytes> header;
  uint8_t* header_end =
      WriteLengthPrefix(v1::DownloadResponse::kBlobFieldNumber,
                        part_header_bytes + size_bytes, header.data());
  header_end = std::copy(part.data(), part_end, header_end);

  // gRPC asks for a mutable pointer and does not write through it.
  auto* payload = const_cast<uint8_t*>(value->bytes().data()) +
                  (offset_bytes - value_begin_bytes);
  auto* reference = new ValueReference(std::move(value));
  const std::array<grpc::Slice, 2> slices = {
      grpc::Slice(header.data(), header_end - header.data()),
      grpc::Slice(payload, size_bytes, &ReleaseValue, reference)};
  return {slices.data(), slices.size()};
}

grpc::ByteBuffer SerializedMessage(const v1::DownloadResponse& response) {
  const grpc::Slice slice(response.SerializeAsString());
  return {&slice, 1};
}

}  // namespace qstore::server
