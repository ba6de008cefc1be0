#include "tests/client/fake_model.h"

#include <algorithm>
#include <bit>
#include <random>

#include "absl/strings/str_cat.h"
#include "base/hash.h"
#include "codec/chunk_codec.h"
#include "codec/plain/plain_codec.h"
#include "gtest/gtest.h"
#include "model/chunk_description.h"
#include "model/safetensors.h"

namespace qstore::client {
namespace {

std::string ToString(const ByteVector& bytes) {
  return std::string(AsStringView(bytes));
}

codec::FloatFormat FormatOf(Dtype dtype) {
  if (dtype == Dtype::kF32) return codec::FloatFormat::kF32;
  return dtype == Dtype::kF16 ? codec::FloatFormat::kF16
                              : codec::FloatFormat::kBF16;
}

v1::BlobManifest BlobOf(v1::BlobKind kind, uint32_t subgroup,
                        const std::string& bytes) {
  v1::BlobManifest blob;
  blob.set_kind(kind);
  blob.set_subgroup(subgroup);
  blob.set_size_bytes(bytes.size());
  blob.set_xxh3(Xxh3(AsBytes(bytes)));
  return blob;
}

}  // namespace

FakeTensor MakeTensor(const std::string& name, Dtype dtype,
                      std::vector<uint64_t> shape, bool quantized) {
  FakeTensor tensor{name, dtype, std::move(shape), quantized, ""};
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

void FakeModel::AddFile(const std::string& path, const std::string& contents) {
  contents_[path] = contents;
  v1::FileManifest& file = files_.emplace_back();
  file.set_path(path);
  if (!contents.empty()) AddSegment(AddOpaque(contents), "", &file);
  v1::FileSummary& summary = summaries_.emplace_back();
  summary.set_path(path);
  summary.set_size_bytes(contents.size());
  summary.set_other_bytes(contents.size());
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
  std::string contents = ToString(WriteSafetensorsHeader(header));
  v1::FileManifest& file = files_.emplace_back();
  file.set_path(path);
  file.set_safetensors(true);
  AddSegment(AddOpaque(contents), "", &file);
  v1::FileSummary& summary = summaries_.emplace_back();
  summary.set_path(path);
  summary.set_other_bytes(contents.size());
  for (const FakeTensor& tensor : tensors) {
    const uint64_t index = AddTensor(tensor);
    AddSegment(index, tensor.name, &file);
    contents += tensor.bytes;
    v1::TensorSummary* entry = summary.add_tensors();
    entry->set_name(tensor.name);
    entry->set_dtype(std::string(DtypeName(tensor.dtype)));
    *entry->mutable_shape() = objects_[index].manifest.shape();
    entry->set_quantized(tensor.quantized);
    entry->set_raw_bytes(tensor.bytes.size());
    entry->set_scale_strategy(objects_[index].manifest.scale_strategy());
    for (const std::vector<Blob>& chunk : objects_[index].blobs) {
      for (const Blob& blob : chunk) {
        const uint64_t bytes = blob.bytes.size();
        if (blob.manifest.kind() == v1::BLOB_KIND_INT8) {
          entry->set_int8_bytes(entry->int8_bytes() + bytes);
        } else if (blob.manifest.kind() == v1::BLOB_KIND_RESIDUAL) {
          entry->set_residual_bytes(entry->residual_bytes() + bytes);
        } else {
          entry->set_plain_bytes(entry->plain_bytes() + bytes);
        }
      }
    }
  }
  summary.set_size_bytes(contents.size());
  contents_[path] = std::move(contents);
}

void FakeModel::AddSegment(uint64_t object_index,
                           const std::string& tensor_name,
                           v1::FileManifest* file) {
  const uint64_t raw_bytes = objects_[object_index].manifest.raw_bytes();
  v1::SegmentManifest* segment = file->add_segments();
  segment->set_object_index(object_index);
  segment->set_tensor_name(tensor_name);
  segment->set_raw_bytes(raw_bytes);
  file->set_size_bytes(file->size_bytes() + raw_bytes);
}

uint64_t FakeModel::AddOpaque(const std::string& contents) {
  const auto [entry, is_new] =
      object_by_content_.try_emplace("opaque/" + contents, objects_.size());
  if (is_new) {
    objects_.push_back(
        EncodePlain(v1::OBJECT_KIND_OPAQUE, contents, Dtype::kU8));
  }
  return entry->second;
}

uint64_t FakeModel::AddTensor(const FakeTensor& tensor) {
  std::string key =
      absl::StrCat(static_cast<int>(tensor.dtype), "/", tensor.quantized, "/");
  for (const uint64_t extent : tensor.shape) absl::StrAppend(&key, extent, "x");
  const auto [entry, is_new] =
      object_by_content_.try_emplace(key + tensor.bytes, objects_.size());
  if (!is_new) return entry->second;
  Object object = tensor.quantized ? EncodeQuantized(tensor)
                                   : EncodePlain(v1::OBJECT_KIND_PLAIN,
                                                 tensor.bytes, tensor.dtype);
  object.manifest.set_dtype(std::string(DtypeName(tensor.dtype)));
  object.manifest.mutable_shape()->Assign(tensor.shape.begin(),
                                          tensor.shape.end());
  objects_.push_back(std::move(object));
  return entry->second;
}

FakeModel::Object FakeModel::EncodeQuantized(const FakeTensor& tensor) {
  Object object;
  object.manifest.set_kind(v1::OBJECT_KIND_QUANTIZED);
  object.manifest.set_raw_bytes(tensor.bytes.size());
  object.manifest.set_scale_strategy(
      static_cast<uint32_t>(codec::ScaleStrategy::kChannel));
  codec::ChunkEncoder encoder{codec::EncodeOptions()};
  uint64_t offset = 0;
  for (uint64_t row = 0; row < tensor.shape[0]; row += kChunkRows) {
    const codec::ChunkShape shape{
        .format = FormatOf(tensor.dtype),
        .rows = static_cast<uint32_t>(
            std::min<uint64_t>(kChunkRows, tensor.shape[0] - row)),
        .columns = static_cast<uint32_t>(tensor.shape[1]),
        .strategy = codec::ScaleStrategy::kChannel};
    codec::EncodedChunk encoded;
    const ByteView weights =
        AsBytes(tensor.bytes).subspan(offset, shape.weight_bytes());
    const absl::Status status = encoder.Encode(shape, weights, &encoded);
    EXPECT_TRUE(status.ok()) << status;
    offset += weights.size();
    v1::ChunkManifest* chunk = object.manifest.add_chunks();
    chunk->set_rows(shape.rows);
    chunk->set_raw_bytes(weights.size());
    chunk->set_raw_xxh3(Xxh3(weights));
    chunk->set_codes_xxh3(encoded.codes_xxh3);
    chunk->set_scales_xxh3(encoded.scales_xxh3);
    std::vector<Blob>& blobs = object.blobs.emplace_back();
    const std::string int8 = ToString(encoded.int8_blob);
    blobs.push_back({BlobOf(v1::BLOB_KIND_INT8, 0, int8), int8});
    for (const codec::EncodedBlob& residual : encoded.residual) {
      const std::string bytes = ToString(residual.bytes);
      blobs.push_back(
          {BlobOf(v1::BLOB_KIND_RESIDUAL, residual.subgroup, bytes), bytes});
    }
  }
  return object;
}

FakeModel::Object FakeModel::EncodePlain(v1::ObjectKind kind,
                                         const std::string& contents,
                                         Dtype dtype) {
  Object object;
  object.manifest.set_kind(kind);
  object.manifest.set_raw_bytes(contents.size());
  codec::PlainCodec codec;
  ByteVector blob;
  const absl::Status status =
      codec.Encode(model::PlainLayoutFor(dtype), AsBytes(contents), &blob);
  EXPECT_TRUE(status.ok()) << status;
  v1::ChunkManifest* chunk = object.manifest.add_chunks();
  chunk->set_raw_bytes(contents.size());
  chunk->set_raw_xxh3(Xxh3(AsBytes(contents)));
  const std::string bytes = ToString(blob);
  object.blobs.push_back({{BlobOf(v1::BLOB_KIND_PLAIN, 0, bytes), bytes}});
  return object;
}

v1::GetRevisionResponse FakeModel::Summary() const {
  v1::GetRevisionResponse summary;
  summary.set_model("org/model");
  summary.set_revision(std::string(64, 'a'));
  summary.set_created_unix_seconds(1'700'000'000);
  summary.add_tags("latest");
  summary.set_quantizer("absmax");
  for (const v1::FileSummary& file : summaries_) {
    *summary.add_files() = file;
    summary.set_original_bytes(summary.original_bytes() + file.size_bytes());
    v1::BytesByKind* stored = summary.mutable_stored();
    stored->set_other(stored->other() + file.other_bytes());
    for (const v1::TensorSummary& tensor : file.tensors()) {
      stored->set_int8(stored->int8() + tensor.int8_bytes());
      stored->set_residual(stored->residual() + tensor.residual_bytes());
      stored->set_plain(stored->plain() + tensor.plain_bytes());
    }
  }
  summary.set_two_copies_bytes(summary.original_bytes() * 3 / 2);
  return summary;
}

std::vector<v1::DownloadResponse> FakeModel::Stream(v1::Precision precision,
                                                    size_t part_bytes) const {
  std::vector<v1::DownloadResponse> stream(1);
  v1::BytesByKind sent;
  for (size_t i = 0; i < objects_.size(); ++i) {
    v1::ObjectManifest manifest = objects_[i].manifest;
    manifest.set_object_index(i);
    const size_t manifest_position = stream.size();
    stream.emplace_back();
    for (size_t c = 0; c < objects_[i].blobs.size(); ++c) {
      v1::ChunkManifest* chunk = manifest.mutable_chunks(static_cast<int>(c));
      for (const Blob& blob : objects_[i].blobs[c]) {
        const v1::BlobKind kind = blob.manifest.kind();
        if (kind == v1::BLOB_KIND_RESIDUAL && precision == v1::PRECISION_INT8) {
          continue;
        }
        const uint64_t size_bytes = blob.bytes.size();
        if (manifest.kind() == v1::OBJECT_KIND_OPAQUE) {
          sent.set_other(sent.other() + size_bytes);
        } else if (kind == v1::BLOB_KIND_INT8) {
          sent.set_int8(sent.int8() + size_bytes);
        } else if (kind == v1::BLOB_KIND_RESIDUAL) {
          sent.set_residual(sent.residual() + size_bytes);
        } else {
          sent.set_plain(sent.plain() + size_bytes);
        }
        for (size_t offset = 0; offset < size_bytes; offset += part_bytes) {
          v1::BlobPart* part = stream.emplace_back().mutable_blob();
          part->set_object_index(i);
          part->set_chunk_index(static_cast<uint32_t>(c));
          part->set_blob_index(static_cast<uint32_t>(chunk->blobs_size()));
          part->set_offset_bytes(offset);
          part->set_payload(blob.bytes.substr(offset, part_bytes));
        }
        *chunk->add_blobs() = blob.manifest;
      }
    }
    SetChecked(manifest, stream[manifest_position].mutable_object());
  }
  v1::RevisionManifest revision;
  revision.set_model("org/model");
  revision.set_revision(std::string(64, 'a'));
  for (const v1::FileManifest& file : files_) *revision.add_files() = file;
  revision.set_object_count(objects_.size());
  *revision.mutable_stored() = sent;
  SetChecked(revision, stream[0].mutable_revision());
  *stream.emplace_back().mutable_end()->mutable_sent() = sent;
  return stream;
}

}  // namespace qstore::client
