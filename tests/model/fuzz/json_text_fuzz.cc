// Documents that came with a model: reading them must not read past their ends,
// and every edit of one that is an object must leave one that is.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "model/json_text.h"
#include "tests/fuzz_check.h"

namespace qstore::model {
namespace {

void Edit(const Json::Value& object, JsonEdits* edits) {
  edits->AddMember(object, "added", "{\n  \"a\": 1\n}");
  for (const Json::Value& member : object) {
    if (member.isObject()) {
      Edit(member, edits);
    } else if (member.isString()) {
      edits->Rename(member, "renamed \"");
      edits->AddBehind(member, ", \"behind\": 1");
    } else {
      edits->Replace(member, "[]");
    }
  }
}

}  // namespace
}  // namespace qstore::model

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  using namespace qstore::model;  // NOLINT
  const std::string text(reinterpret_cast<const char*>(bytes), size);
  const auto document = ParseJsonObject(text);
  if (!document.ok()) return 0;
  JsonEdits edits(text);
  QSTORE_FUZZ_CHECK(edits.Apply() == text);
  Edit(*document, &edits);
  const std::string edited = edits.Apply();
  const auto again = ParseJsonObject(edited);
  QSTORE_FUZZ_CHECK(again.ok());
  QSTORE_FUZZ_CHECK(again->isMember("added"));
  return 0;
}
