#include "cli/report.h"

#include <algorithm>
#include <ctime>
#include <map>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "base/byte_format.h"
#include "cli/two_copies.h"
#include "client/text_table.h"

namespace qstore::client {
namespace {

constexpr size_t kShortRevisionDigits = 12;
constexpr size_t kMaxTensorNameColumns = 48;
constexpr double kMinRateSeconds = 0.001;
// docs/int8.md has it at length.
constexpr char kInt8Formats[] =
    "INT8: --format compressed-tensors (W8A8, for vLLM and SGLang) "
    "or pack-quantized (W8A16, closer to the original);\n"
    "Transformers reads both with `pip install compressed-tensors`, and holds "
    "floats once it has loaded them\n";
constexpr auto kLeft = TextTable::Align::kLeft;
constexpr auto kRight = TextTable::Align::kRight;

std::string Count(uint64_t count, const char* noun) {
  return absl::StrCat(count, " ", noun, count == 1 ? "" : "s");
}

// "in 1.23 s (456 MB/s)"
std::string Rate(uint64_t bytes, double seconds) {
  const double rate =
      static_cast<double>(bytes) / std::max(seconds, kMinRateSeconds);
  return absl::StrFormat("in %.2f s (%s/s)", seconds,
                         FormatBytes(static_cast<uint64_t>(rate)));
}

std::string Shape(const v1::TensorSummary& tensor) {
  return tensor.shape().empty() ? "scalar" : absl::StrJoin(tensor.shape(), "x");
}

// Nothing where a kind has no part.
std::string Bytes(uint64_t bytes) {
  return bytes == 0 ? "-" : FormatBytes(bytes);
}

std::string BitsPerElement(uint64_t bytes, uint64_t count) {
  if (count == 0) return "-";
  return absl::StrFormat(
      "%.2f", 8 * static_cast<double>(bytes) / static_cast<double>(count));
}

// Of a transfer that went on where another had stopped.
std::string HadArrived(uint64_t bytes) {
  return bytes == 0
             ? ""
             : absl::StrCat(", ", FormatBytes(bytes), " had arrived before");
}

// One precision a row: what of the store it reads, and what that is worth.
std::string PrecisionTable(const v1::GetRevisionResponse& revision) {
  const v1::BytesByKind& stored = revision.stored();
  const uint64_t common = stored.plain() + stored.other();
  TextTable table;
  table.AddColumn("precision", kLeft);
  for (const char* heading : {"int8", "residual", "plain", "other", "read",
                              "of two copies", "bits/weight"}) {
    table.AddColumn(heading, kRight);
  }
  const QuantizedTotals quantized = SumQuantized(revision);
  table.AddRow(
      {"int8", Bytes(stored.int8()), "-", Bytes(stored.plain()),
       Bytes(stored.other()), FormatBytes(stored.int8() + common),
       FormatPercent(stored.int8() + common, revision.two_copies_bytes()),
       BitsPerElement(quantized.int8_bytes, quantized.weight_count)});
  table.AddRow(
      {"original", Bytes(stored.int8()), Bytes(stored.residual()),
       Bytes(stored.plain()), Bytes(stored.other()),
       FormatBytes(StoredBytes(stored)),
       FormatPercent(StoredBytes(stored), revision.two_copies_bytes()),
       BitsPerElement(quantized.stored_bytes(), quantized.weight_count)});
  return table.Format();
}

std::vector<std::string> TensorRow(const v1::TensorSummary& tensor) {
  const uint64_t stored = StoredBytes(tensor);
  return {Shorten(tensor.name(), kMaxTensorNameColumns),
          tensor.dtype(),
          Shape(tensor),
          Bytes(tensor.int8_bytes()),
          Bytes(tensor.residual_bytes()),
          Bytes(tensor.plain_bytes()),
          FormatPercent(stored, TwoCopiesBytes(tensor)),
          BitsPerElement(stored, ElementCount(tensor))};
}

std::string TensorTable(const v1::GetRevisionResponse& revision) {
  TextTable table;
  table.AddColumn("tensor", kLeft);
  table.AddColumn("dtype", kLeft);
  for (const char* heading :
       {"shape", "int8", "residual", "plain", "of two", "bits/w"}) {
    table.AddColumn(heading, kRight);
  }
  bool any = false;
  for (const v1::FileSummary& file : revision.files()) {
    for (const v1::TensorSummary& tensor : file.tensors()) {
      table.AddRow(TensorRow(tensor));
      any = true;
    }
  }
  return any ? table.Format() : "";
}

}  // namespace

std::string ShortRevision(const std::string& revision) {
  return revision.substr(0, kShortRevisionDigits);
}

std::string FormatTime(int64_t unix_seconds) {
  const auto time = static_cast<std::time_t>(unix_seconds);
  std::tm utc = {};
  if (gmtime_r(&time, &utc) == nullptr) return "an unknown time";
  char text[32] = {};
  std::strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S UTC", &utc);
  return text;
}

std::string DescribeUpload(const UploadResult& result) {
  const v1::UploadResponse& response = result.response;
  std::string text = absl::StrCat(
      response.created() ? "stored " : "already stored: ", response.model(),
      ":", response.tag(), " as revision ", ShortRevision(response.revision()),
      ", ", Count(result.file_count, "file"), ", ",
      FormatBytes(result.file_bytes), " ",
      Rate(result.file_bytes, result.seconds), HadArrived(result.resumed_bytes),
      "\n");
  const uint64_t stored = StoredBytes(response.stored());
  absl::StrAppend(&text, "takes ", FormatBytes(stored), ", ");
  if (result.quantized_tensors == 0) {
    absl::StrAppend(&text, FormatPercent(stored, result.file_bytes),
                    " of the files' size; nothing is quantized, so there is no "
                    "INT8\n");
    return text;
  }
  absl::StrAppend(&text, FormatPercent(stored, response.two_copies_bytes()),
                  " of the ", FormatBytes(response.two_copies_bytes()),
                  " that two copies would take; ",
                  Count(result.quantized_tensors, "tensor"), " quantized\n");
  return text;
}

std::string DescribeDownload(const DownloadResult& result,
                             const std::string& directory) {
  const std::string form =
      result.precision == "int8" && result.format.empty()
          ? " (nothing is quantized: these are the original files)"
      : result.format.empty() ? ""
                              : absl::StrCat(" (", result.format, ")");
  return absl::StrCat(
      "wrote ", result.model, " revision ", ShortRevision(result.revision),
      " in precision ", result.precision, form, " to ", directory, ": ",
      Count(result.file_count, "file"), ", ", FormatBytes(result.file_bytes),
      " ", Rate(result.file_bytes, result.seconds), ", ",
      FormatBytes(result.bytes_received), " received",
      HadArrived(result.resumed_bytes), "\n");
}

std::string DescribeList(const v1::ListModelsResponse& response) {
  if (response.models().empty()) return "no models\n";
  TextTable table;
  for (const char* heading : {"model", "revision", "tags"}) {
    table.AddColumn(heading, kLeft);
  }
  for (const v1::ModelSummary& model : response.models()) {
    std::map<std::string, std::vector<std::string>> tags;
    for (const v1::TagSummary& tag : model.tags()) {
      tags[tag.revision()].push_back(tag.name());
    }
    for (const std::string& revision : model.revisions()) {
      table.AddRow({model.name(), ShortRevision(revision),
                    absl::StrJoin(tags[revision], ", ")});
    }
  }
  return table.Format();
}

std::string DescribeRevision(const v1::GetRevisionResponse& revision) {
  const QuantizedTotals quantized = SumQuantized(revision);
  std::string text = absl::StrCat(
      revision.model(), " revision ", ShortRevision(revision.revision()),
      revision.tags().empty()
          ? ", no tags"
          : absl::StrCat(", tagged ", absl::StrJoin(revision.tags(), ", ")),
      ", stored ", FormatTime(revision.created_unix_seconds()), "\n",
      Count(revision.files_size(), "file"), ", ",
      FormatBytes(revision.original_bytes()), " original, ",
      FormatBytes(StoredBytes(revision.stored())), " stored: ",
      FormatPercent(StoredBytes(revision.stored()),
                    revision.two_copies_bytes()),
      " of two copies (", FormatBytes(revision.two_copies_bytes()), ")\n");
  if (quantized.tensor_count > 0) {
    absl::StrAppend(
        &text, Count(quantized.tensor_count, "quantized tensor"), " (",
        revision.quantizer(), "): ", FormatBytes(quantized.stored_bytes()),
        " stored, ",
        FormatPercent(quantized.stored_bytes(), quantized.two_copies_bytes),
        " of two copies\n", kInt8Formats);
  } else {
    absl::StrAppend(&text, "no INT8, since nothing is quantized\n");
  }
  absl::StrAppend(&text, "\n", PrecisionTable(revision));
  const std::string tensors = TensorTable(revision);
  if (!tensors.empty()) absl::StrAppend(&text, "\n", tensors);
  return text;
}

std::string DescribeDelete(const std::string& model,
                           const v1::DeleteResponse& response) {
  const std::string revision = ShortRevision(response.revision());
  const std::string tags =
      absl::StrCat(response.removed_tags_size() == 1 ? "tag " : "tags ",
                   absl::StrJoin(response.removed_tags(), ", "));
  if (!response.revision_deleted()) {
    return absl::StrCat("removed ", tags, " from ", model, "; revision ",
                        revision, " stays, since other tags name it\n");
  }
  return absl::StrCat(
      "deleted revision ", revision, " of ", model,
      response.removed_tags().empty() ? "" : absl::StrCat(" and ", tags), "; ",
      FormatBytes(response.reclaimed_bytes()), " freed\n");
}

std::string DescribeVerify(const std::string& reference,
                           const v1::VerifyResponse& response) {
  std::string text = absl::StrCat(
      "verified ", reference, " revision ", ShortRevision(response.revision()),
      ": ", Count(response.checked_objects(), "object"), ", ",
      FormatBytes(response.checked_bytes()), ", ",
      response.problems().empty() ? std::string("no damage")
                                  : Count(response.problems_size(), "problem"),
      "\n");
  for (const std::string& problem : response.problems()) {
    absl::StrAppend(&text, "  ", Printable(problem), "\n");
  }
  return text;
}

}  // namespace qstore::client
