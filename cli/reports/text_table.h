// Columns of text that line up.
#pragma once

#include <string>
#include <vector>

namespace qstore::cli {

class TextTable {
 public:
  enum class Align { kLeft, kRight };

  // The first column must have a heading.
  void AddColumn(const std::string& heading, Align align);
  // One cell a column; each is made printable (base/text/printable.h).
  void AddRow(std::vector<std::string> cells);

  // Headings and rows, two spaces between columns, a newline after each line.
  // Widths are counted in code points.
  std::string Format() const;

 private:
  std::vector<Align> aligns_;
  std::vector<std::vector<std::string>> rows_ = {{}};  // headings first
};

// The middle replaced by "..." when `text` is longer than `max_bytes`; never in
// the middle of a code point.
std::string Shorten(const std::string& text, size_t max_bytes);

}  // namespace qstore::cli
