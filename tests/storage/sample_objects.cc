#include "tests/storage/sample_objects.h"

#include <algorithm>
#include <utility>

#include "base/status.h"
#include "model/dtype.h"
#include "storage/records/records.h"
#include "tests/storage/engine_fixture.h"

namespace qstore::storage {
namespace {

SampleObject NewSample(v1::ObjectKind kind, uint64_t seed) {
  SampleObject sample;
  sample.object.set_kind(kind);
  const std::string name =
      std::to_string(kind) + " sample " + std::to_string(seed);
  sample.object.set_content_hash(
      std::string(AsStringView(Sha256Of(AsBytes(name)))));
  return sample;
}

SampleObject PlainChunks(SampleObject sample, uint64_t seed,
                         uint64_t raw_bytes) {
  constexpr uint64_t kChunkBytes = 4u << 20;
  sample.object.set_raw_bytes(raw_bytes);
  for (uint64_t at = 0; at < raw_bytes; at += kChunkBytes) {
    const uint64_t size = std::min(kChunkBytes, raw_bytes - at);
    SampleObject::SampleChunk chunk;
    chunk.chunk.set_raw_bytes(size);
    chunk.blobs.push_back({Family::kPlain, 0, PatternBytes(size, seed + at)});
    sample.chunks.push_back(std::move(chunk));
  }
  return sample;
}

}  // namespace

Sha256Digest SampleObject::content_hash() const {
  return DigestFromBytes(object.content_hash());
}

SampleObject QuantizedSample(uint64_t seed, uint32_t rows, uint32_t columns) {
  SampleObject sample = NewSample(v1::OBJECT_KIND_QUANTIZED, seed);
  v1::Object& object = sample.object;
  object.set_dtype(static_cast<uint32_t>(Dtype::kBF16));
  object.add_shape(rows);
  object.add_shape(columns);
  object.set_raw_bytes(uint64_t{2} * rows * columns);
  object.mutable_quantization()->set_quantizer("absmax");
  object.mutable_quantization()->set_strategy(2);
  object.mutable_quantization()->set_coder(1);
  for (uint32_t i = 0; i < 2; ++i) {
    SampleObject::SampleChunk chunk;
    const uint32_t chunk_rows = i == 0 ? rows / 2 : rows - rows / 2;
    chunk.chunk.set_rows(chunk_rows);
    chunk.chunk.set_raw_bytes(uint64_t{2} * chunk_rows * columns);
    const uint64_t weights = uint64_t{chunk_rows} * columns;
    chunk.blobs.push_back(
        {Family::kInt8, 0, PatternBytes(weights, 10 * seed + i)});
    for (const uint8_t subgroup : {1, 3, 200}) {
      chunk.blobs.push_back({Family::kResidual, subgroup,
                             PatternBytes(weights / 6, seed + subgroup)});
    }
    sample.chunks.push_back(std::move(chunk));
  }
  return sample;
}

SampleObject PlainSample(uint64_t seed, uint64_t elements) {
  SampleObject sample = NewSample(v1::OBJECT_KIND_PLAIN, seed);
  sample.object.set_dtype(static_cast<uint32_t>(Dtype::kF32));
  sample.object.add_shape(elements);
  return PlainChunks(std::move(sample), seed, 4 * elements);
}

SampleObject OpaqueSample(uint64_t seed, uint64_t size_bytes) {
  return PlainChunks(NewSample(v1::OBJECT_KIND_OPAQUE, seed), seed, size_bytes);
}

SampleObject LargeSample(uint64_t seed) {
  return PlainSample(seed, uint64_t{9} << 18);
}

absl::StatusOr<uint64_t> AddSample(Upload* upload, const SampleObject& sample) {
  QSTORE_ASSIGN_OR_RETURN(std::unique_ptr<ObjectWriter> writer,
                          upload->AddObject());
  for (const SampleObject::SampleChunk& chunk : sample.chunks) {
    std::vector<BlobToStore> blobs;
    for (const SampleObject::SampleBlob& blob : chunk.blobs) {
      blobs.push_back({blob.family, blob.subgroup, blob.bytes});
    }
    QSTORE_RETURN_IF_ERROR(writer->AddChunk(chunk.chunk, blobs));
  }
  return writer->Finish(sample.object);
}

v1::Segment SegmentOf(uint64_t object_id, const SampleObject& sample,
                      const std::string& tensor_name) {
  v1::Segment segment;
  segment.set_object_id(object_id);
  segment.set_tensor_name(tensor_name);
  segment.set_raw_bytes(sample.object.raw_bytes());
  segment.set_content_hash(sample.object.content_hash());
  return segment;
}

absl::StatusOr<v1::Revision> DraftOf(Upload* upload, const std::string& model,
                                     const std::vector<SampleObject>& tensors,
                                     uint64_t config_seed) {
  const auto find_or_add =
      [upload](const SampleObject& sample) -> absl::StatusOr<uint64_t> {
    QSTORE_ASSIGN_OR_RETURN(const std::optional<uint64_t> found,
                            upload->FindObject(sample.content_hash()));
    if (found.has_value()) return *found;
    return AddSample(upload, sample);
  };
  v1::Revision draft;
  draft.set_model(model);
  draft.set_quantizer("absmax");
  v1::File* weights = draft.add_files();
  weights->set_path("model.safetensors");
  weights->set_safetensors(true);
  uint64_t size_bytes = 0;
  for (size_t i = 0; i < tensors.size(); ++i) {
    QSTORE_ASSIGN_OR_RETURN(const uint64_t id, find_or_add(tensors[i]));
    *weights->add_segments() =
        SegmentOf(id, tensors[i], "tensor." + std::to_string(i));
    size_bytes += tensors[i].object.raw_bytes();
  }
  weights->set_size_bytes(size_bytes);
  const SampleObject config = OpaqueSample(config_seed);
  QSTORE_ASSIGN_OR_RETURN(const uint64_t config_id, find_or_add(config));
  v1::File* file = draft.add_files();
  file->set_path("config.json");
  file->set_size_bytes(config.object.raw_bytes());
  *file->add_segments() = SegmentOf(config_id, config, "");
  return draft;
}

absl::StatusOr<Upload::CommitResult> UploadSamples(
    ModelStore* store, const std::string& model, const std::string& tag,
    const std::vector<SampleObject>& tensors, uint64_t config_seed) {
  QSTORE_ASSIGN_OR_RETURN(const std::unique_ptr<Upload> upload,
                          store->BeginUpload(model));
  QSTORE_ASSIGN_OR_RETURN(v1::Revision draft,
                          DraftOf(upload.get(), model, tensors, config_seed));
  return upload->Commit(std::move(draft), tag);
}

absl::StatusOr<int> ReadAllBlobs(RevisionReader* reader) {
  int blob_count = 0;
  for (const v1::File& file : reader->revision().files()) {
    for (const v1::Segment& segment : file.segments()) {
      QSTORE_ASSIGN_OR_RETURN(const v1::Object object,
                              reader->GetObject(segment.object_id()));
      for (int i = 0; i < object.chunks_size(); ++i) {
        const v1::Chunk& chunk = object.chunks(i);
        const auto read = [&](Family family, const v1::Blob& blob) {
          ++blob_count;
          return reader
              ->GetBlob(family, object.object_id(), static_cast<uint32_t>(i),
                        blob)
              .status();
        };
        if (chunk.has_int8()) {
          QSTORE_RETURN_IF_ERROR(read(Family::kInt8, chunk.int8()));
        }
        for (const v1::Blob& blob : chunk.residual()) {
          QSTORE_RETURN_IF_ERROR(read(Family::kResidual, blob));
        }
        if (chunk.has_plain()) {
          QSTORE_RETURN_IF_ERROR(read(Family::kPlain, chunk.plain()));
        }
      }
    }
  }
  return blob_count;
}

}  // namespace qstore::storage
