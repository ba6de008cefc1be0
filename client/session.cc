#include "client/session.h"

#include <functional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "client/call.h"
#include "client/connection.h"
#include "client/download/download.h"
#include "client/from_wire.h"
#include "client/manifest_query.h"
#include "client/retry.h"
#include "client/rpc_status.h"
#include "client/server_faults.h"
#include "client/unary_call.h"
#include "client/upload/upload.h"
#include "client/upload/upload_plan.h"
#include "qstore/v1/admin.grpc.pb.h"

namespace qstore::client {

// What one call works with, from its options or in their place.
class Session::Frame {
 public:
  Frame(Session* session, const CallOptions& options)
      : events_(options.events != nullptr ? options.events : &no_events_),
        cancellation_(options.cancellation != nullptr ? options.cancellation
                                                      : &never_),
        connection_(session->connection_.get()),
        retrier_(
            {.connect_timeout_seconds =
                 session->options_.connect_timeout_seconds,
             .retry_seconds = session->options_.retry_seconds,
             .first_contact_seconds = session->options_.first_contact_seconds},
            events_, cancellation_) {}
  Frame(const Frame&) = delete;
  Frame& operator=(const Frame&) = delete;

  Call call() {
    return {.connection = connection_,
            .retrier = &retrier_,
            .events = events_,
            .cancellation = cancellation_};
  }
  Connection& connection() { return *connection_; }
  Events& events() { return *events_; }
  Cancellation* cancellation() { return cancellation_; }

  absl::Status Connect() { return retrier_.Connect(connection_); }

  // Runs `attempt` on a connection that stands, as often as it takes.
  absl::Status Run(const std::function<absl::Status()>& attempt) {
    return retrier_.Run([&]() -> absl::Status {
      QSTORE_RETURN_IF_ERROR(Connect());
      return attempt();
    });
  }
  // The same for what must not take place twice.
  absl::Status RunOnce(const std::function<absl::Status()>& attempt) {
    return retrier_.RunOnce([this] { return Connect(); }, attempt);
  }

  // One call of ModelStore, with one answer.
  template <typename Method, typename Request, typename Response>
  absl::Status Ask(const Method& method, const Request& request,
                   Response* response) {
    return CallOnce(*connection_, &connection_->stub(), method, request,
                    cancellation_, response);
  }

