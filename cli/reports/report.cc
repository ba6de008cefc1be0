#include "cli/reports/report.h"

#include <algorithm>
#include <map>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/text/byte_format.h"
#include "base/text/printable.h"
#include "cli/phrases.h"
#include "cli/reports/text_table.h"

namespace qstore::cli {
namespace {

constexpr double kMinRateSeconds = 0.001;

// "in 1.23 s (456 MB/s)"
std::string Rate(uint64_t bytes, double seconds) {
  const double rate =
      static_cast<double>(bytes) / std::max(seconds, kMinRateSeconds);
  return absl::StrFormat("in %.2f s (%s/s)", seconds,
                         FormatBytes(static_cast<uint64_t>(rate)));
}

// Of a transfer that went on where another had stopped.
std::string HadArrived(uint64_t bytes) {
  return bytes == 0
             ? ""
             : absl::StrCat(", ", FormatBytes(bytes), " had arrived before");
}

}  // namespace

std::string SizeOfFiles(uint64_t stored_bytes, uint64_t file_bytes) {
  if (stored_bytes <= file_bytes) {
    return absl::StrCat(FormatBytes(stored_bytes), ", ",
                        FormatPercent(stored_bytes, file_bytes),
                        " of the files' size");
  }
  // Of small files, the records of them.
  return absl::StrCat(FormatBytes(stored_bytes), " for ",
                      FormatBytes(file_bytes), " of files");
}

std::string DescribeUpload(const client::UploadResult& result) {
  std::string text = absl::StrCat(
      result.created ? "stored " : "already stored: ", Printable(result.model),
      ":", Printable(result.tag), " as revision ",
      ShortRevision(result.revision), ", ", Count(result.file_count, "file"),
      ", ", FormatBytes(result.file_bytes), " ",
      Rate(result.file_bytes, result.transfer.seconds),
      HadArrived(result.transfer.resumed_bytes), "\n");
  if (!result.moved_from.empty()) {
    absl::StrAppend(&text, Printable(result.tag), " moved from revision ",
                    ShortRevision(result.moved_from), ", which stays\n");
  }
  const uint64_t stored = result.stored.total();
  if (result.quantized_tensors == 0) {
    absl::StrAppend(&text, "takes ", SizeOfFiles(stored, result.file_bytes),
                    "; nothing is quantized, so there is no INT8\n");
    return text;
  }
  absl::StrAppend(&text, "takes ", FormatBytes(stored), ", ",
                  FormatPercent(stored, result.two_copies_bytes), " of the ",
                  FormatBytes(result.two_copies_bytes),
                  " that two copies would take; ",
                  Count(result.quantized_tensors, "tensor"), " quantized\n");
  return text;
}

std::string DescribeDownload(const client::DownloadResult& result,
                             const std::string& directory) {
  const std::string form =
      result.precision == "int8" && result.format.empty()
          ? " (nothing is quantized: these are the original files)"
      : result.format.empty() ? ""
                              : absl::StrCat(" (", result.format, ")");
  if (result.up_to_date) {
    return absl::StrCat(
        Printable(result.model), " revision ", ShortRevision(result.revision),
        " in precision ", result.precision, form, " is up to date in ",
        Printable(directory), ": ", Count(result.file_count, "file"), ", ",
        FormatBytes(result.file_bytes), " compared ",
        Rate(result.file_bytes, result.transfer.seconds), ", ",
        FormatBytes(result.transfer.bytes_received), " received\n");
  }
  return absl::StrCat("wrote ", Printable(result.model), " revision ",
                      ShortRevision(result.revision), " in precision ",
                      result.precision, form, " to ", Printable(directory),
                      ": ", Count(result.file_count, "file"), ", ",
                      FormatBytes(result.file_bytes), " ",
                      Rate(result.file_bytes, result.transfer.seconds), ", ",
                      FormatBytes(result.transfer.bytes_received), " received",
                      HadArrived(result.transfer.resumed_bytes), "\n");
}

std::string DescribeList(const std::vector<client::ModelListing>& models,
                         const RevisionSummaries& summaries) {
  if (models.empty()) return "no models\n";
  TextTable table;
  for (const char* heading : {"model", "revision", "tags"}) {
    table.AddColumn(heading, TextTable::Align::kLeft);
  }
  if (!summaries.empty()) {
    table.AddColumn("size", TextTable::Align::kRight);
    table.AddColumn("stored", TextTable::Align::kRight);
    table.AddColumn("uploaded", TextTable::Align::kLeft);
  }
  for (const client::ModelListing& model : models) {
    std::map<std::string, std::vector<std::string>> tags;
    for (const auto& [tag, revision] : model.revision_by_tag) {
      tags[revision].push_back(tag);
    }
    for (const std::string& revision : model.revisions) {
      std::vector<std::string> row = {model.name, ShortRevision(revision),
                                      JoinNames(tags[revision])};
      if (!summaries.empty()) {
        const auto found = summaries.find({model.name, revision});
        const bool known = found != summaries.end();
        row.push_back(known ? FormatBytes(found->second.original_bytes) : "?");
        row.push_back(known ? FormatBytes(found->second.stored_bytes) : "?");
        row.push_back(known ? FormatTime(found->second.created_unix_seconds)
                            : "?");
      }
      table.AddRow(std::move(row));
    }
  }
  return table.Format();
}

namespace {

std::string StillUsed(const client::DeleteResult& result) {
  if (result.stored_bytes <= result.reclaimed_bytes) return "";
  return absl::StrCat(
      "; ", FormatBytes(result.stored_bytes - result.reclaimed_bytes),
      " of it is used by other revisions, or comes back when calls that read "
      "it end");
}

}  // namespace

std::string DescribeDelete(const std::string& model,
                           const client::DeleteResult& result) {
  const std::string revision = ShortRevision(result.revision);
  const std::string tags =
      absl::StrCat(result.removed_tags.size() == 1 ? "tag " : "tags ",
                   JoinNames(result.removed_tags));
  if (!result.revision_deleted) {
    return absl::StrCat("removed ", tags, " from ", model, "; revision ",
                        revision, " stays, since other tags name it\n");
  }
  return absl::StrCat("deleted revision ", revision, " of ", model,
                      result.removed_tags.empty() ? "" : " and ",
                      result.removed_tags.empty() ? "" : tags, "; ",
                      FormatBytes(result.reclaimed_bytes), " freed",
                      StillUsed(result), "\n");
}

std::string DescribeVerify(const std::string& reference,
                           const client::VerifyResult& result) {
  std::string text = absl::StrCat(
      "verified ", reference, " revision ", ShortRevision(result.revision),
      ": ", Count(result.checked_objects, "object"), ", ",
      FormatBytes(result.checked_bytes), ", ",
      result.problems.empty() ? std::string("no damage")
                              : Count(result.problems.size(), "problem"),
      "\n");
  for (const std::string& problem : result.problems) {
    absl::StrAppend(&text, "  ", Printable(problem), "\n");
  }
  return text;
}

std::string DescribeBackup(const std::string& name,
                           const client::BackupResult& result) {
  return absl::StrCat("made backup ", name, ": ",
                      FormatBytes(result.size_bytes), " in ",
                      Printable(result.path), " on the server\n");
}

}  // namespace qstore::cli
