// The results of the commands as people read them.
#pragma once

#include <string>
#include <vector>

#include "client/listing.h"
#include "client/results.h"

namespace qstore::cli {

std::string DescribeUpload(const client::UploadResult& result);
std::string DescribeDownload(const client::DownloadResult& result,
                             const std::string& directory);
std::string DescribeList(const std::vector<client::ModelListing>& models);
std::string DescribeDelete(const std::string& model,
                           const client::DeleteResult& result);
std::string DescribeVerify(const std::string& reference,
                           const client::VerifyResult& result);
std::string DescribeBackup(const std::string& name,
                           const client::BackupResult& result);

}  // namespace qstore::cli
