// What a server sends in a download, against any bytes. The first byte of an
// input chooses: a message as it comes (cut into slices), or a manifest, sealed
// here so that its checksum does not keep the checks from seeing it.
#include <google/protobuf/stubs/logging.h>

#include <cstdint>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "base/hash.h"
#include "client/download/download_stream.h"
#include "client/download/manifest_check.h"
#include "grpcpp/support/slice.h"
#include "model/names.h"
#include "tests/fuzz_check.h"

namespace qstore::client {
namespace {

void CheckObject(v1::ObjectManifest manifest, v1::Precision precision) {
  const uint64_t index = manifest.object_index();
  const uint64_t raw_bytes = manifest.raw_bytes();
  const auto plan = CheckObjectManifest(std::move(manifest), "tensor", index,
                                        raw_bytes, precision);
  if (!plan.ok()) return;
  // What is about to be allocated for it is bounded, whatever it says.
  uint64_t sum_bytes = 0;
  for (const v1::ChunkManifest& chunk : plan->manifest.chunks()) {
    QSTORE_FUZZ_CHECK(chunk.raw_bytes() <= kMaxChunkRawBytes);
    QSTORE_FUZZ_CHECK(chunk.blobs_size() <= kMaxChunkBlobs);
    uint64_t stored_bytes = 0;
    for (const v1::BlobManifest& blob : chunk.blobs()) {
      QSTORE_FUZZ_CHECK(blob.size_bytes() <= kMaxChunkStoredBytes);
      stored_bytes += blob.size_bytes();
    }
    QSTORE_FUZZ_CHECK(stored_bytes <= kMaxChunkStoredBytes);
    if (plan->quantized()) {
      QSTORE_FUZZ_CHECK(plan->ShapeOf(chunk).weight_bytes() ==
                        chunk.raw_bytes());
    }
    sum_bytes += chunk.raw_bytes();
  }
  QSTORE_FUZZ_CHECK(sum_bytes == raw_bytes);
}

void CheckRevision(const v1::RevisionManifest& manifest) {
  if (!CheckRevisionManifest(manifest).ok()) return;
  for (const v1::FileManifest& file : manifest.files()) {
    QSTORE_FUZZ_CHECK(ValidateRelativePath(file.path()).ok());
    uint64_t size_bytes = 0;
    for (const v1::SegmentManifest& segment : file.segments()) {
      size_bytes += segment.raw_bytes();
      QSTORE_FUZZ_CHECK(segment.object_index() < manifest.object_count());
    }
    QSTORE_FUZZ_CHECK(size_bytes == file.size_bytes());
  }
}

void CheckEvent(const std::string& message, size_t slice_bytes) {
  std::vector<grpc::Slice> slices;
  for (size_t offset = 0; offset < message.size(); offset += slice_bytes) {
    slices.emplace_back(message.substr(offset, slice_bytes));
  }
  DownloadEvent event;
  event.buffer = grpc::ByteBuffer(slices.data(), slices.size());
  if (!ParseDownloadEvent(&event).ok()) return;
  QSTORE_FUZZ_CHECK(event.message_bytes == message.size());
  if (const auto* part = std::get_if<BlobPartView>(&event.event)) {
    QSTORE_FUZZ_CHECK(part->payload_bytes() <= message.size());
    uint64_t sum = 0;
    for (const ByteView piece : part->pieces) {
      for (const uint8_t byte : piece) sum += byte;  // it can be read
    }
    QSTORE_FUZZ_CHECK(sum <= 255 * part->payload_bytes());
  } else if (auto* object = std::get_if<v1::ObjectManifest>(&event.event)) {
    CheckObject(std::move(*object), v1::PRECISION_ORIGINAL);
  } else if (const auto* revision =
                 std::get_if<v1::RevisionManifest>(&event.event)) {
    CheckRevision(*revision);
  }
}

void CheckSealed(const std::string& manifest, bool object) {
  v1::DownloadResponse response;
  v1::Checked* checked =
      object ? response.mutable_object() : response.mutable_revision();
  checked->set_serialized(manifest);
  checked->set_xxh3(Xxh3(AsBytes(manifest)));
  CheckEvent(response.SerializeAsString(), 1u << 20);
}

}  // namespace
}  // namespace qstore::client

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* input, size_t size_bytes) {
  static const google::protobuf::LogSilencer kSilencer;
  if (size_bytes == 0) return 0;
  const std::string rest(reinterpret_cast<const char*>(input + 1),
                         size_bytes - 1);
  qstore::v1::ObjectManifest object;
  switch (input[0] % 4) {
    case 0:
      qstore::client::CheckEvent(rest, 1 + input[0] / 4);
      break;
    case 1:
      qstore::client::CheckSealed(rest, /*object=*/false);
      break;
    case 2:
      qstore::client::CheckSealed(rest, /*object=*/true);
      break;
    case 3:
      if (object.ParseFromString(rest)) {
        qstore::client::CheckObject(std::move(object),
                                    qstore::v1::PRECISION_INT8);
      }
      break;
  }
  return 0;
}
