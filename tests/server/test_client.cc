#include "tests/server/test_client.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <optional>

#include "base/hash.h"
#include "codec/layer_stack.h"
#include "model/chunk_layers.h"
#include "wire/layer_bytes.h"
#include "wire/manifest_assembler.h"
#include "wire/read_request.h"

namespace qstore::server {
namespace {

// gRPC's default limit is 4 MiB; a page ends soon after 1 MiB.
constexpr size_t kMaxAnswerBytes = (1u << 20) + (128u << 10);

// Takes the messages of one download in order.
class DownloadDecoder {
 public:
  DownloadDecoder(wire::ReadRequest request, DownloadResult* result)
      : request_(std::move(request)), result_(*result) {}

  void Take(const v1::DownloadResponse& response) {
    EXPECT_FALSE(result_.ended) << "a message after the end";
    EXPECT_LE(response.ByteSizeLong(), kMaxAnswerBytes);
    switch (response.event_case()) {
      case v1::DownloadResponse::kManifestPage:
        TakePage(ParsePage(response.manifest_page()));
        break;
      case v1::DownloadResponse::kValue:
        TakeValue(response.value());
        break;
      case v1::DownloadResponse::kEnd:
        TakeEnd(response.end());
        break;
      case v1::DownloadResponse::EVENT_NOT_SET:
        ADD_FAILURE() << "empty message";
    }
  }

  void AssembleFiles() {
    for (const model::PlannedFile& planned : result_.plan.files) {
      if (!planned.whole) continue;
      const model::File& file = result_.manifest.files[planned.file_index];
      std::string content;
      for (const model::Segment& segment : file.segments) {
        content += BytesOfObject(segment.object_index);
      }
      EXPECT_EQ(content.size(), file.size_bytes) << file.path;
      result_.files[file.path] = std::move(content);
    }
  }

 private:
  void TakePage(const v1::ManifestPage& page) {
    EXPECT_FALSE(planned_) << "a page after the last";
    ++result_.page_count;
    const absl::Status status = pages_.Add(page);
    ASSERT_TRUE(status.ok()) << status;
    if (!pages_.complete()) return;
    absl::StatusOr<model::Manifest> manifest = pages_.Take();
    ASSERT_TRUE(manifest.ok()) << manifest.status();
    result_.manifest = *std::move(manifest);
    const bool holds = request_.held_revision == result_.manifest.revision;
    absl::StatusOr<model::ReadPlan> plan = model::PlanRead(
        result_.manifest, request_.selection, request_.representation,
        holds ? request_.held : model::HeldChunks());
    ASSERT_TRUE(plan.ok()) << plan.status();
    result_.plan = *std::move(plan);
    planned_ = true;
    NextValues();
  }

  // Moves on to the next planned chunk that has values. A chunk without them
  // is decoded right away.
  void NextValues() {
    while (chunk_position_ < result_.plan.chunks.size()) {
      values_ = model::ValuesOf(chunk(), planned_chunk().layer_count);
      value_position_ = 0;
      if (!values_.empty()) return;
      Decode();
      ++chunk_position_;
    }
  }

  const model::PlannedChunk& planned_chunk() const {
    return result_.plan.chunks[chunk_position_];
  }
  const model::Object& object() const {
    return result_.manifest.objects[planned_chunk().object_index];
  }
  const model::Chunk& chunk() const {
    return object().chunks[planned_chunk().chunk_index];
  }

  void TakeValue(const v1::Value& value) {
    ASSERT_TRUE(planned_) << "a value before the whole manifest";
    ASSERT_LT(chunk_position_, result_.plan.chunks.size())
        << "a value past the plan";
    ++result_.value_count;
    const model::ValueAddress& expected = values_[value_position_];
    ASSERT_EQ(value.object_index(), planned_chunk().object_index);
    ASSERT_EQ(value.chunk_index(), planned_chunk().chunk_index);
    ASSERT_EQ(value.layer(), expected.layer);
    ASSERT_EQ(value.subgroup(), expected.subgroup);
    ASSERT_EQ(value.value_index(), expected.value_index);
    ASSERT_EQ(value.payload().size(), expected.size_bytes);
    ASSERT_LE(value.payload().size(), model::kMaxValueBytes);
    EXPECT_EQ(Xxh3(AsBytes(value.payload())), expected.xxh3);
    if (object().is_tensor()) {
      result_.received.Add(expected.layer, value.payload().size());
    } else {
      result_.received.AddOther(value.payload().size());
    }
    stored_ += value.payload();
    if (++value_position_ < values_.size()) return;
    Decode();
    stored_.clear();
    ++chunk_position_;
    NextValues();
  }

  void Decode() {
    const uint32_t layer_count = planned_chunk().layer_count;
    ByteVector raw(chunk().raw_bytes);
    codec::ChunkValues values;
    values.original = raw;
    const absl::Status status = model::DecodeLayers(
        object(), chunk(),
        model::SplitLayers(chunk(), layer_count, AsBytes(stored_)), &decoder_,
        &values);
    ASSERT_TRUE(status.ok()) << status;
    if (layer_count == chunk().layers.size()) {
      EXPECT_EQ(Xxh3(raw), chunk().raw_xxh3);
      result_
          .chunks[{planned_chunk().object_index, planned_chunk().chunk_index}] =
          AsStringView(raw);
    }
    const model::LayerBlobs& top = chunk().layers[layer_count - 1];
    if (top.layer == kInt8) TakeCodes(top, values);
  }

