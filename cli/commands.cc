#include "cli/commands.h"

#include <memory>
#include <string>
#include <variant>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "cli/admin.h"
#include "cli/report.h"
#include "cli/result_json.h"
#include "client/download/download.h"
#include "client/retry.h"
#include "client/revision_query.h"
#include "client/rpc_status.h"
#include "client/text_table.h"
#include "client/unary_call.h"
#include "client/upload/upload.h"
#include "client/upload/upload_plan.h"

namespace qstore::client {
namespace {

// A message may hold bytes that are not UTF-8; JSON may not.
std::string Dump(const nlohmann::ordered_json& document) {
  constexpr int kIndent = 2;
  return document.dump(kIndent, ' ', /*ensure_ascii=*/false,
                       nlohmann::ordered_json::error_handler_t::replace);
}

absl::Status Interrupted() {
  return absl::CancelledError(
      "interrupted: nothing of it can be seen; the same command goes on with "
      "it");
}

// One overload a command.
class CommandRunner {
 public:
  CommandRunner(const CommandLine& line, Connection* connection,
                Cancellation* cancellation, const Terminal& terminal)
      : line_(line),
        connection_(connection),
        cancellation_(cancellation),
        terminal_(terminal),
        progress_(terminal.err, terminal.progress_style),
        retrier_({.connect_timeout_seconds = line.connect_timeout_seconds,
                  .retry_seconds = line.retry_seconds},
                 terminal.err, &progress_, cancellation) {}

  absl::Status operator()(const UploadOptions& options) {
    QSTORE_ASSIGN_OR_RETURN(const UploadPlan plan, PlanUpload(options));
    for (const std::string& note : NotesOf(plan)) {
      *terminal_.err << "note: " << Printable(note) << "\n";
    }
    if (options.dry_run) {
      Print(plan, DescribePlan(plan));
      return absl::OkStatus();
    }
    QSTORE_ASSIGN_OR_RETURN(const UploadResult result,
                            Upload(options, plan, &retrier_, connection_,
                                   &progress_, cancellation_));
    Print(result, DescribeUpload(result));
    return absl::OkStatus();
  }

  absl::Status operator()(const DownloadOptions& options) {
    QSTORE_ASSIGN_OR_RETURN(
        const DownloadResult result,
        Download(options, &retrier_, connection_, &progress_, cancellation_));
    Print(result, DescribeDownload(result, options.directory.native()));
    return absl::OkStatus();
  }

  absl::Status operator()(const ListOptions& options) {
    v1::ListModelsRequest request;
    request.set_prefix(options.prefix);
    v1::ListModelsResponse response;
    QSTORE_RETURN_IF_ERROR(
        Call(&v1::ModelStore::Stub::ListModels, request, &response));
    Print(response, DescribeList(response));
    return absl::OkStatus();
  }

  absl::Status operator()(const ShowOptions& options) {
    v1::GetRevisionResponse response;
    const auto attempt = [&]() -> absl::Status {
      QSTORE_RETURN_IF_ERROR(retrier_.Connect(connection_));
      QSTORE_ASSIGN_OR_RETURN(
          response, GetRevision(connection_, options.reference, cancellation_));
      return absl::OkStatus();
    };
    QSTORE_RETURN_IF_ERROR(retrier_.Run(attempt));
    Print(response, DescribeRevision(response));
    return absl::OkStatus();
  }

  absl::Status operator()(const TagOptions& options) {
    v1::SetTagRequest request;
    ToProto(options.reference, request.mutable_reference());
    request.set_tag(options.tag);
    v1::SetTagResponse response;
    QSTORE_RETURN_IF_ERROR(
        Call(&v1::ModelStore::Stub::SetTag, request, &response));
    Print(
        nlohmann::ordered_json{{"model", options.reference.model},
                               {"tag", options.tag},
                               {"revision", response.revision()}},
        absl::StrCat("tagged ", options.reference.model, ":", options.tag,
                     " = revision ", ShortRevision(response.revision()), "\n"));
    return absl::OkStatus();
  }

  absl::Status operator()(const DeleteOptions& options) {
    v1::DeleteRequest request;
    ToProto(options.reference, request.mutable_reference());
    v1::DeleteResponse response;
    // Twice it could take a revision that came in between, or report one
    // missing that the first time has deleted.
    QSTORE_RETURN_IF_ERROR(
        retrier_.RunOnce([&] { return retrier_.Connect(connection_); },
                         [&] {
                           return CallOnce(*connection_, &connection_->stub(),
                                           &v1::ModelStore::Stub::Delete,
                                           request, cancellation_, &response);
                         }));
    Print(response, DescribeDelete(options.reference.model, response));
    return absl::OkStatus();
  }

