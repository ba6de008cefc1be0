#include "tests/client/fake_model.h"

#include <algorithm>
#include <cmath>
#include <random>
#include <span>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/hash.h"
#include "base/status.h"
#include "codec/chunk_codec.h"
#include "codec/layer_stack.h"
#include "gtest/gtest.h"
#include "model/chunk_description.h"
#include "model/read_plan.h"
#include "model/safetensors.h"
#include "wire/layer_bytes.h"
#include "wire/manifest_pages.h"
#include "wire/read_request.h"

namespace qstore::client {
namespace {

model::Blob BlobOf(const codec::EncodedBlob& encoded) {
  model::Blob blob;
  blob.subgroup = encoded.subgroup;
  blob.size_bytes = encoded.bytes.size();
  ByteView left = encoded.bytes;
  for (uint32_t i = 0; i < model::ValueCount(blob.size_bytes); ++i) {
    const uint64_t value_bytes = model::ValueBytes(blob.size_bytes, i);
    blob.value_xxh3.push_back(Xxh3(left.first(value_bytes)));
    left = left.subspan(value_bytes);
  }
  return blob;
}

// The one scale of a tensor of F32 weights.
float ScaleOf(const std::string& weights) {
  float largest = 0;
  for (size_t i = 0; i < weights.size(); i += sizeof(float)) {
    largest = std::max(largest,
                       std::fabs(LoadLittleEndian<float>(weights.data() + i)));
  }
  return largest / 127;
}

// A chunk under a scale that it does not choose by itself.
std::vector<codec::EncodedLayer> EncodeUnder(float scale,
                                             const codec::ChunkShape& shape,
                                             ByteView raw) {
  std::vector<int8_t> codes;
  codes.reserve(raw.size() / sizeof(float));
  for (size_t i = 0; i < raw.size(); i += sizeof(float)) {
    codes.push_back(static_cast<int8_t>(
        std::lround(LoadLittleEndian<float>(raw.data() + i) / scale)));
  }
  codec::EncodedChunk pair;
  const absl::Status status =
      codec::ChunkEncoder(codec::EncodeOptions())
          .EncodePair(shape, raw, codes, std::span(&scale, 1), &pair);
  EXPECT_TRUE(status.ok()) << status;
  std::vector<codec::EncodedLayer> layers(2);
  layers[0].layer = &codec::kInt8Layer;
  layers[0].blobs.push_back({0, std::move(pair.int8_blob)});
  layers[0].decoded_xxh3 = {pair.codes_xxh3, pair.scales_xxh3};
  layers[1].layer = &codec::kResidualLayer;
  layers[1].blobs = std::move(pair.residual);
  return layers;
}

}  // namespace

FakeTensor MakeTensor(const std::string& name, Dtype dtype,
                      std::vector<uint64_t> shape, bool quantized) {
  FakeTensor tensor{.name = name,
                    .dtype = dtype,
                    .shape = std::move(shape),
                    .quantized = quantized,
                    .bytes = ""};
  uint64_t count = 1;
  for (const uint64_t extent : tensor.shape) count *= extent;
  std::mt19937 random(static_cast<uint32_t>(name.size() * 31 + count));
  for (uint64_t i = 0; i < count; ++i) {
    // Floats of size 2^-8 to 2^-5: plausible in every type when cut to its
    // width.
    const uint32_t bits =
        (119 + random() % 4) << 23 | random() << 31 | (random() & 0x7fffff);
    const uint64_t value = dtype == Dtype::kF16
                               ? (random() & 0x83ff) | (7 + random() % 4) << 10
                           : dtype == Dtype::kBF16 ? bits >> 16
                                                   : bits;
    tensor.bytes.append(reinterpret_cast<const char*>(&value),
                        DtypeBits(dtype) / 8);
  }
  return tensor;
}

void SetChecked(const google::protobuf::MessageLite& message,
                v1::Checked* checked) {
  checked->set_serialized(message.SerializeAsString());
  checked->set_xxh3(Xxh3(AsBytes(checked->serialized())));
}

FakeModel::FakeModel(uint64_t plain_chunk_bytes)
    : plain_chunk_bytes_(plain_chunk_bytes) {
  manifest_.model = "org/model";
  manifest_.revision = std::string(64, 'a');
  manifest_.created_unix_seconds = 1'700'000'000;
  manifest_.tags = {"latest"};
  manifest_.quantizer = "absmax";
}

void FakeModel::AddFile(const std::string& path, const std::string& contents) {
  contents_[path] = contents;
  model::File& file = manifest_.files.emplace_back();
  file.path = path;
  if (!contents.empty()) AddSegment(AddOpaque(contents), "", &file);
  CountFile(file);
}

void FakeModel::AddSafetensors(const std::string& path,
                               const std::vector<FakeTensor>& tensors) {
  SafetensorsHeader header;
  header.metadata["format"] = "pt";
  uint64_t next_bytes = 0;
  for (const FakeTensor& tensor : tensors) {
    const uint64_t end_bytes = next_bytes + tensor.bytes.size();
    header.tensors.push_back(
        {tensor.name, tensor.dtype, tensor.shape, next_bytes, end_bytes});
    next_bytes = end_bytes;
  }
  std::string contents(AsStringView(WriteSafetensorsHeader(header)));
  model::File& file = manifest_.files.emplace_back();
  file.path = path;
  file.safetensors = true;
  AddSegment(AddOpaque(contents), "", &file);
  for (const FakeTensor& tensor : tensors) {
    AddSegment(AddTensor(tensor), tensor.name, &file);
    contents += tensor.bytes;
  }
  CountFile(file);
  contents_[path] = std::move(contents);
}

void FakeModel::AddSegment(size_t object_index, const std::string& tensor_name,
                           model::File* file) {
  const uint64_t raw_bytes = manifest_.objects[object_index].raw_bytes;
  file->segments.push_back({object_index, tensor_name, raw_bytes});
  file->size_bytes += raw_bytes;
}

void FakeModel::CountFile(const model::File& file) {
  manifest_.original_bytes += file.size_bytes;
  manifest_.two_copies_bytes = manifest_.original_bytes * 3 / 2;
}

size_t FakeModel::AddOpaque(const std::string& contents) {
  model::Object object;
  object.raw_bytes = contents.size();
  return AddObject("opaque/" + contents, std::move(object), contents);
}

size_t FakeModel::AddTensor(const FakeTensor& tensor) {
  model::Object object;
  object.dtype = tensor.dtype;
  object.shape = tensor.shape;
  object.raw_bytes = tensor.bytes.size();
  if (tensor.quantized) {
    object.quantization =
        model::Quantization{.quantizer = "absmax", .strategy = tensor.strategy};
  }
  std::string key =
      absl::StrCat(static_cast<int>(tensor.dtype), "/", tensor.quantized, "/",
                   static_cast<int>(tensor.strategy), "/");
  for (const uint64_t extent : tensor.shape) absl::StrAppend(&key, extent, "x");
  return AddObject(key + tensor.bytes, std::move(object), tensor.bytes);
}

size_t FakeModel::AddObject(const std::string& key, model::Object object,
                            const std::string& contents) {
  const auto [entry, is_new] =
      object_by_content_.try_emplace(key, manifest_.objects.size());
  if (!is_new) return entry->second;
  object.content_hash = Sha256Of(AsBytes(key));
  uint64_t chunk_bytes = plain_chunk_bytes_;
  if (object.quantized()) {
    chunk_bytes = kChunkRows * (object.raw_bytes / object.shape[0]);
  }
  codec::StackEncoder encoder;
  std::vector<codec::EncodedLayer> layers;
  std::vector<std::string>& stored = stored_.emplace_back();
  for (uint64_t offset = 0; offset < contents.size(); offset += chunk_bytes) {
    const ByteView all = AsBytes(contents).subspan(offset);
    const ByteView raw = all.first(std::min<size_t>(chunk_bytes, all.size()));
    model::Chunk& chunk = object.chunks.emplace_back();
    chunk.raw_bytes = raw.size();
    chunk.raw_xxh3 = Xxh3(raw);
    if (object.quantized()) {
      chunk.rows = static_cast<uint32_t>(raw.size() * object.shape[0] /
                                         object.raw_bytes);
    }
    const auto description = model::DescribeChunk(object, chunk);
    EXPECT_TRUE(description.ok()) << description.status();
    if (object.quantized() &&
        object.quantization->strategy == codec::ScaleStrategy::kTensor) {
      layers = EncodeUnder(ScaleOf(contents), *description->shape, raw);
    } else {
      const absl::Status status =
          encoder.Encode(*description, codec::EncodeOptions(), raw, &layers);
      EXPECT_TRUE(status.ok()) << status;
    }
    std::string& values = stored.emplace_back();
    for (const codec::EncodedLayer& encoded : layers) {
      model::LayerBlobs& layer = chunk.layers.emplace_back();
      layer.layer = encoded.layer->number;
      layer.decoded_xxh3 = encoded.decoded_xxh3;
      for (const codec::EncodedBlob& blob : encoded.blobs) {
        layer.blobs.push_back(BlobOf(blob));
        values += AsStringView(blob.bytes);
      }
    }
  }
  manifest_.stored += model::StoredValueBytes(object);
  manifest_.objects.push_back(std::move(object));
  return entry->second;
}

std::vector<v1::ManifestPage> FakeModel::Pages() const {
  wire::ManifestPages source(
      &manifest_, manifest_.objects.size(),
      [this](size_t index) -> absl::StatusOr<const model::Object*> {
        return &manifest_.objects[index];
      });
  std::vector<v1::ManifestPage> pages;
  while (!source.done()) pages.push_back(source.Next().value());
  return pages;
}

absl::StatusOr<std::vector<v1::DownloadResponse>> FakeModel::Answer(
    const v1::DownloadRequest& request) const {
  QSTORE_ASSIGN_OR_RETURN(wire::ReadRequest read, wire::FromWire(request));
  if (read.held_revision != manifest_.revision) read.held = {};
  std::vector<v1::DownloadResponse> stream;
  for (const v1::ManifestPage& page : Pages()) {
    SetChecked(page, stream.emplace_back().mutable_manifest_page());
  }
  const absl::StatusOr<model::ReadPlan> plan = model::PlanRead(
      manifest_, read.selection, read.representation, read.held);
  // The client makes the same plan, and is the first to say so.
  if (!plan.ok()) return stream;
  for (const model::PlannedChunk& planned : plan->chunks) {
    const model::Chunk& chunk =
        manifest_.objects[planned.object_index].chunks[planned.chunk_index];
    const std::string& stored =
        stored_[planned.object_index][planned.chunk_index];
    uint64_t offset = 0;
    for (const model::ValueAddress& address :
         model::ValuesOf(chunk, planned.layer_count)) {
      v1::Value* value = stream.emplace_back().mutable_value();
      value->set_object_index(planned.object_index);
      value->set_chunk_index(planned.chunk_index);
      value->set_layer(address.layer);
      value->set_subgroup(address.subgroup);
      value->set_value_index(address.value_index);
      value->set_payload(stored.substr(offset, address.size_bytes));
      offset += address.size_bytes;
    }
  }
  wire::ToWire(plan->to_read,
               stream.emplace_back().mutable_end()->mutable_sent());
  return stream;
}

std::vector<v1::DownloadResponse> FakeModel::Stream(
    v1::Precision precision) const {
  v1::DownloadRequest request;
  request.set_precision(precision);
  return Answer(request).value();
}

}  // namespace qstore::client
