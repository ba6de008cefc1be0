#include "server/check/verify_call.h"

#include <chrono>
#include <string>

#include "base/error_reason.h"
#include "base/status.h"
#include "server/calls/status_mapping.h"
#include "server/check/revision_verifier.h"
#include "server/limits/metadata_lease.h"

namespace qstore::server {
namespace {

constexpr auto kVerifyReportInterval = std::chrono::milliseconds(500);

v1::VerifyResponse ToWire(const VerifyProgress& progress,
                          const std::string& revision) {
  v1::VerifyResponse response;
  response.set_checked_objects(progress.checked_objects);
  response.set_total_objects(progress.total_objects);
  response.set_checked_bytes(progress.checked_bytes);
  for (const std::string& problem : progress.problems) {
    response.add_problems(problem);
  }
  response.set_revision(revision);
  return response;
}

}  // namespace

absl::Status VerifyRevision(
    const VerifyResources& resources, CallFrame* call,
    const std::function<bool()>& cancelled, const v1::VerifyRequest& request,
    absl::FunctionRef<bool(const v1::VerifyResponse&)> write) {
  QSTORE_ASSIGN_OR_RETURN(const ModelReference reference,
                          call->Authorize(request.reference()));
  QSTORE_ASSIGN_OR_RETURN(const auto reader,
                          resources.store->OpenRevision(reference));
  const std::string& revision = reader->revision().revision;
  call->set_revision(revision);
  QSTORE_ASSIGN_OR_RETURN(const auto lease,
                          LeaseMetadata(resources.metadata, *reader));

  RevisionVerifier verifier(reader.get(), resources.pool, resources.codecs,
                            resources.budget, cancelled);
  auto last_report = std::chrono::steady_clock::now();
  const auto report = [&](const VerifyProgress& progress) {
    if (cancelled()) return false;
    const auto now = std::chrono::steady_clock::now();
    if (now - last_report < kVerifyReportInterval) return true;
    last_report = now;
    return write(ToWire(progress, revision));
  };
  VerifyProgress result;
  absl::Status status =
      Annotate(verifier.Run(report, &result), reference.ToString());
  call->add_bytes(result.checked_bytes);
  if (status.ok()) {
    v1::VerifyResponse last = ToWire(result, revision);
    last.set_done(true);
    if (!write(last)) status = ClientGoneError();
  }
  return status;
}

}  // namespace qstore::server
