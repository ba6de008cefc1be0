#include "cli/commands.h"

#include <string>
#include <type_traits>
#include <variant>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "base/text/printable.h"
#include "base/text/quote.h"
#include "cli/advice.h"
#include "cli/phrases.h"
#include "cli/reports/report.h"
#include "cli/reports/result_json.h"
#include "cli/reports/revision_report.h"
#include "cli/reports/scrub_report.h"
#include "cli/reports/upload_plan_report.h"
#include "client/sinks/directory_sink.h"
#include "client/upload/upload_plan.h"

namespace qstore::cli {
namespace {

// A message may hold bytes that are not UTF-8; JSON may not.
std::string Dump(const nlohmann::ordered_json& document) {
  constexpr int kIndent = 2;
  return PrintableJson(
      document.dump(kIndent, ' ', /*ensure_ascii=*/false,
                    nlohmann::ordered_json::error_handler_t::replace));
}

absl::Status Interrupted() {
  return absl::CancelledError(
      "interrupted; run the same command again to continue");
}

// One overload a command.
class CommandRunner {
 public:
  CommandRunner(const CommandLine& line, client::Session* session,
                client::Cancellation* cancellation, const Terminal& terminal)
      : line_(line),
        session_(*session),
        terminal_(terminal),
        progress_(terminal.err, terminal.progress_style, line.session.server),
        call_({.events = &progress_, .cancellation = cancellation}) {}

  absl::Status operator()(const UploadCommand& command) {
    QSTORE_ASSIGN_OR_RETURN(const client::UploadPlan plan,
                            client::PlanUpload(command.options));
    for (const std::string& note : NotesOf(plan)) progress_.Note(note);
    if (command.dry_run) {
      Print(plan, DescribePlan(plan));
      return absl::OkStatus();
    }
    QSTORE_ASSIGN_OR_RETURN(
        const client::UploadResult result,
        session_.UploadPlanned(command.options, plan, call_));
    Print(result, DescribeUpload(result));
    return absl::OkStatus();
  }

  absl::Status operator()(const DownloadCommand& command) {
    client::DirectorySink sink(command.directory);
    QSTORE_ASSIGN_OR_RETURN(
        const client::DownloadResult result,
        session_.Download(command.reference, command.options, &sink, call_));
    Print(result, DescribeDownload(result, command.directory.native()));
    return absl::OkStatus();
  }

  absl::Status operator()(const ListCommand& command) {
    QSTORE_ASSIGN_OR_RETURN(const std::vector<client::ModelListing> models,
                            session_.ListModels(command.prefix, call_));
    const RevisionSummaries summaries = Summarize(models, command.with_sizes);
    if (line_.json && !summaries.empty()) {
      Print(ToJson(models, summaries), "");
    } else {
      Print(models, DescribeList(models, summaries));
    }
    if (models.empty() && !command.prefix.empty()) {
      progress_.Note(
          absl::StrCat("no model's name begins with ", Quoted(command.prefix),
                       "; what is given to list is no pattern, and no tag"));
    }
    return absl::OkStatus();
  }

  absl::Status operator()(const ShowCommand& command) {
    QSTORE_ASSIGN_OR_RETURN(const client::RevisionListing revision,
                            session_.GetRevision(command.reference, call_));
    Print(revision, DescribeRevision(revision, {.files = command.files,
                                                .tensors = command.tensors}));
    return absl::OkStatus();
  }

  absl::Status operator()(const TagCommand& command) {
    QSTORE_ASSIGN_OR_RETURN(
        const std::string revision,
        session_.SetTag(command.reference, command.tag, call_));
    Print(nlohmann::ordered_json{{"model", command.reference.model},
                                 {"tag", command.tag},
                                 {"revision", revision}},
          absl::StrCat("tagged ", command.reference.model, ":", command.tag,
                       " = revision ", ShortRevision(revision), "\n"));
    return absl::OkStatus();
  }

  absl::Status operator()(const DeleteCommand& command) {
    QSTORE_ASSIGN_OR_RETURN(const client::DeleteResult result,
                            session_.Delete(command.reference, call_));
    Print(result, DescribeDelete(command.reference.model, result));
    return absl::OkStatus();
  }

