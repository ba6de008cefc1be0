// What `show` tells of a revision.
#pragma once

#include <string>

#include "client/listing.h"

namespace qstore::cli {

struct RevisionDetails {
  bool files = false;
  bool tensors = false;
};

// A summary, and the details that are asked for.
std::string DescribeRevision(const client::RevisionListing& revision,
                             const RevisionDetails& details);

}  // namespace qstore::cli