  void TakeCodes(const model::LayerBlobs& int8,
                 const codec::ChunkValues& values) {
    const std::vector<int8_t>& codes = values.codes;
    ASSERT_EQ(int8.decoded_xxh3.size(), 2u);
    EXPECT_EQ(
        Xxh3({reinterpret_cast<const uint8_t*>(codes.data()), codes.size()}),
        int8.decoded_xxh3[0]);
    EXPECT_EQ(Xxh3({reinterpret_cast<const uint8_t*>(values.scales.data()),
                    values.scales.size() * sizeof(float)}),
              int8.decoded_xxh3[1]);
    std::vector<int8_t>& all = result_.codes[planned_chunk().object_index];
    all.insert(all.end(), codes.begin(), codes.end());
  }

  void TakeEnd(const v1::DownloadEnd& end) {
    EXPECT_TRUE(planned_);
    EXPECT_EQ(chunk_position_, result_.plan.chunks.size());
    const absl::StatusOr<model::LayerBytes> sent = wire::FromWire(end.sent());
    ASSERT_TRUE(sent.ok()) << sent.status();
    EXPECT_EQ(*sent, result_.received);
    EXPECT_EQ(*sent, result_.plan.to_read);
    result_.ended = true;
  }

  std::string BytesOfObject(size_t index) const {
    std::string bytes;
    const size_t chunk_count = result_.manifest.objects[index].chunks.size();
    for (size_t i = 0; i < chunk_count; ++i) {
      bytes += result_.chunks.at(
          {static_cast<uint32_t>(index), static_cast<uint32_t>(i)});
    }
    return bytes;
  }

