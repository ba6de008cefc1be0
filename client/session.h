// The library's front door: a session with one qstored.
//
//   qstore::client::Session session({.server = "store:7350"});
//   qstore::client::DirectorySink sink("./model");
//   const auto done = session.Download(*ParseModelReference("org/model"),
//                                      {.precision = "int8"}, &sink);
//   if (!done.ok()) ...  // done.status() says what was wrong, and where
//
// Errors are absl::Status: the code is that of the gRPC call where the server
// gave it, the message one sentence that names the model, file, tensor or
// chunk, and ReasonOf (base/error_reason.h) a word for programs. Nothing is
// printed, no environment is read, no exception leaves.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "client/cancellation.h"
#include "client/events.h"
#include "client/listing.h"
#include "client/options.h"
#include "client/results.h"
#include "client/sinks/sink.h"
#include "model/names.h"

namespace qstore::client {

class Connection;
struct Call;
struct UploadPlan;

// Of one call; both may be null, and outlive it.
struct CallOptions {
  Events* events = nullptr;
  // CANCELLED soon after Cancel; one of these may stand for several calls.
  Cancellation* cancellation = nullptr;
};

// Thread-safe: calls may run at the same time, over one connection. What a call
// is given is used until it returns, and by nothing afterwards.
//
// Every call connects where that is needed, and tries again for
// SessionOptions::retry_seconds what may go away by itself. Delete and
// CreateBackup are tried again only while nothing can have been done.
class Session {
 public:
  // Does not connect yet.
  explicit Session(SessionOptions options);
  // Over a connection that a test made.
  Session(SessionOptions options, std::unique_ptr<Connection> connection);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  // Waits until the server accepts connections, for those who want to know
  // early. UNAVAILABLE with kReasonUnreachable.
  absl::Status Connect(const CallOptions& call = {});

  // Stores a model directory or a .safetensors file as a revision and moves the
  // tag to it. Goes on with an interrupted upload of the same. What a person
  // should know beforehand comes as notes. When it fails, nothing of it can be
  // seen at the server.
  absl::StatusOr<UploadResult> Upload(const UploadOptions& options,
                                      const CallOptions& call = {});
  // The same, of a plan that was made of the same options; gives no notes of it
  // (client/upload/upload_plan.h, which is no part of the installed headers).
  absl::StatusOr<UploadResult> UploadPlanned(const UploadOptions& options,
                                             const UploadPlan& plan,
                                             const CallOptions& call = {});

  // Writes the files of a revision to `sink`, which nobody else uses meanwhile:
  // all of them, with every checksum verified, or none.
  absl::StatusOr<DownloadResult> Download(const ModelReference& reference,
                                          const DownloadOptions& options,
                                          Sink* sink,
                                          const CallOptions& call = {});

  // Models whose names start with `prefix`.
  absl::StatusOr<std::vector<ModelListing>> ListModels(
      const std::string& prefix, const CallOptions& call = {});
  // Size and time of a revision.
  absl::StatusOr<RevisionSummary> GetRevisionSummary(
      const ModelReference& reference, const CallOptions& call = {});
  // What a revision holds, by file and tensor. Reads no weights.
  absl::StatusOr<RevisionListing> GetRevision(const ModelReference& reference,
                                              const CallOptions& call = {});

  // Points `tag` of the same model at a revision, and gives the revision.
  absl::StatusOr<std::string> SetTag(const ModelReference& reference,
                                     const std::string& tag,
                                     const CallOptions& call = {});
  // By tag: removes the tag, and the revision when no other tag names it. By
  // revision: removes it and all its tags.
  absl::StatusOr<DeleteResult> Delete(const ModelReference& reference,
                                      const CallOptions& call = {});

  // Has the server read back, decode and check every stored byte of a revision.
  // Damage that was found is a result, not an error.
  absl::StatusOr<VerifyResult> Verify(const ModelReference& reference,
                                      const CallOptions& call = {});
  // Has the server copy its whole store into its directory for backups.
  absl::StatusOr<BackupResult> CreateBackup(const std::string& name,
                                            const CallOptions& call = {});
  absl::StatusOr<ScrubStatus> GetScrubStatus(const CallOptions& call = {});

  const SessionOptions& options() const { return options_; }

 private:
  class Frame;

  const SessionOptions options_;
  const std::unique_ptr<Connection> connection_;
};

}  // namespace qstore::client
