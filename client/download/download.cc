#include "client/download/download.h"

#include <algorithm>
#include <chrono>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <variant>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "absl/time/time.h"
#include "base/error_reason.h"
#include "base/hash.h"
#include "base/status.h"
#include "base/text/quote.h"
#include "client/download/comparable_objects.h"
#include "client/download/download_job.h"
#include "client/download/download_layout.h"
#include "client/download/download_stream.h"
#include "client/download/held_documents.h"
#include "client/export/documents.h"
#include "client/manifest_query.h"
#include "client/rpc_status.h"
#include "client/server_faults.h"
#include "client/sinks/download_journal.h"
#include "wire/read_request.h"

namespace qstore::client {
namespace {

size_t ThreadCount(uint32_t wanted) {
  if (wanted > 0) return wanted;
  return std::max(1u, std::thread::hardware_concurrency());
}

// The messages of the stream up to the last page.
absl::StatusOr<model::Manifest> ReceiveManifest(
    DownloadStream* stream, const ResolvedRevision& revision,
    uint64_t* message_bytes) {
  wire::ManifestAssembler assembler;
  while (!assembler.complete()) {
    DownloadEvent event;
    QSTORE_ASSIGN_OR_RETURN(const bool received, stream->Next(&event));
    if (!received) {
      return DamagedInTransitError(
          "the download ended before the last page of its manifest: try again");
    }
    const auto* page = std::get_if<v1::ManifestPage>(&event.event);
    if (page == nullptr) {
      return ContradictionError(
          "the server did not begin the download with a whole manifest");
    }
    *message_bytes += event.message_bytes;
    QSTORE_RETURN_IF_ERROR(AddPage(*page, &assembler));
  }
  QSTORE_ASSIGN_OR_RETURN(model::Manifest manifest, TakeManifest(&assembler));
  if (manifest.revision != revision.revision ||
      manifest.model != revision.model) {
    return ContradictionError(absl::StrCat(
        "the server sent revision ", Quoted(manifest.name()), " instead of ",
        Quoted(revision.model), "@", Quoted(revision.revision)));
  }
  return manifest;
}

// One line, as far as it tells one selection from another.
std::string DescribeSelection(const model::Selection& selection) {
  if (selection.all()) return "";
  v1::Selection message;
  wire::ToWire(selection, &message);
  return absl::StrCat(" part ",
                      absl::Hex(Xxh3(AsBytes(message.SerializeAsString()))));
}

// Whether there is no INT8 to be had, as against what may be mended.
bool LacksInt8(const absl::Status& status) {
  const std::string reason = ReasonOf(status);
  return reason == kReasonNoInt8 || reason == kReasonInt8NotExportable;
}

// While another process writes the same. Not in step with others that wait.
bool WaitABit(Cancellation* cancellation) {
  thread_local std::minstd_rand random{std::random_device()()};
  const int milliseconds = std::uniform_int_distribution<int>(100, 300)(random);
  absl::Notification cancelled;
  const Cancellation::Scope scope(cancellation,
                                  [&cancelled] { cancelled.Notify(); });
  return !cancelled.WaitForNotificationWithTimeout(
      absl::Milliseconds(milliseconds));
}

// Works with one revision, whatever happens to its tag meanwhile, in as many
// attempts as it takes.
class Downloader {
 public:
  Downloader(const std::string& name, const DownloadOptions& options,
             const ResolvedRevision& revision, Sink* sink, const Call& call,
             DownloadResult* result)
      : name_(name),
        options_(options),
        revision_(revision),
        sink_(sink),
        call_(call),
        result_(*result) {}
  ~Downloader() { Abandon(keep_); }
  Downloader(const Downloader&) = delete;
  Downloader& operator=(const Downloader&) = delete;

  absl::Status Run();

