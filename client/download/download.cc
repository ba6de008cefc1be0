#include "client/download/download.h"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <memory>
#include <optional>
#include <thread>
#include <utility>
#include <variant>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/file.h"
#include "base/quote.h"
#include "base/status.h"
#include "client/download/download_job.h"
#include "client/download/download_journal.h"
#include "client/download/download_layout.h"
#include "client/download/download_stream.h"
#include "client/download/manifest_check.h"
#include "client/download/output_files.h"
#include "client/download/staging.h"
#include "client/export/documents.h"
#include "client/revision_query.h"
#include "client/rpc_status.h"

namespace qstore::client {
namespace {

namespace fs = std::filesystem;

size_t ThreadCount(uint32_t wanted) {
  if (wanted > 0) return wanted;
  return std::max(1u, std::thread::hardware_concurrency());
}

// The first message of the stream.
absl::StatusOr<v1::RevisionManifest> ReceiveManifest(
    DownloadStream* stream, const v1::GetRevisionResponse& revision,
    uint64_t* message_bytes) {
  DownloadEvent event;
  QSTORE_ASSIGN_OR_RETURN(const bool received, stream->Next(&event));
  auto* manifest =
      received ? std::get_if<v1::RevisionManifest>(&event.event) : nullptr;
  if (manifest == nullptr) {
    return absl::InternalError(
        "the server did not begin the download with a revision manifest");
  }
  if (manifest->revision() != revision.revision()) {
    return absl::InternalError(
        absl::StrCat("the server sent revision ", Quoted(manifest->revision()),
                     " instead of ", Quoted(revision.revision())));
  }
  QSTORE_RETURN_IF_ERROR(CheckRevisionManifest(*manifest));
  *message_bytes = event.message_bytes;
  return std::move(*manifest);
}

uint64_t TotalBytes(const v1::BytesByKind& bytes) {
  return bytes.int8() + bytes.residual() + bytes.plain() + bytes.other();
}

void AddTo(v1::BytesByKind* sum, const v1::BytesByKind& bytes) {
  sum->set_int8(sum->int8() + bytes.int8());
  sum->set_residual(sum->residual() + bytes.residual());
  sum->set_plain(sum->plain() + bytes.plain());
  sum->set_other(sum->other() + bytes.other());
}

// Works with one revision, whatever happens to its tag meanwhile, in as many
// attempts as it takes.
class Downloader {
 public:
  Downloader(const DownloadOptions& options,
             const v1::GetRevisionResponse& revision, Retrier* retrier,
             Connection* connection, Progress* progress,
             Cancellation* cancellation, DownloadResult* result)
      : options_(options),
        revision_(revision),
        retrier_(*retrier),
        connection_(connection),
        progress_(progress),
        cancellation_(cancellation),
        result_(*result) {}

  absl::Status Run();

 private:
  absl::Status RunAs(v1::Precision precision);
  absl::Status Attempt();
  // Makes a staging directory, or takes over what an earlier download left.
  absl::Status Stage();
  // One call of Download, down to the published files.
  absl::Status Fetch();
  absl::Status FetchInto(DownloadLayout* layout, DownloadStream* stream);
  // Feeds the job until the server has ended the stream.
  absl::Status Receive(DownloadStream* stream, DownloadJob* job);
  absl::Status Publish(const DownloadLayout& layout);
  absl::Status CheckCancelled() const {
    if (!cancellation_->cancelled()) return absl::OkStatus();
    return absl::CancelledError("interrupted");
  }

  const DownloadOptions& options_;
  const v1::GetRevisionResponse& revision_;
  Retrier& retrier_;
  Connection* const connection_;
  Progress* const progress_;
  Cancellation* const cancellation_;
  DownloadResult& result_;

