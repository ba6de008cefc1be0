// Asks the server for a revision's manifest, and checks what comes.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "client/cancellation.h"
#include "client/connection.h"
#include "client/listing.h"
#include "model/manifest.h"
#include "model/names.h"
#include "model/selection.h"
#include "qstore/v1/model_store.pb.h"
#include "wire/manifest_assembler.h"

namespace qstore::client {

void ToProto(const ModelReference& reference, v1::Reference* proto);

// DATA_LOSS: it does not have the checksum that came with it.
absl::Status ParseManifestPage(const v1::Checked& checked,
                               v1::ManifestPage* page);

// What the assembler refuses, the server cannot mean: INTERNAL.
absl::Status AddPage(const v1::ManifestPage& page,
                     wire::ManifestAssembler* assembler);
absl::StatusOr<model::Manifest> TakeManifest(
    wire::ManifestAssembler* assembler);

// All pages, in as many calls of GetRevision. `received_bytes`: of messages;
// may be null.
absl::StatusOr<model::Manifest> FetchManifest(
    Connection* connection, const ModelReference& reference,
    Cancellation* cancellation, uint64_t* received_bytes = nullptr);

// Only which revision the reference means: "org/name@revision", in one call.
struct ResolvedRevision {
  std::string model;
  std::string revision;
  uint64_t bytes_sent = 0;
  uint64_t bytes_received = 0;
  RevisionSummary summary;
};
absl::StatusOr<ResolvedRevision> ResolveRevision(
    Connection* connection, const ModelReference& reference,
    Cancellation* cancellation);

// fp16, bf16 and fp32 stand for the original where it has that type;
// FAILED_PRECONDITION (kReasonOtherPrecision) says what it has otherwise. A
// layer's name stands for what it gives; whether there is any of it is for
// CheckHasLayer to say.
absl::StatusOr<model::Representation> ParsePrecision(
    const std::string& precision);
absl::Status CheckPrecision(const std::string& precision,
                            const model::Manifest& manifest);

// FAILED_PRECONDITION (kReasonNoInt8) when nothing of it is quantized: what
// would be written would be the original.
absl::Status CheckHasInt8(const model::Manifest& manifest);

// FAILED_PRECONDITION: a file of the revision has a name that qstore-client
// keeps for itself (model/reserved_names.h). Revisions of earlier versions may
// have such.
absl::Status CheckNotReserved(const model::Manifest& manifest);

}  // namespace qstore::client