 private:
  absl::Status RunAs(const model::Representation& representation);
  absl::Status Attempt();
  // Begins to write, unless everything is there already (true).
  absl::StatusOr<bool> OpenUnlessPresent();
  absl::Status OpenSink();
  // Whether the files lie where they would be written, byte for byte. Only what
  // the client cannot know is received: documents and headers that an export
  // format changes.
  absl::StatusOr<bool> IsPresent();
  absl::StatusOr<bool> ComparePresent(const model::Manifest& manifest);
  void Abandon(bool keep);
  // One call of Download, down to the published files.
  absl::Status Fetch();
  absl::Status CheckManifest(const model::Manifest& manifest) const;
  absl::Status FetchInto(const model::Manifest& manifest,
                         const model::ReadPlan& plan, DownloadLayout* layout,
                         FileWriter* output, DownloadJournal* journal,
                         DownloadStream* stream);
  // Feeds the job until the server has ended the stream.
  absl::Status Receive(DownloadStream* stream, DownloadJob* job);
  // Writes the documents of exported files, which the sink does not have yet.
  absl::Status ExportInto(const model::Manifest& manifest,
                          HeldDocuments* documents);
  absl::Status Publish(const DownloadLayout& layout,
                       const HeldDocuments& documents);
  v1::DownloadRequest NewRequest() const;
  void TellOfFiles(const DownloadLayout& layout,
                   const HeldDocuments& documents);
  bool cancelled() const { return call_.cancellation->cancelled(); }

  const std::string& name_;
  const DownloadOptions& options_;
  const ResolvedRevision& revision_;
  Sink* const sink_;
  const Call& call_;
  DownloadResult& result_;