  v1::Precision precision_ = v1::PRECISION_ORIGINAL;
  const ExportFormat* format_ = nullptr;
  TensorsByFile tensors_;
  std::string identity_;  // of the journal
  std::unique_ptr<Staging> staging_;
  std::optional<DownloadJournal> journal_;
  uint64_t most_chunks_ = 0;
};

absl::Status Downloader::Run() {
  QSTORE_ASSIGN_OR_RETURN(precision_,
                          ResolvePrecision(options_.precision, revision_));
  absl::Status status = RunAs(precision_);
  if (absl::IsFailedPrecondition(status) && options_.allow_original &&
      precision_ == v1::PRECISION_INT8) {
    retrier_.Note(absl::StrCat(std::string(status.message()),
                               "; writing the original files instead"));
    status = RunAs(v1::PRECISION_ORIGINAL);
  }
  QSTORE_RETURN_IF_ERROR(status);
  result_.attempts = retrier_.attempts();
  const uint64_t payload_bytes = TotalBytes(result_.received);
  result_.received.set_other(result_.received.other() + result_.bytes_received -
                             payload_bytes);
  return absl::OkStatus();
}

absl::Status Downloader::RunAs(v1::Precision precision) {
  precision_ = precision;
  const bool int8 = precision == v1::PRECISION_INT8;
  result_.precision = int8 ? "int8" : "original";
  format_ = nullptr;
  tensors_.clear();
  journal_.reset();
  staging_.reset();
  if (int8) {
    QSTORE_ASSIGN_OR_RETURN(format_, FindExportFormat(options_.format));
    QSTORE_ASSIGN_OR_RETURN(tensors_, ReadTensorSummaries(revision_));
    QSTORE_RETURN_IF_ERROR(CheckHasInt8(revision_));
  }
  return retrier_.Run([this] { return Attempt(); });
}

absl::Status Downloader::Attempt() {
  QSTORE_RETURN_IF_ERROR(retrier_.Connect(connection_));
  if (staging_ == nullptr) QSTORE_RETURN_IF_ERROR(Stage());
  absl::Status status = Fetch();
  if (absl::IsAborted(status)) {
    // Of what was there, only the damaged chunks.
    retrier_.Note(
        absl::StrCat(std::string(status.message()), ": fetching them again"));
    status = Fetch();
  }
  // Perhaps the journal says what is not so.
  if (staging_->taken_over() && !cancellation_->cancelled() &&
      (absl::IsDataLoss(status) || absl::IsInternal(status))) {
    retrier_.Note(absl::StrCat(std::string(status.message()),
                               "; not using what was there already"));
    journal_.reset();
    staging_.reset();
    QSTORE_RETURN_IF_ERROR(Stage());
    status = Fetch();
  }
  if (journal_.has_value() && journal_->chunk_count() > most_chunks_) {
    most_chunks_ = journal_->chunk_count();
    retrier_.Progressed();
  }
  staging_->set_keep(cancellation_->cancelled() || IsTransient(status));
  return status;
}

absl::Status Downloader::Stage() {
  for (const v1::FileSummary& file : revision_.files()) {
    QSTORE_RETURN_IF_ERROR(CheckNotReserved(file.path()));
  }
  identity_ = absl::StrCat("qstore download 1 of ", revision_.model(), "@",
                           revision_.revision(), " in ", result_.precision,
                           format_ == nullptr ? "" : " ",
                           format_ == nullptr ? "" : options_.format);
  QSTORE_ASSIGN_OR_RETURN(staging_,
                          Staging::Create(options_.directory, identity_));
  journal_.emplace(staging_->path(), identity_);
  most_chunks_ = 0;
  return absl::OkStatus();
}

absl::Status Downloader::Fetch() {
  v1::DownloadRequest request;
  request.mutable_reference()->set_model(revision_.model());
  request.mutable_reference()->set_revision(revision_.revision());
  request.set_precision(precision_);
  journal_->NameIn(&request);
  DownloadStream stream(connection_, request, cancellation_);
  result_.bytes_sent += stream.bytes_sent();
  uint64_t message_bytes = 0;
  QSTORE_ASSIGN_OR_RETURN(v1::RevisionManifest manifest,
                          ReceiveManifest(&stream, revision_, &message_bytes));
  result_.bytes_received += message_bytes;
  progress_->Begin(absl::StrCat("downloading ", options_.reference.ToString()),
                   TotalBytes(manifest.stored()));
  QSTORE_ASSIGN_OR_RETURN(
      DownloadLayout layout,
      DownloadLayout::Create(std::move(manifest), format_, tensors_));
  QSTORE_RETURN_IF_ERROR(staging_->Expect(layout.Paths()));
  QSTORE_RETURN_IF_ERROR(FetchInto(&layout, &stream));
  QSTORE_RETURN_IF_ERROR(CheckCancelled());
  return Publish(layout);
}

absl::Status Downloader::FetchInto(DownloadLayout* layout,
                                   DownloadStream* stream) {
  OutputFiles output(staging_->path(), layout->Paths());
  DownloadJob job({.precision = precision_,
                   .thread_count = ThreadCount(options_.threads),
                   .memory_bytes = options_.memory_mib << 20},
                  layout, &output, &*journal_, progress_);
  absl::Status status = Receive(stream, &job);
  if (status.ok()) status = job.Finish();
  AddTo(&result_.received, job.received());
  result_.resumed_bytes = job.held_bytes();
  return status;
}

absl::Status Downloader::Receive(DownloadStream* stream, DownloadJob* job) {
  DownloadEvent event;
  while (true) {
    QSTORE_ASSIGN_OR_RETURN(const bool received, stream->Next(&event));
    if (!received) return absl::OkStatus();
    result_.bytes_received += event.message_bytes;
    QSTORE_RETURN_IF_ERROR(job->Handle(event));
  }
}

absl::Status Downloader::Publish(const DownloadLayout& layout) {
  if (format_ != nullptr) {
    QSTORE_ASSIGN_OR_RETURN(
        const std::vector<std::string> notes,
        ExportDocuments(*format_, staging_->path(), layout.Paths(), tensors_));
    for (const std::string& note : notes) retrier_.Note(note);
  }
  result_.file_bytes = 0;
  for (const std::string& path : layout.Paths()) {
    QSTORE_ASSIGN_OR_RETURN(const File file,
                            File::OpenForRead(staging_->path() / path));
    QSTORE_ASSIGN_OR_RETURN(const uint64_t size_bytes, file.SizeBytes());
    result_.file_bytes += size_bytes;
  }
  journal_->Remove();
  QSTORE_RETURN_IF_ERROR(staging_->Publish());
  result_.file_count = layout.files().size();
  for (const DownloadLayout::File& file : layout.files()) {
    if (file.exported) result_.format = options_.format;
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<DownloadResult> Download(const DownloadOptions& options,
                                        Retrier* retrier,
                                        Connection* connection,
                                        Progress* progress,
                                        Cancellation* cancellation) {
  const auto start = std::chrono::steady_clock::now();
  v1::GetRevisionResponse revision;
  const auto get_revision = [&]() -> absl::Status {
    QSTORE_RETURN_IF_ERROR(retrier->Connect(connection));
    QSTORE_ASSIGN_OR_RETURN(
        revision, GetRevision(connection, options.reference, cancellation));
    return absl::OkStatus();
  };
  QSTORE_RETURN_IF_ERROR(retrier->Run(get_revision));
  DownloadResult result;
  result.model = revision.model();
  result.revision = revision.revision();
  v1::GetRevisionRequest query;
  ToProto(options.reference, query.mutable_reference());
  result.bytes_sent = query.ByteSizeLong();
  result.bytes_received = revision.ByteSizeLong();
  const absl::Status status = Downloader(options, revision, retrier, connection,
                                         progress, cancellation, &result)
                                  .Run();
  progress->End();
  if (!status.ok()) {
    return Annotate(status,
                    absl::StrCat("downloading ", options.reference.ToString()));
  }
  result.seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start)
          .count();
  return result;
}

}  // namespace qstore::client
