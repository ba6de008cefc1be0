#include "storage/records/validate_records.h"

#include <set>
#include <string>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "base/text/quote.h"
#include "base/text/utf8.h"
#include "model/manifest.h"
#include "model/names.h"

namespace qstore::storage {
namespace {

absl::Status Invalid(const std::string& text) {
  return absl::InvalidArgumentError(text);
}

// Adds to `sum`; false when it would overflow.
bool AddTo(uint64_t* sum, uint64_t term) {
  return !__builtin_add_overflow(*sum, term, sum);
}

absl::Status ValidateFile(const StoredFile& file) {
  uint64_t size_bytes = 0;
  for (const StoredSegment& segment : file.segments) {
    // Protobuf would write such a name and refuse to read it.
    if (!IsValidUtf8(segment.tensor_name)) {
      return Invalid("the name of a tensor is not UTF-8");
    }
    if (segment.object_id == 0) return Invalid("a segment names no object");
    if (!AddTo(&size_bytes, segment.raw_bytes)) {
      return Invalid("the sizes of its segments overflow");
    }
  }
  if (size_bytes != file.size_bytes) {
    return Invalid(absl::StrCat("its segments have ", size_bytes,
                                " bytes, the file has ", file.size_bytes));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status ValidateStoredObject(const model::Object& object) {
  if (object.id == 0) return Invalid("the object has no id");
  return model::ValidateObject(object);
}

absl::Status ValidateRevision(const StoredRevision& revision) {
  QSTORE_RETURN_IF_ERROR(ValidateModelName(revision.model));
  if (!IsValidUtf8(revision.quantizer)) {
    return Invalid("the name of the quantizer is not UTF-8");
  }
  std::set<std::string_view> paths;
  uint64_t original_bytes = 0;
  for (const StoredFile& file : revision.files) {
    QSTORE_RETURN_IF_ERROR(ValidateRelativePath(file.path));
    const std::string where = absl::StrCat("file ", Quoted(file.path));
    if (!paths.insert(file.path).second) {
      return Invalid(absl::StrCat(where, " appears twice"));
    }
    QSTORE_RETURN_IF_ERROR(Annotate(ValidateFile(file), where));
    if (!AddTo(&original_bytes, file.size_bytes)) {
      return Invalid(absl::StrCat(where, ": the sizes of all files overflow"));
    }
  }
  for (const std::string_view path : paths) {
    for (size_t slash = path.find('/'); slash != std::string_view::npos;
         slash = path.find('/', slash + 1)) {
      if (paths.contains(path.substr(0, slash))) {
        return Invalid(
            absl::StrCat("file ", Quoted(path), " lies inside another file"));
      }
    }
  }
  return absl::OkStatus();
}

}  // namespace qstore::storage
