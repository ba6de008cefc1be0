#include "cli/reports/revision_report.h"

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/text/byte_format.h"
#include "base/text/printable.h"
#include "cli/phrases.h"
#include "cli/reports/report.h"
#include "cli/reports/text_table.h"
#include "cli/reports/two_copies.h"
#include "codec/layers.h"
#include "model/dtype.h"

namespace qstore::cli {
namespace {

constexpr size_t kMaxTensorNameColumns = 48;
// docs/int8.md has it at length.
constexpr char kInt8Formats[] =
    "INT8: --format compressed-tensors (W8A8, for vLLM and SGLang) "
    "or pack-quantized (W8A16, closer to the original);\n"
    "Transformers reads both with `pip install compressed-tensors`, and holds "
    "floats once it has loaded them\n";
constexpr auto kLeft = TextTable::Align::kLeft;
constexpr auto kRight = TextTable::Align::kRight;

// Nothing where a layer has no part.
std::string Bytes(uint64_t bytes) {
  return bytes == 0 ? "-" : FormatBytes(bytes);
}

std::string BitsPerElement(uint64_t bytes, uint64_t count) {
  if (count == 0) return "-";
  return absl::StrFormat(
      "%.2f", 8 * static_cast<double>(bytes) / static_cast<double>(count));
}

// Whether a reader of what `below` gives leaves `layer` alone.
bool StandsOn(const codec::Layer& layer, const codec::Layer& below) {
  for (const codec::Layer* next = codec::FindLayer(layer.stands_on);
       next != nullptr; next = codec::FindLayer(next->stands_on)) {
    if (next == &below) return true;
  }
  return false;
}

// What is read of `stored` for the precision of `layer`; null: the original.
model::LayerBytes ReadFor(const codec::Layer* layer,
                          const model::LayerBytes& stored) {
  model::LayerBytes read;
  for (const codec::Layer* other : codec::Layers()) {
    if (layer != nullptr && StandsOn(*other, *layer)) continue;
    read.Add(other->number, stored.of(other->number));
  }
  read.AddOther(stored.other());
  return read;
}

// One precision a row: what of the store it reads, and what that is worth.
std::string PrecisionTable(const client::RevisionListing& revision) {
  TextTable table;
  table.AddColumn("precision", kLeft);
  for (const codec::Layer* layer : codec::Layers()) {
    table.AddColumn(std::string(layer->name), kRight);
  }
  for (const char* heading :
       {"other", "read", "of two copies", "bits/weight"}) {
    table.AddColumn(heading, kRight);
  }
  const QuantizedTotals quantized = SumQuantized(revision);
  const auto add_row = [&](const std::string& name, const codec::Layer* layer) {
    const model::LayerBytes read = ReadFor(layer, revision.stored);
    std::vector<std::string> row = {name};
    for (const codec::Layer* one : codec::Layers()) {
      row.push_back(Bytes(read.of(one->number)));
    }
    row.push_back(Bytes(read.other()));
    row.push_back(FormatBytes(read.total()));
    row.push_back(FormatPercent(read.total(), revision.two_copies_bytes));
    row.push_back(BitsPerElement(ReadFor(layer, quantized.stored).total(),
                                 quantized.weight_count));
    table.AddRow(std::move(row));
  };
  for (const codec::Layer* layer : codec::Layers()) {
    if (!layer->gives_original) add_row(std::string(layer->name), layer);
  }
  add_row("original", nullptr);
  return table.Format();
}

std::vector<std::string> TensorRow(const client::TensorListing& tensor) {
  const uint64_t stored = tensor.stored.total();
  std::vector<std::string> row = {Shorten(tensor.name, kMaxTensorNameColumns),
                                  std::string(DtypeName(tensor.dtype)),
                                  FormatShape(tensor.shape)};
  for (const codec::Layer* layer : codec::Layers()) {
    row.push_back(Bytes(tensor.stored.of(layer->number)));
  }
  row.push_back(FormatPercent(stored, TwoCopiesBytes(tensor)));
  row.push_back(BitsPerElement(stored, tensor.element_count()));
  return row;
}

std::string TensorTable(const client::RevisionListing& revision) {
  TextTable table;
  table.AddColumn("tensor", kLeft);
  table.AddColumn("dtype", kLeft);
  table.AddColumn("shape", kRight);
  for (const codec::Layer* layer : codec::Layers()) {
    table.AddColumn(std::string(layer->name), kRight);
  }
  table.AddColumn("of two", kRight);
  table.AddColumn("bits/w", kRight);
  bool any = false;
  for (const client::FileListing& file : revision.files) {
    for (const client::TensorListing& tensor : file.tensors) {
      table.AddRow(TensorRow(tensor));
      any = true;
    }
  }
  return any ? table.Format() : "";
}

std::string FileTable(const client::RevisionListing& revision) {
  TextTable table;
  table.AddColumn("file", kLeft);
  table.AddColumn("size", kRight);
  table.AddColumn("tensors", kRight);
  for (const client::FileListing& file : revision.files) {
    table.AddRow(
        {file.path, FormatBytes(file.size_bytes),
         file.tensors.empty() ? "-" : absl::StrCat(file.tensors.size())});
  }
  return table.Format();
}

size_t TensorCount(const client::RevisionListing& revision) {
  size_t count = 0;
  for (const client::FileListing& file : revision.files) {
    count += file.tensors.size();
  }
  return count;
}

// One copy of what is not quantized is in both directories, so that "of two
// copies" would only flatter.
std::string SizeLine(const client::RevisionListing& revision, bool quantized) {
  const uint64_t stored = revision.stored.total();
  if (!quantized) {
    return absl::StrCat("takes ", SizeOfFiles(stored, revision.original_bytes));
  }
  return absl::StrCat(
      FormatBytes(stored),
      " stored: ", FormatPercent(stored, revision.two_copies_bytes),
      " of two copies (", FormatBytes(revision.two_copies_bytes), ")");
}

}  // namespace

std::string DescribeRevision(const client::RevisionListing& revision,
                             const RevisionDetails& details) {
  const QuantizedTotals quantized = SumQuantized(revision);
  std::string text = absl::StrCat(
      Printable(revision.model), " revision ", ShortRevision(revision.revision),
      revision.tags.empty()
          ? ", no tags"
          : absl::StrCat(", tagged ", JoinNames(revision.tags)),
      ", stored ", FormatTime(revision.created_unix_seconds), "\n",
      Count(revision.files.size(), "file"), ", ",
      Count(TensorCount(revision), "tensor"), ", ",
      FormatBytes(revision.original_bytes), " original, ",
      SizeLine(revision, quantized.tensor_count > 0), "\n");
  if (quantized.tensor_count > 0) {
    const uint64_t stored = quantized.stored.total();
    absl::StrAppend(
        &text, Count(quantized.tensor_count, "quantized tensor"), " (",
        Printable(revision.quantizer), "): ", FormatBytes(stored), " stored, ",
        FormatPercent(stored, quantized.two_copies_bytes), " of two copies\n",
        kInt8Formats, "\n", PrecisionTable(revision));
  } else {
    absl::StrAppend(&text, "no INT8, since nothing is quantized\n");
  }
  if (details.files) absl::StrAppend(&text, "\n", FileTable(revision));
  if (details.tensors) {
    const std::string tensors = TensorTable(revision);
    if (!tensors.empty()) absl::StrAppend(&text, "\n", tensors);
  }
  if (!details.files && !details.tensors) {
    absl::StrAppend(&text, "\n--files and --tensors list what is in it\n");
  }
  return text;
}

}  // namespace qstore::cli
