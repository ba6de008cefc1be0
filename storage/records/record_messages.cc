#include "storage/records/record_messages.h"

#include <algorithm>
#include <limits>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/bytes.h"
#include "base/status.h"

namespace qstore::storage {
namespace {

absl::StatusOr<uint8_t> Narrow(uint32_t number, const char* what) {
  if (number <= std::numeric_limits<uint8_t>::max()) {
    return static_cast<uint8_t>(number);
  }
  return absl::InvalidArgumentError(
      absl::StrCat(what, " ", number, " does not exist"));
}

absl::StatusOr<Sha256Digest> DigestOf(const std::string& bytes) {
  Sha256Digest digest = {};
  if (bytes.size() != digest.size()) {
    return absl::InvalidArgumentError(
        absl::StrCat("a content hash has ", bytes.size(), " bytes"));
  }
  std::copy(bytes.begin(), bytes.end(), digest.begin());
  return digest;
}

absl::StatusOr<model::Chunk> ChunkOf(const v2::Chunk& message) {
  model::Chunk chunk;
  chunk.raw_bytes = message.raw_bytes();
  chunk.raw_xxh3 = message.raw_xxh3();
  chunk.rows = message.rows();
  for (const v2::Layer& layer_message : message.layers()) {
    model::LayerBlobs& layer = chunk.layers.emplace_back();
    QSTORE_ASSIGN_OR_RETURN(layer.layer,
                            Narrow(layer_message.number(), "layer"));
    for (const v2::Blob& blob_message : layer_message.blobs()) {
      model::Blob& blob = layer.blobs.emplace_back();
      QSTORE_ASSIGN_OR_RETURN(blob.subgroup,
                              Narrow(blob_message.subgroup(), "subgroup"));
      blob.size_bytes = blob_message.size_bytes();
      blob.value_xxh3.assign(blob_message.value_xxh3().begin(),
                             blob_message.value_xxh3().end());
    }
    layer.decoded_xxh3.assign(layer_message.decoded_xxh3().begin(),
                              layer_message.decoded_xxh3().end());
  }
  return chunk;
}

void AddChunk(const model::Chunk& chunk, v2::Object* object) {
  v2::Chunk* message = object->add_chunks();
  message->set_raw_bytes(chunk.raw_bytes);
  message->set_raw_xxh3(chunk.raw_xxh3);
  message->set_rows(chunk.rows);
  for (const model::LayerBlobs& layer : chunk.layers) {
    v2::Layer* layer_message = message->add_layers();
    layer_message->set_number(layer.layer);
    for (const model::Blob& blob : layer.blobs) {
      v2::Blob* blob_message = layer_message->add_blobs();
      blob_message->set_subgroup(blob.subgroup);
      blob_message->set_size_bytes(blob.size_bytes);
      blob_message->mutable_value_xxh3()->Add(blob.value_xxh3.begin(),
                                              blob.value_xxh3.end());
    }
    layer_message->mutable_decoded_xxh3()->Add(layer.decoded_xxh3.begin(),
                                               layer.decoded_xxh3.end());
  }
}

void SetBytes(const model::LayerBytes& bytes, v2::LayerBytes* message) {
  for (const auto& [layer, layer_bytes] : bytes.by_layer()) {
    v2::LayerBytes::Entry* entry = message->add_layers();
    entry->set_layer(layer);
    entry->set_bytes(layer_bytes);
  }
  message->set_other(bytes.other());
}

absl::StatusOr<model::LayerBytes> BytesOf(const v2::LayerBytes& message) {
  model::LayerBytes bytes;
  for (const v2::LayerBytes::Entry& entry : message.layers()) {
    QSTORE_ASSIGN_OR_RETURN(const uint8_t layer,
                            Narrow(entry.layer(), "layer"));
    bytes.Add(layer, entry.bytes());
  }
  bytes.AddOther(message.other());
  return bytes;
}

}  // namespace

v2::Object ToMessage(const model::Object& object) {
  v2::Object message;
  message.set_object_id(object.id);
  message.set_content_hash(std::string(AsStringView(object.content_hash)));
  if (object.dtype.has_value()) {
    message.set_dtype(static_cast<uint32_t>(*object.dtype));
  }
  message.mutable_shape()->Add(object.shape.begin(), object.shape.end());
  message.set_raw_bytes(object.raw_bytes);
  if (object.quantization.has_value()) {
    v2::Quantization* quantization = message.mutable_quantization();
    quantization->set_quantizer(object.quantization->quantizer);
    quantization->set_strategy(
        static_cast<uint32_t>(object.quantization->strategy));
    quantization->set_group_size(object.quantization->group_size);
    quantization->set_coder(static_cast<uint32_t>(object.quantization->coder));
  }
  for (const model::Chunk& chunk : object.chunks) AddChunk(chunk, &message);
  return message;
}

absl::StatusOr<model::Object> FromMessage(const v2::Object& message) {
  model::Object object;
  object.id = message.object_id();
  QSTORE_ASSIGN_OR_RETURN(object.content_hash,
                          DigestOf(message.content_hash()));
  if (message.dtype() != 0) {
    const absl::StatusOr<Dtype> dtype = DtypeFromNumber(message.dtype());
    if (!dtype.ok()) {
      return absl::InvalidArgumentError(
          absl::StrCat("unknown dtype ", message.dtype()));
    }
    object.dtype = *dtype;
  }
  object.shape.assign(message.shape().begin(), message.shape().end());
  object.raw_bytes = message.raw_bytes();
  if (message.has_quantization()) {
    const v2::Quantization& stored = message.quantization();
    model::Quantization quantization;
    quantization.quantizer = stored.quantizer();
    QSTORE_ASSIGN_OR_RETURN(const uint8_t strategy,
                            Narrow(stored.strategy(), "scale strategy"));
    quantization.strategy = static_cast<codec::ScaleStrategy>(strategy);
    quantization.group_size = stored.group_size();
    QSTORE_ASSIGN_OR_RETURN(const uint8_t coder,
                            Narrow(stored.coder(), "coder"));
    quantization.coder = static_cast<codec::Int8Coder>(coder);
    object.quantization = std::move(quantization);
  }
  object.chunks.reserve(static_cast<size_t>(message.chunks_size()));
  for (const v2::Chunk& chunk : message.chunks()) {
    QSTORE_ASSIGN_OR_RETURN(model::Chunk parsed, ChunkOf(chunk));
    object.chunks.push_back(std::move(parsed));
  }
  return object;
}

v2::Revision ToMessage(const StoredRevision& revision) {
  v2::Revision message;
  message.set_model(revision.model);
  message.set_revision(revision.revision);
  message.set_created_unix_seconds(revision.created_unix_seconds);
  message.set_quantizer(revision.quantizer);
  SetBytes(revision.stored, message.mutable_stored());
  message.set_original_bytes(revision.original_bytes);
  message.set_two_copies_bytes(revision.two_copies_bytes);
  for (const StoredFile& file : revision.files) {
    v2::File* file_message = message.add_files();
    file_message->set_path(file.path);
    file_message->set_size_bytes(file.size_bytes);
    file_message->set_safetensors(file.safetensors);
    for (const StoredSegment& segment : file.segments) {
      v2::Segment* segment_message = file_message->add_segments();
      segment_message->set_object_id(segment.object_id);
      segment_message->set_tensor_name(segment.tensor_name);
      segment_message->set_raw_bytes(segment.raw_bytes);
      segment_message->set_content_hash(
          std::string(AsStringView(segment.content_hash)));
    }
  }
  return message;
}

absl::StatusOr<StoredRevision> FromMessage(const v2::Revision& message) {
  StoredRevision revision;
  revision.model = message.model();
  revision.revision = message.revision();
  revision.created_unix_seconds = message.created_unix_seconds();
  revision.quantizer = message.quantizer();
  QSTORE_ASSIGN_OR_RETURN(revision.stored, BytesOf(message.stored()));
  revision.original_bytes = message.original_bytes();
  revision.two_copies_bytes = message.two_copies_bytes();
  for (const v2::File& file_message : message.files()) {
    StoredFile& file = revision.files.emplace_back();
    file.path = file_message.path();
    file.size_bytes = file_message.size_bytes();
    file.safetensors = file_message.safetensors();
    for (const v2::Segment& segment_message : file_message.segments()) {
      StoredSegment& segment = file.segments.emplace_back();
      segment.object_id = segment_message.object_id();
      segment.tensor_name = segment_message.tensor_name();
      segment.raw_bytes = segment_message.raw_bytes();
      QSTORE_ASSIGN_OR_RETURN(segment.content_hash,
                              DigestOf(segment_message.content_hash()));
    }
  }
  return revision;
}

}  // namespace qstore::storage
