// What `show` tells of a revision.
#pragma once

#include <string>

#include "client/listing.h"

namespace qstore::cli {

std::string DescribeRevision(const client::RevisionListing& revision);

}  // namespace qstore::cli