  const wire::ReadRequest request_;
  DownloadResult& result_;
  wire::ManifestAssembler pages_;
  bool planned_ = false;
  codec::StackDecoder decoder_;
  size_t chunk_position_ = 0;                // in the plan
  std::vector<model::ValueAddress> values_;  // of the chunk there
  size_t value_position_ = 0;                // in values_
  std::string stored_;                       // values of that chunk so far
};

// File and segment index of the first segment of this name.
std::optional<std::pair<size_t, size_t>> FindTensor(
    const model::Manifest& manifest, const std::string& tensor) {
  for (size_t i = 0; i < manifest.files.size(); ++i) {
    const std::vector<model::Segment>& segments = manifest.files[i].segments;
    for (size_t j = 0; j < segments.size(); ++j) {
      if (segments[j].tensor_name == tensor) return std::pair(i, j);
    }
  }
  return std::nullopt;
}

}  // namespace

v1::Reference MakeReference(const std::string& model, const std::string& tag) {
  v1::Reference reference;
  reference.set_model(model);
  if (!tag.empty()) reference.set_tag(tag);
  return reference;
}

v1::UploadRequest BeginMessage(const std::string& name,
                               const std::string& tag) {
  v1::UploadRequest request;
  request.mutable_begin()->set_model(name);
  request.mutable_begin()->set_tag(tag);
  return request;
}

v1::UploadRequest FileMessage(const std::string& path, uint64_t size_bytes) {
  v1::UploadRequest request;
  request.mutable_file()->set_path(path);
  request.mutable_file()->set_size_bytes(size_bytes);
  return request;
}

v1::UploadRequest BytesMessage(const std::string& payload) {
  v1::UploadRequest request;
  request.mutable_bytes()->set_payload(payload);
  request.mutable_bytes()->set_xxh3(Xxh3(AsBytes(payload)));
  return request;
}

v1::UploadRequest EndMessage(uint64_t file_count, uint64_t total_bytes) {
  v1::UploadRequest request;
  request.mutable_end()->set_file_count(file_count);
  request.mutable_end()->set_total_bytes(total_bytes);
  return request;
}

std::vector<v1::UploadRequest> UploadMessages(const std::string& name,
                                              const TestModel& model,
                                              size_t payload_bytes) {
  std::vector<v1::UploadRequest> messages = {BeginMessage(name)};
  uint64_t total_bytes = 0;
  for (const auto& [path, content] : model) {
    messages.push_back(FileMessage(path, content.size()));
    for (size_t i = 0; i < content.size(); i += payload_bytes) {
      messages.push_back(BytesMessage(content.substr(i, payload_bytes)));
    }
    total_bytes += content.size();
  }
  messages.push_back(EndMessage(model.size(), total_bytes));
  return messages;
}

grpc::Status SendUpload(v1::ModelStore::Stub& stub,
                        const std::vector<v1::UploadRequest>& messages,
                        v1::UploadResponse* response) {
  grpc::ClientContext context;
  auto writer = stub.Upload(&context, response);
  for (const v1::UploadRequest& message : messages) {
    if (!writer->Write(message)) break;
  }
  writer->WritesDone();
  return writer->Finish();
}

v1::DownloadRequest MakeDownload(const v1::Reference& reference,
                                 codec::LayerNumber layer) {
  v1::DownloadRequest request;
  *request.mutable_reference() = reference;
  request.set_precision(wire::ToWire(model::Representation{layer}));
  return request;
}

DownloadResult Download(v1::ModelStore::Stub& stub,
                        const v1::DownloadRequest& request) {
  DownloadResult result;
  grpc::ClientContext context;
  auto reader = stub.Download(&context, request);
  // Of a request that the server must refuse, nothing is decoded.
  wire::ReadRequest parsed =
      wire::FromWire(request).value_or(wire::ReadRequest());
  const bool whole = parsed.representation.original() && parsed.held.empty();
  DownloadDecoder decoder(std::move(parsed), &result);
  v1::DownloadResponse response;
  while (reader->Read(&response)) decoder.Take(response);
  result.status = reader->Finish();
  EXPECT_EQ(result.status.ok(), result.ended);
  if (result.ended && whole) decoder.AssembleFiles();
  return result;
}

DownloadResult Download(v1::ModelStore::Stub& stub,
                        const v1::Reference& reference,
                        codec::LayerNumber layer) {
  return Download(stub, MakeDownload(reference, layer));
}

std::string PlannedBytes(const DownloadResult& result,
                         const std::string& tensor) {
  const auto place = FindTensor(result.manifest, tensor);
  EXPECT_TRUE(place.has_value()) << tensor;
  if (!place.has_value()) return "";
  const model::File& file = result.manifest.files[place->first];
  const size_t object_index = file.segments[place->second].object_index;
  const model::Object& object = result.manifest.objects[object_index];
  uint64_t first = 0;
  uint64_t end = object.raw_bytes;
  bool wanted = false;
  for (const model::PlannedFile& planned : result.plan.files) {
    if (planned.file_index != place->first) continue;
    for (const model::PlannedSegment& segment : planned.segments) {
      if (segment.segment_index != place->second) continue;
      wanted = true;
      if (!segment.rows.has_value()) continue;
      const uint64_t row_bytes = object.raw_bytes / object.shape[0];
      first = segment.rows->first * row_bytes;
      end = segment.rows->end * row_bytes;
    }
  }
  EXPECT_TRUE(wanted) << tensor;
  std::string bytes;
  uint64_t offset = 0;
  for (uint32_t i = 0; i < object.chunks.size(); ++i) {
    const uint64_t chunk_end = offset + object.chunks[i].raw_bytes;
    const uint64_t from = std::max(first, offset);
    const uint64_t to = std::min(end, chunk_end);
    if (from < to) {
      bytes += result.chunks.at({static_cast<uint32_t>(object_index), i})
                   .substr(from - offset, to - from);
    }
    offset = chunk_end;
  }
  return bytes;
}

v1::ManifestPage ParsePage(const v1::Checked& checked) {
  v1::ManifestPage page;
  EXPECT_EQ(Xxh3(AsBytes(checked.serialized())), checked.xxh3());
  EXPECT_TRUE(page.ParseFromString(checked.serialized()));
  return page;
}

grpc::Status ReadManifest(v1::ModelStore::Stub& stub,
                          const v1::Reference& reference,
                          model::Manifest* manifest, uint64_t* page_count) {
  wire::ManifestAssembler pages;
  v1::GetRevisionRequest request;
  *request.mutable_reference() = reference;
  for (uint64_t count = 1;; ++count) {
    grpc::ClientContext context;
    v1::GetRevisionResponse response;
    grpc::Status status = stub.GetRevision(&context, request, &response);
    if (!status.ok()) return status;
    EXPECT_LE(response.ByteSizeLong(), kMaxAnswerBytes);
    const absl::Status added = pages.Add(ParsePage(response.page()));
    EXPECT_TRUE(added.ok()) << added;
    EXPECT_EQ(pages.complete(), response.next_page_token().empty());
    if (!added.ok() || response.next_page_token().empty()) {
      if (page_count != nullptr) *page_count = count;
      break;
    }
    request.set_page_token(response.next_page_token());
  }
  absl::StatusOr<model::Manifest> whole = pages.Take();
  EXPECT_TRUE(whole.ok()) << whole.status();
  if (whole.ok()) *manifest = *std::move(whole);
  return grpc::Status::OK;
}

const model::Object& ObjectOf(const model::Manifest& manifest,
                              const std::string& tensor) {
  static const model::Object kNone;
  const auto place = FindTensor(manifest, tensor);
  EXPECT_TRUE(place.has_value()) << tensor;
  if (!place.has_value()) return kNone;
  const model::File& file = manifest.files[place->first];
  return manifest.objects[file.segments[place->second].object_index];
}

grpc::Status Verify(v1::ModelStore::Stub& stub, const v1::Reference& reference,
                    v1::VerifyResponse* last) {
  grpc::ClientContext context;
  v1::VerifyRequest request;
  *request.mutable_reference() = reference;
  auto reader = stub.Verify(&context, request);
  v1::VerifyResponse response;
  while (reader->Read(&response)) *last = response;
  return reader->Finish();
}

}  // namespace qstore::server
