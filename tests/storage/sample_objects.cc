#include "tests/storage/sample_objects.h"

#include <algorithm>
#include <utility>

#include "base/status.h"
#include "model/dtype.h"
#include "tests/storage/engine_fixture.h"

namespace qstore::storage {
namespace {

constexpr codec::LayerNumber kInt8 = 1;
constexpr codec::LayerNumber kResidual = 2;
constexpr codec::LayerNumber kPlain = 3;
// Of codes and scales; nothing here decodes them.
constexpr uint64_t kDecodedXxh3[] = {1, 2};

SampleObject NewSample(const char* kind, uint64_t seed) {
  SampleObject sample;
  const std::string name =
      std::string(kind) + " sample " + std::to_string(seed);
  sample.object.content_hash = Sha256Of(AsBytes(name));
  return sample;
}

SampleObject PlainChunks(SampleObject sample, uint64_t seed,
                         uint64_t raw_bytes) {
  constexpr uint64_t kChunkBytes = 4u << 20;
  sample.object.raw_bytes = raw_bytes;
  for (uint64_t at = 0; at < raw_bytes; at += kChunkBytes) {
    const uint64_t size = std::min(kChunkBytes, raw_bytes - at);
    SampleObject::SampleChunk chunk;
    chunk.chunk.raw_bytes = size;
    chunk.layers.push_back({kPlain, {{0, PatternBytes(size, seed + at)}}});
    sample.chunks.push_back(std::move(chunk));
  }
  return sample;
}

}  // namespace

std::vector<LayerToStore> SampleObject::SampleChunk::to_store() const {
  std::vector<LayerToStore> result;
  result.reserve(layers.size());
  for (const SampleLayer& layer : layers) {
    result.push_back({layer.layer, layer.blobs, {}});
    if (layer.layer == kInt8) result.back().decoded_xxh3 = kDecodedXxh3;
  }
  return result;
}

int SampleObject::value_count() const {
  uint32_t count = 0;
  for (const SampleChunk& chunk : chunks) {
    for (const SampleLayer& layer : chunk.layers) {
      for (const codec::EncodedBlob& blob : layer.blobs) {
        count += model::ValueCount(blob.bytes.size());
      }
    }
  }
  return static_cast<int>(count);
}

SampleObject QuantizedSample(uint64_t seed, uint32_t rows, uint32_t columns) {
  SampleObject sample = NewSample("quantized", seed);
  model::Object& object = sample.object;
  object.dtype = Dtype::kBF16;
  object.shape = {rows, columns};
  object.raw_bytes = uint64_t{2} * rows * columns;
  object.quantization = model::Quantization{.quantizer = "absmax"};
  for (uint32_t i = 0; i < 2; ++i) {
    SampleObject::SampleChunk chunk;
    chunk.chunk.rows = i == 0 ? rows / 2 : rows - rows / 2;
    chunk.chunk.raw_bytes = uint64_t{2} * chunk.chunk.rows * columns;
    const uint64_t weights = uint64_t{chunk.chunk.rows} * columns;
    chunk.layers.push_back(
        {kInt8, {{0, PatternBytes(weights, 10 * seed + i)}}});
    SampleObject::SampleLayer& residual =
        chunk.layers.emplace_back(SampleObject::SampleLayer{kResidual, {}});
    for (const uint8_t subgroup : {1, 3, 200}) {
      residual.blobs.push_back(
          {subgroup, PatternBytes(weights / 6, seed + subgroup)});
    }
    sample.chunks.push_back(std::move(chunk));
  }
  return sample;
}

SampleObject PlainSample(uint64_t seed, uint64_t elements) {
  SampleObject sample = NewSample("plain", seed);
  sample.object.dtype = Dtype::kF32;
  sample.object.shape = {elements};
  return PlainChunks(std::move(sample), seed, 4 * elements);
}

SampleObject OpaqueSample(uint64_t seed, uint64_t size_bytes) {
  return PlainChunks(NewSample("opaque", seed), seed, size_bytes);
}

SampleObject LargeSample(uint64_t seed) {
  return PlainSample(seed, uint64_t{kLargeSampleValues} << 18);
}

absl::StatusOr<uint64_t> AddSample(Upload* upload, const SampleObject& sample) {
  QSTORE_ASSIGN_OR_RETURN(std::unique_ptr<ObjectWriter> writer,
                          upload->AddObject());
  for (const SampleObject::SampleChunk& chunk : sample.chunks) {
    QSTORE_RETURN_IF_ERROR(writer->AddChunk(chunk.chunk, chunk.to_store()));
  }
  return writer->Finish(sample.object);
}

StoredSegment SegmentOf(uint64_t object_id, const SampleObject& sample,
                        const std::string& tensor_name) {
  return {.object_id = object_id,
          .tensor_name = tensor_name,
          .raw_bytes = sample.object.raw_bytes,
          .content_hash = sample.content_hash()};
}

absl::StatusOr<StoredRevision> DraftOf(Upload* upload, const std::string& model,
                                       const std::vector<SampleObject>& tensors,
                                       uint64_t config_seed) {
  const auto find_or_add =
      [upload](const SampleObject& sample) -> absl::StatusOr<uint64_t> {
    QSTORE_ASSIGN_OR_RETURN(const std::optional<uint64_t> found,
                            upload->FindObject(sample.content_hash()));
    if (found.has_value()) return *found;
    return AddSample(upload, sample);
  };
  StoredRevision draft;
  draft.model = model;
  draft.quantizer = "absmax";
  StoredFile weights;
  weights.path = "model.safetensors";
  weights.safetensors = true;
  for (size_t i = 0; i < tensors.size(); ++i) {
    QSTORE_ASSIGN_OR_RETURN(const uint64_t id, find_or_add(tensors[i]));
    weights.segments.push_back(
        SegmentOf(id, tensors[i], "tensor." + std::to_string(i)));
    weights.size_bytes += tensors[i].object.raw_bytes;
  }
  draft.files.push_back(std::move(weights));
  const SampleObject config = OpaqueSample(config_seed);
  QSTORE_ASSIGN_OR_RETURN(const uint64_t config_id, find_or_add(config));
  draft.files.push_back({.path = "config.json",
                         .size_bytes = config.object.raw_bytes,
                         .safetensors = false,
                         .segments = {SegmentOf(config_id, config, "")}});
  return draft;
}

absl::StatusOr<Upload::CommitResult> UploadSamples(
    ModelStore* store, const std::string& model, const std::string& tag,
    const std::vector<SampleObject>& tensors, uint64_t config_seed) {
  QSTORE_ASSIGN_OR_RETURN(const std::unique_ptr<Upload> upload,
                          store->BeginUpload(model));
  QSTORE_ASSIGN_OR_RETURN(StoredRevision draft,
                          DraftOf(upload.get(), model, tensors, config_seed));
  return upload->Commit(std::move(draft), tag);
}

absl::Status ForEachValue(
    RevisionReader* reader, const model::Object& object,
    const std::function<void(const model::ValueAddress&, ByteView)>& take) {
  for (size_t i = 0; i < object.chunks.size(); ++i) {
    const model::Chunk& chunk = object.chunks[i];
    const auto layer_count = static_cast<uint32_t>(chunk.layers.size());
    for (const model::ValueAddress& address :
         model::ValuesOf(chunk, layer_count)) {
      QSTORE_ASSIGN_OR_RETURN(
          const PinnedValue value,
          reader->GetValue(object.id, static_cast<uint32_t>(i), address));
      take(address, value.bytes());
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<SampleObject::SampleLayer>> ReadLayers(
    RevisionReader* reader, const model::Object& object, uint32_t chunk_index) {
  const model::Chunk& chunk = object.chunks[chunk_index];
  std::vector<SampleObject::SampleLayer> layers;
  for (const model::ValueAddress& address :
       model::ValuesOf(chunk, static_cast<uint32_t>(chunk.layers.size()))) {
    QSTORE_ASSIGN_OR_RETURN(const PinnedValue value,
                            reader->GetValue(object.id, chunk_index, address));
    if (layers.empty() || layers.back().layer != address.layer) {
      layers.push_back({address.layer, {}});
    }
    std::vector<codec::EncodedBlob>& blobs = layers.back().blobs;
    if (address.value_index == 0) blobs.push_back({address.subgroup, {}});
    blobs.back().bytes.insert(blobs.back().bytes.end(), value.bytes().begin(),
                              value.bytes().end());
  }
  return layers;
}

absl::StatusOr<int> ReadAllValues(RevisionReader* reader) {
  int value_count = 0;
  for (const StoredFile& file : reader->revision().files) {
    for (const StoredSegment& segment : file.segments) {
      QSTORE_ASSIGN_OR_RETURN(const model::Object object,
                              reader->GetObject(segment.object_id));
      QSTORE_RETURN_IF_ERROR(ForEachValue(
          reader, object, [&value_count](const model::ValueAddress&, ByteView) {
            ++value_count;
          }));
    }
  }
  return value_count;
}

}  // namespace qstore::storage