 private:
  Events no_events_;
  Cancellation never_;
  Events* const events_;
  Cancellation* const cancellation_;
  Connection* const connection_;
  Retrier retrier_;
};

Session::Session(SessionOptions options)
    : options_(std::move(options)),
      connection_(std::make_unique<Connection>(options_.server)) {}

Session::Session(SessionOptions options, std::unique_ptr<Connection> connection)
    : options_(std::move(options)), connection_(std::move(connection)) {}

Session::~Session() = default;

absl::Status Session::Connect(const CallOptions& call) {
  return Frame(this, call).Run([] { return absl::OkStatus(); });
}

absl::StatusOr<UploadResult> Session::Upload(const UploadOptions& options,
                                             const CallOptions& call) {
  QSTORE_ASSIGN_OR_RETURN(const UploadPlan plan, PlanUpload(options));
  if (call.events != nullptr) {
    for (const std::string& note : NotesOf(plan)) call.events->Note(note);
  }
  return UploadPlanned(options, plan, call);
}

absl::StatusOr<UploadResult> Session::UploadPlanned(
    const UploadOptions& options, const UploadPlan& plan,
    const CallOptions& call) {
  Frame frame(this, call);
  return client::Upload(options, plan, frame.call());
}

absl::StatusOr<DownloadResult> Session::Download(
    const ModelReference& reference, const DownloadOptions& options, Sink* sink,
    const CallOptions& call) {
  Frame frame(this, call);
  return client::Download(reference, options, sink, frame.call());
}

absl::StatusOr<std::vector<ModelListing>> Session::ListModels(
    const std::string& prefix, const CallOptions& call) {
  Frame frame(this, call);
  v1::ListModelsRequest request;
  request.set_prefix(prefix);
  std::vector<ModelListing> models;
  do {
    v1::ListModelsResponse response;
    QSTORE_RETURN_IF_ERROR(frame.Run([&] {
      return frame.Ask(&v1::ModelStore::Stub::ListModels, request, &response);
    }));
    AddPage(response, &models);
    request.set_page_token(response.next_page_token());
  } while (!request.page_token().empty());
  return models;
}

absl::StatusOr<RevisionSummary> Session::GetRevisionSummary(
    const ModelReference& reference, const CallOptions& call) {
  Frame frame(this, call);
  ResolvedRevision revision;
  QSTORE_RETURN_IF_ERROR(frame.Run([&]() -> absl::Status {
    QSTORE_ASSIGN_OR_RETURN(
        revision,
        ResolveRevision(&frame.connection(), reference, frame.cancellation()));
    return absl::OkStatus();
  }));
  return revision.summary;
}

absl::StatusOr<RevisionListing> Session::GetRevision(
    const ModelReference& reference, const CallOptions& call) {
  Frame frame(this, call);
  model::Manifest manifest;
  QSTORE_RETURN_IF_ERROR(frame.Run([&]() -> absl::Status {
    QSTORE_ASSIGN_OR_RETURN(
        manifest,
        FetchManifest(&frame.connection(), reference, frame.cancellation()));
    return absl::OkStatus();
  }));
  return ListingOf(manifest);
}

absl::StatusOr<std::string> Session::SetTag(const ModelReference& reference,
                                            const std::string& tag,
                                            const CallOptions& call) {
  Frame frame(this, call);
  v1::SetTagRequest request;
  ToProto(reference, request.mutable_reference());
  request.set_tag(tag);
  v1::SetTagResponse response;
  QSTORE_RETURN_IF_ERROR(frame.Run([&] {
    return frame.Ask(&v1::ModelStore::Stub::SetTag, request, &response);
  }));
  return response.revision();
}

absl::StatusOr<DeleteResult> Session::Delete(const ModelReference& reference,
                                             const CallOptions& call) {
  Frame frame(this, call);
  v1::DeleteRequest request;
  ToProto(reference, request.mutable_reference());
  v1::DeleteResponse response;
  // Twice it could take a revision that came in between, or report one missing
  // that the first time has deleted.
  QSTORE_RETURN_IF_ERROR(frame.RunOnce([&] {
    return frame.Ask(&v1::ModelStore::Stub::Delete, request, &response);
  }));
  return FromWire(response);
}

absl::StatusOr<VerifyResult> Session::Verify(const ModelReference& reference,
                                             const CallOptions& call) {
  Frame frame(this, call);
  const std::string action = absl::StrCat("verifying ", reference.ToString());
  v1::VerifyRequest request;
  ToProto(reference, request.mutable_reference());
  v1::VerifyResponse last;
  QSTORE_RETURN_IF_ERROR(frame.Run([&]() -> absl::Status {
    grpc::ClientContext context;
    const Cancellation::Scope cancel(frame.cancellation(),
                                     [&context] { context.TryCancel(); });
    frame.events().Begin(action, 0);
    last.Clear();
    const std::unique_ptr<grpc::ClientReader<v1::VerifyResponse>> reader =
        frame.connection().stub().Verify(&context, request);
    v1::VerifyResponse response;
    while (reader->Read(&response)) {
      frame.events().SetParts(response.checked_bytes(),
                              response.checked_objects(),
                              response.total_objects());
      last.Swap(&response);
    }
    const grpc::Status status = reader->Finish();
    frame.events().End();
    return FromGrpcStatus(status, frame.connection().server());
  }));
  if (last.done()) return FromWire(last);
  return ContradictionError(
      absl::StrCat(action, ": the server ended before it was done; try again"));
}

absl::StatusOr<BackupResult> Session::CreateBackup(const std::string& name,
                                                   const CallOptions& call) {
  Frame frame(this, call);
  v1::CreateBackupRequest request;
  request.set_name(name);
  v1::CreateBackupResponse response;
  // The second time would find the name taken by what the first has made.
  QSTORE_RETURN_IF_ERROR(frame.RunOnce([&] {
    return CallOnce(frame.connection(),
                    v1::Admin::NewStub(frame.connection().channel()).get(),
                    &v1::Admin::Stub::CreateBackup, request,
                    frame.cancellation(), &response);
  }));
  return FromWire(response);
}

absl::StatusOr<ScrubStatus> Session::GetScrubStatus(const CallOptions& call) {
  Frame frame(this, call);
  v1::ScrubStatus response;
  QSTORE_RETURN_IF_ERROR(frame.Run([&] {
    return CallOnce(frame.connection(),
                    v1::Admin::NewStub(frame.connection().channel()).get(),
                    &v1::Admin::Stub::GetScrubStatus,
                    v1::GetScrubStatusRequest(), frame.cancellation(),
                    &response);
  }));
  return FromWire(response);
}

}  // namespace qstore::client
