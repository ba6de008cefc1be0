#include "server/calls/reference_message.h"

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "base/text/quote.h"

namespace qstore::server {

absl::StatusOr<ModelReference> FromWire(const v1::Reference& reference) {
  ModelReference result;
  QSTORE_RETURN_IF_ERROR(ValidateModelName(reference.model()));
  result.model = reference.model();
  switch (reference.version_case()) {
    case v1::Reference::kTag:
      QSTORE_RETURN_IF_ERROR(ValidateTag(reference.tag()));
      result.tag = reference.tag();
      break;
    case v1::Reference::kRevision:
      QSTORE_RETURN_IF_ERROR(ValidateRevisionPrefix(reference.revision()));
      result.revision_prefix = reference.revision();
      break;
    case v1::Reference::VERSION_NOT_SET:
      result.tag = kDefaultTag;
      break;
  }
  return result;
}

std::string NameOf(const v1::Reference& reference) {
  std::string name = reference.model();
  switch (reference.version_case()) {
    case v1::Reference::kTag:
      absl::StrAppend(&name, ":", reference.tag());
      break;
    case v1::Reference::kRevision:
      absl::StrAppend(&name, "@", reference.revision());
      break;
    case v1::Reference::VERSION_NOT_SET:
      break;
  }
  // It may be anything as yet: escaped and cut, without the quotes.
  name = Quoted(name);
  return name.substr(1, name.size() - 2);
}

}  // namespace qstore::server