  absl::Status operator()(const VerifyOptions& options) {
    const std::string reference = options.reference.ToString();
    v1::VerifyResponse response;
    QSTORE_RETURN_IF_ERROR(
        retrier_.Run([&] { return Verify(options, &response); }));
    if (response.problems().empty()) {
      Print(response, DescribeVerify(reference, response));
      return absl::OkStatus();
    }
    absl::Status damage = absl::DataLossError(
        absl::StrCat(reference, " is damaged (", response.problems_size(),
                     " problems, the first: ", response.problems(0),
                     "): upload it again from its source"));
    nlohmann::ordered_json document = ToJson(response);
    document["error"] = ToJson(damage);
    Print(document, DescribeVerify(reference, response));
    error_printed_ = true;
    return damage;
  }

  absl::Status operator()(const BackupOptions& options) {
    v1::CreateBackupResponse response;
    const auto attempt = [&]() -> absl::Status {
      QSTORE_ASSIGN_OR_RETURN(
          response, CreateBackup(connection_, options.name, cancellation_));
      return absl::OkStatus();
    };
    // The second time would find the name taken by what the first has made.
    QSTORE_RETURN_IF_ERROR(retrier_.RunOnce(
        [&] { return retrier_.Connect(connection_); }, attempt));
    Print(response, DescribeBackup(options.name, response));
    return absl::OkStatus();
  }

  absl::Status operator()(const ScrubStatusOptions& /*options*/) {
    v1::ScrubStatus scrub;
    const auto attempt = [&]() -> absl::Status {
      QSTORE_RETURN_IF_ERROR(retrier_.Connect(connection_));
      QSTORE_ASSIGN_OR_RETURN(scrub,
                              GetScrubStatus(connection_, cancellation_));
      return absl::OkStatus();
    };
    QSTORE_RETURN_IF_ERROR(retrier_.Run(attempt));
    absl::Status damage = DamageError(scrub);
    nlohmann::ordered_json document = ToJson(scrub);
    if (!damage.ok()) document["error"] = ToJson(damage);
    Print(document, DescribeScrub(scrub));
    error_printed_ = !damage.ok();
    return damage;
  }

  // Whether the result already says what went wrong.
  bool error_printed() const { return error_printed_; }

 private:
  template <typename Result>
  void Print(const Result& result, const std::string& text) {
    if (!line_.json) {
      *terminal_.out << text << std::flush;
    } else if constexpr (std::is_same_v<Result, nlohmann::ordered_json>) {
      *terminal_.out << Dump(result) << std::endl;
    } else {
      *terminal_.out << Dump(ToJson(result)) << std::endl;
    }
  }

  template <typename Method, typename Request, typename Response>
  absl::Status Call(const Method& method, const Request& request,
                    Response* response) {
    return retrier_.Run([&]() -> absl::Status {
      QSTORE_RETURN_IF_ERROR(retrier_.Connect(connection_));
      return CallOnce(*connection_, &connection_->stub(), method, request,
                      cancellation_, response);
    });
  }

  absl::Status Verify(const VerifyOptions& options, v1::VerifyResponse* last) {
    QSTORE_RETURN_IF_ERROR(retrier_.Connect(connection_));
    grpc::ClientContext context;
    const Cancellation::Scope cancel(cancellation_,
                                     [&context] { context.TryCancel(); });
    v1::VerifyRequest request;
    ToProto(options.reference, request.mutable_reference());
    progress_.Begin(absl::StrCat("verifying ", options.reference.ToString()),
                    0);
    const std::unique_ptr<grpc::ClientReader<v1::VerifyResponse>> reader =
        connection_->stub().Verify(&context, request);
    v1::VerifyResponse response;
    while (reader->Read(&response)) {
      progress_.Set(response.checked_bytes(), 0);
      last->Swap(&response);
    }
    const grpc::Status status = reader->Finish();
    progress_.End();
    QSTORE_RETURN_IF_ERROR(FromGrpcStatus(status, connection_->server()));
    if (last->done()) return absl::OkStatus();
    return absl::InternalError(
        absl::StrCat("verifying ", options.reference.ToString(),
                     ": the server ended before it was done; try again"));
  }

  const CommandLine& line_;
  Connection* const connection_;
  Cancellation* const cancellation_;
  const Terminal& terminal_;
  Progress progress_;
  Retrier retrier_;
  bool error_printed_ = false;
};

}  // namespace

void PrintError(const absl::Status& error, bool json,
                const Terminal& terminal) {
  *terminal.err << "error: " << Printable(std::string(error.message()))
                << std::endl;
  if (!json) return;
  const nlohmann::ordered_json document = {{"error", ToJson(error)}};
  *terminal.out << Dump(document) << std::endl;
}

int RunCommand(const CommandLine& line, Connection* connection,
               Cancellation* cancellation, const Terminal& terminal) {
  CommandRunner runner(line, connection, cancellation, terminal);
  absl::Status status = std::visit(runner, line.command);
  if (status.ok()) return kExitOk;
  if (cancellation->cancelled()) status = Interrupted();
  PrintError(status, line.json && !runner.error_printed(), terminal);
  return kExitFailure;
}

}  // namespace qstore::client
