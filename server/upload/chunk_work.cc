#include "server/upload/chunk_work.h"

#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/failpoint.h"
#include "base/status.h"

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

absl::Status EncodeQuantized(bool verify, CodecSet& codecs, ChunkWork* work) {
  const uint64_t row_bytes = work->plan->row_bytes();
  work->record.set_rows(static_cast<uint32_t>(work->raw.size() / row_bytes));
  QSTORE_ASSIGN_OR_RETURN(const codec::ChunkShape shape,
                          ShapeOfChunk(work->plan->record, work->record));
  codecs.encoder.set_coder(work->plan->coder());
  QSTORE_RETURN_IF_ERROR(
      codecs.encoder.Encode(shape, work->raw, &work->encoded));
  work->record.set_codes_xxh3(work->encoded.codes_xxh3);
  work->record.set_scales_xxh3(work->encoded.scales_xxh3);
  if (!verify) return absl::OkStatus();

  std::vector<codec::BlobView> residual;
  for (const codec::EncodedBlob& blob : work->encoded.residual) {
    residual.push_back({blob.subgroup, blob.bytes});
  }
  absl::Status check = CheckQuantizedChunk(
      shape, work->record, work->encoded.int8_blob, residual, codecs);
  if (check.ok()) check = CompareWithInput(codecs.raw, work->raw);
  return check.ok() ? check : AsEncodingFault(check);
}

absl::Status EncodePlain(bool verify, CodecSet& codecs, ChunkWork* work) {
  QSTORE_RETURN_IF_ERROR(
      codecs.plain.Encode(work->plan->layout, work->raw, &work->plain_blob));
  if (!verify) return absl::OkStatus();
  absl::Status check = CheckPlainChunk(work->record, work->plain_blob, codecs);
  if (check.ok()) check = CompareWithInput(codecs.raw, work->raw);
  return check.ok() ? check : AsEncodingFault(check);
}

}  // namespace

absl::Status EncodeChunk(bool verify, CodecSet& codecs, ChunkWork* work) {
  Sha256 sha256;
  sha256.Update(work->raw);
  work->raw_sha256 = sha256.Finish();
  work->record.set_raw_bytes(work->raw.size());
  work->record.set_raw_xxh3(Xxh3(work->raw));
  absl::Status status = QSTORE_FAILPOINT_STATUS("encode.chunk");
  if (status.ok()) {
    status = work->plan->quantized() ? EncodeQuantized(verify, codecs, work)
                                     : EncodePlain(verify, codecs, work);
  }
  if (status.ok()) status = QSTORE_FAILPOINT_STATUS("encode.encoded");
  ByteVector().swap(work->raw);
  work->raw_lease.Release();
  return Annotate(status, work->plan->label + ": chunk " +
                              std::to_string(work->chunk_index));
}

}  // namespace qstore::server
