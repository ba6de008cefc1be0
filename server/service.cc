#include "server/service.h"

#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/quote.h"
#include "base/status.h"
#include "server/ingest/upload_session.h"
#include "server/revision_summary.h"
#include "server/revision_verifier.h"
#include "server/status_mapping.h"
#include "server/wire_records.h"

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
                                     const DownloadResources& download)
    : store_(store),
      admission_(admission),
      ingest_(ingest),
      park_(park),
      download_(download) {}

grpc::Status ModelStoreService::Upload(
    grpc::ServerContext* context, grpc::ServerReader<v1::UploadRequest>* reader,
    v1::UploadResponse* response) {
  CallLog log("Upload", context->peer());
  return log.End(RunUpload(context, reader, response, &log));
}

absl::Status ModelStoreService::RunUpload(
    grpc::ServerContext* context, grpc::ServerReader<v1::UploadRequest>* reader,
    v1::UploadResponse* response, CallLog* log) {
  QSTORE_ASSIGN_OR_RETURN(const auto permit,
                          admission_->Enter(CallKind::kUpload));
  std::unique_ptr<UploadSession> session;
  UploadPark::Running running;  // until the session is where Find looks for it
  absl::StatusOr<bool> received =
      Receive(context, reader, &session, &running, log);
  if (received.ok() && !*received) {
    const uint64_t received_bytes = session->received_bytes();
    const bool keep = !session->upload_key().empty() && park_->keeps();
    if (keep) park_->Park(std::move(session));
    return absl::CancelledError(absl::StrCat(
        "the client cancelled or went away after ", received_bytes,
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

absl::StatusOr<bool> ModelStoreService::Receive(
    grpc::ServerContext* context, grpc::ServerReader<v1::UploadRequest>* reader,
    std::unique_ptr<UploadSession>* session, UploadPark::Running* running,
    CallLog* log) {
  *session = std::make_unique<UploadSession>(store_, ingest_);
  v1::UploadRequest request;
  bool first = true;
  while (reader->Read(&request)) {
    if (!std::exchange(first, false) || !request.has_begin()) {
      QSTORE_RETURN_IF_ERROR((*session)->Handle(request));
      log->add_bytes(request.bytes().payload().size());
      continue;
    }
    log->set_object(UploadName(request));
    if (request.begin().has_resume()) {
      QSTORE_ASSIGN_OR_RETURN(*session, park_->Resume(request.begin()));
    } else {
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
  return log.End(RunListModels(*request, response));
}

absl::Status ModelStoreService::RunListModels(
    const v1::ListModelsRequest& request, v1::ListModelsResponse* response) {
  QSTORE_ASSIGN_OR_RETURN(const auto permit,
                          admission_->Enter(CallKind::kShort));
  QSTORE_ASSIGN_OR_RETURN(const auto models, store_->ListModels());
  for (const storage::ModelSummary& model : models) {
    if (!model.name.starts_with(request.prefix())) continue;
    v1::ModelSummary* summary = response->add_models();
    summary->set_name(model.name);
    for (const auto& tag : model.tags) {
      v1::TagSummary* tag_summary = summary->add_tags();
      tag_summary->set_name(tag.name);
      tag_summary->set_revision(tag.revision);
    }
    for (const std::string& revision : model.revisions) {
      summary->add_revisions(revision);
    }
  }
  return absl::OkStatus();
}

grpc::Status ModelStoreService::GetRevision(
    grpc::ServerContext* context, const v1::GetRevisionRequest* request,
    v1::GetRevisionResponse* response) {
  CallLog log("GetRevision", context->peer());
  log.set_object(NameOf(request->reference()));
  return log.End(RunGetRevision(*request, response));
}

absl::Status ModelStoreService::RunGetRevision(
    const v1::GetRevisionRequest& request, v1::GetRevisionResponse* response) {
  QSTORE_ASSIGN_OR_RETURN(const auto permit,
                          admission_->Enter(CallKind::kShort));
  QSTORE_ASSIGN_OR_RETURN(const ModelReference reference,
                          FromWire(request.reference()));
  QSTORE_ASSIGN_OR_RETURN(const auto reader, store_->OpenRevision(reference));
  auto summary = SummarizeRevision(*reader);
  if (!summary.ok()) return Annotate(summary.status(), reference.ToString());
  *response = *std::move(summary);
  // The revision may have been deleted since it was opened; then it has no
  // tags.
  const auto model = store_->GetModel(reference.model);
  if (!model.ok() && !absl::IsNotFound(model.status())) return model.status();
  if (model.ok()) {
    for (const auto& tag : model->tags) {
      if (tag.revision == response->revision()) response->add_tags(tag.name);
    }
  }
  return absl::OkStatus();
}

grpc::Status ModelStoreService::SetTag(grpc::ServerContext* context,
                                       const v1::SetTagRequest* request,
                                       v1::SetTagResponse* response) {
  CallLog log("SetTag", context->peer());
  log.set_object(NameOf(request->reference()));
  return log.End(RunSetTag(*request, response));
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
  return log.End(RunDelete(*request, response));
}

absl::Status ModelStoreService::RunDelete(const v1::DeleteRequest& request,
                                          v1::DeleteResponse* response) {
  QSTORE_ASSIGN_OR_RETURN(const auto permit,
                          admission_->Enter(CallKind::kShort));
  QSTORE_ASSIGN_OR_RETURN(const ModelReference reference,
                          FromWire(request.reference()));
  QSTORE_ASSIGN_OR_RETURN(storage::DeleteResult result,
                          store_->Delete(reference));
  response->set_revision(result.revision);
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
  return log.End(RunVerify(context, *request, writer, &log));
}

absl::Status ModelStoreService::RunVerify(
    grpc::ServerContext* context, const v1::VerifyRequest& request,
    grpc::ServerWriter<v1::VerifyResponse>* writer, CallLog* log) {
  QSTORE_ASSIGN_OR_RETURN(const auto permit,
                          admission_->Enter(CallKind::kVerify));
  QSTORE_ASSIGN_OR_RETURN(const ModelReference reference,
                          FromWire(request.reference()));
  QSTORE_ASSIGN_OR_RETURN(const auto reader, store_->OpenRevision(reference));
  const std::string& revision = reader->revision().revision();

  RevisionVerifier verifier(reader.get(), ingest_.encode_pool, ingest_.codecs);
  auto last_report = std::chrono::steady_clock::now();
  VerifyProgress result;
  QSTORE_RETURN_IF_ERROR(
      Annotate(verifier.Run(
                   [&](const VerifyProgress& progress) {
                     if (context->IsCancelled()) return false;
                     const auto now = std::chrono::steady_clock::now();
                     if (now - last_report < kVerifyReportInterval) return true;
                     last_report = now;
                     return writer->Write(ToWire(progress, revision));
                   },
                   &result),
               reference.ToString()));
  log->add_bytes(result.checked_bytes);
  v1::VerifyResponse last = ToWire(result, revision);
  last.set_done(true);
  if (!writer->Write(last)) {
    return absl::CancelledError("the client cancelled or went away");
  }
  return absl::OkStatus();
}

}  // namespace qstore::server
