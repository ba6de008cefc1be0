// What a server sends in a download, against any bytes. The first byte of an
// input chooses: one message as it comes, cut into slices; or a whole download,
// whose pages of the manifest are sealed here so that their checksums do not
// keep the checks from seeing them. Of each message of such a download comes
// first its size (two bytes, little-endian, the highest bit: it is a page).
#include <google/protobuf/stubs/logging.h>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "base/byte_budget.h"
#include "base/hash.h"
#include "client/download/chunk_assembler.h"
#include "client/download/chunk_unpacker.h"
#include "client/download/download_layout.h"
#include "client/download/download_stream.h"
#include "client/manifest_query.h"
#include "codec/layers.h"
#include "grpcpp/support/slice.h"
#include "model/names.h"
#include "model/read_plan.h"
#include "tests/fuzz_check.h"

namespace qstore::client {
namespace {

constexpr uint64_t kMemoryBytes = uint64_t{1} << 20;
// Past it an input only costs time.
constexpr uint64_t kMaxUnpackedBytes = uint64_t{8} << 20;

// What is about to be allocated for a chunk is bounded, whatever it says.
void CheckChunk(const model::Object& object, const model::Chunk& chunk) {
  QSTORE_FUZZ_CHECK(chunk.raw_bytes > 0);
  QSTORE_FUZZ_CHECK(chunk.raw_bytes <= model::kMaxChunkRawBytes);
  QSTORE_FUZZ_CHECK(!chunk.layers.empty());
  uint64_t stored_bytes = 0;
  for (const model::LayerBlobs& layer : chunk.layers) {
    const codec::Layer* known = codec::FindLayer(layer.layer);
    QSTORE_FUZZ_CHECK(known != nullptr);
    QSTORE_FUZZ_CHECK(known->gives_original ==
                      (&layer == &chunk.layers.back()));
    QSTORE_FUZZ_CHECK(known->gives_original == layer.decoded_xxh3.empty());
    QSTORE_FUZZ_CHECK(layer.blobs.size() <= model::kMaxBlobsPerLayer);
    for (const model::Blob& blob : layer.blobs) {
      QSTORE_FUZZ_CHECK(blob.size_bytes <= model::kMaxBlobBytes);
      QSTORE_FUZZ_CHECK(blob.value_xxh3.size() ==
                        model::ValueCount(blob.size_bytes));
      stored_bytes += blob.size_bytes;
    }
  }
  QSTORE_FUZZ_CHECK(stored_bytes <= model::kMaxChunkStoredBytes);
  if (object.quantized()) {
    QSTORE_FUZZ_CHECK(chunk.rows > 0);
    QSTORE_FUZZ_CHECK(chunk.raw_bytes * object.shape[0] ==
                      object.raw_bytes * chunk.rows);
  }
}

void CheckManifest(const model::Manifest& manifest) {
  for (const model::Object& object : manifest.objects) {
    uint64_t sum_bytes = 0;
    for (const model::Chunk& chunk : object.chunks) {
      CheckChunk(object, chunk);
      sum_bytes += chunk.raw_bytes;
    }
    QSTORE_FUZZ_CHECK(sum_bytes == object.raw_bytes);
  }
  uint64_t original_bytes = 0;
  for (const model::File& file : manifest.files) {
    QSTORE_FUZZ_CHECK(ValidateRelativePath(file.path).ok());
    uint64_t size_bytes = 0;
    for (const model::Segment& segment : file.segments) {
      QSTORE_FUZZ_CHECK(segment.object_index < manifest.objects.size());
      QSTORE_FUZZ_CHECK(segment.raw_bytes ==
                        manifest.objects[segment.object_index].raw_bytes);
      size_bytes += segment.raw_bytes;
    }
    QSTORE_FUZZ_CHECK(size_bytes == file.size_bytes);
    original_bytes += size_bytes;
  }
  QSTORE_FUZZ_CHECK(original_bytes == manifest.original_bytes);
}

// That the layout of a plan stays within files and that each chunk has a use.
void CheckLayout(const model::Manifest& manifest, const model::ReadPlan& plan,
                 const ExportFormat* format) {
  const auto layout = DownloadLayout::Create(&manifest, plan, format);
  if (!layout.ok()) return;
  QSTORE_FUZZ_CHECK(layout->files().size() == plan.files.size());
  for (const model::PlannedChunk& planned : plan.chunks) {
    QSTORE_FUZZ_CHECK(!layout->uses(planned.object_index).empty());
  }
}

// One client's side of a download that has a manifest.
class Download {
 public:
  Download(const model::Manifest& manifest, const model::ReadPlan& plan)
      : manifest_(manifest),
        plan_(plan),
        budget_(kMemoryBytes),
        assembler_(&manifest, &plan, &budget_) {}

  // False once the download has failed or ended.
  bool Handle(const DownloadEvent& event) {
    const auto* value = std::get_if<ValueView>(&event.event);
    if (value == nullptr) {
      if (assembler_.CheckComplete().ok()) {
        QSTORE_FUZZ_CHECK(assembler_.received() == plan_.to_read);
      }
      return false;
    }
    absl::StatusOr<std::optional<StoredChunk>> chunk = assembler_.Add(*value);
    if (!chunk.ok()) return false;
    return !chunk->has_value() || Unpack(**chunk);
  }

