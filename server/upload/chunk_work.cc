#include "server/upload/chunk_work.h"

#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/failpoints/failpoint.h"
#include "base/status.h"
#include "model/chunk_description.h"
#include "server/check/stored_chunk.h"

namespace qstore::server {
namespace {

// A failed check right after encoding is our own fault, not damage at rest.
absl::Status AsEncodingFault(const absl::Status& status) {
  return absl::InternalError(
      absl::StrCat("what was just encoded does not decode to what came in, so "
                   "it was not stored: ",
                   status.message()));
}

absl::Status CompareWithInput(const ByteVector& decoded,
                              const ByteVector& raw) {
  if (decoded == raw) return absl::OkStatus();
  return absl::InternalError("the decoded bytes differ");
}

// What would be stored, as it would be read back.
std::vector<codec::StoredLayer> AsStored(const ChunkWork& work) {
  std::vector<codec::StoredLayer> layers;
  layers.reserve(work.layers.size());
  for (const codec::EncodedLayer& encoded : work.layers) {
    codec::StoredLayer& stored = layers.emplace_back();
    stored.number = encoded.layer->number;
    stored.blobs.reserve(encoded.blobs.size());
    for (const codec::EncodedBlob& blob : encoded.blobs) {
      stored.blobs.push_back({blob.subgroup, blob.bytes});
    }
    stored.decoded_xxh3 = encoded.decoded_xxh3;
  }
  return layers;
}

absl::Status Encode(bool verify, CodecSet& codecs, ChunkWork* work) {
  const model::Object& object = work->plan->record;
  if (object.quantized()) {
    work->record.rows =
        static_cast<uint32_t>(work->raw.size() / work->plan->row_bytes());
  }
  QSTORE_ASSIGN_OR_RETURN(const codec::ChunkDescription description,
                          model::DescribeChunk(object, work->record));
  QSTORE_RETURN_IF_ERROR(codecs.encoder.Encode(
      description, work->plan->encode_options(), work->raw, &work->layers));
  if (!verify) return absl::OkStatus();
  // The bytes themselves are compared, so that no checksum of them is needed.
  absl::Status check =
      DecodeAndCheck(object, work->record, AsStored(*work), codecs);
  if (check.ok()) check = CompareWithInput(codecs.raw, work->raw);
  return check.ok() ? check : AsEncodingFault(check);
}

}  // namespace

absl::Status EncodeChunk(bool verify, CodecSet& codecs, ChunkWork* work) {
  Sha256 sha256;
  sha256.Update(work->raw);
  work->raw_sha256 = sha256.Finish();
  work->record.raw_bytes = work->raw.size();
  work->record.raw_xxh3 = Xxh3(work->raw);
  absl::Status status = QSTORE_FAILPOINT_STATUS("encode.chunk");
  if (status.ok()) {
    status = Encode(verify, codecs, work);
  }
  if (status.ok()) status = QSTORE_FAILPOINT_STATUS("encode.encoded");
  ByteVector().swap(work->raw);
  work->raw_lease.Release();
  return Annotate(status, work->plan->label + ": chunk " +
                              std::to_string(work->chunk_index));
}

}  // namespace qstore::server
