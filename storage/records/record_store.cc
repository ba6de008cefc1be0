#include "storage/records/record_store.h"

#include "absl/strings/str_cat.h"
#include "base/text/quote.h"

namespace qstore::storage {

std::string DescribeRecord(std::string_view key) {
  return absl::StrCat("manifest: key ", Quoted(key));
}

}  // namespace qstore::storage