 private:
  bool Unpack(const StoredChunk& stored) {
    const model::Object& object =
        manifest_.objects[stored.planned.object_index];
    const model::Chunk& chunk = object.chunks[stored.planned.chunk_index];
    unpacked_bytes_ += chunk.raw_bytes;
    if (unpacked_bytes_ > kMaxUnpackedBytes) return false;
    UnpackedChunk unpacked;
    const absl::Status status =
        unpacker_.Unpack(object, chunk, stored.planned.layer_count,
                         {stored.bytes.get(), stored.size_bytes}, &unpacked);
    if (!status.ok()) return false;
    if (stored.planned.layer_count == chunk.layers.size()) {
      QSTORE_FUZZ_CHECK(unpacked.raw.size() == chunk.raw_bytes);
      QSTORE_FUZZ_CHECK(Xxh3(unpacked.raw) == chunk.raw_xxh3);
    } else {
      QSTORE_FUZZ_CHECK(unpacked.codes.size() == chunk.rows * object.shape[1]);
    }
    return true;
  }

  const model::Manifest& manifest_;
  const model::ReadPlan& plan_;
  ByteBudget budget_;
  ChunkAssembler assembler_;
  ChunkUnpacker unpacker_;
  uint64_t unpacked_bytes_ = 0;
};

DownloadEvent EventOf(const std::string& message, size_t slice_bytes) {
  std::vector<grpc::Slice> slices;
  for (size_t offset = 0; offset < message.size(); offset += slice_bytes) {
    slices.emplace_back(message.substr(offset, slice_bytes));
  }
  DownloadEvent event;
  event.buffer = grpc::ByteBuffer(slices.data(), slices.size());
  return event;
}

void CheckEvent(const std::string& message, size_t slice_bytes) {
  DownloadEvent event = EventOf(message, slice_bytes);
  if (!ParseDownloadEvent(&event).ok()) return;
  QSTORE_FUZZ_CHECK(event.message_bytes == message.size());
  const auto* value = std::get_if<ValueView>(&event.event);
  if (value == nullptr) return;
  QSTORE_FUZZ_CHECK(value->payload_bytes() <= message.size());
  uint64_t sum = 0;
  for (const ByteView piece : value->pieces) {
    for (const uint8_t byte : piece) sum += byte;  // it can be read
  }
  QSTORE_FUZZ_CHECK(sum <= 255 * value->payload_bytes());
}

// The messages of an input, pages sealed.
std::vector<std::string> MessagesIn(ByteView input) {
  std::vector<std::string> messages;
  while (input.size() >= 2) {
    const uint32_t head = input[0] | uint32_t{input[1]} << 8;
    const size_t size_bytes = std::min<size_t>(head & 0x7fff, input.size() - 2);
    std::string message(AsStringView(input.subspan(2, size_bytes)));
    input = input.subspan(2 + size_bytes);
    if ((head & 0x8000) != 0) {
      v1::DownloadResponse response;
      response.mutable_manifest_page()->set_serialized(message);
      response.mutable_manifest_page()->set_xxh3(Xxh3(AsBytes(message)));
      message = response.SerializeAsString();
    }
    messages.push_back(std::move(message));
  }
  return messages;
}

// As Download does it (client/download/download.cc), into nowhere.
void CheckDownload(ByteView input, const model::Representation& precision,
                   const model::Selection& selection) {
  wire::ManifestAssembler pages;
  std::optional<model::Manifest> manifest;
  model::ReadPlan plan;
  std::optional<Download> download;
  for (const std::string& message : MessagesIn(input)) {
    DownloadEvent event = EventOf(message, 64);
    if (!ParseDownloadEvent(&event).ok()) return;
    if (download.has_value()) {
      if (!download->Handle(event)) return;
      continue;
    }
    const auto* page = std::get_if<v1::ManifestPage>(&event.event);
    if (page == nullptr || !AddPage(*page, &pages).ok()) return;
    if (!pages.complete()) continue;
    absl::StatusOr<model::Manifest> taken = TakeManifest(&pages);
    if (!taken.ok()) return;
    manifest = *std::move(taken);
    CheckManifest(*manifest);
    absl::StatusOr<model::ReadPlan> planned =
        model::PlanRead(*manifest, selection, precision);
    if (!planned.ok()) return;
    plan = *std::move(planned);
    CheckLayout(*manifest, plan,
                precision.original() ? nullptr
                                     : *FindExportFormat("compressed-tensors"));
    download.emplace(*manifest, plan);
  }
}

}  // namespace
}  // namespace qstore::client

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* input, size_t size_bytes) {
  static const google::protobuf::LogSilencer kSilencer;
  if (size_bytes == 0) return 0;
  const qstore::ByteView rest(input + 1, size_bytes - 1);
  const qstore::model::Representation int8 = {
      .layer = qstore::codec::kInt8Layer.number};
  qstore::model::Selection some;
  some.tensors = {{.pattern = "*a*", .rows = qstore::model::RowRange{1, 4}},
                  {.pattern = "*", .rows = std::nullopt}};
  switch (input[0] % 4) {
    case 0:
      qstore::client::CheckEvent(std::string(qstore::AsStringView(rest)),
                                 1 + input[0] / 4);
      break;
    case 1:
      qstore::client::CheckDownload(rest, {}, {});
      break;
    case 2:
      qstore::client::CheckDownload(rest, int8, {});
      break;
    case 3:
      qstore::client::CheckDownload(
          rest, input[0] < 128 ? int8 : decltype(int8){}, some);
      break;
  }
  return 0;
}
