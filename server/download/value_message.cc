#include "server/download/value_message.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/wire_format_lite.h>

#include <algorithm>
#include <array>
#include <string>
#include <utility>

#include "grpcpp/support/slice.h"

namespace qstore::server {
namespace {

using google::protobuf::internal::WireFormatLite;
using google::protobuf::io::CodedOutputStream;
using ValueReference = std::shared_ptr<const CountedValue>;

// Six tags of one byte, their varints, and tag and length of the Value.
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

grpc::ByteBuffer ValueMessage(uint64_t object_index, uint32_t chunk_index,
                              const model::ValueAddress& address,
                              std::shared_ptr<const CountedValue> value) {
  const size_t size_bytes = value->bytes().size();
  std::array<uint8_t, kMaxHeaderBytes> fields;
  uint8_t* end = fields.data();
  end = WriteVarintField(v1::Value::kObjectIndexFieldNumber, object_index, end);
  end = WriteVarintField(v1::Value::kChunkIndexFieldNumber, chunk_index, end);
  end = WriteVarintField(v1::Value::kLayerFieldNumber, address.layer, end);
  end =
      WriteVarintField(v1::Value::kSubgroupFieldNumber, address.subgroup, end);
  end = WriteVarintField(v1::Value::kValueIndexFieldNumber, address.value_index,
                         end);
  end = WriteLengthPrefix(v1::Value::kPayloadFieldNumber, size_bytes, end);
  const size_t fields_bytes = end - fields.data();

  std::array<uint8_t, kMaxHeaderBytes> header;
  uint8_t* header_end =
      WriteLengthPrefix(v1::DownloadResponse::kValueFieldNumber,
                        fields_bytes + size_bytes, header.data());
  header_end = std::copy(fields.data(), end, header_end);

  // gRPC asks for a mutable pointer and does not write through it.
  auto* payload = const_cast<uint8_t*>(value->bytes().data());
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
