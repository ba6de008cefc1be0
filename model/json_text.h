// JSON documents that came with a model, read for their meaning and edited in
// their text. Anyone may have written them: Python's json writes bare Infinity
// and NaN, integers of any size, and an order of keys that people care about.
// So a document is parsed to be understood, and changed by replacing stretches
// of its text; what is not replaced stays byte for byte.
//
// Reading is jsoncpp's (docs/decisions/json-text.md), which remembers where in
// the text each value stood.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "json/value.h"

namespace qstore::model {

inline constexpr int kMaxJsonDepth = 100;

// `text` behind its byte order mark, if it has one.
std::string_view WithoutByteOrderMark(std::string_view text);

// Bare NaN, Infinity and -Infinity are taken; a byte order mark is skipped.
// FAILED_PRECONDITION, in words that follow "it", when `text` is not UTF-8, not
// a JSON object, or nested deeper than kMaxJsonDepth.
absl::StatusOr<Json::Value> ParseJsonObject(std::string_view text);

// The member `key` of `object`; a null pointer, or "", when there is none or it
// is of another kind.
const Json::Value* FindObject(const Json::Value& object, const char* key);
std::string FindString(const Json::Value& object, const char* key);

// Replacements in the text of a document that was parsed from it. The text
// outlives the edits; replaced stretches may not overlap.
class JsonEdits {
 public:
  explicit JsonEdits(std::string_view text);

  // Puts `json` in the place of `value`, which is not the document itself.
  void Replace(const Json::Value& value, std::string json);
  // Adds a member behind the last one of `object`. `json` is indented like the
  // member that stands before it when it has more than one line.
  void AddMember(const Json::Value& object, std::string_view key,
                 const std::string& json);
  // Adds members behind the member whose value is `value`.
  void AddBehind(const Json::Value& value, std::string members);
  // Renames the member whose value is `value`.
  void Rename(const Json::Value& value, std::string_view key);

  std::string Apply() const;

 private:
  struct Edit {
    size_t begin;
    size_t end;
    std::string text;
  };

  size_t Begin(const Json::Value& value) const;
  size_t End(const Json::Value& value) const;
  // Where the key of the member with this value begins, its quote included, and
  // where it ends.
  size_t KeyEnd(size_t value_begin) const;
  size_t KeyBegin(size_t key_end) const;

  const std::string_view text_;
  const size_t offset_;  // jsoncpp counts from behind a byte order mark
  std::vector<Edit> edits_;
};

// `text` as a JSON string, quotes included.
std::string JsonString(std::string_view text);

}  // namespace qstore::model
