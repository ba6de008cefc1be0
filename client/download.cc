#include "client/download.h"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <map>
#include <memory>
#include <set>
#include <thread>
#include <utility>
#include <variant>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/file.h"
#include "base/quote.h"
#include "base/status.h"
#include "client/download_job.h"
#include "client/download_layout.h"
#include "client/download_stream.h"
#include "client/output_files.h"
#include "client/revision_query.h"
#include "client/staging.h"

namespace qstore::client {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kMaxDocumentBytes = 64u << 20;
constexpr char kIndexSuffix[] = ".safetensors.index.json";

size_t ThreadCount(uint32_t wanted) {
  if (wanted > 0) return wanted;
  return std::max(1u, std::thread::hardware_concurrency());
}

absl::Status ReplaceContents(const fs::path& path, const std::string& text) {
  QSTORE_ASSIGN_OR_RETURN(File file, File::Create(path));
  QSTORE_RETURN_IF_ERROR(file.WriteAt(0, AsBytes(text)));
  QSTORE_RETURN_IF_ERROR(file.Sync());
  return file.Close();
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

// Rewrites config.json and shard indexes beside the exported files. In another
// directory a file of that name means something else and stays as it is.
absl::Status ExportDocuments(const ExportFormat& format,
                             const DownloadLayout& layout,
                             const fs::path& root) {
  std::map<fs::path, std::vector<ExportTensor>> tensors;
  std::set<fs::path> exported;
  for (const DownloadLayout::File& file : layout.files()) {
    const fs::path directory = fs::path(file.path).parent_path();
    if (file.exported) exported.insert(directory);
    for (const DownloadLayout::Segment& segment : file.segments) {
      if (segment.tensor != nullptr) {
        tensors[directory].push_back(*segment.tensor);
      }
    }
  }
  for (const DownloadLayout::File& file : layout.files()) {
    const fs::path path(file.path);
    if (!exported.contains(path.parent_path())) continue;
    const bool config = path.filename() == "config.json";
    if (!config && !absl::EndsWith(file.path, kIndexSuffix)) continue;
    const std::vector<ExportTensor>& beside = tensors[path.parent_path()];
    QSTORE_ASSIGN_OR_RETURN(const std::string text,
                            ReadWholeFile(root / path, kMaxDocumentBytes));
    const absl::StatusOr<std::string> rewritten =
        config ? format.RewriteConfig(text, beside)
               : format.RewriteIndex(text, beside);
    if (!rewritten.ok()) {
      return Annotate(
          rewritten.status(),
          absl::StrCat("preparing ", Quoted(file.path), " for INT8"));
    }
    QSTORE_RETURN_IF_ERROR(ReplaceContents(root / path, *rewritten));
  }
  return absl::OkStatus();
}

uint64_t TotalBytes(const v1::BytesByKind& bytes) {
  return bytes.int8() + bytes.residual() + bytes.plain() + bytes.other();
}

// Works with one revision, whatever happens to its tag meanwhile.
class Downloader {
 public:
  Downloader(const DownloadOptions& options, Connection* connection,
             Progress* progress, Cancellation* cancellation)
      : options_(options),
        connection_(connection),
        progress_(progress),
        cancellation_(cancellation) {}

  absl::Status Run(const v1::GetRevisionResponse& revision,
                   DownloadResult* result);

 private:
  // Feeds the job until the server has ended the stream.
  absl::Status Receive(DownloadStream* stream, DownloadJob* job,
                       uint64_t* message_bytes);
  absl::Status CheckCancelled() const {
    if (!cancellation_->cancelled()) return absl::OkStatus();
    return absl::CancelledError("interrupted");
  }

  const DownloadOptions& options_;
  Connection* const connection_;
  Progress* const progress_;
  Cancellation* const cancellation_;
};

absl::Status Downloader::Run(const v1::GetRevisionResponse& revision,
                             DownloadResult* result) {
  QSTORE_ASSIGN_OR_RETURN(const v1::Precision precision,
                          ResolvePrecision(options_.precision, revision));
  const bool int8 = precision == v1::PRECISION_INT8;
  result->precision = int8 ? "int8" : "original";
  const ExportFormat* format = nullptr;
  TensorsByFile tensors;
  if (int8) {
    QSTORE_ASSIGN_OR_RETURN(format, FindExportFormat(options_.format));
    QSTORE_ASSIGN_OR_RETURN(tensors, ReadTensorSummaries(revision));
  }
  v1::DownloadRequest request;
  request.mutable_reference()->set_model(revision.model());
  request.mutable_reference()->set_revision(revision.revision());
  request.set_precision(precision);
  DownloadStream stream(connection_, request, cancellation_);
  uint64_t message_bytes = 0;
  QSTORE_ASSIGN_OR_RETURN(v1::RevisionManifest manifest,
                          ReceiveManifest(&stream, revision, &message_bytes));
  progress_->Begin(absl::StrCat("downloading ", options_.reference.ToString()),
                   TotalBytes(manifest.stored()));
  QSTORE_ASSIGN_OR_RETURN(
      DownloadLayout layout,
      DownloadLayout::Create(std::move(manifest), format, std::move(tensors)));
  QSTORE_ASSIGN_OR_RETURN(const std::unique_ptr<Staging> staging,
                          Staging::Create(options_.directory, layout.Paths()));
  OutputFiles output(staging->path(), layout.Paths());
  {
    DownloadJob job({.precision = precision,
                     .thread_count = ThreadCount(options_.threads),
                     .memory_bytes = options_.memory_mib << 20},
                    &layout, &output, progress_);
    QSTORE_RETURN_IF_ERROR(Receive(&stream, &job, &message_bytes));
    QSTORE_RETURN_IF_ERROR(job.Finish());
    result->received = job.received();
  }
  if (format != nullptr) {
    QSTORE_RETURN_IF_ERROR(ExportDocuments(*format, layout, staging->path()));
  }
  QSTORE_RETURN_IF_ERROR(CheckCancelled());
  for (const std::string& path : layout.Paths()) {
    QSTORE_ASSIGN_OR_RETURN(const File file,
                            File::OpenForRead(staging->path() / path));
    QSTORE_ASSIGN_OR_RETURN(const uint64_t size_bytes, file.SizeBytes());
    result->file_bytes += size_bytes;
  }
  QSTORE_RETURN_IF_ERROR(staging->Publish());

  result->file_count = layout.files().size();
  for (const DownloadLayout::File& file : layout.files()) {
    if (file.exported) result->format = options_.format;
  }
  result->bytes_sent += stream.bytes_sent();
  result->bytes_received += message_bytes;
  const uint64_t payload_bytes = TotalBytes(result->received);
  result->received.set_other(result->received.other() + result->bytes_received -
                             payload_bytes);
  return absl::OkStatus();
}

absl::Status Downloader::Receive(DownloadStream* stream, DownloadJob* job,
                                 uint64_t* message_bytes) {
  DownloadEvent event;
  while (true) {
    QSTORE_ASSIGN_OR_RETURN(const bool received, stream->Next(&event));
    if (!received) return absl::OkStatus();
    *message_bytes += event.message_bytes;
    QSTORE_RETURN_IF_ERROR(job->Handle(event));
  }
}

}  // namespace

absl::StatusOr<DownloadResult> Download(const DownloadOptions& options,
                                        Retrier* retrier,
                                        Connection* connection,
                                        Progress* progress,
                                        Cancellation* cancellation) {
  const auto start = std::chrono::steady_clock::now();
  QSTORE_RETURN_IF_ERROR(retrier->Connect(connection));
  QSTORE_ASSIGN_OR_RETURN(
      const v1::GetRevisionResponse revision,
      GetRevision(connection, options.reference, cancellation));
  DownloadResult result;
  result.model = revision.model();
  result.revision = revision.revision();
  v1::GetRevisionRequest query;
  ToProto(options.reference, query.mutable_reference());
  result.bytes_sent = query.ByteSizeLong();
  result.bytes_received = revision.ByteSizeLong();
  const absl::Status status =
      Downloader(options, connection, progress, cancellation)
          .Run(revision, &result);
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
