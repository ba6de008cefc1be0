#include "client/sinks/directory_sink.h"

#include <algorithm>
#include <iterator>
#include <system_error>
#include <utility>

#include "base/error_reason.h"
#include "base/status.h"
#include "client/sinks/download_journal.h"
#include "client/sinks/leftovers.h"
#include "client/sinks/output_files.h"
#include "client/sinks/present_files.h"
#include "client/sinks/staging.h"

namespace qstore::client {

DirectorySink::DirectorySink(std::filesystem::path directory)
    : directory_(std::move(directory)) {}

DirectorySink::~DirectorySink() = default;

bool DirectorySink::HasFiles() const {
  std::error_code ignored;
  return std::filesystem::is_directory(directory_, ignored) &&
         !std::filesystem::is_empty(directory_, ignored);
}

std::unique_ptr<FileWriter> DirectorySink::PresentFilesAt(
    const std::vector<std::string>& paths) const {
  return std::make_unique<PresentFiles>(directory_, paths);
}

void DirectorySink::KeepPresent(const std::vector<std::string>& paths) {
  Staging::RemoveAbandoned(directory_);
  notes_ = ClearLeftovers(directory_, paths, origin_);
}

std::vector<std::string> DirectorySink::TakeNotes() {
  return std::exchange(notes_, {});
}

absl::StatusOr<bool> DirectorySink::Open(const std::string& identity) {
  QSTORE_ASSIGN_OR_RETURN(staging_, Staging::Create(directory_, identity));
  journal_ = std::make_unique<DownloadJournal>(staging_->path(), identity);
  if (staging_->HasRival(identity)) {
    // Both may see each other and step back: whoever asks again waits a moment.
    Abandon(/*keep=*/false);
    return Staging::BeingWritten(directory_);
  }
  return staging_->taken_over();
}

absl::Status DirectorySink::Expect(const std::vector<std::string>& paths) {
  QSTORE_RETURN_IF_ERROR(staging_->Expect(paths));
  output_ = std::make_unique<OutputFiles>(staging_->path(), paths);
  return absl::OkStatus();
}

absl::Status DirectorySink::Publish() {
  QSTORE_RETURN_IF_ERROR(Noted(output_->Finish()));
  journal_->Remove();
  absl::StatusOr<std::vector<std::string>> notes = staging_->Publish(origin_);
  if (!notes.ok()) {
    journal_->Restore();
    return Noted(notes.status());
  }
  notes_ = *std::move(notes);
  Abandon(/*keep=*/false);
  return absl::OkStatus();
}

void DirectorySink::Abandon(bool keep) {
  output_ = nullptr;
  journal_ = nullptr;
  if (staging_ != nullptr) staging_->set_keep(keep || disk_refused_);
  staging_ = nullptr;
  disk_refused_ = false;
}

DownloadJournal* DirectorySink::journal() { return journal_.get(); }

absl::Status DirectorySink::DeclareSize(size_t file_index,
                                        uint64_t size_bytes) {
  output_->DeclareSize(file_index, size_bytes);
  return absl::OkStatus();
}

absl::Status DirectorySink::Write(size_t file_index, uint64_t offset_bytes,
                                  ByteView bytes) {
  return Noted(output_->Write(file_index, offset_bytes, bytes));
}

absl::Status DirectorySink::Copy(size_t from_index, uint64_t from_offset_bytes,
                                 size_t to_index, uint64_t to_offset_bytes,
                                 uint64_t size_bytes) {
  return Noted(output_->Copy(from_index, from_offset_bytes, to_index,
                             to_offset_bytes, size_bytes));
}

absl::Status DirectorySink::ReadEarlier(size_t file_index,
                                        uint64_t offset_bytes,
                                        MutableByteView out) const {
  return output_->ReadEarlier(file_index, offset_bytes, out);
}

absl::Status DirectorySink::KeepEarlier(size_t file_index,
                                        uint64_t size_bytes) {
  return Noted(output_->KeepEarlier(file_index, size_bytes));
}

absl::Status DirectorySink::Noted(absl::Status status) {
  if (status.ok()) return status;
  // What lies in the way, or a mistake of ours.
  static constexpr const char* kNotTheDisk[] = {
      kReasonFailedPrecondition, kReasonAlreadyExists, kReasonInternal};
  const std::string reason = EffectiveReasonOf(status);
  if (std::find(std::begin(kNotTheDisk), std::end(kNotTheDisk), reason) ==
      std::end(kNotTheDisk)) {
    disk_refused_ = true;
  }
  return status;
}

}  // namespace qstore::client
