#include "cli/reports/text_table.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/text/printable.h"

namespace qstore::cli {
namespace {

bool IsContinuation(char c) { return (static_cast<uint8_t>(c) & 0xc0) == 0x80; }

size_t CodePoints(const std::string& text) {
  return static_cast<size_t>(std::count_if(
      text.begin(), text.end(), [](char c) { return !IsContinuation(c); }));
}

}  // namespace

void TextTable::AddColumn(const std::string& heading, Align align) {
  aligns_.push_back(align);
  rows_.front().push_back(heading);
}

void TextTable::AddRow(std::vector<std::string> cells) {
  for (std::string& cell : cells) cell = Printable(cell);
  rows_.push_back(std::move(cells));
}

std::string TextTable::Format() const {
  std::vector<size_t> widths(aligns_.size(), 0);
  for (const std::vector<std::string>& row : rows_) {
    for (size_t i = 0; i < row.size(); ++i) {
      widths[i] = std::max(widths[i], CodePoints(row[i]));
    }
  }
  std::string text;
  for (const std::vector<std::string>& row : rows_) {
    std::string line;
    for (size_t i = 0; i < row.size(); ++i) {
      const std::string padding(widths[i] - CodePoints(row[i]), ' ');
      if (i > 0) line += "  ";
      line += aligns_[i] == Align::kLeft ? row[i] + padding : padding + row[i];
    }
    line.erase(line.find_last_not_of(' ') + 1);
    absl::StrAppend(&text, line, "\n");
  }
  return text;
}

std::string Shorten(const std::string& text, size_t max_bytes) {
  constexpr size_t kDotsBytes = 3;
  if (text.size() <= max_bytes || max_bytes <= kDotsBytes) return text;
  size_t head = (max_bytes - kDotsBytes) / 2;
  size_t tail = text.size() - (max_bytes - kDotsBytes - head);
  while (head > 0 && IsContinuation(text[head])) --head;
  while (tail < text.size() && IsContinuation(text[tail])) ++tail;
  return absl::StrCat(text.substr(0, head), "...", text.substr(tail));
}

}  // namespace qstore::cli
