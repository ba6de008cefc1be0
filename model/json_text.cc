#include "model/json_text.h"

#include <algorithm>
#include <exception>
#include <memory>
#include <utility>

#include "base/text/utf8.h"
#include "json/reader.h"
#include "nlohmann/json.hpp"

namespace qstore::model {
namespace {

constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";

const Json::CharReaderBuilder& Builder() {
  static const auto* const kBuilder = [] {
    auto* builder = new Json::CharReaderBuilder;
    Json::CharReaderBuilder::strictMode(&builder->settings_);
    (*builder)["allowSpecialFloats"] = true;
    (*builder)["rejectDupKeys"] = false;  // the last one counts, as in Python
    (*builder)["strictRoot"] = false;
    (*builder)["skipBom"] = false;  // WithoutByteOrderMark did, once
    (*builder)["stackLimit"] = kMaxJsonDepth;
    return builder;
  }();
  return *kBuilder;
}

bool IsSpace(char c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; }

}  // namespace

std::string_view WithoutByteOrderMark(std::string_view text) {
  return text.starts_with(kByteOrderMark) ? text.substr(kByteOrderMark.size())
                                          : text;
}

absl::StatusOr<Json::Value> ParseJsonObject(std::string_view text) {
  if (!IsValidUtf8(text)) {
    return absl::FailedPreconditionError("it is not UTF-8");
  }
  text = WithoutByteOrderMark(text);
  const std::unique_ptr<Json::CharReader> reader(Builder().newCharReader());
  Json::Value document;
  try {
    if (!reader->parse(text.data(), text.data() + text.size(), &document,
                       nullptr) ||
        !document.isObject()) {
      return absl::FailedPreconditionError("it is not a JSON object");
    }
  } catch (const std::exception&) {  // the stack limit is reported so
    return absl::FailedPreconditionError("its JSON is nested too deeply");
  }
  return document;
}

const Json::Value* FindObject(const Json::Value& object, const char* key) {
  if (!object.isObject() || !object.isMember(key)) return nullptr;
  const Json::Value& value = object[key];
  return value.isObject() ? &value : nullptr;
}

std::string FindString(const Json::Value& object, const char* key) {
  if (!object.isObject() || !object.isMember(key)) return "";
  const Json::Value& value = object[key];
  return value.isString() ? value.asString() : "";
}

JsonEdits::JsonEdits(std::string_view text)
    : text_(text), offset_(text.size() - WithoutByteOrderMark(text).size()) {}

size_t JsonEdits::Begin(const Json::Value& value) const {
  return offset_ + static_cast<size_t>(value.getOffsetStart());
}

size_t JsonEdits::End(const Json::Value& value) const {
  return offset_ + static_cast<size_t>(value.getOffsetLimit());
}

size_t JsonEdits::KeyEnd(size_t value_begin) const {
  size_t end = value_begin;
  while (text_[end - 1] != '"') --end;  // a colon and spaces
  return end;
}

size_t JsonEdits::KeyBegin(size_t key_end) const {
  // The quote that begins a string has no odd number of backslashes before it.
  size_t begin = key_end - 1;
  while (true) {
    begin = text_.rfind('"', begin - 1);
    size_t backslashes = 0;
    while (backslashes < begin && text_[begin - 1 - backslashes] == '\\') {
      ++backslashes;
    }
    if (backslashes % 2 == 0) return begin;
  }
}

void JsonEdits::Replace(const Json::Value& value, std::string json) {
  edits_.push_back({Begin(value), End(value), std::move(json)});
}

void JsonEdits::Rename(const Json::Value& value, std::string_view key) {
  const size_t end = KeyEnd(Begin(value));
  edits_.push_back({KeyBegin(end), end, JsonString(key)});
}

void JsonEdits::AddBehind(const Json::Value& value, std::string members) {
  edits_.push_back({End(value), End(value), std::move(members)});
}

void JsonEdits::AddMember(const Json::Value& object, std::string_view key,
                          const std::string& json) {
  size_t last_end = 0;
  size_t last_value = 0;
  for (const Json::Value& member : object) {
    if (End(member) > last_end) {
      last_end = End(member);
      last_value = Begin(member);
    }
  }
  if (last_end == 0) {  // it has no members
    const size_t begin = Begin(object) + 1;
    edits_.push_back({begin, End(object) - 1, JsonString(key) + ": " + json});
    return;
  }
  const size_t key_begin = KeyBegin(KeyEnd(last_value));
  size_t spaces = key_begin;
  while (IsSpace(text_[spaces - 1])) --spaces;
  const std::string_view before = text_.substr(spaces, key_begin - spaces);
  const size_t line = before.rfind('\n');
  std::string added = ",";
  added += line == std::string_view::npos ? " " : before;
  added += JsonString(key) + ": ";
  for (const char c : json) {
    if (c == '\n' && line != std::string_view::npos) {
      added += before.substr(line);
    } else {
      added += c;
    }
  }
  edits_.push_back({last_end, last_end, std::move(added)});
}

std::string JsonEdits::Apply() const {
  std::vector<Edit> edits = edits_;
  std::stable_sort(
      edits.begin(), edits.end(),
      [](const Edit& a, const Edit& b) { return a.begin < b.begin; });
  std::string result;
  size_t position = 0;
  for (const Edit& edit : edits) {
    result += text_.substr(position, edit.begin - position);
    result += edit.text;
    position = edit.end;
  }
  result += text_.substr(position);
  return result;
}

std::string JsonString(std::string_view text) {
  return nlohmann::json(text).dump(-1, ' ', /*ensure_ascii=*/false,
                                   nlohmann::json::error_handler_t::replace);
}

}  // namespace qstore::model