  absl::Status operator()(const VerifyCommand& command) {
    const std::string reference = command.reference.ToString();
    QSTORE_ASSIGN_OR_RETURN(const client::VerifyResult result,
                            session_.Verify(command.reference, call_));
    absl::Status damage;
    if (!result.problems.empty()) {
      damage = absl::DataLossError(
          absl::StrCat(reference, " is damaged (", result.problems.size(),
                       " problems, the first: ", result.problems.front(),
                       "): upload it again from its source"));
    }
    return PrintWithDamage(result, DescribeVerify(reference, result), damage);
  }

  absl::Status operator()(const BackupCommand& command) {
    QSTORE_ASSIGN_OR_RETURN(const client::BackupResult result,
                            session_.CreateBackup(command.name, call_));
    Print(result, DescribeBackup(command.name, result));
    return absl::OkStatus();
  }

  absl::Status operator()(const ScrubStatusCommand& /*command*/) {
    QSTORE_ASSIGN_OR_RETURN(const client::ScrubStatus scrub,
                            session_.GetScrubStatus(call_));
    return PrintWithDamage(scrub, DescribeScrub(scrub), DamageError(scrub));
  }

  // Sizes and times, each by a call of its own: of all revisions where `all`,
  // else of none when there are many or nobody looks.
  RevisionSummaries Summarize(const std::vector<client::ModelListing>& models,
                              bool all) {
    constexpr size_t kFewRevisions = 50;
    size_t count = 0;
    for (const client::ModelListing& model : models) {
      count += model.revisions.size();
    }
    RevisionSummaries summaries;
    if (!all && (line_.json || count > kFewRevisions)) return summaries;
    for (const client::ModelListing& model : models) {
      for (const std::string& revision : model.revisions) {
        ModelReference reference;
        reference.model = model.name;
        reference.revision_prefix = revision;
        // Deleted meanwhile, or damaged: the rest is of interest still.
        const auto summary = session_.GetRevisionSummary(reference, call_);
        if (summary.ok()) summaries[{model.name, revision}] = *summary;
      }
    }
    return summaries;
  }

  // Whether the result already says what went wrong.
  bool error_printed() const { return error_printed_; }

 private:
  template <typename Result>
  void Print(const Result& result, const std::string& text) {
    if (!line_.json) {
      *terminal_.out << PrintableLines(text) << std::flush;
    } else if constexpr (std::is_same_v<Result, nlohmann::ordered_json>) {
      *terminal_.out << Dump(result) << std::endl;
    } else {
      *terminal_.out << Dump(ToJson(result)) << std::endl;
    }
  }

  // Returns `damage`, which the result has as its error too.
  template <typename Result>
  absl::Status PrintWithDamage(const Result& result, const std::string& text,
                               const absl::Status& damage) {
    nlohmann::ordered_json document = ToJson(result);
    if (!damage.ok()) {
      document["error"] = ErrorJson(damage, std::string(damage.message()));
      error_printed_ = true;
    }
    Print(document, text);
    return damage;
  }

  const CommandLine& line_;
  client::Session& session_;
  const Terminal& terminal_;
  Progress progress_;
  const client::CallOptions call_;
  bool error_printed_ = false;
};

}  // namespace

void PrintError(const absl::Status& error, const std::string& server, bool json,
                const Terminal& terminal) {
  const std::string sentence = ErrorForPeople(error, server);
  *terminal.err << "error: " << Printable(sentence) << std::endl;
  if (!json) return;
  const nlohmann::ordered_json document = {
      {"error", ErrorJson(error, sentence)}};
  *terminal.out << Dump(document) << std::endl;
}

int RunCommand(const CommandLine& line, client::Session* session,
               client::Cancellation* cancellation, const Terminal& terminal) {
  CommandRunner runner(line, session, cancellation, terminal);
  absl::Status status = std::visit(
      [&runner](const auto& command) { return runner(command); }, line.command);
  if (status.ok()) return kExitOk;
  if (cancellation->cancelled()) status = Interrupted();
  PrintError(status, line.session.server, line.json && !runner.error_printed(),
             terminal);
  return kExitFailure;
}

}  // namespace qstore::cli
