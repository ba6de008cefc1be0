// The results of the commands as people read them.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "client/listing.h"
#include "client/results.h"

namespace qstore::cli {

// "30.6 MB, 66.2 % of the files' size", for what has one copy.
std::string SizeOfFiles(uint64_t stored_bytes, uint64_t file_bytes);

std::string DescribeUpload(const client::UploadResult& result);
std::string DescribeDownload(const client::DownloadResult& result,
                             const std::string& directory);
// By model and revision.
using RevisionSummaries =
    std::map<std::pair<std::string, std::string>, client::RevisionSummary>;

// `summaries`: empty, or of the revisions whose sizes and times are known.
std::string DescribeList(const std::vector<client::ModelListing>& models,
                         const RevisionSummaries& summaries);
std::string DescribeDelete(const std::string& model,
                           const client::DeleteResult& result);
std::string DescribeVerify(const std::string& reference,
                           const client::VerifyResult& result);
std::string DescribeBackup(const std::string& name,
                           const client::BackupResult& result);

}  // namespace qstore::cli
