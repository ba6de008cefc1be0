// The functions that names from outside pass, against any bytes: what they
// accept is safe to use, and what they say about it is safe to print.
#include <cstdint>
#include <filesystem>
#include <string>

#include "base/bytes.h"
#include "base/text/glob.h"
#include "base/text/quote.h"
#include "base/text/utf8.h"
#include "model/names.h"
#include "tests/fuzz_check.h"

namespace qstore {
namespace {

void CheckReference(std::string_view text) {
  const absl::StatusOr<ModelReference> reference = ParseModelReference(text);
  if (!reference.ok()) return;
  QSTORE_FUZZ_CHECK(ValidateModelName(reference->model).ok());
  QSTORE_FUZZ_CHECK(reference->tag.empty() !=
                    reference->revision_prefix.empty());
  const absl::StatusOr<ModelReference> again =
      ParseModelReference(reference->ToString());
  QSTORE_FUZZ_CHECK(again.ok());
  QSTORE_FUZZ_CHECK(again->model == reference->model);
  QSTORE_FUZZ_CHECK(again->tag == reference->tag);
  QSTORE_FUZZ_CHECK(again->revision_prefix == reference->revision_prefix);
}

// A path that is accepted stays below the directory that it is joined to, and
// has no second spelling.
void CheckPath(std::string_view text) {
  const absl::Status status = ValidateRelativePath(text);
  if (!status.ok()) {
    QSTORE_FUZZ_CHECK(status.code() == absl::StatusCode::kInvalidArgument);
    QSTORE_FUZZ_CHECK(
        IsValidUtf8({status.message().data(), status.message().size()}));
    return;
  }
  const std::filesystem::path joined =
      std::filesystem::path("/model") / std::string(text);
  QSTORE_FUZZ_CHECK(joined.native() == "/model/" + std::string(text));
  QSTORE_FUZZ_CHECK(joined.lexically_normal() == joined);
  QSTORE_FUZZ_CHECK(text.find('\0') == std::string_view::npos);
}

void CheckQuoting(std::string_view text) {
  const std::string quoted = Quoted(text);
  QSTORE_FUZZ_CHECK(IsValidUtf8(quoted));
  QSTORE_FUZZ_CHECK(quoted.size() <= 4 * 120 + 5);
  for (const char c : quoted) QSTORE_FUZZ_CHECK(c >= 0x20 || c < 0);
}

void CheckGlob(std::string_view text) {
  const std::string_view pattern = text.substr(0, text.size() / 2);
  const std::string_view name = text.substr(text.size() / 2);
  if (pattern.size() * name.size() > 1'000'000) return;
  GlobMatch(pattern, name);
  QSTORE_FUZZ_CHECK(GlobMatch("*", name));
  // Every pattern fits itself: `?` and `*` stand for themselves as well.
  QSTORE_FUZZ_CHECK(!IsValidUtf8(pattern) || GlobMatch(pattern, pattern));
}

}  // namespace
}  // namespace qstore

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* input, size_t size_bytes) {
  const std::string_view text =
      qstore::AsStringView(qstore::ByteView(input, size_bytes));
  qstore::CheckReference(text);
  qstore::CheckPath(text);
  qstore::CheckQuoting(text);
  qstore::CheckGlob(text);
  return 0;
}
