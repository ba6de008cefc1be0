#include "server/calls/service.h"

#include <spdlog/spdlog.h>

#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "base/failpoint.h"
#include "base/quote.h"
#include "base/status.h"
#include "server/calls/manifest_page.h"
#include "server/calls/model_pages.h"
#include "server/calls/reference_message.h"
#include "server/calls/status_mapping.h"
#include "server/check/revision_verifier.h"
#include "server/limits/metadata_lease.h"
#include "server/limits/stall_watch.h"
#include "server/upload/upload_session.h"
#include "wire/manifest_pages.h"

namespace qstore::server {
namespace {

constexpr auto kVerifyReportInterval = std::chrono::milliseconds(500);

// "org/name:tag", safe to log before it has been validated.
std::string UploadName(const v1::UploadRequest& first) {
  v1::Reference reference;
  reference.set_model(first.begin().model());
  if (!first.begin().tag().empty()) reference.set_tag(first.begin().tag());
  return NameOf(reference);
}

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

ModelStoreService::ModelStoreService(storage::ModelStore* store,
                                     CallAdmission* admission,
                                     const IngestResources& ingest,
                                     UploadPark* park,
                                     const DownloadResources& download,
                                     ByteBudget* verify)
    : store_(store),
      admission_(admission),
      ingest_(ingest),
      park_(park),
      download_(download),
      verify_budget_(verify) {}

grpc::Status ModelStoreService::Upload(
    grpc::ServerContext* context, grpc::ServerReader<v1::UploadRequest>* reader,
    v1::UploadResponse* response) {
  CallLog log("Upload", context->peer());
  return log.End(RunUpload(context, reader, response, &log));
}

absl::Status ModelStoreService::RunUpload(
    grpc::ServerContext* context, grpc::ServerReader<v1::UploadRequest>* reader,
    v1::UploadResponse* response, CallLog* log) {
  // Asked on this thread alone, as gRPC wants it.
  const auto cancelled = [context] { return context->IsCancelled(); };
  QSTORE_ASSIGN_OR_RETURN(const auto permit,
                          admission_->Enter(CallKind::kUpload, cancelled));
  StallWatch::Call stall(download_.stalls, [context] { context->TryCancel(); });
  std::unique_ptr<UploadSession> session;
  UploadPark::Running running;  // until the session is where Find looks for it
  absl::StatusOr<bool> received =
      Receive(context, reader, &stall, &session, &running, log);
  if (received.ok() && !*received) {
    const uint64_t received_bytes = session->received_bytes();
    const bool keep = !session->upload_key().empty() && park_->keeps();
    if (keep) park_->Park(std::move(session));
    const std::string why =
        stall.stalled() ? absl::StrCat("the client sent nothing for ",
                                       absl::FormatDuration(absl::FromChrono(
                                           download_.stalls->timeout())),
                                       ", after ")
                        : "the client cancelled or went away after ";
    return absl::CancelledError(absl::StrCat(
        why, received_bytes,
        keep ? " bytes; it may go on" : " bytes; nothing was stored"));
  }
  absl::Status status = received.status();
  if (status.ok()) {
    auto committed = session->Commit();
    status = committed.status();
    if (status.ok()) *response = *std::move(committed);
  }
  if (absl::IsResourceExhausted(status)) {
    park_->DropAll("a running upload found no room");
  }
  if (!status.ok()) return Annotate(status, session->object_name());
  // The answer may be lost: then its client comes again and gets another. When
  // the client itself is gone, it may be another run of it that comes.
  if (!session->upload_key().empty()) {
    const std::string client_id = session->client_id();
    park_->Park(std::move(session), context->IsCancelled() ? "" : client_id);
  }
  return absl::OkStatus();
}

std::unique_ptr<UploadSession> ModelStoreService::NewSession(
    grpc::ServerContext* context, const v1::UploadRequest& first) const {
  IngestResources resources = ingest_;
  // One that may be gone on with takes in what has come before it is parked,
  // which frees all that it waits for.
  if (first.begin().upload_key().empty()) {
    resources.cancelled = [context] { return context->IsCancelled(); };
  }
  return std::make_unique<UploadSession>(store_, resources);
}

absl::StatusOr<bool> ModelStoreService::Receive(
    grpc::ServerContext* context, grpc::ServerReader<v1::UploadRequest>* reader,
    StallWatch::Call* stall, std::unique_ptr<UploadSession>* session,
    UploadPark::Running* running, CallLog* log) {
  v1::UploadRequest request;
  bool first = true;
  const auto read = [&] {
    stall->BeginWait();
    const bool any = reader->Read(&request);
    stall->EndWait();
    return any;
  };
  *session = NewSession(context, request);
  while (read()) {
    if (!std::exchange(first, false) || !request.has_begin()) {
      QSTORE_RETURN_IF_ERROR((*session)->Handle(request));
      log->add_bytes(request.bytes().payload().size());
      continue;
    }
    log->set_object(UploadName(request));
    if (request.begin().has_resume()) {
      QSTORE_ASSIGN_OR_RETURN(*session, park_->Resume(request.begin()));
    } else {
      *session = NewSession(context, request);
      QSTORE_RETURN_IF_ERROR((*session)->Handle(request));
    }
    if (!(*session)->upload_key().empty()) {
      *running = park_->Enter(request.begin().upload_key(),
                              request.begin().client_id(),
                              [context] { context->TryCancel(); });
    }
  }
  return !context->IsCancelled();
}

grpc::Status ModelStoreService::GetUploadState(
    grpc::ServerContext* context, const v1::GetUploadStateRequest* request,
    v1::GetUploadStateResponse* response) {
  CallLog log("GetUploadState", context->peer());
  return log.End(RunGetUploadState(*request, response));
}

absl::Status ModelStoreService::RunGetUploadState(
    const v1::GetUploadStateRequest& request,
    v1::GetUploadStateResponse* response) {
  QSTORE_ASSIGN_OR_RETURN(const auto permit,
                          admission_->Enter(CallKind::kShort));
  QSTORE_RETURN_IF_ERROR(ValidateUploadKey(request.upload_key()));
  *response = park_->Find(request);
  return absl::OkStatus();
}

grpc::ServerWriteReactor<grpc::ByteBuffer>* ModelStoreService::Download(
    grpc::CallbackServerContext* context, const grpc::ByteBuffer* request) {
  return DownloadCall::Start(download_, admission_, context, *request);
}

grpc::Status ModelStoreService::ListModels(grpc::ServerContext* context,
                                           const v1::ListModelsRequest* request,
                                           v1::ListModelsResponse* response) {
  CallLog log("ListModels", context->peer());
  return log.End(AdviseOnDamage(RunListModels(*request, response)));
}

absl::Status ModelStoreService::RunListModels(
    const v1::ListModelsRequest& request, v1::ListModelsResponse* response) {
  QSTORE_ASSIGN_OR_RETURN(const auto permit,
                          admission_->Enter(CallKind::kShort));
  QSTORE_ASSIGN_OR_RETURN(const auto models, store_->ListModels());
  return FillModelPage(models, request, response);
}

grpc::Status ModelStoreService::GetRevision(
    grpc::ServerContext* context, const v1::GetRevisionRequest* request,
    v1::GetRevisionResponse* response) {
  CallLog log("GetRevision", context->peer());
  log.set_object(NameOf(request->reference()));
  return log.End(AdviseOnDamage(RunGetRevision(*request, response)));
}

absl::Status ModelStoreService::RunGetRevision(
    const v1::GetRevisionRequest& request, v1::GetRevisionResponse* response) {
  QSTORE_ASSIGN_OR_RETURN(const auto permit,
                          admission_->Enter(CallKind::kShort));
  return FillManifestPage(store_, download_.metadata, request, response);
}

grpc::Status ModelStoreService::SetTag(grpc::ServerContext* context,
                                       const v1::SetTagRequest* request,
                                       v1::SetTagResponse* response) {
  CallLog log("SetTag", context->peer());
  log.set_object(NameOf(request->reference()));
  return log.End(AdviseOnDamage(RunSetTag(*request, response)));
}

absl::Status ModelStoreService::RunSetTag(const v1::SetTagRequest& request,
                                          v1::SetTagResponse* response) {
  QSTORE_ASSIGN_OR_RETURN(const auto permit,
                          admission_->Enter(CallKind::kShort));
  QSTORE_ASSIGN_OR_RETURN(const ModelReference reference,
                          FromWire(request.reference()));
  QSTORE_RETURN_IF_ERROR(ValidateTag(request.tag()));
  QSTORE_ASSIGN_OR_RETURN(*response->mutable_revision(),
                          store_->SetTag(reference, request.tag()));
  return absl::OkStatus();
}

grpc::Status ModelStoreService::Delete(grpc::ServerContext* context,
                                       const v1::DeleteRequest* request,
                                       v1::DeleteResponse* response) {
  CallLog log("Delete", context->peer());
  log.set_object(NameOf(request->reference()));
  return log.End(AdviseOnDamage(RunDelete(*request, response)));
}

absl::Status ModelStoreService::RunDelete(const v1::DeleteRequest& request,
                                          v1::DeleteResponse* response) {
  QSTORE_ASSIGN_OR_RETURN(const auto permit,
                          admission_->Enter(CallKind::kShort));
  QSTORE_ASSIGN_OR_RETURN(const ModelReference reference,
                          FromWire(request.reference()));
  QSTORE_ASSIGN_OR_RETURN(storage::DeleteResult result,
                          store_->Delete(reference));
  if (ingest_.quotas != nullptr) {
    ingest_.quotas->Subtract(reference.model, result.stored_bytes);
  }
  QSTORE_FAILPOINT("delete.answer");
  response->set_revision(result.revision);
  if (result.removed_tags.size() > wire::kMaxListedTags) {
    result.removed_tags.resize(wire::kMaxListedTags);
  }
  for (std::string& tag : result.removed_tags) {
    response->add_removed_tags(std::move(tag));
  }
  response->set_revision_deleted(result.revision_deleted);
  response->set_reclaimed_bytes(result.reclaimed_bytes);
  return absl::OkStatus();
}

grpc::Status ModelStoreService::Verify(
    grpc::ServerContext* context, const v1::VerifyRequest* request,
    grpc::ServerWriter<v1::VerifyResponse>* writer) {
  CallLog log("Verify", context->peer());
  log.set_object(NameOf(request->reference()));
  return log.End(AdviseOnDamage(RunVerify(context, *request, writer, &log)));
}

absl::Status ModelStoreService::RunVerify(
    grpc::ServerContext* context, const v1::VerifyRequest& request,
    grpc::ServerWriter<v1::VerifyResponse>* writer, CallLog* log) {
  const auto cancelled = [context] { return context->IsCancelled(); };
  QSTORE_ASSIGN_OR_RETURN(const auto permit,
                          admission_->Enter(CallKind::kVerify, cancelled));
  StallWatch::Call stall(download_.stalls, [context] { context->TryCancel(); });
  const auto write = [&](const v1::VerifyResponse& response) {
    stall.BeginWait();
    const bool written = writer->Write(response);
    stall.EndWait();
    return written;
  };
  QSTORE_ASSIGN_OR_RETURN(const ModelReference reference,
                          FromWire(request.reference()));
  QSTORE_ASSIGN_OR_RETURN(const auto reader, store_->OpenRevision(reference));
  const std::string& revision = reader->revision().revision;
  QSTORE_ASSIGN_OR_RETURN(const auto lease,
                          LeaseMetadata(download_.metadata, *reader));

  RevisionVerifier verifier(reader.get(), ingest_.encode_pool, ingest_.codecs,
                            verify_budget_, cancelled);
  auto last_report = std::chrono::steady_clock::now();
  VerifyProgress result;
  QSTORE_RETURN_IF_ERROR(
      Annotate(verifier.Run(
                   [&](const VerifyProgress& progress) {
                     if (context->IsCancelled()) return false;
                     const auto now = std::chrono::steady_clock::now();
                     if (now - last_report < kVerifyReportInterval) return true;
                     last_report = now;
                     return write(ToWire(progress, revision));
                   },
                   &result),
               reference.ToString()));
  log->add_bytes(result.checked_bytes);
  v1::VerifyResponse last = ToWire(result, revision);
  last.set_done(true);
  if (!write(last)) {
    return ClientGoneError();
  }
  return absl::OkStatus();
}

}  // namespace qstore::server