  model::Representation representation_;
  const ExportFormat* format_ = nullptr;
  bool open_ = false;     // the sink
  bool resumed_ = false;  // the sink had something
  bool keep_ = false;     // what it has, for another download
  uint64_t most_chunks_ = 0;
  uint64_t document_bytes_ = 0;
};

absl::Status Downloader::Run() {
  QSTORE_ASSIGN_OR_RETURN(const model::Representation wanted,
                          ParsePrecision(options_.precision));
  QSTORE_RETURN_IF_ERROR(model::ValidateSelection(options_.selection));
  absl::Status status = RunAs(wanted);
  if (LacksInt8(status) && options_.allow_original && !wanted.original()) {
    call_.events->Note(absl::StrCat(std::string(status.message()),
                                    "; writing the original files instead"));
    status = RunAs(model::Representation());
  }
  QSTORE_RETURN_IF_ERROR(status);
  Transfer& transfer = result_.transfer;
  transfer.attempts = call_.retrier->attempts();
  transfer.received.AddOther(transfer.bytes_received -
                             transfer.received.total());
  return absl::OkStatus();
}

absl::Status Downloader::RunAs(const model::Representation& representation) {
  representation_ = representation;
  result_.precision =
      representation.original() ? "original" : options_.precision;
  format_ = nullptr;
  Abandon(/*keep=*/false);
  if (!representation.original()) {
    QSTORE_ASSIGN_OR_RETURN(format_, FindExportFormat(options_.format));
  }
  return call_.retrier->Run([this] { return Attempt(); });
}

absl::Status Downloader::Attempt() {
  QSTORE_RETURN_IF_ERROR(call_.retrier->Connect(call_.connection));
  if (!open_) {
    QSTORE_ASSIGN_OR_RETURN(result_.up_to_date, OpenUnlessPresent());
    if (result_.up_to_date) return absl::OkStatus();
  }
  absl::Status status = Fetch();
  if (ReasonOf(status) == kReasonHeldDamaged) {
    // Of what was there, only the damaged chunks.
    call_.events->Note(
        absl::StrCat(std::string(status.message()), ": fetching them again"));
    status = Fetch();
  }
  // Perhaps the journal says what is not so. Not where the server says what is
  // wrong with what it stores.
  if (resumed_ && !cancelled() &&
      (IsServerFault(status) || ReasonOf(status) == kReasonHeldDamaged)) {
    call_.events->Note(absl::StrCat(std::string(status.message()),
                                    "; not using what was there already"));
    Abandon(/*keep=*/false);
    QSTORE_RETURN_IF_ERROR(OpenSink());
    status = Fetch();
  }
  const DownloadJournal* journal = sink_->journal();
  if (open_ && journal != nullptr && journal->chunk_count() > most_chunks_) {
    most_chunks_ = journal->chunk_count();
    call_.retrier->Progressed();
  }
  keep_ = cancelled() || IsTransient(status);
  return status;
}

absl::StatusOr<bool> Downloader::OpenUnlessPresent() {
  sink_->SetOrigin({.model = revision_.model,
                    .revision = revision_.revision,
                    .whole = options_.selection.all()});
  bool told = false;
  while (true) {
    QSTORE_ASSIGN_OR_RETURN(const bool present, IsPresent());
    if (present) return true;
    bool waited = false;
    absl::Status opened = OpenSink();
    for (; ReasonOf(opened) == kReasonBeingWritten; opened = OpenSink()) {
      if (!std::exchange(told, true)) {
        call_.events->Note(absl::StrCat(std::string(opened.message()),
                                        ": waiting until it has ended"));
      }
      waited = true;
      if (!WaitABit(call_.cancellation)) {
        return absl::CancelledError("interrupted");
      }
    }
    QSTORE_RETURN_IF_ERROR(opened);
    // What the other one left unfinished is gone on with.
    if (!waited || resumed_) return false;
    Abandon(/*keep=*/false);
  }
}

absl::StatusOr<bool> Downloader::IsPresent() {
  // Rows of tensors have no checksums of their own.
  if (!sink_->HasFiles() || !options_.selection.tensors.empty()) return false;
  ModelReference reference;
  reference.model = revision_.model;
  reference.revision_prefix = revision_.revision;
  uint64_t message_bytes = 0;
  absl::StatusOr<model::Manifest> manifest = FetchManifest(
      call_.connection, reference, call_.cancellation, &message_bytes);
  result_.transfer.bytes_received += message_bytes;
  if (!manifest.ok()) return manifest.status();
  QSTORE_RETURN_IF_ERROR(CheckManifest(*manifest));
  const absl::StatusOr<bool> present = ComparePresent(*manifest);
  call_.events->End();
  if (present.ok() || IsTransient(present.status()) || cancelled()) {
    return present;
  }
  // If it was not the files, an ordinary download says what it was.
  return false;
}

absl::StatusOr<bool> Downloader::ComparePresent(
    const model::Manifest& manifest) {
  ComparableObjects held;
  std::unique_ptr<FileWriter> present;
  {
    QSTORE_ASSIGN_OR_RETURN(
        const model::ReadPlan plan,
        model::PlanRead(manifest, options_.selection, representation_));
    QSTORE_ASSIGN_OR_RETURN(const DownloadLayout layout,
                            DownloadLayout::Create(&manifest, plan, format_));
    present = sink_->PresentFilesAt(layout.Paths());
    if (present == nullptr) return false;
    for (size_t i = 0; i < layout.files().size(); ++i) {
      const DownloadLayout::File& file = layout.files()[i];
      // Looked at first, since it costs least.
      if (!file.laid_out || IsRewritten(format_, file.path)) continue;
      QSTORE_RETURN_IF_ERROR(present->DeclareSize(i, file.size_bytes));
    }
    held = FindComparableObjects(layout, manifest.objects.size(), format_);
  }
  QSTORE_ASSIGN_OR_RETURN(const model::ReadPlan plan,
                          model::PlanRead(manifest, options_.selection,
                                          representation_, held.chunks));
  QSTORE_ASSIGN_OR_RETURN(DownloadLayout layout,
                          DownloadLayout::Create(&manifest, plan, format_));
  call_.events->Begin(absl::StrCat("comparing what is there of ", name_),
                      plan.to_read.total() + plan.held.total());
  HeldDocuments documents(
      format_ == nullptr ? std::vector<std::string>() : layout.Paths(),
      present.get());
  DownloadJournal journal;
  std::optional<DownloadStream> stream;
  if (!plan.chunks.empty()) {
    v1::DownloadRequest request = NewRequest();
    *request.mutable_held() = held.named;
    request.mutable_held()->set_revision(revision_.revision);
    stream.emplace(call_.connection, request, call_.cancellation);
    result_.transfer.bytes_sent += stream->bytes_sent();
    uint64_t message_bytes = 0;
    const auto again = ReceiveManifest(&*stream, revision_, &message_bytes);
    result_.transfer.bytes_received += message_bytes;
    QSTORE_RETURN_IF_ERROR(again.status());
  }
  QSTORE_RETURN_IF_ERROR(FetchInto(manifest, plan, &layout, &documents,
                                   &journal, stream ? &*stream : nullptr));
  if (cancelled()) return absl::CancelledError("interrupted");
  if (format_ != nullptr) {
    QSTORE_RETURN_IF_ERROR(ExportInto(manifest, &documents));
  }
  sink_->KeepPresent(layout.Paths());
  TellOfFiles(layout, documents);
  return true;
}

absl::Status Downloader::OpenSink() {
  const std::string identity = absl::StrCat(
      "qstore download 3 of ", revision_.model, "@", revision_.revision, " in ",
      result_.precision, format_ == nullptr ? "" : " ",
      format_ == nullptr ? "" : options_.format,
      DescribeSelection(options_.selection));
  QSTORE_ASSIGN_OR_RETURN(resumed_, sink_->Open(identity));
  open_ = true;
  most_chunks_ = 0;
  return absl::OkStatus();
}

void Downloader::Abandon(bool keep) {
  if (open_) sink_->Abandon(keep);
  open_ = false;
}

absl::Status Downloader::CheckManifest(const model::Manifest& manifest) const {
  QSTORE_RETURN_IF_ERROR(CheckNotReserved(manifest));
  if (!representation_.original()) return CheckHasInt8(manifest);
  return CheckPrecision(options_.precision, manifest);
}

v1::DownloadRequest Downloader::NewRequest() const {
  v1::DownloadRequest request;
  request.mutable_reference()->set_model(revision_.model);
  request.mutable_reference()->set_revision(revision_.revision);
  request.set_precision(wire::ToWire(representation_));
  wire::ToWire(options_.selection, request.mutable_selection());
  return request;
}

absl::Status Downloader::Fetch() {
  v1::DownloadRequest request = NewRequest();
  model::HeldChunks held;
  if (sink_->journal() != nullptr) {
    held = sink_->journal()->NameIn(request.mutable_held());
    request.mutable_held()->set_revision(revision_.revision);
  }
  DownloadStream stream(call_.connection, request, call_.cancellation);
  result_.transfer.bytes_sent += stream.bytes_sent();
  uint64_t message_bytes = 0;
  absl::StatusOr<model::Manifest> manifest =
      ReceiveManifest(&stream, revision_, &message_bytes);
  result_.transfer.bytes_received += message_bytes;
  if (!manifest.ok()) return manifest.status();
  QSTORE_RETURN_IF_ERROR(CheckManifest(*manifest));
  // The server makes the same plan.
  QSTORE_ASSIGN_OR_RETURN(
      const model::ReadPlan plan,
      model::PlanRead(*manifest, options_.selection, representation_, held));
  call_.events->Begin(absl::StrCat("downloading ", name_),
                      plan.to_read.total() + plan.held.total());
  QSTORE_ASSIGN_OR_RETURN(DownloadLayout layout,
                          DownloadLayout::Create(&*manifest, plan, format_));
  QSTORE_RETURN_IF_ERROR(sink_->Expect(layout.Paths()));
  HeldDocuments documents(
      format_ == nullptr ? std::vector<std::string>() : layout.Paths(), sink_);
  QSTORE_RETURN_IF_ERROR(FetchInto(*manifest, plan, &layout, &documents,
                                   sink_->journal(), &stream));
  if (cancelled()) return absl::CancelledError("interrupted");
  if (format_ != nullptr) {
    QSTORE_RETURN_IF_ERROR(ExportInto(*manifest, &documents));
  }
  return Publish(layout, documents);
}

absl::Status Downloader::FetchInto(const model::Manifest& manifest,
                                   const model::ReadPlan& plan,
                                   DownloadLayout* layout, FileWriter* output,
                                   DownloadJournal* journal,
                                   DownloadStream* stream) {
  DownloadJob job({.thread_count = ThreadCount(options_.threads),
                   .memory_bytes = options_.memory_bytes,
                   .stop_at_damage = journal != sink_->journal()},
                  &manifest, &plan, layout, output, journal, call_.events);
  absl::Status status = job.Begin();
  if (stream == nullptr) {
    job.ExpectNothing();
  } else if (status.ok()) {
    status = Receive(stream, &job);
  }
  if (status.ok()) status = job.Finish();
  result_.transfer.received += job.received();
  result_.transfer.resumed_bytes = plan.held.total();
  return status;
}

absl::Status Downloader::Receive(DownloadStream* stream, DownloadJob* job) {
  DownloadEvent event;
  while (true) {
    QSTORE_ASSIGN_OR_RETURN(const bool received, stream->Next(&event));
    if (!received) return absl::OkStatus();
    result_.transfer.bytes_received += event.message_bytes;
    QSTORE_RETURN_IF_ERROR(job->Handle(event));
  }
}

absl::Status Downloader::ExportInto(const model::Manifest& manifest,
                                    HeldDocuments* documents) {
  std::map<std::string, std::string> texts = documents->Documents();
  QSTORE_ASSIGN_OR_RETURN(
      const std::vector<std::string> notes,
      ExportDocuments(*format_, TensorsOf(manifest, format_), &texts));
  // Of a part, nobody expects a directory that engines load.
  if (options_.selection.all()) {
    for (const std::string& note : notes) call_.events->Note(note);
  }
  QSTORE_ASSIGN_OR_RETURN(document_bytes_, documents->WriteDocuments(texts));
  return absl::OkStatus();
}

absl::Status Downloader::Publish(const DownloadLayout& layout,
                                 const HeldDocuments& documents) {
  const absl::Status status = sink_->Publish();
  if (ReasonOf(status) == kReasonAlreadyExists) {
    // All is well if the other one has written the same.
    Abandon(/*keep=*/false);
    QSTORE_ASSIGN_OR_RETURN(const bool present, IsPresent());
    return present ? absl::OkStatus() : status;
  }
  QSTORE_RETURN_IF_ERROR(status);
  open_ = false;
  TellOfFiles(layout, documents);
  return absl::OkStatus();
}

void Downloader::TellOfFiles(const DownloadLayout& layout,
                             const HeldDocuments& documents) {
  for (const std::string& note : sink_->TakeNotes()) call_.events->Note(note);
  result_.file_count = layout.files().size();
  result_.file_bytes = document_bytes_;
  for (size_t i = 0; i < layout.files().size(); ++i) {
    const DownloadLayout::File& file = layout.files()[i];
    if (!documents.IsHeld(i)) result_.file_bytes += file.size_bytes;
    for (const ExportTensor& tensor : file.tensors) {
      if (tensor.quantized) result_.format = options_.format;
    }
  }
}

}  // namespace

absl::StatusOr<DownloadResult> Download(const ModelReference& reference,
                                        const DownloadOptions& options,
                                        Sink* sink, const Call& call) {
  const auto start = std::chrono::steady_clock::now();
  const std::string name = reference.ToString();
  ResolvedRevision revision;
  const auto resolve = [&]() -> absl::Status {
    QSTORE_RETURN_IF_ERROR(call.retrier->Connect(call.connection));
    QSTORE_ASSIGN_OR_RETURN(
        revision,
        ResolveRevision(call.connection, reference, call.cancellation));
    return absl::OkStatus();
  };
  QSTORE_RETURN_IF_ERROR(call.retrier->Run(resolve));
  DownloadResult result;
  result.model = revision.model;
  result.revision = revision.revision;
  result.transfer.bytes_sent = revision.bytes_sent;
  result.transfer.bytes_received = revision.bytes_received;
  const absl::Status status =
      Downloader(name, options, revision, sink, call, &result).Run();
  call.events->End();
  if (!status.ok()) {
    return Annotate(status, absl::StrCat("downloading ", name));
  }
  result.transfer.seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start)
          .count();
  return result;
}

}  // namespace qstore::client
